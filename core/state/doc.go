// Package state is the replicated machine behind the protocol: what a request
// does to the tree and the sessions, and what a read shows of them.
//
// A write goes through it twice. Prepare, on the leader, checks the request
// against the tree and against the changes that are under way but not yet
// applied, and turns it into a transaction whose effect does not depend on the
// state it will meet: resulting versions, sequence numbers and the list of a
// closing session's ephemeral znodes are inside (zab Z-42). A refused request
// becomes an error transaction, so that it takes a zxid like any other. Apply,
// on every server and from wherever the record comes (live, from the log at a
// start, from a leader), is the one way in which the state changes.
//
// Reads answer from the applied state and arm watches in the same step, so that
// no change can slip between the two.
//
// The package is pure: no clock, lock, goroutine or file. Its owner is
// core/replica, which calls it from one goroutine.
package state
