package lease

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/registry"
)

func TestWishesAreFoundHoweverManyThereAre(t *testing.T) {
	var w wishes
	a, b, none := registry.NewServiceKey("", "", "a"), registry.NewServiceKey("", "", "b"), registry.NewServiceKey("", "", "none")
	want := map[registry.ServiceKey]*wish{}
	check := func() {
		t.Helper()
		require.Equal(t, len(want), w.count())
		require.Equal(t, want, maps.Collect(w.all()))
		require.Len(t, w.services(), len(want))
		for _, k := range []registry.ServiceKey{a, b, none, {}} {
			require.Same(t, want[k], w.in(k))
		}
	}
	add := func(k registry.ServiceKey) {
		want[k] = &wish{}
		w.add(k, want[k])
		check()
	}
	remove := func(k registry.ServiceKey) {
		delete(want, k)
		w.remove(k)
		check()
	}
	check()
	remove(none)
	add(a)
	remove(b)
	remove(a)
	add(b)
	add(a)
	remove(b)
	add(b)
	remove(a)
	remove(b)
	add(a)
}
