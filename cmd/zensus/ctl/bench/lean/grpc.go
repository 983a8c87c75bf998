package lean

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2/hpack"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// Frames of HTTP/2 and their flags, RFC 9113.
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	frameReset        = 0x3
	frameSettings     = 0x4
	framePing         = 0x6
	frameGoAway       = 0x7
	frameWindowUpdate = 0x8
	frameContinuation = 0x9

	flagEndStream  = 0x1
	flagAck        = 0x1 // of SETTINGS and PING
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20

	settingTableSize     = 0x1
	settingInitialWindow = 0x4

	frameHead     = 9
	frameBytesMax = 16 << 10 // of one frame that is sent: what everybody takes
	firstWindow   = 64<<10 - 1
	// recvWindow is what the server may send ahead of the client: so much that it never
	// waits for the client to allow more.
	recvWindow = 1 << 30
)

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// GRPC is a connection to the port of Nacos's clients. Next and TryNext are for one
// goroutine; the other methods are safe for concurrent use.
type GRPC struct {
	// Owned by the goroutine that calls Next.
	in       input
	dec      *hpack.Decoder
	status   string // grpc-status of the block of headers just read
	reason   string
	answers  []answer
	spare    [][]byte
	told     []byte // what came on the stream of Talk and was not handed out
	handed   int    // bytes of told that were
	consumed int64  // since the server was last allowed more
	talked   int64  // likewise on the stream of Talk

	authority string
	mu        struct {
		sync.Mutex   // held over writes too: they have one order
		out          []byte
		window       int64 // what the server takes on the connection
		streamWindow int64 // on each new stream
		talkWindow   int64
		stream       uint32 // the next
		talk         uint32 // the stream of Talk, 0 before
		enc          *hpack.Encoder
		encoded      bytes.Buffer
		block        []byte // headers of a call once they are in the table, nil before
	}
}

// answer is one that has not come whole.
type answer struct {
	stream uint32
	data   []byte
}

// Message is a payload that came: the answer to the call of that stream, or what the
// server says on the stream of Talk. It is good until the next is asked for.
type Message struct {
	Stream     uint32
	Told       bool // on the stream of Talk
	Kind, JSON []byte
}

// DialGRPC opens a connection, and returns when the server has answered.
func DialGRPC(addr string, within time.Duration) (*GRPC, error) {
	nc, err := net.DialTimeout("tcp", addr, within)
	if err != nil {
		return nil, err
	}
	c := newGRPC(nc, addr)
	if err := nc.SetDeadline(time.Now().Add(within)); err != nil {
		return nil, errors.Join(err, nc.Close())
	}
	if err := c.begin(); err != nil {
		return nil, errors.Join(err, nc.Close())
	}
	return c, nc.SetDeadline(time.Time{})
}

func newGRPC(nc net.Conn, authority string) *GRPC {
	c := &GRPC{authority: authority}
	c.in.net = nc
	c.dec = hpack.NewDecoder(4096, func(f hpack.HeaderField) {
		switch f.Name {
		case "grpc-status":
			c.status = f.Value
		case "grpc-message":
			c.reason = f.Value
		}
	})
	c.mu.window, c.mu.streamWindow, c.mu.stream = firstWindow, firstWindow, 1
	c.mu.enc = hpack.NewEncoder(&c.mu.encoded)
	b := append(c.mu.out, preface...)
	b = binary.BigEndian.AppendUint32(append(appendHead(b, 6, frameSettings, 0, 0), 0, settingInitialWindow), recvWindow)
	c.mu.out = appendWindowUpdate(b, 0, recvWindow-firstWindow)
	return c
}

// begin waits for the server's settings.
func (c *GRPC) begin() error {
	if err := c.Flush(); err != nil {
		return err
	}
	if err := c.in.need(frameHead); err != nil {
		return err
	}
	if kind := c.in.buf[c.in.from+3]; kind != frameSettings {
		return fmt.Errorf("a server of HTTP/2 begins with its settings, not with a frame of type %d", kind)
	}
	n := frameHead + frameLen(c.in.buf[c.in.from:])
	if err := c.in.need(n); err != nil {
		return err
	}
	_, _, err := c.frame(c.in.buf[c.in.from : c.in.from+n])
	c.in.from += n
	return err
}

// SetDeadline bounds reads and writes; the zero time is no bound.
func (c *GRPC) SetDeadline(t time.Time) error { return c.in.net.SetDeadline(t) }

// Close closes the connection, as a client that dies does.
func (c *GRPC) Close() error { return c.in.net.Close() }

// Call appends a call, to be sent by Flush, and returns the stream on which it is
// answered; 0 if the server does not take so much before it has read more.
func (c *GRPC) Call(kind string, json []byte) (stream uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.callLocked(kind, json)
}

// CallAs is Call, and stores the stream before anybody's Flush can send the call.
func (c *GRPC) CallAs(into *atomic.Uint32, kind string, json []byte) (stream uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	stream = c.callLocked(kind, json)
	into.Store(stream)
	return stream
}

func (c *GRPC) callLocked(kind string, json []byte) (stream uint32) {
	n := int64(payloadBytes(kind, json) + 5)
	if n > c.mu.window {
		return 0
	}
	c.mu.window -= n
	block := c.mu.block
	if block == nil {
		block = c.headersLocked(wire.RequestMethod, false)
		if allIndexed(block) {
			c.mu.block = slices.Clone(block)
		}
	}
	stream = c.mu.stream
	c.mu.stream += 2
	c.mu.out = append(appendHead(c.mu.out, len(block), frameHeaders, flagEndHeaders, stream), block...)
	c.dataLocked(stream, flagEndStream, kind, json)
	return stream
}

// Talk appends a message on the stream between client and server, which the first opens.
// It reports whether the server takes so much yet.
func (c *GRPC) Talk(kind string, json []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := int64(payloadBytes(kind, json) + 5)
	if c.mu.talk == 0 {
		block := c.headersLocked(wire.BiStreamMethod, true)
		c.mu.talk, c.mu.talkWindow = c.mu.stream, c.mu.streamWindow
		c.mu.stream += 2
		c.mu.out = append(appendHead(c.mu.out, len(block), frameHeaders, flagEndHeaders, c.mu.talk), block...)
	}
	if n > c.mu.window || n > c.mu.talkWindow {
		return false
	}
	c.mu.window -= n
	c.mu.talkWindow -= n
	c.dataLocked(c.mu.talk, 0, kind, json)
	return true
}

// headersLocked encodes the headers of a call; the path is not put into the table if it
// comes once only.
func (c *GRPC) headersLocked(path string, once bool) []byte {
	c.mu.encoded.Reset()
	for _, f := range []hpack.HeaderField{
		{Name: ":method", Value: "POST"},
		{Name: ":scheme", Value: "http"},
		{Name: ":path", Value: path, Sensitive: once},
		{Name: ":authority", Value: c.authority},
		{Name: "content-type", Value: "application/grpc"},
		{Name: "te", Value: "trailers"},
		{Name: "user-agent", Value: "zensus-bench"},
	} {
		_ = c.mu.enc.WriteField(f) // to memory
	}
	return c.mu.encoded.Bytes()
}

// allIndexed reports whether a block of headers changes no table: then it may be sent
// again as it is.
func allIndexed(block []byte) bool {
	for _, b := range block {
		if b < 0x80 || b == 0xff {
			return false
		}
	}
	return true
}

// dataLocked appends a message in frames, of which the last has the flag.
func (c *GRPC) dataLocked(stream uint32, flag byte, kind string, json []byte) {
	if n := payloadBytes(kind, json) + 5; n <= frameBytesMax {
		c.mu.out = appendPayload(appendHead(c.mu.out, n, frameData, flag, stream), kind, json)
		return
	}
	rest := appendPayload(nil, kind, json)
	for len(rest) > frameBytesMax {
		c.mu.out = append(appendHead(c.mu.out, frameBytesMax, frameData, 0, stream), rest[:frameBytesMax]...)
		rest = rest[frameBytesMax:]
	}
	c.mu.out = append(appendHead(c.mu.out, len(rest), frameData, flag, stream), rest...)
}

func appendHead(b []byte, n int, kind, flags byte, stream uint32) []byte {
	return binary.BigEndian.AppendUint32(append(b, byte(n>>16), byte(n>>8), byte(n), kind, flags), stream)
}

func appendWindowUpdate(b []byte, stream uint32, more int64) []byte {
	return binary.BigEndian.AppendUint32(appendHead(b, 4, frameWindowUpdate, 0, stream), uint32(more))
}

func frameLen(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }

// Flush sends what was appended.
func (c *GRPC) Flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.mu.out) == 0 {
		return nil
	}
	_, err := c.in.net.Write(c.mu.out)
	c.mu.out = c.mu.out[:0]
	return err
}

// Next waits for the next message. What was appended and is a reply to the server's
// frames is sent meanwhile.
func (c *GRPC) Next() (Message, error) {
	for {
		if m, ok, err := c.TryNext(); ok || err != nil {
			return m, err
		}
		if err := c.Flush(); err != nil {
			return Message{}, err
		}
		if err := c.in.fill(); err != nil {
			return Message{}, err
		}
	}
}

// TryNext is the next message if it can be had without reading.
func (c *GRPC) TryNext() (m Message, ok bool, err error) {
	if c.handed > 0 {
		c.told = c.told[:copy(c.told, c.told[c.handed:])]
		c.handed = 0
	}
	if len(c.told) > 0 {
		if m, ok, err = c.nextTold(); ok || err != nil {
			return m, ok, err
		}
	}
	for {
		have := c.in.buf[c.in.from:c.in.to]
		if len(have) < frameHead {
			return Message{}, false, nil
		}
		n := frameHead + frameLen(have)
		if len(have) < n {
			return Message{}, false, nil
		}
		c.in.from += n
		if m, ok, err = c.frame(have[:n]); ok || err != nil {
			return m, ok, err
		}
	}
}

// frame takes one frame. ok says that a message is whole.
func (c *GRPC) frame(f []byte) (m Message, ok bool, err error) {
	kind, flags, stream := f[3], f[4], binary.BigEndian.Uint32(f[5:])&(1<<31-1)
	body := f[frameHead:]
	switch kind {
	case frameData, frameHeaders:
		if body, err = unpad(body, flags, kind); err != nil {
			return m, false, err
		}
		if kind == frameHeaders {
			return c.headers(stream, flags, body)
		}
		return c.data(stream, flags, body, len(f)-frameHead)
	case frameReset:
		if slices.ContainsFunc(c.answers, func(a answer) bool { return a.stream == stream }) || stream == c.talk() {
			return m, false, errors.New("the server has reset a stream")
		}
	case frameSettings:
		if flags&flagAck == 0 {
			err = c.settings(body)
		}
	case framePing:
		if flags&flagAck == 0 && len(body) == 8 {
			c.mu.Lock()
			c.mu.out = append(appendHead(c.mu.out, 8, framePing, flagAck, 0), body...)
			c.mu.Unlock()
		}
	case frameGoAway:
		return m, false, fmt.Errorf("the server says goodbye: %.100q", body[min(8, len(body)):])
	case frameWindowUpdate:
		if len(body) == 4 {
			c.mu.Lock()
			switch stream {
			case 0:
				c.mu.window += int64(binary.BigEndian.Uint32(body))
			case c.mu.talk:
				c.mu.talkWindow += int64(binary.BigEndian.Uint32(body))
			}
			c.mu.Unlock()
		}
	case frameContinuation:
		return m, false, errors.New("headers in several frames")
	}
	return m, false, err
}

func (c *GRPC) talk() uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.talk
}

var errFrame = errors.New("a frame that is too short")

func unpad(body []byte, flags, kind byte) ([]byte, error) {
	if flags&flagPadded != 0 {
		if len(body) == 0 || int(body[0]) >= len(body) {
			return nil, errFrame
		}
		body = body[1 : len(body)-int(body[0])]
	}
	if kind == frameHeaders && flags&flagPriority != 0 {
		if len(body) < 5 {
			return nil, errFrame
		}
		body = body[5:]
	}
	return body, nil
}

func (c *GRPC) settings(body []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ; len(body) >= 6; body = body[6:] {
		value := binary.BigEndian.Uint32(body[2:])
		switch binary.BigEndian.Uint16(body) {
		case settingTableSize:
			if c.mu.stream > 1 {
				return errors.New("the server changes the size of the table of headers under way")
			}
			c.mu.enc.SetMaxDynamicTableSizeLimit(value)
		case settingInitialWindow:
			c.mu.talkWindow += int64(value) - c.mu.streamWindow
			c.mu.streamWindow = int64(value)
		}
	}
	c.mu.out = appendHead(c.mu.out, 0, frameSettings, flagAck, 0)
	return nil
}

func (c *GRPC) headers(stream uint32, flags byte, block []byte) (m Message, ok bool, err error) {
	if flags&flagEndHeaders == 0 {
		return m, false, errors.New("headers in several frames")
	}
	c.status, c.reason = "", ""
	if _, err := c.dec.Write(block); err != nil {
		return m, false, err
	}
	if err := c.dec.Close(); err != nil {
		return m, false, err
	}
	if flags&flagEndStream == 0 {
		return m, false, nil
	}
	return c.end(stream)
}

// data takes the bytes of a frame, which count as size against what may be sent.
func (c *GRPC) data(stream uint32, flags byte, body []byte, size int) (m Message, ok bool, err error) {
	talk := c.talk()
	c.allow(talk, stream == talk, int64(size))
	if stream == talk {
		if flags&flagEndStream != 0 {
			return m, false, errors.New("the server has ended the stream")
		}
		c.told = append(c.told, body...)
		return c.nextTold()
	}
	i := slices.IndexFunc(c.answers, func(a answer) bool { return a.stream == stream })
	if i < 0 {
		i = len(c.answers)
		c.answers = append(c.answers, answer{stream: stream})
		if n := len(c.spare); n > 0 {
			c.answers[i].data = c.spare[n-1][:0]
			c.spare = c.spare[:n-1]
		}
	}
	if len(c.answers[i].data)+len(body) > answerBytesMax {
		return m, false, errTooLarge
	}
	c.answers[i].data = append(c.answers[i].data, body...)
	if flags&flagEndStream != 0 {
		return c.end(stream)
	}
	return m, false, nil
}

// allow lets the server send more when it has sent much.
func (c *GRPC) allow(talk uint32, talked bool, n int64) {
	c.consumed += n
	if talked {
		c.talked += n
	}
	if c.consumed < recvWindow/4 && c.talked < recvWindow/4 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.consumed > 0 {
		c.mu.out = appendWindowUpdate(c.mu.out, 0, c.consumed)
	}
	if c.talked > 0 {
		c.mu.out = appendWindowUpdate(c.mu.out, talk, c.talked)
	}
	c.consumed, c.talked = 0, 0
}

// end takes the end of a stream.
func (c *GRPC) end(stream uint32) (m Message, ok bool, err error) {
	if c.status != "" && c.status != "0" {
		return m, false, fmt.Errorf("status %s of gRPC: %s", c.status, c.reason)
	}
	i := slices.IndexFunc(c.answers, func(a answer) bool { return a.stream == stream })
	if i < 0 {
		return m, false, errors.New("a stream ended without an answer")
	}
	data := c.answers[i].data
	c.answers = slices.Delete(c.answers, i, i+1)
	c.spare = append(c.spare, data) // it is not used again before the next answer
	if len(data) < 5 || data[0] != 0 || int(binary.BigEndian.Uint32(data[1:])) != len(data)-5 {
		return m, false, errors.New("an answer that is not one message")
	}
	m.Stream = stream
	m.Kind, m.JSON, err = readPayload(data[5:])
	return m, err == nil, err
}

// nextTold is the next message of the stream of Talk, if it is whole.
func (c *GRPC) nextTold() (m Message, ok bool, err error) {
	if len(c.told) < 5 {
		return m, false, nil
	}
	n := int(binary.BigEndian.Uint32(c.told[1:]))
	if c.told[0] != 0 || n > answerBytesMax {
		return m, false, errors.New("a message that is compressed or too large")
	}
	if len(c.told) < 5+n {
		return m, false, nil
	}
	c.handed = 5 + n
	m.Stream, m.Told = c.talk(), true
	m.Kind, m.JSON, err = readPayload(c.told[5 : 5+n])
	return m, err == nil, err
}
