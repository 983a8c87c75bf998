// Package pool is core.Sessions on an ensemble of Apache ZooKeeper: any number of
// sessions on few connections.
//
// Over TCP a connection is a session, and an ensemble that others use is not to be
// given one for each of our clients. So a few connections, the carriers, own the
// ephemeral znodes of all sessions of this process. Which session a znode is of
// stands behind its data, where it is taken off again on the way back: whoever reads
// through this package, on any node, sees data and owner as an engine in process
// would show them. Carriers are opened as they are needed. None owns more than 200 KB
// of paths, because the transaction that ends a session lists them, and one that does
// not fit into a record takes an ensemble down (ZOOKEEPER-4306).
//
// What an engine does for its sessions is done here instead:
//
//   - a session that nobody touched for its timeout is ended, and so is one that is
//     closed: its znodes are deleted, as many at one zxid as a transaction holds;
//   - while the ensemble is out of reach nobody is ended, and afterwards each has its
//     full timeout again; likewise when this process stood still;
//   - a znode of which nobody knows whether it was created is looked for, and deleted
//     if its session has ended.
//
// When the process dies, its carriers expire, and all its sessions with them: some carriers
// last longer than others, for sessions that do. A
// carrier that has expired ends every session that owned something on it; whoever
// held one opens another.
//
// The process's own session (Client) owns no ephemeral znodes. When it expires, its
// calls go on over a new one and its watches end with ConnectionLoss.
//
// Where the ACL of a znode names core.NodeScheme, it gets the identity that the
// connections have shown. The package logs through log/slog.
package pool
