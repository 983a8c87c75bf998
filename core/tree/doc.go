// Package tree holds the znodes themselves.
//
// A Tree is what a server keeps in memory: names, data, access lists, Stat
// fields, ephemerals by session, containers and TTL nodes, quotas, and the tree
// digest of ZooKeeper's version 2, kept up to date by every change. It knows
// nothing of sessions that end, of permissions or of watches: core/state decides
// what may happen and tells the tree what did, by calls that can be repeated
// (ZooKeeper replays over a snapshot that may already hold the effect).
//
// A million znodes must not cost a garbage collector a million objects. So a
// znode is a record without pointers of 64 bytes, one cache line, in a page of
// 256; what most znodes do not have (a second version, children, a session) lies
// in side tables of the same kind; name and data share one block of a byte arena;
// a znode is found by the hash of its path in an index that grows one small
// segment at a time. Siblings are linked through the records.
//
// A View is the whole tree as it was at one moment. It is taken by copying the
// tables of page pointers; from then on the tree copies a page before the first
// write to it and leaves the arena's bytes as they are. Another goroutine reads
// the view while the tree goes on.
//
// One goroutine owns a Tree; nothing here locks. The single exception is
// View.Close, an atomic flag that the owner looks at. The owner calls Maintain
// now and then: it gives back the arena's garbage in bounded steps.
package tree
