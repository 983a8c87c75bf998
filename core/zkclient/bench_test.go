package zkclient_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zkclient"
)

// echo answers every getData on one connection with 100 bytes, as fast as it can.
func echo(b *testing.B) (addr string) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		in, out := bufio.NewReaderSize(conn, 64<<10), bufio.NewWriterSize(conn, 64<<10)
		var head [4]byte
		var buf, reply []byte
		stat := core.Stat{DataLength: 100}
		data := make([]byte, 100)
		for first := true; ; first = false {
			if in.Buffered() == 0 {
				out.Flush()
			}
			if _, err := io.ReadFull(in, head[:]); err != nil {
				return
			}
			n := int(binary.BigEndian.Uint32(head[:]))
			if cap(buf) < n {
				buf = make([]byte, n)
			}
			if _, err := io.ReadFull(in, buf[:n]); err != nil {
				return
			}
			reply = wire.AppendInt(reply[:0], 0)
			if first {
				reply = wire.ConnectResponse{TimeoutMillis: 30000, SessionID: 1, HasReadOnly: true}.Append(reply)
			} else {
				r := wire.NewReader(buf[:n])
				h := wire.DecodeRequestHeader(&r)
				reply = wire.AppendReplyHeader(reply, h.Xid, 1, core.OK)
				if h.Op == wire.OpGetData {
					reply = wire.AppendStat(wire.AppendBuffer(reply, data), &stat)
				}
			}
			wire.PutInt(reply, int32(len(reply)-4))
			out.Write(reply)
		}
	}()
	return l.Addr().String()
}

func benchClient(b *testing.B) *zkclient.Client {
	b.Helper()
	c, err := zkclient.Dial(context.Background(), []string{echo(b)}, zkclient.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

func BenchmarkGet(b *testing.B) {
	c := benchClient(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := c.Get(context.Background(), "/some/path"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGetParallel(b *testing.B) {
	c := benchClient(b)
	b.SetParallelism(64)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, _, err := c.Get(context.Background(), "/some/path"); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkStartWindow100(b *testing.B) {
	c := benchClient(b)
	body := wire.AppendPathWatch(nil, "/some/path", false)
	window := make(chan struct{}, 100)
	fn := func(h wire.ReplyHeader, body []byte, err error) { <-window }
	b.ReportAllocs()
	for b.Loop() {
		window <- struct{}{}
		if err := c.Start(wire.OpGetData, body, fn); err != nil {
			b.Fatal(err)
		}
	}
}
