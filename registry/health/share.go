package health

import (
	"hash/fnv"
	"io"
	"slices"

	"github.com/zensus-io/zensus/registry"
)

// share says which instances a node checks, of those that all living nodes check: each
// instance is checked by the node that scores highest for it (rendezvous hashing), so that
// only the instances of a node that comes or goes change hands. Every node that knows of
// the same living nodes comes to the same result.
type share struct {
	self  uint64
	nodes []uint64 // hashes of their names
}

func newShare(self string, nodes []string) *share {
	s := &share{self: hashOf(self)}
	for _, name := range nodes {
		s.nodes = append(s.nodes, hashOf(name))
	}
	slices.Sort(s.nodes)
	return s
}

// mine reports whether this node checks an instance. A node that is not known to live
// checks none, and no node does before it knows who lives.
func (s *share) mine(k registry.ServiceKey, i registry.InstanceKey) bool {
	if s == nil || len(s.nodes) == 0 {
		return false
	}
	if len(s.nodes) == 1 {
		return s.nodes[0] == s.self
	}
	instance := hashOf(k.String(), i.String())
	best, owner := uint64(0), s.nodes[0]
	for _, node := range s.nodes {
		if score := mix(instance ^ node); score >= best {
			best, owner = score, node
		}
	}
	return owner == s.self
}

// hashOf is the same on every node and in every version.
func hashOf(parts ...string) uint64 {
	h := fnv.New64a()
	for _, part := range parts {
		_, _ = io.WriteString(h, part) // it never fails
		_, _ = h.Write([]byte{0})
	}
	return mix(h.Sum64())
}

// mix spreads every bit of x over the result, without which the nodes of similar
// instances would be similar. The constants are those of SplitMix64.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
