package nacosapi

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// asked lets everybody pass and remembers the last right that a guard asked for.
type asked struct {
	mu   sync.Mutex
	need auth.Need
}

func (a *asked) Check(ctx context.Context, _ auth.Credentials, need auth.Need) (context.Context, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.need = need
	return ctx, nil
}

// Authorize lets everybody in. What a request needs is tested with internal/auth/nacosapi.
func (*asked) Authorize(ctx context.Context, _ *rpc.Conn, _ map[string]string, _ wire.Body) (context.Context, error) {
	return ctx, nil
}

// Allow is the guard's too, and says yes.
func (a *asked) Allow(auth.Subject, auth.Need) bool { return true }

func (a *asked) last() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := string(a.need.Action) + " " + a.need.Resource.String()
	a.need = auth.Need{}
	return s
}

func TestARouteAsksForTheRightToWhatItReads(t *testing.T) {
	who := new(asked)
	w := serveWeb(t, startGuarded(t, engines.New(t), who))
	w.ok("POST", "/v1/ns/instance", "namespaceId=dev&groupName=G&serviceName=app&ip=10.0.0.1&port=80&ephemeral=false")
	require.Equal(t, "w dev:G:naming/app", who.last())
	for _, c := range []struct{ name, method, path, form, need string }{
		{"one service", "GET", "/v1/ns/instance/list", "namespaceId=dev&groupName=G&serviceName=app", "r dev:G:naming/app"},
		{"names in v1, with one of them", "GET", "/v1/ns/service/list", "namespaceId=dev&groupName=G&serviceName=app&pageNo=1&pageSize=9", "r dev:G:naming/*"},
		{"names in v2, of another group than that of the service", "GET", "/v2/ns/service/list", "namespaceId=dev&groupName=H&serviceName=G@@app", "r dev:H:naming/*"},
		{"names in v2, of the default group", "GET", "/v2/ns/service/list", "namespaceId=dev", "r dev:DEFAULT_GROUP:naming/*"},
		{"names by an expression", "GET", "/v1/ns/service/names", "namespaceId=dev&groupName=G&serviceName=app", "r dev:*:naming/*"},
		{"the catalog", "GET", "/v1/ns/catalog/services", "namespaceId=dev&groupName=G&serviceName=app", "r dev:*:naming/*"},
		{"v3's list", "GET", "/v3/admin/ns/service/list", "namespaceId=dev&groupName=G&serviceName=app&withInstances=true", "r dev:*:naming/*"},
		{"the console's list", "GET", "/v3/console/ns/service/list", "namespaceId=dev&groupName=G&serviceName=app", "r dev:*:naming/*"},
		{"v2's statuses", "GET", "/v2/ns/instance/statuses/dev%23%23G@@app", "", "r dev:G:naming/app"},
		{"statuses, whatever else is named", "GET", "/v1/ns/instance/statuses", "namespaceId=own&groupName=G&serviceName=mine&key=dev%23%23G@@app", "r dev:G:naming/app"},
	} {
		w.ok(c.method, c.path, c.form)
		require.Equal(t, c.need, who.last(), c.name)
	}
	status, _ := w.do("GET", "/v1/ns/instance/statuses", "key=dev%23%23app")
	require.Equal(t, 400, status)
	require.Equal(t, "r dev:*:naming/*", who.last(), "a key that names no service")
}
