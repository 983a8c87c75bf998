// Package chaos has tests that run real servers as an ensemble, with observers, and let
// faults happen to them: kill -9 of one, of the leader, of all, of all observers,
// SIGSTOP, restarts one after the other, cuts of the network in both directions and in
// one, a disk that is full or nearly so. Clients are asked whether they noticed more
// than they may: histories must be linearizable, watches in order and complete,
// ephemeral znodes gone with their sessions and not before, and the servers' trees
// alike in the end. Others hold ensembles to how many failures they tolerate, and
// observers to disturbing no write.
//
// `make chaos` runs all of it for half an hour and appends the faults with their times
// to the file chaos.log; the test command plays a short round, without full disks. For
// those each server has a small file system of its own, on a loop device or in memory,
// mounted in a mount namespace that ends with the test. Where that is not allowed the
// log says so, and disks are not full.
package chaos
