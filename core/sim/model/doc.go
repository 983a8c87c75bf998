// Package model is a ZooKeeper that is slow and plain: a map of paths, written
// from the protocol's rules and not from the engine's code, so that a mistake in
// one of the two shows.
//
// The simulator feeds it the committed log. Before a transaction is applied it
// says what the request behind it must have become (Expect); then it applies it
// (Apply) and says what the reply and the watchers must have been told; between
// transactions it answers reads (Read). It copies freely, keeps no index, and has
// no time, no order of maps and no randomness of its own.
//
// It knows no hard quotas and none of the ACL schemes that need a provider
// configured: workloads that are checked against it use neither.
package model
