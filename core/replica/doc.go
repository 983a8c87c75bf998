// Package replica is one server's whole behaviour as one machine: the protocol
// between servers (core/zab), the replicated state (core/state), the sessions
// and the connections of clients, with the order that each of them was promised.
//
// Step takes one input, changes the replica and appends to an Output what the
// shell must do: write to the disk, send to a connection. The shell that does
// so for real is core/node; core/sim does the same on fake disks under a seed.
// A disk that finished is an input like any other, and nothing is acknowledged
// before it came.
//
// In an ensemble a learner's replica reads and serves by itself, and sends the leader
// its clients' writes (forward), their signs of life (touches), their sessions when
// they come back (revalidate) and their syncs; a write comes back as what was
// committed. The leader decides what is allowed, which sessions live, and who has
// their clients.
//
// What is promised to a connection, and kept here:
//   - replies leave in the order of the requests;
//   - a read behind a write of the same connection waits for it, others do not;
//   - reads run in Step, so that reading, arming the watch and encoding the reply
//     are one moment;
//   - a watch event is in the connection's buffer before any reply that could
//     show its change, and all events of one transaction are together.
//
// The package is pure: Now carries the time, Output the effects.
package replica
