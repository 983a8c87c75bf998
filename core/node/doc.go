// Package node runs a replica: it gives it a disk, a clock and connections, and
// does what its outputs ask for.
//
// Whoever holds the owner loop calls Step, and nobody else does: as a rule the
// goroutine of Run, for a few small requests or a small message of a peer the one that
// has read them, for a request of a client in process that has no other under way its
// caller, and for a small batch the disk worker (help). Around it, and connected with it
// by queues, stand
//   - the disk worker, which appends to the log and syncs it, so that a batch grows
//     while the previous one syncs; a helper does so in its place where a single
//     connection is at work, or a single one at some other server, or a single client
//     in process;
//   - a goroutine that reads the log while a role takes over what is committed;
//   - a snapshot worker while a snapshot is written, which then removes the files
//     that it made superfluous; the store allows that, and questions about its
//     size, beside the disk worker;
//   - in an ensemble, the links to the other nodes (core/peer), and goroutines that read
//     the log or send a snapshot for one that lacks much;
//   - the flusher, which hands what connections are to be sent to their ports,
//     unless a helper does so at once.
//
// New opens the data directory; where there is no snapshot yet a goroutine applies what of
// the log is committed meanwhile.
//
// A connection is a Port: the shell of the client protocol (core/server) makes
// one per socket, and the clients of the process itself (Open, Resume) are ports
// too. Requests are the same frames on both, so that there is one way through.
//
// A write or sync that fails ends Run with the error, and whoever runs the node
// must end the process (zab Z-06).
package node
