// Package zab is the replication protocol as a machine: epochs, the log, acks,
// commits. It is told what happened (a disk finished, a link brought a message)
// and says what must be done; it never waits.
//
// The specification is the project's zab reference; the rules Z-nn and the
// invariants I1 to I16 are named where the code keeps them. This release runs
// ensembles of one voter: an election that one vote decides, a discovery and a
// synchronization with nobody to discover, and a broadcast that the own disk
// acknowledges. They are the same phases, in the same order and with the same
// durable steps, as for many; messages and links of peers are in the list of
// inputs and are answered by dropping them, since no peer is configured.
//
// The package is pure. Its owner is core/replica.
package zab
