// Package cluster knows which servers are live and carries calls between them.
//
// Each node keeps an ephemeral znode, /zensus/cluster/nodes/<id>, for as long as
// its session lives, and makes it anew when a session was lost. The value says
// under which addresses clients and the other nodes reach it; it is written when
// that changes, not as time goes by. A second, persistent znode,
// /zensus/cluster/known/<id>, remembers nodes that are down, until they come
// back, are forgotten (Forget), or were not seen for KnownTime. Every node has
// both in a mirror, so Nodes is answered from memory.
//
// Whether a live node can be reached from here, and its load, come from pings of
// PingEvery. So figures that change all the time never enter the log.
//
// Calls go over gRPC, over the port that clients use. Each call and each answer
// carries an HMAC with a key from the secret that only the nodes share; it covers
// both nodes, their lives (a random number of each start), a number that is used
// once, the name and the body. A node answers callers only that are live in its
// own picture and takes no number of theirs twice: what is recorded on the wire
// cannot be played again, also not to another node or after a restart. What is
// sent is not encrypted.
//
// The views of the cluster, the server loader and the registry's heartbeats use
// it. It knows nothing of them: they bring handlers (Handle) and call them by
// name (Call).
package cluster
