package quota

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func run(t *testing.T, engine *coretest.Fake) (*Quotas, core.Client) {
	t.Helper()
	client, err := engine.Open(t.Context(), core.SessionOptions{Timeout: time.Minute, ACL: core.NodeACL()})
	require.NoError(t, err)
	_, _, err = client.Create(t.Context(), core.ParentPath(Root), nil, core.CreateOptions{})
	require.True(t, err == nil || errors.Is(err, core.NodeExists), "%v", err)
	q, err := New(client, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = q.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; _ = client.Close() })
	<-q.Ready()
	return q, client
}

func TestQuotasAreKnownOnEveryNode(t *testing.T) {
	engine := coretest.NewFake()
	a, _ := run(t, engine)
	b, _ := run(t, engine)
	dev, group := Scope{Namespace: "dev"}, Scope{Group: "DEFAULT_GROUP"}
	require.Equal(t, Limits{}, a.Shown(dev))
	require.NoError(t, a.Change(t.Context(), dev, func(l *Limits) { l.Configs, l.Instances = 5, 7 }))
	require.Equal(t, Limits{Configs: 5, Instances: 7}, a.Shown(dev), "the one who wrote reads it at once")
	require.NoError(t, a.Change(t.Context(), dev, func(l *Limits) { l.Configs = 0 }))
	require.NoError(t, a.Change(t.Context(), group, func(l *Limits) { l.Bytes = 1 << 40 }))
	require.NoError(t, a.Change(t.Context(), Scope{}, func(l *Limits) { l.ContentBytes = 3 }))
	require.Eventually(t, func() bool { return b.Shown(Scope{}).ContentBytes == 3 }, 20*time.Second, time.Millisecond)
	require.Equal(t, Limits{Instances: 7}, b.Shown(dev))
	require.Equal(t, Limits{Bytes: 1 << 40}, b.Shown(group))
}

func TestNoChangeOfAQuotaIsLost(t *testing.T) {
	engine := coretest.NewFake()
	nodes := make([]*Quotas, 2)
	for i := range nodes {
		nodes[i], _ = run(t, engine)
	}
	var all sync.WaitGroup
	for _, q := range nodes {
		all.Go(func() {
			for range 10 {
				if err := q.Change(context.Background(), Scope{Namespace: "dev"}, func(l *Limits) { l.Configs++ }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	held, err := nodes[0].Hold(t.Context(), Scope{Namespace: "dev"})
	require.NoError(t, err)
	require.Equal(t, 20, held.Configs)
}

func TestWhoHoldsAQuotaHearsOfOthers(t *testing.T) {
	q, client := run(t, coretest.NewFake())
	dev := Scope{Namespace: "dev"}
	held, err := q.Hold(t.Context(), dev)
	require.NoError(t, err)
	require.Nil(t, held, "nobody has set one")
	require.NoError(t, q.Change(t.Context(), dev, func(l *Limits) { l.Configs = 1 }))
	first, err := q.Hold(t.Context(), dev)
	require.NoError(t, err)
	second, err := q.Hold(t.Context(), dev)
	require.NoError(t, err)
	_, zxid, err := client.Multi(t.Context(), first.Op())
	require.NoError(t, err)
	_, _, err = client.Multi(t.Context(), second.Op())
	require.ErrorIs(t, err, core.BadVersion)
	third, err := q.Hold(t.Context(), dev)
	require.NoError(t, err)
	require.Equal(t, zxid, third.As, "who counts now must have seen what the first added")
	require.Equal(t, Limits{Configs: 1}, third.Limits)
}

func TestWhatIsRefused(t *testing.T) {
	q, _ := run(t, coretest.NewFake())
	for name, refused := range map[string]struct {
		scope  Scope
		change func(*Limits)
	}{
		"a limit below 0":      {Scope{Namespace: "a"}, func(l *Limits) { l.Configs = -1 }},
		"too large a number":   {Scope{Namespace: "a"}, func(l *Limits) { l.Instances = 1 << 31 }},
		"bytes below 0":        {Scope{Namespace: "a"}, func(l *Limits) { l.Bytes = -1 }},
		"a name with a slash":  {Scope{Namespace: "a/b"}, func(*Limits) {}},
		"a group with a space": {Scope{Group: "a b"}, func(*Limits) {}},
		"a long name":          {Scope{Namespace: strings.Repeat("x", NameBytesMax+1)}, func(*Limits) {}},
	} {
		var invalid *InvalidError
		require.ErrorAs(t, q.Change(t.Context(), refused.scope, refused.change), &invalid, name)
	}
	require.Equal(t, Limits{}, q.Shown(Scope{Namespace: "a"}))
}
