package health

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/registry"
)

func TestWhatIsKeptOfARegistrationRestsOnItsID(t *testing.T) {
	k := registry.ServiceKey{Namespace: "n@@s", Group: "g#true@", Name: "a@@b"}
	i := registry.Instance{IP: "10.0.0.1", Port: 80, Cluster: "c", Weight: 2}
	id := clientID(k, i.IP, i.Port)
	require.Equal(t, "10.0.0.1:80#true@"+k.String(), id)
	gotKey, got, name := own(id, k, i)
	require.Equal(t, k, gotKey)
	require.Equal(t, i, got)
	require.Equal(t, ClientName(i.IP, i.Port), name)

	long := registry.ServiceKey{Namespace: "public", Group: "g", Name: strings.Repeat("x", 500)}
	require.Equal(t, ClientName("::1", 1)+"@"+long.String(), clientID(long, "::1", 1))
}
