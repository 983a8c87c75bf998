// Package watch knows who must hear of a change.
//
// A Table belongs to one server and holds the watches of its connections in the
// two tables of ZooKeeper, data and child (zookeeper-protocol section 5). The
// three modes, one-shot, persistent and persistent recursive, live side by side
// on a path, and a connection hears of one change once from each table whatever
// its modes. Created, Deleted and DataChanged collect the connections to tell,
// in the order in which their events must go out, and use up one-shots.
//
// Everything is reachable both by path and by connection, so that a trigger
// costs what it tells, a closing connection costs what it watched, and a change
// that nobody watches costs a map lookup or two and no memory: of its ancestors
// only those are looked up whose length some recursive watch has. An entry takes 28
// bytes; a path that is watched some 80 more and its text.
//
// The table does not know the znodes: whether a path exists, what a connection
// may read and what an event's zxid is are the caller's concern. It is pure and
// for one goroutine, the one that applies transactions.
package watch
