// Package registry is the vocabulary and the rules of service discovery: what a
// service, an instance, a cluster and a selector are, which names and sizes are
// acceptable, what a query with a filter returns, and when the protect threshold
// lets sick instances through. The words and the limits are those of Nacos.
//
// The package is pure. What makes it live stands beside it:
//
//   - registry/store knows where services stand in the znode tree and how they
//     are encoded;
//   - registry/catalog is the picture that this node has of all services;
//   - registry/lease holds what this node's own clients want to be registered,
//     and makes the tree agree;
//   - registry/health follows the heartbeats of HTTP clients;
//   - registry/push owes subscribers the newest list;
//   - registry/naming joins these into one Service, which the protocol fronts
//     (registry/nacosapi, the console) call.
//
// None of them knows how znodes are replicated: core.Client and core/mirror are
// all they see of the engine.
package registry
