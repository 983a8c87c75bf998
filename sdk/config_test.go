package sdk_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zensus-io/zensus/sdk"
	"github.com/zensus-io/zensus/sdk/config"
)

var app = config.Key{DataID: "app.yaml"}

func publish(t *testing.T, c *config.Config, content string, opts ...config.PublishOption) {
	t.Helper()
	if err := c.Publish(t.Context(), app, content, opts...); err != nil {
		t.Fatalf("publish %q: %v", content, err)
	}
}

func TestWhoPublishedReadsHisOwnWrite(t *testing.T) {
	c := config.New(dial(t, []*server{newCluster(t).start("127.0.0.1:0")}, sdk.Namespace("dev")))
	if _, err := c.Get(t.Context(), app); !errors.Is(err, config.ErrNotFound) {
		t.Fatalf("missing: %v", err)
	}
	publish(t, c, "a: 1", config.Type("yaml"))
	got, err := c.Get(t.Context(), app)
	if err != nil || !got.Exists || got.Content != "a: 1" || got.MD5 != config.Sum("a: 1") || got.Type != "yaml" || time.Since(got.Modified) > time.Minute {
		t.Fatalf("got %+v, %v", got, err)
	}
	if err := c.Publish(t.Context(), app, "x", config.IfMD5("other")); !errors.Is(err, config.ErrCASMismatch) {
		t.Errorf("cas: %v", err)
	}
	publish(t, c, "a: 2", config.IfMD5(got.MD5))
	large := strings.Repeat("中文\n", 200_000)
	publish(t, c, large)
	if got, err := c.Get(t.Context(), app); err != nil || got.Content != large {
		t.Errorf("large: %d bytes, %v", len(got.Content), err)
	}
	var refused *sdk.Error
	if err := c.Publish(t.Context(), config.Key{DataID: "a/b"}, "x"); !errors.As(err, &refused) || errors.Is(err, sdk.ErrUnknownOutcome) {
		t.Errorf("bad name: %v", err)
	}
	for range 2 {
		if err := c.Remove(t.Context(), app); err != nil {
			t.Errorf("remove: %v", err)
		}
	}
	if _, err := c.Get(t.Context(), app); !errors.Is(err, config.ErrNotFound) {
		t.Errorf("removed: %v", err)
	}
}

func TestASubscriberSeesEveryContentThatStays(t *testing.T) {
	cluster := newCluster(t)
	writer := config.New(dial(t, []*server{cluster.start("127.0.0.1:0")}))
	reader := config.New(dial(t, []*server{cluster.start("127.0.0.1:0")}))
	step := 0
	for item, err := range reader.Subscribe(t.Context(), app) {
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprint("v", step)
		switch {
		case step == 0 || step == 21:
			if item.Exists {
				t.Fatalf("step %d: %+v", step, item)
			}
		case item.Content != want || item.MD5 != config.Sum(want):
			t.Fatalf("step %d: %+v", step, item)
		}
		step++
		switch {
		case step <= 20:
			publish(t, writer, fmt.Sprint("v", step))
		case step == 21:
			if err := writer.Remove(t.Context(), app); err != nil {
				t.Fatal(err)
			}
		default:
			return
		}
	}
}

func TestASlowReaderGetsTheLatestContent(t *testing.T) {
	cluster := newCluster(t)
	servers := []*server{cluster.start("127.0.0.1:0")}
	writer, reader := config.New(dial(t, servers)), config.New(dial(t, servers))
	first := true
	for item, err := range reader.Subscribe(t.Context(), app) {
		if err != nil {
			t.Fatal(err)
		}
		if !first {
			if item.Content != "v50" {
				t.Errorf("got %q, want the latest", item.Content)
			}
			return
		}
		first = false
		for i := 1; i <= 50; i++ {
			publish(t, writer, fmt.Sprint("v", i))
		}
		for item, err := range reader.Subscribe(t.Context(), app) {
			if err != nil || item.Content == "v50" {
				break
			}
		}
	}
}

// TestNoSubscriberIsLeftWithOldContent: servers die and come back while many
// configs change; in the end everybody has what is stored.
func TestNoSubscriberIsLeftWithOldContent(t *testing.T) {
	const keys, changes = 30, 60
	cluster := newCluster(t)
	servers := []*server{cluster.start(again), cluster.start(again)}
	writerServer := cluster.start("127.0.0.1:0")
	writer := config.New(dial(t, []*server{writerServer}))
	reader := config.New(dial(t, servers))
	key := func(i int) config.Key { return config.Key{Group: "g", DataID: fmt.Sprint("d", i)} }

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	has := make([]string, keys)
	var subscribers sync.WaitGroup
	for i := range keys {
		subscribers.Go(func() {
			for item, err := range reader.Subscribe(ctx, key(i)) {
				if err != nil {
					t.Errorf("d%d: %v", i, err)
				}
				mu.Lock()
				has[i] = item.Content
				mu.Unlock()
			}
		})
	}
	want := make([]string, keys)
	for n := range changes {
		i := n * 7 % keys
		want[i] = fmt.Sprint("v", n)
		if err := writer.Publish(t.Context(), key(i), want[i]); err != nil {
			t.Fatal(err)
		}
		victim := n / 10 % 2
		switch n % 10 {
		case 3:
			servers[victim].stop()
		case 7:
			servers[victim] = cluster.start(servers[victim].addr)
		}
		time.Sleep(10 * time.Millisecond)
	}
	eventually(t, "all have what is stored", func() bool {
		mu.Lock()
		defer mu.Unlock()
		for i := range has {
			if has[i] != want[i] {
				return false
			}
		}
		return true
	})
	cancel()
	subscribers.Wait()
}

func TestAPublishWithoutTheEngineSaysSo(t *testing.T) {
	cluster := newCluster(t)
	c := config.New(dial(t, []*server{cluster.start("127.0.0.1:0")}))
	publish(t, c, "1")
	cluster.engine.Partition()
	var refused *sdk.Error
	err := c.Publish(t.Context(), app, "2")
	if !errors.As(err, &refused) || !errors.Is(err, sdk.ErrUnknownOutcome) {
		t.Errorf("got %v", err)
	}
	if got, err := c.Get(t.Context(), app); err != nil || got.Content != "1" {
		t.Errorf("a read meanwhile: %+v, %v", got, err)
	}
	cluster.engine.Heal()
	publish(t, c, "3")
}

func TestAPublishIntoADeadConnectionIsNotRepeatedUnseen(t *testing.T) {
	cluster := newCluster(t)
	s := cluster.start(again)
	c := config.New(dial(t, []*server{s}))
	publish(t, c, "1")
	s.stop()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err := c.Publish(ctx, app, "2")
	if !errors.Is(err, sdk.ErrUnknownOutcome) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Get(ctx, app); err == nil {
		t.Error("a read without a server succeeds")
	}
	cluster.start(s.addr)
	got, err := c.Get(t.Context(), app)
	if err != nil || got.Content != "1" {
		t.Errorf("got %+v, %v", got, err)
	}
}
