package nacosapi_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// fuzzy asks for a watch and returns the answer.
func (c *client) fuzzy(watch wire.ConfigFuzzyWatchRequest) *wire.ConfigFuzzyWatchResponse {
	c.t.Helper()
	var reply wire.ConfigFuzzyWatchResponse
	c.call(&watch, &reply)
	return &reply
}

// watch begins a watch and goes on only if that is answered well.
func (c *client) watch(pattern string, initial bool, received ...string) {
	c.t.Helper()
	r := c.fuzzy(wire.ConfigFuzzyWatchRequest{GroupKeyPattern: pattern, ReceivedGroupKeys: received, WatchType: wire.FuzzyWatch, Initializing: initial})
	if !r.OK() || !r.Success || r.ErrorCode != 0 {
		c.t.Fatalf("watch %s: %+v", pattern, r)
	}
}

// told is the next push, which must be of a fuzzy watch, in short:
// "INIT n>>g>>* 1/2 ADD a+g+n", "CONFIG_CHANGED a+g+n".
func (c *client) told() string {
	c.t.Helper()
	select {
	case p, ok := <-c.pushes:
		if !ok {
			c.t.Fatal("the connection ended")
		}
		return fuzzyText(c.t, p)
	case <-time.After(patience):
		c.t.Fatal("nothing was pushed")
		return ""
	}
}

func fuzzyText(t testing.TB, p *wire.Payload) string {
	t.Helper()
	switch p.GetMetadata().GetType() {
	case "ConfigFuzzyWatchChangeNotifyRequest":
		var n wire.ConfigFuzzyWatchChangeNotifyRequest
		if err := wire.DecodeInto(p, &n); err != nil {
			t.Fatal(err)
		}
		return n.ChangeType + " " + n.GroupKey
	case "ConfigFuzzyWatchSyncRequest":
		var n wire.ConfigFuzzyWatchSyncRequest
		if err := wire.DecodeInto(p, &n); err != nil {
			t.Fatal(err)
		}
		s := fmt.Sprintf("%s %s %d/%d", n.SyncType, n.GroupKeyPattern, n.CurrentBatch, n.TotalBatch)
		for _, c := range n.Contexts {
			s += " " + c.ChangedType + " " + c.GroupKey
		}
		if n.Contexts == nil && strings.Contains(string(p.GetBody().GetValue()), "contexts") {
			t.Errorf("null contexts: %s", p.GetBody().GetValue())
		}
		return s
	default:
		t.Fatalf("pushed %s %s", p.GetMetadata().GetType(), p.GetBody().GetValue())
		return ""
	}
}

func (c *client) hears(want ...string) {
	c.t.Helper()
	for _, w := range want {
		if got := c.told(); got != w {
			c.t.Errorf("told %q, want %q", got, w)
		}
	}
}

func put(t testing.TB, n *node, tenant, group, dataID, content string) {
	t.Helper()
	if _, err := n.center.Publish(t.Context(), &configcenter.Publish{Key: configcenter.MakeKey(tenant, group, dataID), Content: content}); err != nil {
		t.Fatal(err)
	}
}

func drop(t testing.TB, n *node, tenant, group, dataID string) {
	t.Helper()
	if _, err := n.center.Remove(t.Context(), &configcenter.Remove{Key: configcenter.MakeKey(tenant, group, dataID)}); err != nil {
		t.Fatal(err)
	}
}

const (
	finish  = "FINISH_FUZZY_WATCH_INIT_NOTIFY "
	initial = "FUZZY_WATCH_INIT_NOTIFY "
	differs = "FUZZY_WATCH_DIFF_SYNC_NOTIFY "
)

// TestConfigsAreWatchedByAPattern follows what was recorded of Nacos 3.0.3.
func TestConfigsAreWatchedByAPattern(t *testing.T) {
	engine := engines.New(t)
	writer, node := startNode(t, engine), startNode(t, engine)
	b := dial(t, node.addr, nil, false)
	b.watch("n>>g>>order*", true)
	b.hears(finish + "n>>g>>order* 0/0")
	put(t, writer, "n", "g", "stock", "one")
	put(t, writer, "n", "other", "order-1", "one")
	put(t, writer, "n", "g", "order-1", "one")
	b.hears("CONFIG_CHANGED order-1+g+n")
	// Other contents are no news, another config is.
	put(t, writer, "n", "g", "order-1", "two")
	put(t, writer, "n", "g", "order-2", "one")
	b.hears("CONFIG_CHANGED order-2+g+n")

	c := dial(t, node.addr, nil, false)
	c.watch("n>>g>>order*", true)
	c.hears(initial+"n>>g>>order* 1/1 ADD_CONFIG order-1+g+n ADD_CONFIG order-2+g+n", finish+"n>>g>>order* 0/0")
	d := dial(t, node.addr, nil, false)
	d.watch("n>>g>>order*", true, "order-1+g+n", "order-0+g+n")
	d.hears(initial+"n>>g>>order* 1/1 ADD_CONFIG order-2+g+n DELETE_CONFIG order-0+g+n", finish+"n>>g>>order* 0/0")
	d.watch("n>>g>>order*", false, "order-1+g+n", "order-0+g+n")
	d.hears(differs + "n>>g>>order* 1/1 ADD_CONFIG order-2+g+n DELETE_CONFIG order-0+g+n")
	d.watch("n>>g>>order*", false, "order-1+g+n", "order-2+g+n")
	d.watch("n>>*>>*-1", true)
	d.hears(initial+"n>>*>>*-1 1/1 ADD_CONFIG order-1+g+n ADD_CONFIG order-1+other+n", finish+"n>>*>>*-1 0/0")
	d.watch("n>>g>>st*ck", true)
	d.hears(finish + "n>>g>>st*ck 0/0")
	d.watch("public>>g>>*", true)
	d.hears(finish + "public>>g>>* 0/0")
	put(t, writer, "", "g", "x", "one")
	d.hears("CONFIG_CHANGED x+g+public")

	// What several patterns match is told once to each who watches.
	d.watch("n>>*>>*", false, "order-1+g+n", "order-2+g+n", "order-1+other+n", "stock+g+n")
	put(t, writer, "n", "g", "order-3-1", "one")
	for _, w := range []*client{b, c, d} {
		w.hears("CONFIG_CHANGED order-3-1+g+n")
	}
	drop(t, writer, "n", "g", "order-3-1")
	for _, w := range []*client{b, c, d} {
		w.hears("DELETE_CONFIG order-3-1+g+n")
	}
	// A version for some only is not news.
	beta := configcenter.GrayPublish{
		Name: configcenter.GrayBeta, Rule: configcenter.BetaRule("10.9.9.9"),
		Publish: configcenter.Publish{Key: configcenter.MakeKey("n", "g", "order-5"), Content: "beta"},
	}
	if _, err := writer.center.PublishGray(t.Context(), &beta); err != nil {
		t.Fatal(err)
	}
	// No more watched; the next push is of another.
	for _, pattern := range []string{"n>>g>>order*", "n>>g>>never*", "nonsense"} {
		if r := c.fuzzy(wire.ConfigFuzzyWatchRequest{GroupKeyPattern: pattern, WatchType: wire.FuzzyCancelWatch}); !r.OK() {
			t.Errorf("cancel %s: %+v", pattern, r)
		}
	}
	c.watch("n>>third>>*", true)
	c.hears(finish + "n>>third>>* 0/0")
	put(t, writer, "n", "g", "order-4", "one")
	b.hears("CONFIG_CHANGED order-4+g+n")
	put(t, writer, "n", "third", "x", "one")
	c.hears("CONFIG_CHANGED x+third+n")
	put(t, writer, "n", "g", "order-5", "beside its gray version")
	b.hears("CONFIG_CHANGED order-5+g+n")
	c.quiet()

	// What is watched goes with its connection, and the client asks anew elsewhere.
	for _, w := range []*client{b, c, d} {
		w.close()
	}
	for node.api.Fuzzy() != 0 {
		time.Sleep(time.Millisecond)
	}
	drop(t, writer, "n", "g", "order-4")
	again := dial(t, writer.addr, nil, false)
	again.watch("n>>g>>order*", false, "order-1+g+n", "order-2+g+n", "order-4+g+n")
	again.hears(differs + "n>>g>>order* 1/1 ADD_CONFIG order-5+g+n DELETE_CONFIG order-4+g+n")
}

func TestManyConfigsThatMatchComeInParts(t *testing.T) {
	node := startNode(t, engines.New(t))
	for i := range 41 {
		put(t, node, "n", "g", fmt.Sprintf("part-%02d", i), "one")
	}
	c := dial(t, node.addr, nil, false)
	c.watch("n>>*>>part*", true)
	for i, size := range []int{20, 20, 1} {
		got := c.told()
		if !strings.HasPrefix(got, fmt.Sprintf("%sn>>*>>part* %d/3 ADD_CONFIG part-%02d+g+n", initial, i+1, 20*i)) || strings.Count(got, "ADD_CONFIG") != size {
			t.Errorf("part %d: %s", i+1, got)
		}
	}
	c.hears(finish + "n>>*>>part* 0/0")
}

func TestFuzzyWatchesOfConfigsHaveLimits(t *testing.T) {
	node := startNode(t, engines.New(t))
	for i := range 500 {
		put(t, node, "n", "many", fmt.Sprintf("c%03d", i), "one")
	}
	c := dial(t, node.addr, nil, false)
	ask := func(watchType, pattern string) *wire.ConfigFuzzyWatchResponse {
		t.Helper()
		return c.fuzzy(wire.ConfigFuzzyWatchRequest{GroupKeyPattern: pattern, WatchType: watchType})
	}
	for _, pattern := range []string{
		"", "n", "n>>g", "n>>g>>a>>b", "n>>>>a", ">>g>>a",
		strings.Repeat("n", configcenter.NamespaceBytesMax+1) + ">>g>>a",
		"n>>" + strings.Repeat("g", configcenter.GroupBytesMax+3) + ">>a",
		"n>>g>>" + strings.Repeat("a", configcenter.DataIDBytesMax+3),
	} {
		if r := ask(wire.FuzzyWatch, pattern); r.ResultCode != 500 || r.ErrorCode != 400 || !strings.HasPrefix(r.Message, "groupKeyPattern: ") {
			t.Errorf("%.20q: %+v", pattern, r)
		}
	}
	// As Nacos does, another type is passed over.
	for _, watchType := range []string{"", "LOOK"} {
		if r := ask(watchType, "n>>*>>*"); !r.OK() {
			t.Errorf("%q: %+v", watchType, r)
		}
	}
	for i := range 21 {
		r := ask(wire.FuzzyWatch, fmt.Sprintf("n>>more>>%d", i))
		if i < 20 && !r.OK() || i == 20 && (r.ResultCode != 500 || r.ErrorCode != 50310 || r.Message != "fuzzy watch pattern over limit") {
			t.Errorf("pattern %d: %+v", i+1, r)
		}
	}
	if r := ask(wire.FuzzyWatch, "n>>more>>1"); !r.OK() {
		t.Errorf("one of them again: %+v", r)
	}
	ask(wire.FuzzyCancelWatch, "n>>more>>1")
	if r := ask(wire.FuzzyWatch, "n>>many>>*"); r.ResultCode != 500 || r.ErrorCode != 50311 || r.Message != "fuzzy watch pattern matched count over limit" {
		t.Errorf("too much matches: %+v", r)
	}
	for i := range 25 {
		if got := c.told(); !strings.HasPrefix(got, fmt.Sprintf("%sn>>many>>* %d/25 ", differs, i+1)) {
			t.Fatalf("it is told what is kept: %s", got)
		}
	}
	c.quiet()
}

func TestAFuzzyWatchThatIsNotAcknowledgedIsToldAgain(t *testing.T) {
	t.Parallel()
	node := startNode(t, engines.New(t))
	put(t, node, "n", "g", "a", "one")
	put(t, node, "n", "g", "b", "one")
	c := dial(t, node.addr, nil, true)
	c.watch("n>>g>>*", true)
	c.hears(initial + "n>>g>>* 1/1 ADD_CONFIG a+g+n ADD_CONFIG b+g+n")
	drop(t, node, "n", "g", "a")
	select {
	case p := <-c.pushes: // five seconds without an acknowledgement, one of rest
		if got, want := fuzzyText(t, p), initial+"n>>g>>* 1/1 ADD_CONFIG b+g+n"; got != want {
			t.Errorf("told again %q, want %q", got, want)
		}
	case <-time.After(patience):
		t.Fatal("not told again")
	}
}

// tom may read the config n/g/mine and, until they are taken from him, all of n/g.
type tom struct {
	mu    sync.Mutex
	group bool
}

func (*tom) Check(ctx context.Context, _ auth.Credentials, _ auth.Need) (context.Context, error) {
	return ctx, nil
}

func (w *tom) Allow(s auth.Subject, need auth.Need) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := need.Resource
	return s.Name == "tom" && need.Action == auth.Read && r.Namespace == "n" && r.Group == "g" && (w.group || r.Name == "mine")
}

// Authorize lets tom in. What a request needs is tested with internal/auth/nacosapi.
func (*tom) Authorize(ctx context.Context, _ *rpc.Conn, _ map[string]string, _ wire.Body) (context.Context, error) {
	return auth.WithSubject(ctx, auth.Subject{Name: "tom"}), nil
}

func (w *tom) may(group bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.group = group
}

func TestNobodyHearsOfConfigsThatHeMayNotRead(t *testing.T) {
	who := &tom{group: true}
	node := startGuarded(t, engines.New(t), who)
	for _, group := range []string{"g", "secret"} {
		put(t, node, "n", group, "a", "one")
		put(t, node, "n", group, "mine", "one")
	}
	c := dial(t, node.addr, nil, false)
	c.watch("n>>*>>*", true)
	c.hears(initial+"n>>*>>* 1/1 ADD_CONFIG a+g+n ADD_CONFIG mine+g+n", finish+"n>>*>>* 0/0")
	put(t, node, "n", "secret", "b", "one")
	drop(t, node, "n", "secret", "a")
	put(t, node, "n", "g", "b", "one")
	c.hears("CONFIG_CHANGED b+g+n")
	// Whether there is one shows as little when he names it.
	c.watch("n>>*>>*", false, "a+g+n", "b+g+n", "mine+g+n", "mine+secret+n", "none+secret+n")
	c.hears(differs + "n>>*>>* 1/1 DELETE_CONFIG mine+secret+n DELETE_CONFIG none+secret+n")
	who.may(false)
	put(t, node, "n", "g", "c", "one")
	drop(t, node, "n", "g", "b")
	drop(t, node, "n", "g", "mine")
	c.hears("DELETE_CONFIG mine+g+n")
	c.quiet()
}
