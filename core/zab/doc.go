// Package zab is the replication protocol as a machine: elections, epochs, the log,
// acks, commits. It is told what happened (a disk finished, a link brought a message,
// time passed) and says what must be done; it never waits.
//
// The specification is the project's zab reference; the rules Z-nn and the
// invariants I1 to I16 are named where the code keeps them. A server looks for a
// leader (election.go), leads (leading.go) or learns from a leader (learning.go);
// what belongs to a role lives in a value of its own and ends with it. Roles end
// only when the disk has done all that it was asked for: what a server says of
// itself is what is durable.
//
// A leader's history goes to a learner as one stream: the log from the last position
// that both have, or from a snapshot, through the marker of the epoch, to what is
// proposed just now. The marker is the NEWLEADER of the papers, and its ack accepts
// the epoch. docs/decisions/0019 says why.
//
// Who votes is what the last committed reconfiguration says; while one is in the log that
// is not known to be committed, decisions need the old quorum and the new (members.go).
//
// The package is pure. Its owner is core/replica.
package zab
