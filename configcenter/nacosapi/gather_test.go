package nacosapi_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/cluster"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// startTwo starts two nodes that know one another; what is asked is asked of the first.
func startTwo(t *testing.T, engine coretest.Nodes) (w *web, other *node) {
	t.Helper()
	w, other = serveWeb(t, startAmong(t, engine, nil, "1")), startAmong(t, engine, nil, "2")
	awaitNodes(t, w.node)
	awaitNodes(t, other)
	return w, other
}

// awaitNodes waits until a node knows of another one.
func awaitNodes(t *testing.T, n *node) {
	t.Helper()
	for end := time.Now().Add(patience); len(n.cluster.Live()) < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("known are %v", n.cluster.Live())
		}
	}
}

func TestListenersOfAllServersAreFound(t *testing.T) {
	w, other := startTwo(t, engines.New(t))
	near, far := dial(t, w.node.addr, nil, false), dial(t, other.addr, nil, false)
	near.listen(true, "dev", "a", sum("one"))
	far.listen(true, "dev", "b", sum("two"))
	far.listen(true, "", "c", sum("three"))
	keys := func(path string, params ...string) string {
		t.Helper()
		a := w.sure(func() answer { return w.do("GET", path, nil, append([]string{"groupName", "g"}, params...)...) })
		if a.status != 200 || a.header.Get(wire.HeaderStale) != "" {
			t.Fatalf("%s: %+v", path, a)
		}
		v := w.tree(a)
		if data, ok := v["data"].(map[string]any); ok {
			v = data
		}
		for _, name := range []string{"listenersStatus", "lisentersGroupkeyStatus"} {
			if status, ok := v[name].(map[string]any); ok {
				return strings.Join(slices.Sorted(maps.Keys(status)), " ")
			}
		}
		t.Fatalf("%s: %v", path, v)
		return ""
	}
	for _, c := range []struct {
		path   string
		params []string
		want   string
	}{
		{"/v3/admin/cs/listener", []string{"ip", "127.0.0.1", "namespaceId", "dev"}, "a+g+dev b+g+dev"},
		{"/v3/admin/cs/listener", []string{"ip", "127.0.0.1", "all", "true"}, "a+g+dev b+g+dev c+g+public"},
		{"/v3/admin/cs/listener", []string{"ip", "127.0.0.1", "namespaceId", "dev", "aggregation", "false"}, "a+g+dev"},
		{"/v3/console/cs/config/listener", []string{"dataId", "b", "namespaceId", "dev"}, "127.0.0.1"},
		{"/v3/admin/cs/config/listener", []string{"dataId", "b", "namespaceId", "dev", "aggregation", "false"}, ""},
		{"/v1/cs/listener", []string{"ip", "127.0.0.1", "all", "true"}, "a+g+dev b+g+dev c+g"},
		{"/v1/cs/configs/listener", []string{"dataId", "b", "tenant", "dev"}, "127.0.0.1"},
		{"/v1/cs/communication/watcherConfigs", []string{"ip", "127.0.0.1"}, "a+g+dev"},
		{"/v1/cs/communication/configWatchers", []string{"dataId", "b", "tenant", "dev"}, ""},
	} {
		if got := keys(c.path, c.params...); got != c.want {
			t.Errorf("%s %v: %q, want %q", c.path, c.params, got, c.want)
		}
	}
}

func TestWhatClientsOfAllServersHoldIsFound(t *testing.T) {
	w, other := startTwo(t, engines.New(t))
	java := dial(t, other.addr, map[string]string{"version": "Nacos-Java-Client:v3.0.3"}, false)
	java.listen(true, "dev", "a", sum(""))
	asked := []string{"ip", "127.0.0.1", "dataId", "a", "groupName", "g", "namespaceId", "dev"}
	const none = `{"code":0,"message":"success","data":{}}`
	w.want(w.do("GET", "/v3/admin/cs/metrics/ip", nil, asked...), 200, none)
	got := java.saysWhatItHolds(none, func() answer { return w.do("GET", "/v3/admin/cs/metrics/cluster", nil, asked...) })
	w.want(got, 200, `{"code":0,"message":"success","data":{"client":"held"}}`)
}

func TestAnAnswerWithoutThatOfAnotherServerIsMarked(t *testing.T) {
	engine := coretest.NewFake()
	w := serveWeb(t, startAmong(t, engine, nil, "1"))
	dial(t, w.node.addr, nil, false).listen(true, "dev", "a", sum("one"))
	ask := func() answer {
		return w.do("GET", "/v3/admin/cs/config/listener?groupName=g&dataId=a&namespaceId=dev", nil)
	}
	want := `{"code":0,"message":"success","data":{"queryType":"config","listenersStatus":{"127.0.0.1":"` + *sum("one") + `"}}}`
	a := ask()
	if w.want(a, 200, want); a.header.Get(wire.HeaderStale) != "" {
		t.Errorf("alone, but %v", a.header)
	}
	session, _ := engine.Node(t)
	silent, err := cluster.New(cluster.Config{Client: session, Self: cluster.About{ID: "2", GRPC: "127.0.0.1:1"}, Key: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = silent.Run(ctx) })
	defer running.Wait()
	defer cancel()
	awaitNodes(t, w.node)
	a = ask()
	if w.want(a, 200, want); a.header.Get(wire.HeaderStale) != "true" {
		t.Errorf("one does not answer, but %v", a.header)
	}
}
