package center_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/center"
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/quota"
)

// startUnder runs a Center, and the quotas it is under, on a session of its own.
func startUnder(t *testing.T, engine opener, wrap func(core.Client) core.Client) (*center.Center, *quota.Quotas) {
	t.Helper()
	client, err := engine.Open(t.Context(), core.SessionOptions{Timeout: 30 * time.Second, KeepAlive: true})
	if err != nil {
		t.Fatal(err)
	}
	if wrap != nil {
		client = wrap(client)
	}
	q, err := quota.New(client, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := center.New(center.Config{Client: client, Quotas: q, Shared: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = q.Run(ctx) })
	running.Go(func() { _ = c.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		client.Close()
	})
	<-q.Ready()
	<-c.Ready()
	return c, q
}

func allow(t *testing.T, q *quota.Quotas, s quota.Scope, l quota.Limits) {
	t.Helper()
	if err := q.Change(t.Context(), s, func(now *quota.Limits) { *now = l }); err != nil {
		t.Fatal(err)
	}
}

func set(t *testing.T, c *center.Center, k configcenter.Key, content string) error {
	t.Helper()
	_, err := c.Publish(t.Context(), &configcenter.Publish{Key: k, Content: content})
	return err
}

func wantFull(t *testing.T, err error, want string) {
	t.Helper()
	var full *configcenter.QuotaError
	if !errors.As(err, &full) || !errors.Is(err, configcenter.ErrQuota) || !strings.Contains(err.Error(), want) {
		t.Fatalf("got %v, want %s", err, want)
	}
}

func TestAQuotaOfNumberRefusesNewConfigsOnly(t *testing.T) {
	c, q := startUnder(t, coretest.NewFake(), nil)
	allow(t, q, quota.Scope{Namespace: "dev"}, quota.Limits{Configs: 2})
	in := func(dataID string) configcenter.Key { return configcenter.MakeKey("dev", "g", dataID) }
	for _, dataID := range []string{"a", "b", "a"} {
		if err := set(t, c, in(dataID), dataID); err != nil {
			t.Fatal(err)
		}
	}
	wantFull(t, set(t, c, in("c"), "c"), "namespace dev may hold at most 2 configs")
	if err := set(t, c, configcenter.MakeKey("other", "g", "c"), "c"); err != nil {
		t.Fatal("another namespace:", err)
	}
	if _, err := c.Remove(t.Context(), &configcenter.Remove{Key: in("a")}); err != nil {
		t.Fatal(err)
	}
	if err := set(t, c, in("c"), "c"); err != nil {
		t.Fatal("there is room again:", err)
	}
	allow(t, q, quota.Scope{Namespace: "dev"}, quota.Limits{})
	if err := set(t, c, in("d"), "d"); err != nil {
		t.Fatal("the limit is gone:", err)
	}
}

func TestGroupsOfThePublicNamespaceAndAllTogetherHaveQuotas(t *testing.T) {
	c, q := startUnder(t, coretest.NewFake(), nil)
	allow(t, q, quota.Scope{Group: "g"}, quota.Limits{Configs: 1})
	allow(t, q, quota.Scope{}, quota.Limits{Configs: 3})
	publish(t, c, "a", "1")
	wantFull(t, set(t, c, key("b"), "1"), "group g may hold at most 1 configs")
	for _, k := range []configcenter.Key{configcenter.MakeKey("", "h", "a"), configcenter.MakeKey("dev", "g", "a")} {
		if err := set(t, c, k, "1"); err != nil {
			t.Fatal(err)
		}
	}
	wantFull(t, set(t, c, configcenter.MakeKey("", "h", "b"), "1"), "all namespaces together may hold at most 3 configs")
}

func TestAQuotaOfBytesCountsWhatGrowsAndGrayVersionsToo(t *testing.T) {
	c, q := startUnder(t, coretest.NewFake(), nil)
	allow(t, q, quota.Scope{Namespace: "public"}, quota.Limits{Bytes: 10, ContentBytes: 8})
	publish(t, c, "a", "12345678")
	if err := set(t, c, key("a"), "123456789"); !errors.Is(err, configcenter.ErrTooLarge) {
		t.Fatalf("a content above the limit: %v", err)
	}
	wantFull(t, set(t, c, key("b"), "123"), "namespace public may hold at most 10 bytes")
	publish(t, c, "b", "12")
	if got := c.Usage("public", ""); got.Configs != 2 || got.Bytes != 10 {
		t.Fatalf("used: %+v", got)
	}
	publish(t, c, "a", "1234567") // less than before, though the quota is used up
	gray := &configcenter.GrayPublish{
		Name: "half", Rule: configcenter.Rule{Type: configcenter.RulePercent, Expr: "50"},
		Publish: configcenter.Publish{Key: key("b"), Content: "12"},
	}
	_, err := c.PublishGray(t.Context(), gray)
	wantFull(t, err, "10 bytes")
	gray.Content = "1"
	if _, err := c.PublishGray(t.Context(), gray); err != nil {
		t.Fatal(err)
	}
	if got := c.Usage("", "g"); got.Configs != 2 || got.Bytes != 10 {
		t.Fatalf("used: %+v", got)
	}
	if _, err := c.Promote(t.Context(), key("b"), "half", configcenter.Origin{}); err != nil {
		t.Fatal("a promotion that frees bytes:", err)
	}
	if got := c.Usage("", ""); got.Configs != 2 || got.Bytes != 8 {
		t.Fatalf("used: %+v", got)
	}
}

// late holds up the first transaction of a session until it is let go.
type late struct {
	core.Client
	arrive, proceed chan struct{}
	once            sync.Once
}

func (l *late) Multi(ctx context.Context, ops ...core.Op) ([]core.OpResult, core.Zxid, error) {
	l.once.Do(func() {
		l.arrive <- struct{}{}
		<-l.proceed
	})
	return l.Client.Multi(ctx, ops...)
}

func TestOfTwoWhoWouldTakeTheLastPlaceOneGetsIt(t *testing.T) {
	engine := coretest.NewFake()
	_, q := startUnder(t, engine, nil)
	allow(t, q, quota.Scope{Namespace: "dev"}, quota.Limits{Configs: 1})
	arrive, proceed := make(chan struct{}, 2), make(chan struct{})
	outcomes := make(chan error, 2)
	for n := range 2 {
		c, _ := startUnder(t, engine, func(client core.Client) core.Client {
			return &late{Client: client, arrive: arrive, proceed: proceed}
		})
		go func() {
			k := configcenter.MakeKey("dev", "g", fmt.Sprint("config-", n))
			_, err := c.Publish(context.Background(), &configcenter.Publish{Key: k, Content: "x"})
			outcomes <- err
		}()
	}
	for range 2 { // both have counted, and found room
		select {
		case <-arrive:
		case <-time.After(time.Minute):
			t.Fatal("no transaction")
		}
	}
	close(proceed)
	first, second := <-outcomes, <-outcomes
	if first != nil {
		first, second = second, first
	}
	if first != nil {
		t.Errorf("neither was taken in: %v, %v", first, second)
	}
	wantFull(t, second, "namespace dev may hold at most 1 configs")
}

func TestNothingIsPublishedBeforeTheQuotasAreKnown(t *testing.T) {
	client, err := coretest.NewFake().Open(t.Context(), core.SessionOptions{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	q, err := quota.New(client, nil) // and nobody runs it
	if err != nil {
		t.Fatal(err)
	}
	c, err := center.New(center.Config{Client: client, Quotas: q})
	if err != nil {
		t.Fatal(err)
	}
	if err := set(t, c, configcenter.MakeKey("dev", "g", "a"), "1"); !errors.Is(err, configcenter.ErrNotReady) {
		t.Errorf("got %v, want ErrNotReady", err)
	}
}

func TestAQuotaOfNumberCountsWhatHasOnlyGrayVersions(t *testing.T) {
	c, q := startUnder(t, coretest.NewFake(), nil)
	allow(t, q, quota.Scope{Namespace: "dev"}, quota.Limits{Configs: 2})
	in := func(dataID string) configcenter.Key { return configcenter.MakeKey("dev", "g", dataID) }
	gray := func(dataID, tag string) error {
		_, err := c.PublishGray(t.Context(), &configcenter.GrayPublish{
			Publish: configcenter.Publish{Key: in(dataID), Content: "x"}, Name: configcenter.TagRule(tag).Expr, Rule: configcenter.TagRule(tag),
		})
		return err
	}
	for _, dataID := range []string{"a", "b"} {
		for _, tag := range []string{"red", "blue"} {
			if err := gray(dataID, tag); err != nil {
				t.Fatal(err)
			}
		}
	}
	wantFull(t, gray("c", "red"), "at most 2 configs")
	wantFull(t, set(t, c, in("c"), "x"), "at most 2 configs")
	if err := set(t, c, in("a"), "x"); err != nil {
		t.Fatalf("one that is counted already: %v", err)
	}
	if u := c.Usage("dev", ""); u.Configs != 2 || u.Items != 1 || c.Count("dev") != 1 {
		t.Errorf("usage %+v, count %d", u, c.Count("dev"))
	}
	for _, tag := range []string{"red", "blue"} {
		if _, err := c.RemoveGray(t.Context(), in("b"), configcenter.TagRule(tag).Expr, configcenter.Origin{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := gray("c", "red"); err != nil {
		t.Fatalf("there is room again: %v", err)
	}
	if _, err := c.Remove(t.Context(), &configcenter.Remove{Key: in("a")}); err != nil {
		t.Fatal(err)
	}
	if u := c.Usage("", ""); u.Configs != 1 || u.Items != 0 || u.Bytes != 1 {
		t.Errorf("usage %+v", u)
	}
}
