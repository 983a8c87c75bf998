// Package store knows where the registry stands in the znode tree and how its
// values are encoded.
//
//	/zensus/naming/<namespace>/<group>/<service>         a service; persistent
//	    /<cluster>~<ip>:<port>-e<seq>                    an ephemeral instance
//	    /<cluster>~<ip>:<port>-p<seq>                    a persistent instance
//	/zensus/overrides/<namespace>/<group>/<service>/<cluster>~<ip>:<port>
//	/zensus/claims/<session>                             whose client is still there; ephemeral
//
// Instance znodes are sequential and never rewritten: every change of an
// instance is one multi that deletes the old znode and creates the new one. So
// an instance key's znodes are ordered by their czxid, of which the newest
// counts, and a service's cversion counts every change below it. Whatever else
// shows in a service's list (its own data, an override) changes the data version
// of the service znode in the same multi. Both together give Revision, a number
// that rises with every change and is the same on every node.
//
// The package holds no state but the client it is given. It is called by
// registry/lease for a client's own instances, by registry/naming for the rest,
// and by registry/catalog to decode what the mirror brings.
package store

import (
	"strconv"
	"strings"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/internal/segment"
	"github.com/zensus-io/zensus/registry"
)

// The roots of what the registry keeps in the tree.
const (
	base          = "/zensus"
	NamingRoot    = base + "/naming"
	OverridesRoot = base + "/overrides"
	ClaimsRoot    = base + "/claims"
)

// separator stands between cluster and address; Escape never leaves one.
const separator = '~'

// The marks before the sequence number.
const (
	ephemeralMark  = "-e"
	persistentMark = "-p"
)

// ServicePath is where a service stands.
func ServicePath(k registry.ServiceKey) string { return servicePath(NamingRoot, k) }

// OverridePath is where the override of one instance stands.
func OverridePath(k registry.ServiceKey, i registry.InstanceKey) string {
	return servicePath(OverridesRoot, k) + "/" + instanceName(i)
}

// instancePath is the path that a sequence number is appended to.
func instancePath(k registry.ServiceKey, i registry.InstanceKey, ephemeral bool) string {
	mark := persistentMark
	if ephemeral {
		mark = ephemeralMark
	}
	return ServicePath(k) + "/" + instanceName(i) + mark
}

func servicePath(root string, k registry.ServiceKey) string {
	return root + "/" + segment.Escape(k.Namespace) + "/" + segment.Escape(k.Group) + "/" + segment.Escape(k.Name)
}

func instanceName(i registry.InstanceKey) string {
	return segment.Escape(i.Cluster) + string(separator) + segment.Escape(i.IP) + ":" + strconv.Itoa(i.Port)
}

// Place is what a path below one of the roots stands for.
type Place struct {
	Service registry.ServiceKey
	// HasInstance says that the path lies below the service, at Instance.
	HasInstance bool
	Instance    registry.InstanceKey
	// Ephemeral is the mark in the name; overrides have none.
	Ephemeral bool
}

// ParseNaming reads a path below NamingRoot. Roots, namespaces and groups, and
// what somebody else put there, give false.
func ParseNaming(path string) (Place, bool) {
	p, child, ok := parseService(NamingRoot, path)
	if !ok || child == "" {
		return p, ok
	}
	colon := strings.LastIndexByte(child, ':')
	if colon < 0 {
		return Place{}, false
	}
	// Behind the port: -e or -p, and what the engine appended.
	dash := strings.IndexByte(child[colon:], '-')
	if dash < 0 || len(child) < colon+dash+3 {
		return Place{}, false
	}
	switch child[colon+dash : colon+dash+2] {
	case ephemeralMark:
		p.Ephemeral = true
	case persistentMark:
	default:
		return Place{}, false
	}
	p.HasInstance = true
	p.Instance, ok = parseInstance(child[:colon+dash])
	return p, ok
}

// ParseOverride reads a path below OverridesRoot, likewise.
func ParseOverride(path string) (Place, bool) {
	p, child, ok := parseService(OverridesRoot, path)
	if !ok || child == "" {
		return p, ok
	}
	p.HasInstance = true
	p.Instance, ok = parseInstance(child)
	return p, ok
}

func parseService(root, path string) (p Place, child string, ok bool) {
	if !core.HasPathPrefix(path, root) || len(path) == len(root) {
		return Place{}, "", false
	}
	parts := strings.SplitN(path[len(root)+1:], "/", 5)
	if len(parts) < 3 || len(parts) > 4 {
		return Place{}, "", false
	}
	var errs [3]error
	p.Service.Namespace, errs[0] = segment.Unescape(parts[0])
	p.Service.Group, errs[1] = segment.Unescape(parts[1])
	p.Service.Name, errs[2] = segment.Unescape(parts[2])
	if errs != [3]error{} {
		return Place{}, "", false
	}
	if len(parts) == 4 {
		child = parts[3]
	}
	return p, child, true
}

func parseInstance(name string) (registry.InstanceKey, bool) {
	cluster, address, ok := strings.Cut(name, string(separator))
	colon := strings.LastIndexByte(address, ':')
	if !ok || colon < 0 {
		return registry.InstanceKey{}, false
	}
	var k registry.InstanceKey
	var errs [3]error
	k.Cluster, errs[0] = segment.Unescape(cluster)
	k.IP, errs[1] = segment.Unescape(address[:colon])
	k.Port, errs[2] = strconv.Atoi(address[colon+1:])
	return k, errs == [3]error{} && k.Port >= 0 && strconv.Itoa(k.Port) == address[colon+1:]
}
