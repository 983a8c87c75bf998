package namespace

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func run(t *testing.T, engine *coretest.Fake) *Namespaces {
	t.Helper()
	client, err := engine.Open(t.Context(), core.SessionOptions{Timeout: time.Minute, ACL: core.NodeACL()})
	require.NoError(t, err)
	n, err := New(client, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = n.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; _ = client.Close() })
	<-n.Ready()
	return n
}

func list(t *testing.T, n *Namespaces) []Namespace {
	t.Helper()
	all, err := n.List(t.Context())
	require.NoError(t, err)
	return all
}

func TestNamespacesAreKnownOnEveryNode(t *testing.T) {
	engine := coretest.NewFake()
	a, b := run(t, engine), run(t, engine)
	ctx := t.Context()
	require.Equal(t, []Namespace{public}, list(t, a), "the public one is always there")
	id, err := a.Create(ctx, "", "Unnamed", "")
	require.NoError(t, err)
	require.Len(t, id, 36, "a UUID")
	_, err = a.Create(ctx, "dev", "A development", "ours")
	require.NoError(t, err)
	ns, err := a.Get(ctx, "dev")
	require.NoError(t, err, "the one who wrote reads it at once")
	require.Equal(t, Namespace{"dev", "A development", "ours"}, ns)
	require.Eventually(t, func() bool { return len(list(t, b)) == 3 }, 20*time.Second, time.Millisecond)
	require.Equal(t, []string{"public", "dev", id}, []string{list(t, b)[0].ID, list(t, b)[1].ID, list(t, b)[2].ID}, "by name")
	require.NoError(t, b.Update(ctx, "dev", "Dev", ""))
	require.NoError(t, b.Delete(ctx, id))
	require.NoError(t, b.Delete(ctx, id), "what is not there is no error")
	require.Len(t, list(t, b), 2)
	ns, err = b.Get(ctx, "dev")
	require.NoError(t, err)
	require.Equal(t, "Dev", ns.Name)
}

func TestNobodyIsToldThatThereIsNoneBeforeNamespacesAreKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, err := coretest.NewFake().Open(t.Context(), core.SessionOptions{Timeout: time.Minute, KeepAlive: true})
		require.NoError(t, err)
		defer client.Close()
		n, err := New(client, nil)
		require.NoError(t, err)
		_, err = n.Has(t.Context(), "dev")
		require.ErrorIs(t, err, ErrStarting)
		_, err = n.Get(t.Context(), "dev")
		require.ErrorIs(t, err, ErrStarting)
		_, err = n.List(t.Context())
		require.ErrorIs(t, err, ErrStarting)
	})
	n := run(t, coretest.NewFake())
	has, err := n.Has(t.Context(), "dev")
	require.NoError(t, err)
	require.False(t, has)
	_, err = n.Create(t.Context(), "dev", "Dev", "")
	require.NoError(t, err)
	has, err = n.Has(t.Context(), "dev")
	require.NoError(t, err)
	require.True(t, has)
}

func TestWhatIsRefused(t *testing.T) {
	n := run(t, coretest.NewFake())
	ctx := t.Context()
	for _, id := range []string{"a b", "a/b", "..", "命名", "null", strings.Repeat("x", 129)} {
		_, err := n.Create(ctx, id, "n", "")
		require.ErrorIs(t, err, ErrIllegal, id)
	}
	for _, name := range []string{"", " ", "a@b", "50%", strings.Repeat("x", 257)} {
		_, err := n.Create(ctx, "x", name, "")
		require.ErrorIs(t, err, ErrIllegal, name)
	}
	_, err := n.Create(ctx, "public", "p", "")
	require.ErrorIs(t, err, ErrExists)
	require.ErrorIs(t, n.Update(ctx, "", "p", ""), ErrIllegal, "blank is public")
	require.ErrorIs(t, n.Delete(ctx, "public"), ErrIllegal)
	require.ErrorIs(t, n.Update(ctx, "nobody", "p", ""), ErrNotFound)
}

func TestForeignValuesArePassedOver(t *testing.T) {
	engine := coretest.NewFake()
	n := run(t, engine)
	client, err := engine.Open(t.Context(), core.SessionOptions{ACL: core.NodeACL()})
	require.NoError(t, err)
	require.NoError(t, core.Ensure(t.Context(), client, Root))
	for name, data := range map[string][]byte{"a": nil, "b": []byte("{}"), "c": {1, '{'}, "d%zz": {1, '{', '}'}} {
		_, _, err := client.Create(t.Context(), Root+"/"+name, data, core.CreateOptions{})
		require.NoError(t, err)
	}
	_, err = n.Create(t.Context(), "good", "Good", "")
	require.NoError(t, err)
	require.Len(t, list(t, n), 2)
}
