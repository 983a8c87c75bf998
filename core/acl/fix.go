package acl

import (
	"slices"
	"strings"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// expandedBytesMax bounds what the auth scheme may make of a list: without it a
// request frame of many auth entries on a connection with many identities would
// multiply to gigabytes. It is the bound of the frame that brought the list.
const expandedBytesMax = wire.FrameBytesMax

// entryBytes is what an entry takes in a record beside its two strings.
const entryBytes = 12

// linearMax is the length up to which duplicates are sought by comparing.
const linearMax = 16

// open lets everybody do everything.
var open = core.OpenACL()

// Fix checks the list that a request brought and makes of it the one to store:
// exact duplicates go, in order, and each auth entry becomes one entry for each
// identity that the connection has authenticated with. The result shares no
// memory with raw.
//
// The code is OK or InvalidACL: for an empty list, an unknown scheme or one that
// is not in use here (sasl, x509), an id that its scheme does not allow, auth on
// a connection that has not authenticated, and core.NodeScheme on one that is
// not a server's own. The result must not be changed.
func Fix(raw []wire.RawACL, ids []core.Identity) ([]core.ACL, core.Code) {
	if len(raw) == 0 {
		return nil, core.InvalidACL
	}
	if len(raw) == 1 && raw[0].Perms == core.PermAll && string(raw[0].Scheme) == schemeWorld && string(raw[0].ID) == anyone {
		return open, core.OK // nearly every request
	}
	fixed := make([]core.ACL, 0, len(raw))
	size := 0
	add := func(a core.ACL) bool {
		fixed = append(fixed, a)
		size += entryBytes + len(a.Scheme) + len(a.ID)
		return size <= expandedBytesMax
	}
	for _, a := range unique(raw) {
		if a.Scheme != schemeAuth {
			if !valid(a, ids) || !add(a) {
				return nil, core.InvalidACL
			}
			continue
		}
		expanded := false
		for _, id := range ids {
			if !authenticated(id.Scheme) {
				continue
			}
			expanded = true
			if !add(core.ACL{Perms: a.Perms, Scheme: id.Scheme, ID: id.ID}) {
				return nil, core.InvalidACL
			}
		}
		if !expanded {
			return nil, core.InvalidACL
		}
	}
	return fixed, core.OK
}

// unique is raw in strings of its own, without exact duplicates, in order. What
// was null becomes an entry without a scheme, which is never valid.
func unique(raw []wire.RawACL) []core.ACL {
	list := make([]core.ACL, 0, len(raw))
	var seen map[core.ACL]struct{}
	if len(raw) > linearMax {
		seen = make(map[core.ACL]struct{}, len(raw))
	}
	for _, r := range raw {
		a := core.ACL{Perms: r.Perms, Scheme: intern(r.Scheme), ID: string(r.ID)}
		if r.ID == nil && a.Scheme != schemeAuth {
			a.Scheme = ""
		}
		if seen == nil {
			if slices.Contains(list, a) {
				continue
			}
		} else {
			if _, again := seen[a]; again {
				continue
			}
			seen[a] = struct{}{}
		}
		list = append(list, a)
	}
	return list
}

// intern is the scheme as a string, without memory of its own where it is a
// known one.
func intern(scheme []byte) string {
	switch string(scheme) {
	case schemeWorld:
		return schemeWorld
	case schemeDigest:
		return schemeDigest
	case schemeAuth:
		return schemeAuth
	case schemeIP:
		return schemeIP
	case core.NodeScheme:
		return core.NodeScheme
	}
	return string(scheme)
}

// authenticated reports whether an identity of the scheme was proven, so that
// the auth scheme stands for it. An address is not, nor is what the super user
// is beside the digest that made it so; the servers' own identity proves nothing.
func authenticated(scheme string) bool {
	switch scheme {
	case schemeDigest, schemeSASL, schemeX509:
		return true
	}
	return false
}

// valid reports whether an entry other than auth may be stored.
func valid(a core.ACL, ids []core.Identity) bool {
	switch a.Scheme {
	case schemeWorld:
		return a.ID == anyone
	case schemeDigest:
		return validDigest(a.ID)
	case schemeIP:
		_, _, ok := parseNetwork(a.ID)
		return ok
	case core.NodeScheme:
		for _, id := range ids {
			if id.Scheme == a.Scheme && id.ID == a.ID {
				return true
			}
		}
	}
	return false
}

// validDigest reports whether id has two parts when it is split at its colons.
// Java drops trailing empty parts, so "a:b:" passes and "bob:" does not.
func validDigest(id string) bool {
	return strings.Count(strings.TrimRight(id, ":"), ":") == 1
}
