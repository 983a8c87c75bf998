package acl

import "github.com/zensus-io/zensus/core"

// The schemes of ZooKeeper.
const (
	schemeWorld  = "world"
	schemeAuth   = "auth"
	schemeDigest = "digest"
	schemeIP     = "ip"
	schemeSuper  = core.SuperScheme
	schemeSASL   = "sasl"
	schemeX509   = "x509"
)

// anyone is the only id of the world scheme.
const anyone = "anyone"

// Check reports whether a connection with the identities ids may do to a znode
// with the access list what perm says. Several bits in perm ask for any of them.
// An empty list lets everybody in, a super identity passes every list, and no
// list is inherited.
func Check(list []core.ACL, ids []core.Identity, perm core.Perms) bool {
	if len(list) == 0 {
		return true
	}
	for i := range list {
		entry := &list[i]
		if entry.Perms&perm != 0 && entry.Scheme == schemeWorld && entry.ID == anyone {
			return true // by far the most frequent
		}
	}
	if isSuper(ids) {
		return true
	}
	for i := range list {
		entry := &list[i]
		if entry.Perms&perm == 0 {
			continue
		}
		for _, id := range ids {
			if id.Scheme == entry.Scheme && matches(id, entry.ID) {
				return true
			}
		}
	}
	return false
}

func isSuper(ids []core.Identity) bool {
	for i := range ids {
		if ids[i].Scheme == schemeSuper {
			return true
		}
	}
	return false
}

// matches reports whether an identity is what an entry's id of the same scheme
// describes.
func matches(id core.Identity, entryID string) bool {
	switch id.Scheme {
	case schemeIP:
		return matchesNetwork(id.ID, entryID)
	case schemeWorld, schemeAuth, schemeSuper:
		return false // no connection is these, and an entry cannot name them
	}
	return id.ID == entryID
}

// Mask is the list as a caller with the identities ids may see it: whoever may
// not administer the znode sees the users of the digest scheme without the hash
// of their passwords. The list itself is never changed.
func Mask(list []core.ACL, ids []core.Identity) []core.ACL {
	if Check(list, ids, core.PermAdmin) {
		return list
	}
	masked := make([]core.ACL, len(list))
	for i, entry := range list {
		if entry.Scheme == schemeDigest {
			if user, secret := cutUser(entry.ID); secret {
				entry.ID = user + ":x"
			}
		}
		masked[i] = entry
	}
	return masked
}

// WhoAmI is what the whoAmI request answers: one entry for each identity, in
// order, with the user's name alone where the id also holds a hash.
func WhoAmI(ids []core.Identity) []core.Identity {
	shown := make([]core.Identity, len(ids))
	for i, id := range ids {
		if id.Scheme == schemeDigest {
			id.ID, _ = cutUser(id.ID)
		}
		shown[i] = id
	}
	return shown
}

// cutUser is the part of a digest id before the first colon; secret says that
// something follows.
func cutUser(digestID string) (user string, secret bool) {
	for i := range len(digestID) {
		if digestID[i] == ':' {
			return digestID[:i], true
		}
	}
	return digestID, false
}
