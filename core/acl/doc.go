// Package acl decides who may do what to a znode.
//
// A connection carries identities (scheme and id); a znode carries a list of
// entries. Check compares the two; Fix turns the list that a request brought
// into the one that is stored; Authenticator turns an auth packet into
// identities; Mask and WhoAmI say what of all that may be shown to others.
//
// The schemes are ZooKeeper's: world and auth (which nobody is), digest, ip and
// super. Nobody can show themselves under sasl and x509 here, so entries of
// these schemes, which an import may bring, match nobody, and new ones are
// refused. core.NodeScheme is our own: the servers' identity to their own
// znodes, carried by sessions in process and out of reach of every socket.
//
// The rules are those of ZooKeeper 3.9.5 (zookeeper-protocol section 6). The
// package is pure; core/state asks it on behalf of every request.
package acl
