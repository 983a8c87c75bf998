// Package audit keeps who wrote what: configs, namespaces, services and what operators
// set on instances, users and their rights, switches, what is done to the cluster.
//
// A request that may write is an Act, which Log.Begin puts into the context before
// anybody looks at the request, so that a refusal is recorded as well. What the request
// then writes goes through a Client: it adds the record to the very transaction that
// writes, named after the znode that is written and not after what the request said. The
// record costs no round trip and no sync of its own, and is there if and only if the
// write is. An act that wrote through nobody's Client (it moved a connection, say) is
// appended by End, which returns when the record is durable: what was acknowledged is on
// record, whatever crashes then. Refusals and failures are appended behind the answer's
// back; of a flood of them only a part, with a count of the others.
//
// Records lie below Root, one znode a transaction at first, and are packed by whichever
// node comes first: a thousand of them take some ten kilobytes. They are bounded by count
// and age. Nothing is kept in memory; a query reads.
//
// Not recorded are what clients register of themselves, heartbeats, locks, and what comes
// by the ZooKeeper port, where there is neither name nor role.
package audit
