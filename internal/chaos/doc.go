// Package chaos has a test that runs real servers as an ensemble, lets faults happen
// to them (kill -9, SIGSTOP, restarts one after the other, cuts of the network in both
// directions and in one), and asks clients whether they noticed more than they may:
// histories must be linearizable, watches in order and complete, ephemeral znodes gone
// with their sessions and not before, and the servers' trees alike in the end.
//
// `make chaos` runs it for half an hour; the test command plays a short round.
package chaos
