package nacosapi_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/zensus-io/zensus/configcenter/store"
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// What was written through another node was passed over, and the answer was true.
func TestNothingIsDeletedByIdsThatANodeMayNotKnowYet(t *testing.T) {
	engine := coretest.NewFake()
	w := startWeb(t, engine)
	there := serveWeb(t, startNode(t, engine))
	ids := func(dataIDs ...string) string {
		var all []string
		for _, dataID := range dataIDs {
			name := []string{"dataId", dataID, "group", "g", "tenant", "dev"}
			w.want(w.do("POST", "/v1/cs/configs", nil, append(name, "content", "one")...), 200, "true")
			all = append(all, w.tree(w.do("GET", "/v1/cs/configs", nil, append(name, "show", "all")...))["id"].(string))
		}
		return strings.Join(all, ",")
	}
	gone := func(dataID string) bool {
		a := w.sure(func() answer {
			return w.do("GET", "/v1/cs/configs", nil, "dataId", dataID, "group", "g", "tenant", "dev")
		})
		return a.status == 404
	}
	for i, d := range []struct{ path, more string }{{"/v1/cs/configs", "ids"}, {"/v3/admin/cs/config/batch", ""}, {"/v3/console/cs/config/batchDelete", ""}} {
		for n := range 20 { // a node that has not heard of it is found soon
			name := fmt.Sprintf("a%d.%d", i, n)
			id := ids(name)
			a := there.sure(func() answer { return there.do("DELETE", d.path, nil, "delType", d.more, "tenant", "dev", "ids", id) })
			if a.status != 200 || !gone(name) {
				t.Fatalf("%s: %d %s, and %s is there", d.path, a.status, a.body, name)
			}
		}
	}

	// Where that cannot be made sure of, nothing is said to be done.
	list := ids("b1", "b2")
	late := &behind{Nodes: engine}
	lags := startWeb(t, late)
	<-lags.node.center.Ready()
	late.now.Store(true)
	for _, c := range []struct{ path, more string }{{"/v1/cs/configs", "ids"}, {"/v3/admin/cs/config/batch", ""}} {
		a := lags.do("DELETE", c.path, nil, "delType", c.more, "tenant", "dev", "ids", list+",12345")
		if a.status != 503 || !strings.Contains(a.body, "lags behind") || gone("b1") || gone("b2") {
			t.Errorf("%s: %d %s", c.path, a.status, a.body)
		}
	}
}

// TestTheHistoryIsThatOfAllNodes: what was written through another node a moment before is
// read, by a server that has not heard of it, or the answer is marked.
func TestTheHistoryIsThatOfAllNodes(t *testing.T) {
	engine := coretest.NewFake()
	w := startWeb(t, engine)
	late := &behind{Nodes: engine}
	there := startWeb(t, late)
	<-there.node.center.Ready()
	name := []string{"dataId", "a", "group", "g", "groupName", "g"}
	for _, content := range []string{"one", "two"} {
		w.want(w.do("POST", "/v1/cs/configs", nil, append(name, "content", content)...), 200, "true")
	}
	id := w.tree(w.do("GET", "/v1/cs/configs", nil, append(name, "show", "all")...))["id"].(string)
	for _, c := range []struct {
		path, want string
		params     []string
	}{
		{"/v1/cs/history", `"totalCount":2`, []string{"search", "accurate"}},
		{"/v1/cs/history", `"content":"one"`, []string{"nid", "2"}},
		{"/v1/cs/history/previous", `"content":"one"`, []string{"id", id}},
		{"/v2/cs/history/list", `"totalCount":2`, nil},
		{"/v2/cs/history", `"content":"one"`, []string{"nid", "2"}},
		{"/v2/cs/history/detail", `"updatedContent":"two"`, []string{"nid", "2"}},
		{"/v2/cs/history/previous", `"content":"one"`, []string{"id", id}},
		{"/v3/admin/cs/history/list", `"totalCount":2`, nil},
		{"/v3/admin/cs/history", `"content":"one"`, []string{"nid", "2"}},
		{"/v3/admin/cs/history/previous", `"content":"one"`, []string{"id", id}},
		{"/v3/console/cs/history/list", `"totalCount":2`, nil},
		{"/v3/admin/cs/history/diff", `+two`, []string{"from", "1"}},
		{"/v3/admin/cs/history/diff", `+two`, []string{"from", "1", "to", "2"}},
	} {
		a := there.sure(func() answer {
			late.unread.Store(true)
			return there.do("GET", c.path, nil, append(name, c.params...)...)
		})
		if a.status != 200 || !strings.Contains(a.body, c.want) || a.header.Get(wire.HeaderStale) != "" {
			t.Errorf("%s: got %d %s, want %s", c.path, a.status, a.body, c.want)
		}
		late.unread.Store(true)
		late.now.Store(true)
		if a := there.do("GET", c.path, nil, append(name, c.params...)...); a.header.Get(wire.HeaderStale) != "true" {
			t.Errorf("%s without a sync: %v", c.path, a.header)
		}
		late.now.Store(false)
	}
	rollback := append(name, "nid", "1")
	if a := there.sure(func() answer {
		late.unread.Store(true)
		return there.do("POST", "/v3/admin/cs/history/rollback", nil, rollback...)
	}); a.status != 200 {
		t.Errorf("rollback: %d %s", a.status, a.body)
	}
	w.want(w.sure(func() answer { return w.do("GET", "/v1/cs/configs", nil, name...) }), 200, "one")
	late.unread.Store(true)
	late.now.Store(true)
	if a := there.do("POST", "/v3/admin/cs/history/rollback", nil, rollback...); a.status != 503 {
		t.Errorf("rollback without a sync: %d %s", a.status, a.body)
	}
}

// behind makes nodes whose servers do not say, from now on, that they have caught up.
type behind struct {
	coretest.Nodes
	now atomic.Bool
	// unread is set while the server has no history yet: until the next sync.
	unread atomic.Bool
}

func (b *behind) Node(t testing.TB) (core.Client, core.Sessions) {
	c, sessions := b.Nodes.Node(t)
	return notSynced{c, b}, sessions
}

type notSynced struct {
	core.Client
	behind *behind
}

func (c notSynced) lacks(path string) bool {
	return c.behind.unread.Load() && strings.HasPrefix(path, store.HistoryRoot)
}

func (c notSynced) Get(ctx context.Context, path string) ([]byte, core.Stat, error) {
	if c.lacks(path) {
		return nil, core.Stat{}, core.NoNode
	}
	return c.Client.Get(ctx, path)
}

func (c notSynced) Children(ctx context.Context, path string) ([]string, core.Stat, error) {
	if c.lacks(path) {
		return nil, core.Stat{}, core.NoNode
	}
	return c.Client.Children(ctx, path)
}

func (c notSynced) Sync(ctx context.Context, path string) (core.Zxid, error) {
	if !c.behind.now.Load() {
		c.behind.unread.Store(false)
		return c.Client.Sync(ctx, path)
	}
	<-ctx.Done()
	return 0, ctx.Err()
}
