package server_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/server"
	"github.com/zensus-io/zensus/core/wire"
)

// ask is a whole request frame.
func ask(xid int32, op wire.OpCode, body []byte) []byte {
	body = append(wire.AppendRequestHeader(nil, xid, op), body...)
	return append(wire.AppendInt(nil, int32(len(body))), body...)
}

// connections is how many are counted against the limits.
func connections(t *testing.T, s *server.Server) int {
	t.Helper()
	w := httptest.NewRecorder()
	s.Admin("/commands", server.Operators).ServeHTTP(w, httptest.NewRequest("GET", "/commands/srvr", nil))
	var answer struct {
		Stats struct {
			Connections int `json:"num_alive_client_connections"`
		} `json:"server_stats"`
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
	return answer.Stats.Connections
}

func TestClientThatReadsNothingIsGivenUpWhenItsSessionEnds(t *testing.T) {
	addr, s := serve(t, server.Config{Words: all})
	ctx := context.Background()
	good := client(t, addr)
	_, _, err := good.Create(ctx, "/big", make([]byte, 900<<10), core.CreateOptions{})
	require.NoError(t, err)

	mute := dial(t, addr)
	_, err = mute.Write(connectFrame())
	require.NoError(t, err)
	resp := make([]byte, 41)
	_, err = io.ReadFull(mute, resp)
	require.NoError(t, err)
	welcome, err := wire.DecodeConnectResponse(resp[4:])
	require.NoError(t, err)
	require.NoError(t, mute.(*net.TCPConn).SetReadBuffer(64<<10))
	for xid := int32(1); xid <= 40; xid++ { // more than two socket buffers hold
		_, err := mute.Write(ask(xid, wire.OpGetData, wire.AppendPathWatch(nil, "/big", false)))
		require.NoError(t, err)
	}
	require.Equal(t, 2, connections(t, s))
	stuck := word(t, addr, "cons")
	require.Eventually(t, func() bool { // until a writer waits for the client
		before := stuck
		stuck = word(t, addr, "cons")
		return before == stuck
	}, time.Minute, 200*time.Millisecond)

	other := dial(t, addr) // resumes the session and ends it
	resume := wire.ConnectRequest{TimeoutMillis: 10_000, SessionID: welcome.SessionID, Password: welcome.Password[:], HasReadOnly: true}.Append(nil)
	_, err = other.Write(append(append(wire.AppendInt(nil, int32(len(resume))), resume...), ask(1, wire.OpCloseSession, nil)...))
	require.NoError(t, err)
	_, err = io.ReadAll(other)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return connections(t, s) == 1 }, time.Minute, 20*time.Millisecond,
		"a connection that is over is still counted")
}

func TestConnectionMayBeHandedOverWithWhatWasRead(t *testing.T) {
	_, s := serve(t, server.Config{Words: all})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	for name, c := range map[string]struct {
		send   []byte
		peeked int
		answer int
	}{
		"a word":                     {[]byte("ruok"), 4, 4},
		"half a word":                {[]byte("ruok"), 2, 4},
		"a length":                   {connectFrame(), 4, 41},
		"a length and a byte":        {connectFrame(), 5, 41},
		"nothing":                    {connectFrame(), 0, 41},
		"all of a frame":             {connectFrame(), len(connectFrame()), 41},
		"a word with its arguments":  {[]byte("stmk\x00\x00\x00\x00\x00\x00\x00\x07"), 4, 1},
		"a word with some arguments": {[]byte("stmk\x00\x00\x00\x00\x00\x00\x00\x07"), 6, 1},
	} {
		t.Run(name, func(t *testing.T) {
			near := dial(t, l.Addr().String())
			far, err := l.Accept()
			require.NoError(t, err)
			s.Handle(far, c.send[:c.peeked])
			_, err = near.Write(c.send[c.peeked:])
			require.NoError(t, err)
			_, err = io.ReadFull(near, make([]byte, c.answer))
			require.NoError(t, err)
		})
	}
}
