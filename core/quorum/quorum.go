// Package quorum says who is a quorum: enough of the voters that any two
// quorums share one.
//
// A Majority is more than half of a set of voters. While the membership changes
// a decision needs a majority of the old voters and one of the new, which is a
// Joint. Votes of peers that are no voters count for nothing, so that callers
// may pass whoever acknowledged. Everything is a value, compares with == and
// allocates nothing; the package is pure. Weights and groups do not exist here.
package quorum

import (
	"iter"
	"math/bits"

	"github.com/zensus-io/zensus/core"
)

// Verifier knows which sets of peers are a quorum.
type Verifier interface {
	// HasQuorum reports whether those who acked are one.
	HasQuorum(acked Set) bool
	// Voters is who may vote.
	Voters() Set
}

// Set is a set of peers. The zero value is empty.
type Set [4]uint64

// Of is the set of some peers.
func Of(peers ...core.PeerID) Set {
	var s Set
	for _, p := range peers {
		s.Add(p)
	}
	return s
}

// Add puts a peer into the set.
func (s *Set) Add(p core.PeerID) { s[p/64] |= 1 << (p % 64) }

// Remove takes a peer out of the set.
func (s *Set) Remove(p core.PeerID) { s[p/64] &^= 1 << (p % 64) }

// Has reports whether a peer is in the set.
func (s Set) Has(p core.PeerID) bool { return s[p/64]&(1<<(p%64)) != 0 }

// Len is the number of peers in the set.
func (s Set) Len() int {
	n := 0
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	return n
}

// Union is the set of those in s or o.
func (s Set) Union(o Set) Set {
	for i := range s {
		s[i] |= o[i]
	}
	return s
}

// Intersect is the set of those in both s and o.
func (s Set) Intersect(o Set) Set {
	for i := range s {
		s[i] &= o[i]
	}
	return s
}

// All yields the peers in ascending order.
func (s Set) All() iter.Seq[core.PeerID] {
	return func(yield func(core.PeerID) bool) {
		for i, word := range s {
			for ; word != 0; word &= word - 1 {
				if !yield(core.PeerID(i*64 + bits.TrailingZeros64(word))) {
					return
				}
			}
		}
	}
}

// Majority is more than half of a set of voters. Of no voters there is no
// majority.
type Majority Set

// HasQuorum reports whether more than half of the voters acked.
func (m Majority) HasQuorum(acked Set) bool {
	return Set(m).Intersect(acked).Len() > Set(m).Len()/2
}

// Voters is the set itself.
func (m Majority) Voters() Set { return Set(m) }

// Joint is a quorum of the old voters and one of the new, as it is needed from
// the proposal of a new membership until that is active.
type Joint struct{ Old, New Majority }

// HasQuorum reports whether acked is a quorum of both.
func (j Joint) HasQuorum(acked Set) bool { return j.Old.HasQuorum(acked) && j.New.HasQuorum(acked) }

// Voters is whoever votes in either.
func (j Joint) Voters() Set { return j.Old.Voters().Union(j.New.Voters()) }
