package main

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zkclient"
	"github.com/zensus-io/zensus/internal/testkit"
)

// exchange sends a frame and reads the next one.
func exchange(t *testing.T, c net.Conn, body []byte) []byte {
	t.Helper()
	require.NoError(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	_, err := c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	require.NoError(t, err)
	var head [4]byte
	_, err = io.ReadFull(c, head[:])
	require.NoError(t, err)
	frame := make([]byte, binary.BigEndian.Uint32(head[:]))
	_, err = io.ReadFull(c, frame)
	require.NoError(t, err)
	return frame
}

// TestAServerThatIsStartedAloneServesReads: two of three are gone, and the third has
// only its disk.
func TestAServerThatIsStartedAloneServesReads(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts three servers")
	}
	servers := testkit.StartEnsemble(t, testkit.Options{Config: map[string]string{
		"readonlymode.enabled": "true", "4lw.commands.whitelist": "srvr",
	}}, 3, 0)
	// Through the server that will be alone: what it answers is on its disk.
	c, err := zkclient.Dial(t.Context(), []string{servers[1].ZooKeeper}, zkclient.Options{Timeout: 10 * time.Second})
	require.NoError(t, err)
	for _, path := range []string{"/a", "/b"} {
		_, _, err = c.Create(t.Context(), path, []byte("of "+path), core.CreateOptions{})
		require.NoError(t, err)
	}
	require.NoError(t, c.Close()) // one more transaction, which says that those before are committed
	for _, s := range servers {
		s.Kill()
	}
	alone := servers[1]
	alone.Launch()
	require.Eventually(t, func() bool {
		said, err := testkit.FourLetterWord(alone.ZooKeeper, "isro")
		return err == nil && said == "ro"
	}, 20*time.Second, 20*time.Millisecond)
	raw, err := net.Dial("tcp", alone.ZooKeeper)
	require.NoError(t, err)
	defer raw.Close()
	resp, err := wire.DecodeConnectResponse(exchange(t, raw, wire.ConnectRequest{TimeoutMillis: 10_000, HasReadOnly: true, ReadOnly: true}.Append(nil)))
	require.NoError(t, err)
	require.True(t, resp.ReadOnly)
	require.NotZero(t, resp.SessionID)
	r := wire.NewReader(exchange(t, raw, wire.AppendPathWatch(wire.AppendRequestHeader(nil, 1, wire.OpGetData), "/a", false)))
	require.Equal(t, core.OK, wire.DecodeReplyHeader(&r).Err)
	require.Equal(t, "of /a", r.String())
	r = wire.NewReader(exchange(t, raw, wire.AppendSetData(wire.AppendRequestHeader(nil, 2, wire.OpSetData), "/a", nil, -1)))
	require.Equal(t, core.NotReadOnly, wire.DecodeReplyHeader(&r).Err)
	said, err := testkit.FourLetterWord(alone.ZooKeeper, "srvr")
	require.NoError(t, err)
	require.Contains(t, said, "\nREAD-ONLY mode; serving only read-only clients\n")
	require.Contains(t, said, "\nMode: read-only\n")

	servers[0].Launch()
	_, err = io.ReadFull(raw, make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "it is hung up on when there is a quorum")
	require.Eventually(t, func() bool {
		said, err := testkit.FourLetterWord(alone.ZooKeeper, "isro")
		return err == nil && said == "rw"
	}, 20*time.Second, 20*time.Millisecond)
}
