// Package settings reads what a server is told by its operator: defaults, a YAML
// file, the environment (ZENSUS_LISTEN_HTTP for listen.http), flags; each over
// those before it.
//
// Load gives a Settings that has been checked; all that is wrong is reported
// together, each problem with the key that it is about. A key that does not
// exist is an error, so that a typing mistake does not become a default. Print
// writes the settings that hold, for `zensus serve --check`.
//
// The package is the only user of viper and hands out plain structs. It also
// reads or makes the secret that all members of an ensemble share and derives
// from it, with HKDF, the keys for each purpose (Secret). A zoo.cfg is not read
// here but by core/apache.
package settings
