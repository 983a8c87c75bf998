package rpc

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/zensus-io/zensus/internal/backlog"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

const largeBytes = 1_000_000

// serveLarge serves configs of largeBytes whose names begin with large, each with a content
// of its own, and small ones.
func serveLarge(t *testing.T, room *backlog.Backlog, stuck time.Duration) *served {
	t.Helper()
	contents := map[string]string{}
	for i := range 40 {
		contents[fmt.Sprint("large", i)] = strings.Repeat("\"x", largeBytes/3)
	}
	timing := calm()
	timing.StuckWrite = stuck
	return serve(t, Config{Backlog: room, Timing: timing}, func(s *Server) {
		Register(s, func(_ context.Context, _ *Conn, in *wire.ConfigQueryRequest) (*wire.ConfigQueryResponse, error) {
			return &wire.ConfigQueryResponse{Content: contents[in.DataID], MD5: in.DataID}, nil
		})
	})
}

// leave asks and does not take the answer.
func (c *client) leave(dataID string) grpc.ClientStream {
	c.t.Helper()
	call, err := c.conn.NewStream(context.Background(), &grpc.StreamDesc{ServerStreams: true}, wire.RequestMethod)
	require.NoError(c.t, err)
	p, err := wire.Encode(query(dataID), nil)
	require.NoError(c.t, err)
	require.NoError(c.t, call.SendMsg(p))
	require.NoError(c.t, call.CloseSend())
	return call
}

func query(dataID string) *wire.ConfigQueryRequest {
	return &wire.ConfigQueryRequest{ConfigKey: wire.ConfigKey{DataID: dataID, Group: "g"}}
}

func (c *client) wantContent(dataID string) {
	c.t.Helper()
	reply := c.ask(query(dataID)).(*wire.ConfigQueryResponse)
	require.True(c.t, reply.Success)
	require.Equal(c.t, dataID, reply.MD5)
	if strings.HasPrefix(dataID, "large") {
		require.True(c.t, reply.Content == strings.Repeat("\"x", largeBytes/3))
	}
}

// TestLargeAnswersThatNobodyTakesAreBounded: over all connections, and those who do not
// take them are let go, also where they take everything else. Small answers wait for
// nobody, and who takes large ones is served in the end.
func TestLargeAnswersThatNobodyTakesAreBounded(t *testing.T) {
	// Several large answers are to be held at once before the first is let go: that depends on
	// how long the machine needs for one.
	first := serveLarge(t, backlog.New(16<<20), time.Minute)
	taker := connect(t, first, "Nacos-Go-Client:v2.3.2", nil)
	began := time.Now()
	taker.wantContent("large0")
	stuck := max(500*time.Millisecond, 6*time.Since(began))
	require.NoError(t, taker.conn.Close())
	first.stop()

	room := backlog.New(16 << 20)
	v := serveLarge(t, room, stuck)
	var slow []*client
	for range 12 {
		slow = append(slow, connect(t, v, "Nacos-Go-Client:v2.3.2", nil))
	}
	began = time.Now()
	for i, c := range slow {
		c.leave(fmt.Sprint("large", i))
	}
	require.Eventually(t, func() bool { return room.Held() > 3_900_000 }, longest, time.Millisecond)
	c := connect(t, v, "Nacos-Go-Client:v2.3.2", nil)
	for range 20 {
		require.LessOrEqual(t, room.Held(), int64(4<<20))
		c.wantContent("small")
	}
	if there := len(v.Conns()); time.Since(began) < stuck {
		require.Equal(t, 13, there, "nobody is cut at once")
	}
	for i := range 20 {
		c.wantContent(fmt.Sprint("large", i))
		require.LessOrEqual(t, room.Held(), int64(4<<20))
		_, err := slow[11].askWith(&wire.HealthCheckRequest{}, nil)
		if len(v.Conns()) < 13 {
			break
		}
		require.NoError(t, err)
	}
	for range slow {
		select {
		case e := <-v.ended:
			require.Equal(t, Silent, e.reason)
			require.NotEqual(t, c.id, e.id)
		case <-time.After(longest):
			t.Fatal("who takes nothing was not cut")
		}
	}
	c.wantContent("large7")
	require.Eventually(t, func() bool { return room.Held() == 0 }, longest, time.Millisecond)
}

// TestManyAreGivenTheSameLargeAnswer: it is there once, and all are served from that.
func TestManyAreGivenTheSameLargeAnswer(t *testing.T) {
	room := backlog.New(6 << 20) // a client has room for one
	v := serveLarge(t, room, time.Minute)
	c := connect(t, v, "Nacos-Go-Client:v2.3.2", nil)
	var calls []grpc.ClientStream
	for range 100 {
		calls = append(calls, c.leave("large1"))
	}
	// Each is under way: those who came later have not been waiting.
	one := wire.QuotedBytes(strings.Repeat("\"x", largeBytes/3))
	require.Eventually(t, func() bool {
		ts := v.allTransports()[0]
		ts.answers.mu.Lock()
		defer ts.answers.mu.Unlock()
		return len(ts.answers.all) == 100
	}, longest, time.Millisecond)
	require.Equal(t, one, room.Held())
	for _, call := range calls {
		p := new(wire.Payload)
		require.NoError(t, call.RecvMsg(p))
		body, err := wire.Decode(p)
		require.NoError(t, err)
		require.Equal(t, "large1", body.(*wire.ConfigQueryResponse).MD5)
	}
	require.Eventually(t, func() bool { return room.Held() == 0 }, longest, time.Millisecond)
}

// TestPushesThatAreGivenUpAreNotWritten: each of them is pushed again a moment later, so
// one who reads late, or never, would have ever more of them waiting for him.
func TestPushesThatAreGivenUpAreNotWritten(t *testing.T) {
	timing := calm()
	timing.StuckWrite = time.Minute
	v := serve(t, Config{Timing: timing})
	slow := dial(t, v.addr)
	slow.check()
	slow.open()
	slow.send(&wire.ConnectionSetupRequest{ClientVersion: "Nacos-Go-Client:v2.3.2", Labels: map[string]string{"source": "sdk"}})
	require.Eventually(t, func() bool { return v.Conn(slow.id) != nil }, longest, time.Millisecond)
	conn := v.Conn(slow.id)
	queued := func() int {
		conn.outbox.mu.Lock()
		defer conn.outbox.mu.Unlock()
		return len(conn.outbox.mu.queue)
	}
	list := func(i int) wire.Encoded {
		text := fmt.Sprintf(`{"serviceInfo":{"name":"%d","x":"%s"}}`, i, strings.Repeat("x", largeBytes))
		return wire.Encoded{Type: (*wire.NotifySubscriberRequest)(nil).PayloadType(), JSON: []byte(text)}
	}

	// He does not read; the first fill what lies between, the others wait. Some are given
	// up by those who pushed them, some have waited too long.
	ctx, cancel := context.WithCancel(t.Context())
	given := make(chan error, 40)
	one := list(0)
	for range 20 {
		go func() { given <- conn.Push(ctx, one) }()
		go func() {
			_, err := conn.call(t.Context(), one, time.Second)
			given <- err
		}()
	}
	require.Eventually(t, func() bool { return queued() > 30 }, longest, time.Millisecond)
	for range 20 {
		require.ErrorIs(t, <-given, ErrNoAck)
	}
	require.LessOrEqual(t, queued(), 20)
	cancel()
	for range 20 {
		require.ErrorIs(t, <-given, context.Canceled)
	}
	require.Zero(t, queued())

	// When he reads, what is pushed then comes soon.
	go func() { given <- conn.Push(t.Context(), list(1_000)) }()
	slow.receive()
	for range 10 {
		push := slow.push().(*wire.NotifySubscriberRequest)
		if push.ServiceInfo.Name == "1000" {
			slow.send(&wire.NotifySubscriberResponse{Response: wire.Response{ResultCode: 200, RequestID: push.RequestID}})
			break
		}
	}
	require.NoError(t, <-given)
}
