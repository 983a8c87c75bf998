// Package interop tries Zensus with the clients that people have: unmodified,
// from their own package registries, against a real server process.
//
// The tests in Go speak through go-zookeeper and nacos-sdk-go directly. Those of
// other languages start a program of python/ or java/ with the server's address;
// the program does its work and prints a line "ok STEP" for what held, and the
// test demands every step by name. A client that is not installed is skipped with
// the reason, unless ZENSUS_REQUIRE_INTEROP is 1: then it fails.
//
// Where ZENSUS_LOGS names a directory, each program's output is kept there in a file
// of its own. ZENSUS_ROUNDS is how often a test of many clients kills each node.
//
// The module is nested so that no foreign client enters the product's own graph.
// `make deps` installs what the other languages need.
package interop
