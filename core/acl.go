package core

// Perms is a set of permissions of an ACL entry.
type Perms uint32

// The permission bits of the protocol.
const (
	PermRead   Perms = 1
	PermWrite  Perms = 2
	PermCreate Perms = 4
	PermDelete Perms = 8
	PermAdmin  Perms = 16
	PermAll    Perms = 31
)

// ACL lets the identities that Scheme and ID describe do what Perms allow.
type ACL struct {
	Perms  Perms
	Scheme string
	ID     string
}

// OpenACL lets everybody do everything. It is a fresh slice at each call.
func OpenACL() []ACL { return []ACL{{Perms: PermAll, Scheme: "world", ID: "anyone"}} }

// ReadACL lets everybody read.
func ReadACL() []ACL { return []ACL{{Perms: PermRead, Scheme: "world", ID: "anyone"}} }

// NodeScheme is the scheme of the servers' own identity. Nobody can authenticate
// with it over a socket; in-process sessions carry it.
const NodeScheme = "zensus"

// NodeACL shuts a znode to everybody but the servers themselves.
func NodeACL() []ACL { return []ACL{{Perms: PermAll, Scheme: NodeScheme, ID: "node"}} }

// SuperScheme is the scheme of those who pass every access list.
const SuperScheme = "super"

// Identity is who a connection has shown itself to be, under one scheme.
type Identity struct {
	Scheme string
	ID     string
}
