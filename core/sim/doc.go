// Package sim runs whole servers in one goroutine under one seed: the real
// replica and the real storage on a file system that forgets, clients that speak
// the wire protocol, a clock of its own, and faults. Nothing in it depends on the
// scheduler, the wall clock or the order of maps, so a seed is a run, and a
// failure is replayed by its seed: all that every replica is told and says, all that
// the network carries and every call on a disk go into a sum, which must come out the
// same when a seed is run again.
//
// A World holds a heap of events, ordered by time and by the order in which they
// were made, and one stream of random numbers for each concern (disk, workload,
// faults, scheduling), so that a change in one does not reshuffle the others.
//
// What is checked, all of it while it runs:
//   - the oracle replays the committed log in core/sim/model, says what every
//     request must have become, and compares every reply, every Stat, every watch
//     event and their order with it;
//   - nothing is applied or acknowledged before it is durable, logs are
//     contiguous, digests equal those that were seen before a restart, and the
//     whole tree equals the model's after each start and now and then;
//   - after each start everything that was acknowledged is there;
//   - no session ends early, none lives on; no session id is given out twice;
//   - register histories are linearizable (porcupine);
//   - when the faults stop, everybody is served again.
//
// Coverage counts what a run has met; a test requires each of a list, so that a
// simulator that went quiet fails. Mutants put known mistakes back, at the seams,
// and each must be caught.
//
// Worlds of several servers have a network between them as well, with partitions and
// cuts in one direction, disks that are lost, and crashes of several at once. Each
// server has a model of its own, and nobody may apply anything else than others have,
// nor anything that is not on the disks of a quorum.
package sim
