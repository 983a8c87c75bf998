package docs_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/session"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zkclient"
	"github.com/zensus-io/zensus/internal/testkit"
)

// TestDifferencesFromZooKeeperAreWhatTheirPageSays asks a server for what
// protocol/zookeeper.md says that it answers where ZooKeeper would not.
func TestDifferencesFromZooKeeperAreWhatTheirPageSays(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and runs the binary")
	}
	s := testkit.Start(t, testkit.Options{})
	dial := func() *zkclient.Client {
		c, err := zkclient.Dial(t.Context(), []string{s.ZooKeeper}, zkclient.Options{Timeout: 10 * time.Second})
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	page := read(t, "protocol/zookeeper.md")
	c := dial()
	full := wire.AppendString(nil, "/x")
	full = wire.AppendBuffer(full, nil)
	for _, tt := range []struct {
		row  string
		op   wire.OpCode
		body []byte
		want core.Code
	}{
		{"| a truncated create | stalls the server (3.9.5) | MARSHALLINGERROR |", wire.OpCreate, full, core.MarshallingError},
		{"| createTTL with a ttl of -1 | ends the server for good (3.8, 3.9) | BADARGUMENTS |", wire.OpCreateTTL, ttl(-1), core.BadArguments},
		{"| reconfig | changes the ensemble | RECONFIGDISABLED, ", wire.OpReconfig, reconfig(), core.ReconfigDisabled},
	} {
		require.Contains(t, page, tt.row)
		before, err := c.Sync(t.Context(), "/")
		require.NoError(t, err)
		h, _, err := c.Do(t.Context(), tt.op, tt.body)
		require.NoError(t, err, tt.row)
		require.Equal(t, tt.want, h.Err, tt.row)
		after, err := c.Sync(t.Context(), "/")
		require.NoError(t, err)
		require.Equal(t, before+1, after, "a refused write takes a zxid")
		_, err = dial().Exists(t.Context(), "/")
		require.NoError(t, err, "it harms nobody else")
	}
	guess := session.ApachePassword(c.Session().ID)
	require.NotEqual(t, guess[:], c.Session().Password, "a password cannot be computed from the id")
}

func ttl(millis int64) []byte {
	b := wire.AppendString(nil, "/x")
	b = wire.AppendBuffer(b, nil)
	b = wire.AppendACLs(b, core.OpenACL())
	b = wire.AppendInt(b, int32(core.PersistentTTL))
	return wire.AppendLong(b, millis)
}

func reconfig() []byte {
	b := wire.AppendString(nil, "server.2=127.0.0.1:2888:3888;2181")
	b = wire.AppendString(b, "")
	b = wire.AppendString(b, "")
	return wire.AppendLong(b, -1)
}
