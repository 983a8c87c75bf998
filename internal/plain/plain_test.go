package plain

import (
	"encoding/json"
	"testing"
)

func TestSkipReturnsTheValueAsItIsWritten(t *testing.T) {
	for _, value := range []string{`"a"`, `-1.50`, `0`, `true`, `false`, `null`, `{}`, `{"a": {"b" :"c"}}`} {
		r := New([]byte(" { \"x\" : " + value + " , \"y\":1 } "))
		r.Object()
		y := 0
		for n := 0; r.Member(n); n++ {
			if string(r.Key) == "y" {
				r.Int(&y)
			} else if got := r.Skip(); string(got) != value {
				t.Errorf("%q in place of %q", got, value)
			}
		}
		if !r.Over() || y != 1 {
			t.Errorf("%s: y is %d, over %v", value, y, r.Over())
		}
	}
}

// FuzzSkip: what is passed over is JSON.
func FuzzSkip(f *testing.F) {
	f.Add([]byte(`{"a":{"b":[1]},"c":-0.1,"d":"e"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := New(b)
		if r.Skip(); r.Over() && !json.Valid(b) {
			t.Fatalf("%q", b)
		}
	})
}
