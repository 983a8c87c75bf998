package picture

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const root = "/things"

var errStarting = errors.New("things are not known yet")

func open(t *testing.T, onChange func()) (*Picture, core.Client) {
	t.Helper()
	client, err := coretest.NewFake().Open(t.Context(), core.SessionOptions{Timeout: time.Minute, KeepAlive: true, ACL: core.NodeACL()})
	require.NoError(t, err)
	p, err := New(Config{Client: client, Root: root, Starting: errStarting, OnChange: onChange})
	require.NoError(t, err)
	return p, client
}

func TestWhoAsksTooEarlyWaitsAndIsToldSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, client := open(t, nil)
		require.False(t, p.Known())
		began := time.Now()
		require.ErrorIs(t, p.Await(t.Context()), errStarting)
		require.Equal(t, ReadyPatience, time.Since(began))

		gone := errors.New("the client is gone")
		early, leave := context.WithCancelCause(t.Context())
		leave(gone)
		require.ErrorIs(t, p.Await(early), gone, "who has left is not told that the server starts")

		waited := make(chan error, 1)
		go func() { waited <- p.Await(t.Context()) }()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = p.Run(ctx) }()
		require.NoError(t, <-waited, "who waits is told as soon as it is known")
		require.True(t, p.Known())
		require.NoError(t, p.Await(early), "what is known is not waited for")
		cancel()
		<-done
		require.NoError(t, client.Close())
	})
}

func TestWhoWroteReadsItHimself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		changes := 0
		p, client := open(t, func() { changes++ })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = p.Run(ctx) }()
		<-p.Ready()
		_, _, err := client.Create(ctx, root, nil, core.CreateOptions{})
		require.NoError(t, err)
		_, st, err := client.Create(ctx, root+"/a", []byte("x"), core.CreateOptions{})
		require.NoError(t, err)
		p.Shown(ctx, st.Czxid)
		require.Equal(t, []string{"a"}, p.Children(root))
		node, ok := p.Get(root + "/a")
		require.True(t, ok)
		require.Equal(t, "x", string(node.Data))
		require.Positive(t, changes)
		cancel()
		<-done
		require.NoError(t, client.Close())
	})
}

func TestWhatIsNotSeenInTimeStandsAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, client := open(t, nil) // and does not run
		_, st, err := client.Create(t.Context(), root, nil, core.CreateOptions{})
		require.NoError(t, err)
		began := time.Now()
		p.Shown(t.Context(), st.Czxid)
		require.Equal(t, WritePatience, time.Since(began))
		require.ErrorIs(t, p.Reach(t.Context(), st.Czxid), context.DeadlineExceeded)
		require.NoError(t, client.Close())
	})
}

func TestValues(t *testing.T) {
	type value struct {
		Name string `json:"name"`
	}
	b, err := Encode(value{"a"})
	require.NoError(t, err)
	require.Equal(t, "\x01{\"name\":\"a\"}", string(b), "what other versions wrote and will read")
	var v value
	require.NoError(t, Decode(b, &v))
	require.Equal(t, value{"a"}, v)
	for name, data := range map[string]string{"no value": "", "a later format": "\x02{}", "JSON without a version": "{}"} {
		require.ErrorIs(t, Decode([]byte(data), &v), ErrFormat, name)
	}
	require.Error(t, Decode([]byte{FormatVersion, '{'}, &v))
	require.Error(t, Decode([]byte{FormatVersion}, &v), "a mark only has no value")
}
