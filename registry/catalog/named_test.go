package catalog

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/store"
)

func TestServicesAreNamedWhenTheyComeAndGo(t *testing.T) {
	tr := newTree()
	tr.service(shop, nil)
	require.Equal(t, []registry.ServiceKey{shop}, tr.named)
	tr.service(shop, func(s *registry.Service) { s.ProtectThreshold = .5 })
	path := tr.create(1, at("10.0.0.1"))
	tr.remove(path)
	require.Len(t, tr.named, 1, "neither another value nor an instance is a service")
	tr.apply(store.ServicePath(shop), nil)
	tr.apply(store.ServicePath(shop), nil)
	require.Equal(t, []registry.ServiceKey{shop, shop}, tr.named)
	_, _, there := tr.Service(shop)
	require.False(t, there)
}

func TestMatchingServicesAreThoseOfTheNamespaceInOrder(t *testing.T) {
	tr := newTree()
	key := func(namespace, group, name string) registry.ServiceKey {
		return registry.ServiceKey{Namespace: namespace, Group: group, Name: name}
	}
	for _, k := range []registry.ServiceKey{
		key("n", "g", "b"), key("n", "g", "a"), key("n", "f", "a"), key("n", "f", "c"), key("n-2", "g", "a"), key("m", "g", "a"),
	} {
		tr.service(k, nil)
	}
	notC := func(k registry.ServiceKey) bool { return !strings.Contains(k.Name, "c") }
	require.Equal(t, []registry.ServiceKey{key("n", "f", "a"), key("n", "g", "a"), key("n", "g", "b")}, tr.Matching("n", notC, 9))
	require.Equal(t, []registry.ServiceKey{key("n", "f", "a"), key("n", "g", "a")}, tr.Matching("n", notC, 2))
	require.Empty(t, tr.Matching("o", notC, 9))
}
