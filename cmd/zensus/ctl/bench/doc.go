// Package bench loads a server that speaks ZooKeeper's protocol and measures it,
// alone or in turn with a second one.
//
// The load generator speaks the protocol itself: a connection keeps a fixed
// number of requests in flight, answers come in reads of many, and what they
// allow is sent in one write, so that its own processor time per request stays
// far below a server's. Two servers are measured round by round in alternation
// and compared by the ratio of their medians, so that a machine whose speed
// drifts drifts for both. A server that bench starts itself is also asked, through
// /proc, what memory and processor time it took.
package bench
