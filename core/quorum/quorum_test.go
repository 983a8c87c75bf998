package quorum

import (
	"slices"
	"testing"

	"github.com/zensus-io/zensus/core"
)

func TestHasQuorum(t *testing.T) {
	three, five := Majority(Of(1, 2, 3)), Majority(Of(1, 2, 3, 4, 5))
	tests := []struct {
		name  string
		v     Verifier
		acked Set
		want  bool
	}{
		{"one voter decides alone", Majority(Of(7)), Of(7), true},
		{"one voter that is silent decides nothing", Majority(Of(7)), Of(), false},
		{"no voters decide nothing", Majority{}, Of(1, 2, 3), false},
		{"two of three", three, Of(1, 3), true},
		{"one of three", three, Of(2), false},
		{"two of four are half, which is not enough", Majority(Of(1, 2, 3, 4)), Of(1, 2), false},
		{"three of four", Majority(Of(1, 2, 3, 4)), Of(1, 2, 4), true},
		{"three of five", five, Of(1, 4, 5), true},
		{"who is no voter does not count", three, Of(1, 9, 10, 254), false},
		{"the highest ids count", Majority(Of(200, 253, 254)), Of(253, 254), true},
		{"joint needs both: only the old", Joint{three, Majority(Of(4, 5, 6))}, Of(1, 2, 3), false},
		{"joint needs both: only the new", Joint{three, Majority(Of(4, 5, 6))}, Of(4, 5, 6), false},
		{"joint needs both: both", Joint{three, Majority(Of(4, 5, 6))}, Of(1, 2, 4, 5), true},
		{"one ack may count in both", Joint{three, Majority(Of(1, 2, 3, 4))}, Of(1, 2, 3), true},
		{"half of the new is not enough", Joint{three, Majority(Of(1, 2, 3, 4))}, Of(1, 2), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.v.HasQuorum(tt.acked); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestAnyTwoQuorumsShareAVoter(t *testing.T) {
	verifiers := []Verifier{
		Majority(Of(1, 2, 3)), Majority(Of(1, 2, 3, 4)), Majority(Of(1, 2, 3, 4, 5)),
		Joint{Majority(Of(1, 2, 3)), Majority(Of(3, 4, 5))},
		Joint{Majority(Of(1, 2)), Majority(Of(1, 2, 3, 4))},
	}
	subset := func(mask int) Set {
		var s Set
		for p := range 6 {
			if mask&(1<<p) != 0 {
				s.Add(core.PeerID(p))
			}
		}
		return s
	}
	for _, v := range verifiers {
		quorums := 0
		for a := range 64 {
			for b := range 64 {
				if !v.HasQuorum(subset(a)) || !v.HasQuorum(subset(b)) {
					continue
				}
				quorums++
				if subset(a).Intersect(subset(b)).Intersect(v.Voters()).Len() == 0 {
					t.Fatalf("%v: quorums %b and %b share nobody", v, a, b)
				}
			}
		}
		if quorums == 0 {
			t.Errorf("%v has no quorum at all", v)
		}
	}
}

func TestSet(t *testing.T) {
	s := Of(254, 1, 64, 63, 1)
	if got := slices.Collect(s.All()); !slices.Equal(got, []core.PeerID{1, 63, 64, 254}) || s.Len() != 4 {
		t.Errorf("got %v, %d", got, s.Len())
	}
	s.Remove(64)
	s.Remove(65)
	if s != Of(1, 63, 254) || s.Has(64) || !s.Has(63) {
		t.Errorf("after removal: %v", slices.Collect(s.All()))
	}
	for p := range s.All() {
		if p != 1 {
			t.Fatalf("the first is %d", p)
		}
		break
	}
	if v := (Joint{Majority(Of(1, 2)), Majority(Of(2, 3))}).Voters(); v != Of(1, 2, 3) {
		t.Errorf("joint voters: %v", slices.Collect(v.All()))
	}
}

func TestHasQuorumDoesNotAllocate(t *testing.T) {
	v := Joint{Majority(Of(1, 2, 3)), Majority(Of(1, 2, 3, 4))}
	if n := testing.AllocsPerRun(100, func() { v.HasQuorum(Of(1, 2, 3)) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
