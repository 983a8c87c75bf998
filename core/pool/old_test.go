package pool_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/pool"
	"github.com/zensus-io/zensus/core/wire"
)

// older answers like a server that refuses one operation with a code.
type older struct {
	refuses wire.OpCode
	with    core.Code
	conns   sync.WaitGroup
}

func (o *older) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	o.conns.Go(func() { o.serve(server) })
	return client, nil
}

func (o *older) serve(c net.Conn) {
	defer c.Close()
	read := func() []byte {
		var head [4]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return nil
		}
		b := make([]byte, binary.BigEndian.Uint32(head[:]))
		_, _ = io.ReadFull(c, b)
		return b
	}
	write := func(b []byte) { _, _ = c.Write(append(wire.AppendInt(nil, int32(len(b))), b...)) }
	if read() == nil {
		return
	}
	write((&wire.ConnectResponse{TimeoutMillis: 10_000, SessionID: 7, HasReadOnly: true}).Append(nil))
	for b := read(); b != nil; b = read() {
		r := wire.NewReader(b)
		h := wire.DecodeRequestHeader(&r)
		code := core.OK
		if h.Op == o.refuses {
			code = o.with
		}
		reply := wire.AppendReplyHeader(nil, h.Xid, 1, code)
		switch {
		case code != core.OK:
		case h.Op == wire.OpAddWatch:
			reply = wire.AppendInt(reply, 0)
		case h.Op == wire.OpCreate2:
			reply = wire.AppendStat(wire.AppendString(reply, "/"), &core.Stat{})
		}
		write(reply)
		if h.Op == wire.OpCloseSession || code == core.AuthFailed {
			return
		}
	}
}

func TestAnEnsembleThatIsOfNoUseIsNotWaitedFor(t *testing.T) {
	for name, tt := range map[string]struct {
		refuses wire.OpCode
		with    core.Code
		want    error
	}{
		"it knows no persistent watches":  {wire.OpAddWatch, core.Unimplemented, pool.ErrOld},
		"it takes no digest":              {wire.OpAuth, core.AuthFailed, pool.ErrStranger},
		"the root may not be created":     {wire.OpCreate2, core.NoAuth, pool.ErrStranger},
		"the root cannot be read":         {wire.OpGetData, core.NoAuth, pool.ErrStranger},
		"it wants another authentication": {wire.OpAddWatch, core.SessionClosedRequireSASL, pool.ErrStranger},
	} {
		t.Run(name, func(t *testing.T) {
			o := &older{refuses: tt.refuses, with: tt.with}
			defer o.conns.Wait()
			n, failed := launch(t, pool.Config{Servers: []string{"old:2181"}, Dialer: o.dial})
			select {
			case err := <-failed:
				if !errors.Is(err, tt.want) {
					t.Errorf("got %v, want %v", err, tt.want)
				}
			case <-n.Ready():
				t.Error("it is taken for one that can be used")
			case <-time.After(time.Minute):
				t.Error("it is waited for")
			}
			if _, err := n.own.Sync(t.Context(), "/"); !errors.Is(err, core.ErrClosed) {
				t.Errorf("a call after that: %v", err)
			}
			if _, err := n.Open(t.Context(), core.SessionOptions{Timeout: time.Second}); !errors.Is(err, core.ErrClosed) {
				t.Errorf("a session after that: %v", err)
			}
		})
	}
}
