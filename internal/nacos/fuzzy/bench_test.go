package fuzzy

import (
	"fmt"
	"testing"
)

// BenchmarkChanged is the cost of a key that comes and one that goes where many watch, and
// nobody watches it.
func BenchmarkChanged(b *testing.B) {
	for _, patterns := range []int{20, 2000} {
		b.Run(fmt.Sprintf("patterns=%d", patterns), func(b *testing.B) {
			t := NewTable(Limits{Patterns: 20, Matches: 500, Batch: 20})
			for i := range patterns {
				p, err := Parse(fmt.Sprintf("n>>group-%d*>>*", i), Lengths{100, 100, 100})
				if err != nil {
					b.Fatal(err)
				}
				for range 10 {
					c := t.Open()
					if s, err := c.Watch(p); err != nil {
						b.Fatal(err)
					} else if s != nil {
						t.Fill(s, nil)
					}
				}
			}
			k := Key{"n", "g", "a"}
			b.ReportAllocs()
			for b.Loop() {
				t.Changed(k, true)
				t.Changed(k, false)
			}
		})
	}
}
