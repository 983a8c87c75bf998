// Package wire is what travels between a Nacos client and a server over gRPC,
// and the JSON that the HTTP interfaces share with it.
//
// Every message is a Payload: a type name, headers, and a JSON body. The bodies
// are Go structs, one per type name, found by New and Decode and written by
// Encode; requests embed Request, replies embed Response. Member names, defaults
// and what is left out follow the shipped clients exactly: a client in Java,
// Go or Python must not be able to tell this from a Nacos server, and each of
// them trips over something else (see the comments on the types).
//
// ServiceInfo and Instance are written by hand-made appenders, because a list of
// instances is encoded for every push; a Message takes a body that was encoded
// before (Encoded, Wrapper) without copying it, so that one list serves all its
// subscribers.
//
// Error is a refusal in Nacos's terms, with one table from its Kind to HTTP
// status, v2/v3 code and gRPC error code. Everything that a peer controls is
// bounded here: bytes of a body by type, and elements of the lists in requests.
//
// The server (internal/nacos/rpc, internal/nacos/rest, */nacosapi) and the SDK
// use this package. It starts nothing, keeps no state and does not log.
package wire
