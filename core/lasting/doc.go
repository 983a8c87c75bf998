// Package lasting has the session of a server itself: a core.Client for what must go
// on when a session ends, and that says soon that there is no quorum.
//
// The registry, the config center, users and namespaces of a server stand on one
// session. It ends like any other when the server was out of contact for longer than
// its timeout, or when the server came back with a snapshot. A Client then opens
// another one, and its watches begin with a Resync. It owns no ephemeral znodes:
// those would be gone.
//
// Without a quorum, calls that need one are refused with core.NotReadOnly, of which
// nothing was done. They wait for a moment first, because mostly a new leader is being
// elected. A call that was sent and is not answered in time ends with
// core.OperationTimeout: nobody knows what becomes of it. Reads go on where the
// engine answers them without a quorum.
//
// That an engine is in contact is what itself says; Run also asks the quorum, because
// a server that is silently cut off learns of it late.
package lasting
