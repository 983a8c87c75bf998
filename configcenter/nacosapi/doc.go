// Package nacosapi is the config center as Nacos clients know it: HTTP v1, v2
// and v3 with what its console calls (Routes), gRPC (RegisterRPC).
//
// It translates and nothing else: a request becomes one call of center.Center,
// whose answer is written in the form that this protocol, this version and this
// SDK expect. Errors are translated in one table (errors.go). What is particular
// is said where it is done: tenants are echoed as each listener wrote them, a
// string tag is never sent, a change that a client does not acknowledge is pushed
// again with growing pauses.
//
// Gray versions (beta, tag) are not stored: a request to publish one is refused,
// so that it never reaches everybody; reading one finds nothing.
package nacosapi
