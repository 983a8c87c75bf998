package zkclient

import (
	"bytes"
	"io"
	"testing"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// A server may send anything: the reader must neither panic nor hold more than
// a small multiple of what it was sent.
func FuzzFrameReader(f *testing.F) {
	f.Add([]byte{0, 0, 0, 4, 1, 2, 3, 4, 0, 0, 0, 0}, 3)
	f.Add([]byte{0x7f, 0xff, 0xff, 0xff, 1}, 1)
	f.Add([]byte{0x03, 0xff, 0xff, 0xff, 1, 2, 3}, 100)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, 2)
	f.Fuzz(func(t *testing.T, data []byte, piece int) {
		var whole frameReader
		whole.init(&pieces{data: data, size: piece})
		var cut frameReader
		cut.init(bytes.NewReader(data))
		for {
			a, errA := whole.next()
			b, errB := cut.next()
			if (errA == nil) != (errB == nil) || !bytes.Equal(a, b) {
				t.Fatalf("in pieces of %d: %x, %v; at once: %x, %v", piece, a, errA, b, errB)
			}
			if errA != nil {
				break
			}
		}
		if n := len(whole.buf); n > 4*len(data)+2*readBytesMin {
			t.Fatalf("a buffer of %d bytes for %d", n, len(data))
		}
	})
}

// pieces gives data size bytes at a time.
type pieces struct {
	data []byte
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.data[:min(len(p.data), max(1, p.size&0xff))])
	p.data = p.data[n:]
	return n, nil
}

// Replies are decoded from whatever a server sends.
func FuzzReplies(f *testing.F) {
	ok := wire.AppendMultiHeader(nil, wire.OpCreate2, false, 0)
	ok = wire.AppendStat(wire.AppendString(ok, "/a"), &core.Stat{})
	f.Add(wire.AppendMultiEnd(ok), 1)
	bad := wire.AppendInt(wire.AppendMultiHeader(nil, wire.OpError, false, -101), -101)
	f.Add(wire.AppendMultiEnd(bad), 1)
	f.Add(wire.AppendMultiEnd(wire.AppendStrings(wire.AppendMultiHeader(nil, wire.OpGetChildren, false, 0), []string{"x"})), 1)
	f.Fuzz(func(t *testing.T, body []byte, count int) {
		count &= 0xff
		c := &Client{}
		r := wire.NewReader(body)
		if got := c.decodeResults(&r, count); r.Err() == nil && len(got) != count {
			t.Fatalf("%d results for %d operations", len(got), count)
		}
		r = wire.NewReader(body)
		if got := decodeReads(&r, count); r.Err() == nil && len(got) != count {
			t.Fatalf("%d results for %d reads", len(got), count)
		}
		k := &call{done: make(chan struct{}, 1)}
		for _, decode := range []func(*call, *wire.Reader){decodePathStat, decodeDataStat, decodeNamesStat} {
			k.decode = decode
			k.reply(wire.ReplyHeader{}, body, nil)
			<-k.done
		}
	})
}
