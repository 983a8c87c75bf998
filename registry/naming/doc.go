// Package naming is service discovery as one node offers it: the one place where
// every version of every protocol meets.
//
// A Service joins the parts of the registry: it mirrors the tree into a catalog,
// has leases for the node's own clients, watches heartbeats, pushes to
// subscribers and sweeps services that have long been empty. The protocol fronts
// (registry/nacosapi, the console) call its methods and nothing below.
//
// Who wrote reads his own write: a method that changes something returns when
// this node's catalog shows it. Without a quorum, clients' registrations and
// queries go on from the local picture (Stale says so); what must be durable
// (services, persistent instances, overrides) answers ErrNoQuorum.
package naming
