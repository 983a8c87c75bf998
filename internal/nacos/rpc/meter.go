package rpc

import (
	"encoding/binary"
	"strings"
	"sync"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// meter reads along what a client sends: so much of HTTP/2 as tells which messages have
// begun and not come to their end. It refuses nothing, which is for gRPC to do. It is safe
// for one who reads the connection and one who writes to it.
type meter struct {
	// mu is of all below, and before the lock of an arriving. Whoever writes takes it for
	// the streams alone that the server ends before the client.
	mu sync.Mutex

	// count is told of what is held more, or less.
	count func(bytes int64, since float64)
	now   func() float64

	preface int  // bytes of it that have come
	off     bool // it is none: this is not HTTP/2

	head   [frameHeadBytes]byte // of a frame
	headed int                  // bytes of head that have come
	left   int                  // bytes of its payload that have not

	// Of a frame with data.
	data    bool
	padded  bool // how much padding there is has not come
	padding int  // it ends the payload
	last    bool // nothing follows on the stream
	stream  uint32
	begun   begun
	fresh   int64 // bytes of the frame that belong to a message that is not whole
	whole   bool  // a message came to its end in it
	kept    int64 // bytes of that, if gRPC has it, and it is large, until the stream ends

	open map[uint32]begun // streams that are in the middle of a message

	// Streams that the client has begun and nobody has ended. What comes for another one is
	// kept by nobody.
	newest uint32 // the highest number of a stream
	recent uint32 // the one that was begun last, 0 where it has ended: often it ends at once
	live   map[uint32]struct{}
}

// begun is what has come of a message.
type begun struct {
	prefix   [prefixBytes]byte
	prefixed int   // bytes of it that have come
	left     int64 // bytes that are to come after the prefix
	held     parts
}

// What stands before a frame, and before a message.
const (
	preface        = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	frameHeadBytes = 9 // 3 of length, type, flags, 4 of stream
	prefixBytes    = 5 // whether it is packed, 4 of length
)

// Of frames.
const (
	typeData      = 0
	typeHeaders   = 1
	typeReset     = 3
	flagEndStream = 1
	flagPadded    = 8
)

// read takes what comes next.
func (m *meter) read(b []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(b) > 0 && !m.off {
		switch {
		case m.preface < len(preface):
			n := min(len(b), len(preface)-m.preface)
			m.off = !strings.HasPrefix(preface[m.preface:], string(b[:n]))
			m.preface += n
			b = b[n:]
		case m.headed < frameHeadBytes:
			n := copy(m.head[m.headed:], b)
			m.headed += n
			b = b[n:]
			if m.headed == frameHeadBytes {
				m.begin()
			}
		default:
			n := min(len(b), m.left)
			if m.data {
				m.payload(b[:n])
			}
			m.left -= n
			b = b[n:]
		}
		if m.headed == frameHeadBytes && m.left == 0 {
			m.end()
		}
	}
}

// begin is at the beginning of a frame's payload.
func (m *meter) begin() {
	m.left = int(m.head[0])<<16 | int(m.head[1])<<8 | int(m.head[2])
	m.stream = binary.BigEndian.Uint32(m.head[5:]) &^ (1 << 31)
	flags := m.head[4]
	m.data = m.head[3] == typeData
	if !m.data {
		return
	}
	m.last, m.padded, m.padding = flags&flagEndStream != 0, flags&flagPadded != 0, 0
	m.begun, m.fresh, m.whole, m.kept = m.open[m.stream], 0, false, 0
}

// payload is what comes of a frame's data; m.left counts it still.
func (m *meter) payload(b []byte) {
	if m.padded && len(b) > 0 {
		m.padded, m.padding = false, int(b[0])
		b = b[1:]
		m.left--
		defer func() { m.left++ }()
	}
	b = b[:max(0, min(len(b), m.left-m.padding))]
	for len(b) > 0 {
		g := &m.begun
		if g.prefixed < prefixBytes {
			n := copy(g.prefix[g.prefixed:], b)
			g.prefixed += n
			b = b[n:]
			m.fresh += int64(n)
			if g.prefixed == prefixBytes {
				g.left = int64(binary.BigEndian.Uint32(g.prefix[1:]))
			}
		} else {
			n := min(int64(len(b)), g.left)
			g.left -= n
			b = b[n:]
			m.fresh += n
		}
		if g.prefixed == prefixBytes && g.left == 0 {
			m.whole, m.fresh, m.kept = true, 0, 0
			if n := int64(binary.BigEndian.Uint32(g.prefix[1:])); n > requestBytesFree {
				m.kept = n
			}
			g.prefixed = 0
		}
	}
}

// end is at the end of a frame.
func (m *meter) end() {
	m.headed = 0
	switch last := m.head[4]&flagEndStream != 0; {
	case m.data:
		m.endData()
	case m.head[3] == typeReset, m.head[3] == typeHeaders && last:
		m.endStream(m.stream)
	case m.head[3] == typeHeaders && m.stream > m.newest:
		if m.recent != 0 {
			if m.live == nil {
				m.live = map[uint32]struct{}{}
			}
			m.live[m.recent] = struct{}{}
		}
		m.newest, m.recent = m.stream, m.stream
	}
}

func (m *meter) endData() {
	if m.last {
		m.endStream(m.stream)
		return
	}
	if !m.isLive(m.stream) {
		return
	}
	g := m.begun
	if m.whole {
		m.letGo(g.held)
		g.held = parts{}
	}
	if m.fresh == 0 && m.kept == 0 && g.prefixed == 0 {
		if g.held.bytes == 0 {
			delete(m.open, m.stream)
		}
		return
	}
	if g.prefixed == prefixBytes && binary.BigEndian.Uint32(g.prefix[1:]) > wire.MaxMessageBytes {
		m.fresh = 0 // gRPC keeps nothing of it
	}
	// Until its stream ends, gRPC does not hand on a message that is whole: there could
	// be a second.
	more := m.fresh + m.kept + frameBytes
	since := float64(more) * m.now()
	g.held.bytes += more
	g.held.since += since
	m.count(more, since)
	if m.open == nil {
		m.open = map[uint32]begun{}
	}
	m.open[m.stream] = g
}

func (m *meter) isLive(stream uint32) bool {
	if stream == m.recent {
		return stream != 0
	}
	_, ok := m.live[stream]
	return ok
}

// endStream is at the end of a stream, whoever ended it.
func (m *meter) endStream(stream uint32) {
	if stream == m.recent {
		m.recent = 0
	} else {
		delete(m.live, stream)
	}
	m.letGo(m.open[stream].held)
	delete(m.open, stream)
}

func (m *meter) letGo(p parts) {
	if p.bytes > 0 {
		m.count(-p.bytes, -p.since)
	}
}

// serverEnded learns that the server takes nothing more of a stream.
func (m *meter) serverEnded(stream uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.endStream(stream)
}

// ends reads along what the server sends, and tells which streams it ends that the client
// has not: gRPC resets those, also behind a status. Whoever writes to the connection uses
// it, and nobody else.
type ends struct {
	head   [frameHeadBytes]byte
	headed int // bytes of head that have gone
	left   int // bytes of the payload that have not
}

func (e *ends) write(b []byte, ended func(stream uint32)) {
	for len(b) > 0 {
		if e.headed < frameHeadBytes {
			n := copy(e.head[e.headed:], b)
			e.headed += n
			b = b[n:]
			if e.headed < frameHeadBytes {
				return
			}
			e.left = int(e.head[0])<<16 | int(e.head[1])<<8 | int(e.head[2])
			if e.head[3] == typeReset {
				ended(binary.BigEndian.Uint32(e.head[5:]) &^ (1 << 31))
			}
		}
		n := min(len(b), e.left)
		e.left -= n
		b = b[n:]
		if e.left == 0 {
			e.headed = 0
		}
	}
}
