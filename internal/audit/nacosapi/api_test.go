package nacosapi

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/audit"
)

// A user who was there already, and a token that was not, were on record as something
// done to the cluster.
func TestWhatWritesNothingIsOfTheKindOfItsRoute(t *testing.T) {
	for route, want := range map[string]audit.Kind{
		"/nacos/v3/auth/token": audit.KindAccess, "/nacos/v1/auth/users": audit.KindAccess,
		"/nacos/v1/ns/operator/switches": audit.KindSwitches, "/nacos/v3/admin/core/namespace/quota": audit.KindQuota,
		"/nacos/v1/cs/capacity": audit.KindQuota, "/nacos/v1/console/namespaces": audit.KindNamespace,
		"/nacos/v3/admin/core/namespace": audit.KindNamespace, "/cluster/:verb": "",
	} {
		require.Equal(t, want, kindOf(route), route)
	}
}
