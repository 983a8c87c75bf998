// Package ctl is the client side of the command line: the commands that talk to
// a running server, or look at what one left on disk.
//
// `zensus zk` speaks ZooKeeper's protocol to any ZooKeeper: one verb from the
// command line, or a shell with the same verbs, history and completion. `zensus
// user` speaks Nacos's HTTP interface. `zensus data` reads a data directory of a
// server that does not run. The verbs of zk are built once for each line, around
// one session; the shell and the command line differ in nothing but who reads the
// line.
//
// Text output is close to that of ZooKeeper's own zkCli.sh, so that what people
// and scripts are used to holds; -o json is for programs. Results go to standard
// output, remarks to standard error. Commands returns what main adds to the root.
package ctl
