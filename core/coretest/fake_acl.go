package coretest

import (
	"crypto/sha1"
	"encoding/base64"
	"net/netip"
	"slices"
	"strings"

	"github.com/zensus-io/zensus/core"
)

// Digest is the identity that ZooKeeper's digest scheme makes of "user:password".
func Digest(auth string) string {
	user, _, _ := strings.Cut(auth, ":")
	sum := sha1.Sum([]byte(auth))
	return user + ":" + base64.StdEncoding.EncodeToString(sum[:])
}

func authenticate(scheme string, auth []byte) (core.Identity, bool) {
	switch scheme {
	case "digest":
		return core.Identity{Scheme: "digest", ID: Digest(string(auth))}, auth != nil
	case "ip":
		return core.Identity{Scheme: "ip"}, true
	}
	return core.Identity{}, false
}

// may reports whether the session has any of perms under acl.
func (s *session) may(acl []core.ACL, perms core.Perms) bool {
	if len(acl) == 0 {
		return true
	}
	for _, a := range acl {
		if a.Perms&perms == 0 {
			continue
		}
		if a.Scheme == "world" && a.ID == "anyone" || slices.Contains(s.ids, core.Identity{Scheme: a.Scheme, ID: a.ID}) {
			return true
		}
	}
	return false
}

// expandACL checks an access list and puts the session's identities where it says "auth".
func (s *session) expandACL(acl []core.ACL) ([]core.ACL, core.Code) {
	var out []core.ACL
	add := func(a core.ACL) {
		if !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	for _, a := range acl {
		switch a.Scheme {
		case "auth":
			any := false
			for _, id := range s.ids {
				if id.Scheme == "digest" {
					any = true
					add(core.ACL{Perms: a.Perms, Scheme: id.Scheme, ID: id.ID})
				}
			}
			if !any {
				return nil, core.InvalidACL
			}
			continue
		case "world":
			if a.ID != "anyone" {
				return nil, core.InvalidACL
			}
		case "digest":
			if parts := strings.Split(strings.TrimRight(a.ID, ":"), ":"); len(parts) != 2 {
				return nil, core.InvalidACL
			}
		case "ip":
			_, prefixErr := netip.ParsePrefix(a.ID)
			if _, addrErr := netip.ParseAddr(a.ID); addrErr != nil && prefixErr != nil {
				return nil, core.InvalidACL
			}
		case core.NodeScheme:
		default:
			return nil, core.InvalidACL
		}
		add(a)
	}
	if len(out) == 0 {
		return nil, core.InvalidACL
	}
	return out, core.OK
}

// maskACL hides digests from those who may read but not administer a znode.
func maskACL(acl []core.ACL, admin bool) []core.ACL {
	out := slices.Clone(acl)
	if admin {
		return out
	}
	for i, a := range out {
		if a.Scheme == "digest" {
			user, _, _ := strings.Cut(a.ID, ":")
			out[i].ID = user + ":x"
		}
	}
	return out
}
