// Package rpc is the gRPC side of the Nacos protocol: connections, requests by
// type, and pushes that are acknowledged.
//
// A Nacos client never names itself after it has connected: its unary calls and
// its stream belong together because they come over one TCP connection. So the
// package wraps the listener, gives every accepted connection an id, and finds
// it again through the peer address that gRPC hands to each call. A connection
// becomes a Conn when its setup frame has been read; all state that a client
// has here (registrations, subscriptions, listeners) hangs on its Conn and ends
// with it.
//
// What hangs on it is not this package's business. Registry and config center
// bring handlers (Register), push (Conn.Push), and listen to three hooks: OnOpen,
// OnAlive for every sign of life that was received, and OnClose with the Reason.
// The reason matters: a FIN or RST from the client ends what it registered at
// once, while silence, a request of ours to go elsewhere, or our own shutdown do
// not, because the client is then expected to show up at another node.
//
// New makes a Server without goroutines; Serve takes listeners, of which there
// may be several; Run looks after idle connections and, when its context ends,
// asks the clients to leave and closes everything. Everything that a client can
// make grow is bounded by Limits.
package rpc
