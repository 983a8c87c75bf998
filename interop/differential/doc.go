// Package differential plays the same random requests to Zensus and to Apache
// ZooKeeper and compares everything that comes back.
//
// A Script is made from a seed (generate.go): steps on several connections and
// sessions, of which most are bursts of requests written at once. It knows
// nothing of any server. A Side is one server and its connections; it plays a
// script (play.go) and records every frame that arrives, in order and by
// connection (frame.go). After each step every connection is pinged, so that
// what a step caused, on whichever connection, is recorded with it.
//
// A Judge compares two records of one script (judge.go). Zxids count from the
// server's first, sessions from the first that was opened; of times only their
// relations are compared. What differs must be of a class (classes.go), a closed
// list with reasons that docs/protocol/zookeeper-differences.md repeats, or it
// is a finding. A script with a finding is reduced to the steps that it needs
// (shrink.go).
package differential
