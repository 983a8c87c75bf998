package center_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/cache"
	"github.com/zensus-io/zensus/configcenter/center"
	"github.com/zensus-io/zensus/configcenter/listen"
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/testkit"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		testkit.Cleanup()
		os.Exit(code)
	}))
}

// start runs a Center on a session of its own of the engine.
func start(t testing.TB, engine opener, limits configcenter.Limits) *center.Center {
	t.Helper()
	client, err := engine.Open(t.Context(), core.SessionOptions{Timeout: 30 * time.Second, KeepAlive: true})
	if err != nil {
		t.Fatal(err)
	}
	c, err := center.New(center.Config{Client: client, Shared: true, Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ended with %v", err)
		}
		client.Close()
	})
	return c
}

// freshen waits until a Center shows all that was committed: on a machine that has much to do
// that takes longer than a reader waits.
func freshen(t testing.TB, c *center.Center) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !c.Fresh(t.Context()); {
		if time.Now().After(end) {
			t.Fatal("not fresh")
		}
	}
}

func key(dataID string) configcenter.Key { return configcenter.MakeKey("", "g", dataID) }

func publish(t testing.TB, c *center.Center, dataID, content string) *configcenter.Item {
	t.Helper()
	it, err := c.Publish(t.Context(), &configcenter.Publish{Key: key(dataID), Content: content})
	if err != nil {
		t.Fatalf("publish %s: %v", dataID, err)
	}
	return it
}

func TestWhoeverWroteReadsHisOwnWrite(t *testing.T) { onEngines(t, whoeverWroteReadsHisOwnWrite) }

func whoeverWroteReadsHisOwnWrite(t *testing.T, engine opener) {
	c := start(t, engine, configcenter.Limits{})
	for i := range 50 {
		want := publish(t, c, "a", fmt.Sprintf("v%d", i))
		got, err := c.Get(t.Context(), key("a"))
		if err != nil || got.Content != want.Content || got.Revision != want.Revision || got.ID != want.ID {
			t.Fatalf("after publishing %q at %v: got %+v, %v", want.Content, want.Revision, got, err)
		}
	}
	if removed, err := c.Remove(t.Context(), &configcenter.Remove{Key: key("a")}); !removed || err != nil {
		t.Fatalf("remove: %v, %v", removed, err)
	}
	if _, err := c.Get(t.Context(), key("a")); !errors.Is(err, configcenter.ErrNotFound) {
		t.Fatalf("after remove: %v", err)
	}
}

func TestContentOfEverySizeAndByteComesBack(t *testing.T) {
	onEngines(t, contentOfEverySizeAndByteComesBack)
}

func contentOfEverySizeAndByteComesBack(t *testing.T, engine opener) {
	c := start(t, engine, configcenter.Limits{})
	binary := make([]byte, 256)
	for i := range binary {
		binary[i] = byte(i)
	}
	const chunk = 512 << 10
	for name, content := range map[string]string{
		"binary":       string(binary),
		"one chunk":    strings.Repeat("x", chunk),
		"one more":     strings.Repeat("y", chunk+1),
		"three chunks": strings.Repeat("0123456789abcdef", 3*chunk/16),
		"five bytes":   "hello",
		"chinese":      "配置中心",
		"the largest":  strings.Repeat("0123456789", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			// One config for all: it grows and shrinks over the number of its pieces.
			want := publish(t, c, "a", content)
			freshen(t, c) // what is large may take longer to appear than its publisher waits
			got, err := c.Get(t.Context(), key("a"))
			if err != nil || got.Content != content || got.MD5 != configcenter.Sum(content) || got.Revision != want.Revision {
				t.Fatalf("got %d bytes, md5 %s, %v", len(got.Content), got.MD5, err)
			}
			_, total, err := c.History(t.Context(), key("a"), 0, 1)
			if err != nil {
				t.Fatal(err)
			}
			v, err := c.Version(t.Context(), key("a"), uint64(total))
			if err != nil || v.Content != content {
				t.Fatalf("history keeps %d bytes, want %d: %v", len(v.Content), len(content), err)
			}
		})
	}
}

func TestCASLetsOneOfManyWritersThrough(t *testing.T) { onEngines(t, cASLetsOneOfManyWritersThrough) }

func cASLetsOneOfManyWritersThrough(t *testing.T, engine opener) {
	nodes := []*center.Center{start(t, engine, configcenter.Limits{}), start(t, engine, configcenter.Limits{})}
	const writers, rounds = 8, 20
	publish(t, nodes[0], "counter", "0")
	freshen(t, nodes[1])
	var wins sync.Map
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			c := nodes[w%len(nodes)]
			for r := 0; r < rounds; {
				it, err := c.Get(t.Context(), key("counter"))
				if err != nil {
					t.Error(err)
					return
				}
				var n int
				fmt.Sscan(it.Content, &n)
				_, err = c.Publish(t.Context(), &configcenter.Publish{
					Key: key("counter"), Content: fmt.Sprint(n + 1), CASMD5: it.MD5,
				})
				switch {
				case err == nil:
					if _, twice := wins.LoadOrStore(n+1, w); twice {
						t.Errorf("two writers made %d", n+1)
					}
					r++
				case errors.Is(err, configcenter.ErrCASMismatch):
					c.Fresh(t.Context())
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	for _, c := range nodes {
		freshen(t, c)
		it, err := c.Get(t.Context(), key("counter"))
		if err != nil || it.Content != fmt.Sprint(writers*rounds) {
			t.Errorf("got %+v, %v; want content %d", it, err, writers*rounds)
		}
	}
}

func TestCASOfAMissingConfigCreatesIt(t *testing.T) {
	c := start(t, coretest.NewFake(), configcenter.Limits{})
	// Dubbo publishes its first mapping with casMd5 "0".
	if _, err := c.Publish(t.Context(), &configcenter.Publish{Key: key("a"), Content: "1", CASMD5: "0"}); err != nil {
		t.Fatal(err)
	}
	_, err := c.Publish(t.Context(), &configcenter.Publish{Key: key("a"), Content: "2", CASMD5: "0"})
	if !errors.Is(err, configcenter.ErrCASMismatch) {
		t.Fatalf("got %v, want a mismatch", err)
	}
	_, err = c.Publish(t.Context(), &configcenter.Publish{Key: key("b"), Content: "2", Revision: 7})
	if !errors.Is(err, configcenter.ErrCASMismatch) {
		t.Fatalf("a revision of a missing config: got %v, want a mismatch", err)
	}
}

func TestAChangeOnOneNodeReachesAListenerOnAnother(t *testing.T) {
	onEngines(t, aChangeOnOneNodeReachesAListenerOnAnother)
}

func aChangeOnOneNodeReachesAListenerOnAnother(t *testing.T, engine opener) {
	a, b := start(t, engine, configcenter.Limits{}), start(t, engine, configcenter.Limits{})
	it := publish(t, a, "x", "1")
	freshen(t, b)
	answer := make(chan []listen.Watched, 1)
	go func() {
		changed, err := b.Listeners().Poll(t.Context(), "c", nil, []listen.Watched{{Key: key("x"), MD5: it.MD5}}, time.Minute)
		if err != nil {
			t.Error(err)
		}
		answer <- changed
	}()
	for b.Listeners().Stats().Keys == 0 {
		time.Sleep(time.Millisecond)
	}
	publish(t, a, "x", "1") // the same content again tells nobody
	select {
	case changed := <-answer:
		t.Fatalf("answered %v to an unchanged md5", changed)
	case <-time.After(20 * time.Millisecond):
	}
	publish(t, a, "x", "2")
	if changed := <-answer; len(changed) != 1 || changed[0].Key != key("x") {
		t.Fatalf("answered %v", changed)
	}
	got, err := b.Get(t.Context(), key("x"))
	if err != nil || got.Content != "2" {
		t.Fatalf("whoever was told reads %+v, %v", got, err)
	}
}

func TestAListenerMissesNothingWhileTheNodeIsCutOff(t *testing.T) {
	engine := coretest.NewFake()
	a := start(t, engine, configcenter.Limits{})
	client, err := engine.Open(t.Context(), core.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	b, err := center.New(center.Config{Client: client, Shared: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	defer func() { cancel(); <-done }()
	it := publish(t, a, "x", "1")
	freshen(t, b)
	engine.Partition(client.Session().ID)
	answer := make(chan []listen.Watched, 1)
	go func() {
		changed, _ := b.Listeners().Poll(t.Context(), "c", nil, []listen.Watched{{Key: key("x"), MD5: it.MD5}}, time.Minute)
		answer <- changed
	}()
	publish(t, a, "x", "2")
	if b.Fresh(t.Context()) {
		t.Error("a node that is cut off says that it is fresh")
	}
	if got, err := b.Get(t.Context(), key("x")); err != nil || got.Content != "1" {
		t.Errorf("config is not readable while cut off: %+v, %v", got, err)
	}
	engine.Heal()
	if changed := <-answer; len(changed) != 1 {
		t.Fatalf("answered %v", changed)
	}
}

func TestHistorySaysWhatWasThereBeforeAndAfter(t *testing.T) {
	onEngines(t, historySaysWhatWasThereBeforeAndAfter)
}

func historySaysWhatWasThereBeforeAndAfter(t *testing.T, engine opener) {
	c := start(t, engine, configcenter.Limits{})
	publish(t, c, "a", "one")
	publish(t, c, "a", "two")
	if _, err := c.Remove(t.Context(), &configcenter.Remove{Key: key("a"), Origin: configcenter.Origin{User: "eve"}}); err != nil {
		t.Fatal(err)
	}
	publish(t, c, "a", "three")
	entries, total, err := c.History(t.Context(), key("a"), 0, 10)
	if err != nil || total != 4 || len(entries) != 4 {
		t.Fatalf("got %d of %d, %v", len(entries), total, err)
	}
	want := []struct {
		op            configcenter.ChangeOp
		before, after string
		replaced      string
	}{
		{configcenter.Inserted, "", "three", "three"},
		{configcenter.Deleted, "two", "", "two"},
		{configcenter.Updated, "one", "two", "one"},
		{configcenter.Inserted, "", "one", "one"},
	}
	for i, e := range entries {
		v, err := c.Version(t.Context(), key("a"), e.Seq)
		if err != nil {
			t.Fatal(err)
		}
		before := ""
		if v.Before != nil {
			before = v.Before.Content
		}
		if v.Op != want[i].op || before != want[i].before || v.Content != want[i].after || v.Replaced().Content != want[i].replaced {
			t.Errorf("entry %d: %v %q -> %q (replaced %q), want %+v", e.Seq, v.Op, before, v.Content, v.Replaced().Content, want[i])
		}
	}
	if entries[1].Origin.User != "eve" {
		t.Errorf("deleted by %q", entries[1].Origin.User)
	}
}

func TestSearchPagesThroughANamespace(t *testing.T) {
	c := start(t, coretest.NewFake(), configcenter.Limits{})
	for i := range 25 {
		publish(t, c, fmt.Sprintf("app-%02d.yaml", i), "x")
	}
	publish(t, c, "other", "needle in hay")
	if _, err := c.Publish(t.Context(), &configcenter.Publish{Key: configcenter.MakeKey("dev", "g", "app-99.yaml"), Content: "x"}); err != nil {
		t.Fatal(err)
	}
	page, err := c.Search(t.Context(), cache.Query{Namespace: "public", DataID: "app-*", Blur: true, Page: 3, PageSize: 10})
	if err != nil || page.Total != 25 || page.Pages != 3 || len(page.Items) != 5 || page.Items[0].Key.DataID != "app-20.yaml" {
		t.Fatalf("got %+v, %v", page, err)
	}
	page, _ = c.Search(t.Context(), cache.Query{Namespace: "public", Content: "*needle*", Blur: true, Page: 1, PageSize: 10})
	if page.Total != 1 || page.Items[0].Key.DataID != "other" {
		t.Fatalf("by content: %+v", page)
	}
	page, _ = c.Search(t.Context(), cache.Query{Namespace: "public", Page: 1 << 62, PageSize: 1 << 62})
	if page.Total != 26 || len(page.Items) != 0 {
		t.Fatalf("past the end: %+v", page)
	}
	if c.Count("public") != 26 || c.Count("dev") != 1 {
		t.Fatalf("counts %d, %d", c.Count("public"), c.Count("dev"))
	}
}

func TestWithoutTheEngineAPublishFailsAndReadsGoOn(t *testing.T) {
	engine := coretest.NewFake()
	c := start(t, engine, configcenter.Limits{})
	publish(t, c, "a", "1")
	engine.Partition()
	_, err := c.Publish(t.Context(), &configcenter.Publish{Key: key("a"), Content: "2"})
	if !core.IsUnknownOutcome(err) {
		t.Errorf("publish: %v", err)
	}
	if it, err := c.Get(t.Context(), key("a")); err != nil || it.Content != "1" {
		t.Errorf("get: %+v, %v", it, err)
	}
	engine.Heal()
	publish(t, c, "a", "3")
}

func TestMetricsSayWhatHappened(t *testing.T) {
	client, err := coretest.NewFake().Open(t.Context(), core.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	registry := prometheus.NewRegistry()
	c, err := center.New(center.Config{Client: client, Registerer: registry})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	defer func() { cancel(); <-done }()
	publish(t, c, "a", "1")
	publish(t, c, "a", "2")
	if _, err := c.Publish(t.Context(), &configcenter.Publish{Key: key("a"), Content: "3", CASMD5: "0"}); err == nil {
		t.Fatal("no mismatch")
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			name := f.GetName()
			for _, l := range m.Label {
				name += " " + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	for name, want := range map[string]float64{
		"zensus_config_writes_total publish ok": 2, "zensus_config_writes_total publish mismatch": 1,
		"zensus_config_items": 1, "zensus_config_changes_total": 2, "zensus_config_long_polls": 0,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v, %v; want %v", name, v, ok, want)
		}
	}
}
