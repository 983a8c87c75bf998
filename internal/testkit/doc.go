// Package testkit runs servers for tests: real processes of the real binary, on
// free ports of the loopback address, with a data directory of their own.
//
// Binary builds the command once for a test process, from the sources the test
// was compiled from. Start writes a zoo.cfg, runs `zensus serve -c` on it and
// returns when the server answers. A Server can be killed as a power failure of
// the process would (Kill), asked to end (Stop) and started again on the same
// ports and data (Restart); it ends with the test, and, on Linux, with the test
// process however that ends.
//
// The package is for tests of other packages and of the interop module only. It
// knows the server by its command line and its ports, never by its packages.
package testkit
