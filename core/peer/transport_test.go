package peer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
)

// log is a Handler that remembers.
type log struct {
	mu     sync.Mutex
	up     map[core.PeerID]uint64
	events []string
}

func newLog() *log { return &log{up: map[core.PeerID]uint64{}} }

func (l *log) LinkUp(p core.PeerID, gen uint64, relieve func()) Receiver {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up[p] = gen
	l.events = append(l.events, fmt.Sprintf("up %d", p))
	return &logReceiver{log: l, peer: p, relieve: relieve}
}

// logReceiver is relieved of reading with each message that says so.
type logReceiver struct {
	*log
	peer    core.PeerID
	relieve func()
}

func (l *logReceiver) Receive(body []byte, _ bool) (relieved bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, fmt.Sprintf("%d: %s", l.peer, body))
	if strings.HasPrefix(string(body), "relieve") {
		l.relieve()
		return true
	}
	return false
}

func (l *log) LinkDown(p core.PeerID, gen uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.up, p)
	l.events = append(l.events, fmt.Sprintf("down %d", p))
}

func (l *log) gen(p core.PeerID) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.up[p]
}

func (l *log) has(event string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.events {
		if e == event {
			return true
		}
	}
	return false
}

// node is a transport that runs.
type node struct {
	*Transport
	log  *log
	stop func()
}

func run(t *testing.T, self core.PeerID, l net.Listener, peers map[core.PeerID][]string, secret string) *node {
	t.Helper()
	return runConfig(t, Config{Self: self, Listener: l, Peers: peers, Secret: []byte(secret)})
}

func runConfig(t *testing.T, cfg Config) *node {
	t.Helper()
	n := &node{log: newLog()}
	cfg.Handler = n.log
	n.Transport = New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = n.Run(ctx) }()
	n.stop = func() { cancel(); <-done }
	t.Cleanup(n.stop)
	return n
}

// say sends a message at once.
func (n *node) say(p core.PeerID, s string) {
	n.Send(p, n.log.gen(p), text(s))
	n.Flush(p)
}

// cut ends the link with a peer.
func (n *node) cut(p core.PeerID) {
	n.mu.Lock()
	l := n.mu.links[p]
	n.mu.Unlock()
	if l != nil {
		l.close()
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return l
}

func text(s string) func([]byte) []byte { return func(b []byte) []byte { return append(b, s...) } }

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	require.Eventually(t, f, time.Minute, time.Millisecond, what)
}

func TestMessagesGoBothWaysInOrder(t *testing.T) {
	la, lb := listen(t), listen(t)
	a := run(t, 1, la, map[core.PeerID][]string{2: {lb.Addr().String()}}, "secret")
	b := run(t, 2, lb, map[core.PeerID][]string{1: {la.Addr().String()}}, "secret")
	eventually(t, "a link", func() bool { return a.log.gen(2) != 0 && b.log.gen(1) != 0 })
	const many = 1000
	for i := range many {
		a.Send(2, a.log.gen(2), text(fmt.Sprint("m", i)))
		b.Send(1, b.log.gen(1), text(fmt.Sprint("n", i)))
		if i%7 == 0 {
			a.Flush(2)
		}
	}
	b.Flush(0)
	big := bytes.Repeat([]byte("x"), 3<<20)
	require.True(t, a.SendSlowly(2, a.log.gen(2), text(string(big))))
	eventually(t, "the last", func() bool { return b.log.has("1: "+string(big)) && a.log.has(fmt.Sprint("2: n", many-1)) })
	b.log.mu.Lock()
	for i := range many {
		require.Equal(t, fmt.Sprint("1: m", i), b.log.events[1+i])
	}
	b.log.mu.Unlock()
	a.Send(2, a.log.gen(2)+7, text("for a link that is over"))
	b.stop()
	eventually(t, "the end of the link", func() bool { return a.log.has("down 2") })
	require.False(t, b.log.has("1: for a link that is over"))
}

func TestAReceiverIsRelievedOfReading(t *testing.T) {
	la, lb := listen(t), listen(t)
	a := run(t, 1, la, map[core.PeerID][]string{2: {lb.Addr().String()}}, "secret")
	b := run(t, 2, lb, map[core.PeerID][]string{1: {la.Addr().String()}}, "secret")
	eventually(t, "a link", func() bool { return a.log.gen(2) != 0 && b.log.gen(1) != 0 })
	var want []string
	for i := range 50 {
		word := fmt.Sprint("m", i)
		if i%3 == 0 {
			word = fmt.Sprint("relieve", i)
		}
		want = append(want, "1: "+word)
		a.say(2, word)
	}
	eventually(t, "the last", func() bool { return b.log.has(want[49]) })
	b.stop()
	require.Equal(t, append(append([]string{"up 1"}, want...), "down 1"), b.log.events)
}

func TestLinkComesBack(t *testing.T) {
	la, lb := listen(t), listen(t)
	addr := lb.Addr().String()
	a := run(t, 3, la, map[core.PeerID][]string{2: {addr}}, "secret")
	b := run(t, 2, lb, map[core.PeerID][]string{3: {la.Addr().String()}}, "secret")
	eventually(t, "a link", func() bool { return a.log.gen(2) != 0 })
	first := a.log.gen(2)
	b.stop()
	eventually(t, "its end", func() bool { return a.log.gen(2) == 0 })
	lb, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	run(t, 2, lb, map[core.PeerID][]string{3: {la.Addr().String()}}, "secret")
	eventually(t, "another", func() bool { return a.log.gen(2) > first })
}

func TestStrangersDoNotGetIn(t *testing.T) {
	la, lb := listen(t), listen(t)
	a := run(t, 1, la, map[core.PeerID][]string{2: {lb.Addr().String()}}, "secret")
	wrong := run(t, 2, lb, map[core.PeerID][]string{1: {la.Addr().String()}}, "another secret")
	lc := listen(t)
	unknown := run(t, 7, lc, map[core.PeerID][]string{1: {la.Addr().String()}}, "secret")
	// One that plays back what it was told, and one that says nothing sensible.
	for _, say := range [][]byte{nil, []byte("GET / HTTP/1.0\r\n\r\n"), {0, 0, 0, 1, 0, 0, 0, 0, 9}, {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}} {
		c, err := net.Dial("tcp", la.Addr().String())
		require.NoError(t, err)
		_, _ = c.Write(say)
		if len(say) > 0 {
			_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
			_, err = c.Read(make([]byte, 1))
			require.Error(t, err)
		}
		_ = c.Close()
	}
	time.Sleep(200 * time.Millisecond)
	for _, n := range []*node{a, wrong, unknown} {
		require.Empty(t, n.log.events)
	}
}

func TestDamagedFrameEndsTheLink(t *testing.T) {
	var good bytes.Buffer
	require.NoError(t, sendFrame(&good, []byte("message")))
	b, err := readFrame(bytes.NewReader(good.Bytes()), FrameBytesMax)
	require.NoError(t, err)
	require.Equal(t, "message", string(b))
	for i := range good.Len() {
		bad := bytes.Clone(good.Bytes())
		bad[i] ^= 0x10
		_, err := readFrame(bytes.NewReader(bad), FrameBytesMax)
		require.Error(t, err, "byte %d", i)
	}
	_, err = readFrame(bytes.NewReader(good.Bytes()[:good.Len()-1]), FrameBytesMax)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func FuzzReadFrame(f *testing.F) {
	var good bytes.Buffer
	_ = sendFrame(&good, []byte("message"))
	f.Add(good.Bytes())
	f.Add([]byte{0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		body, err := readFrame(bytes.NewReader(b), FrameBytesMax)
		if err == nil {
			var again bytes.Buffer
			require.NoError(t, sendFrame(&again, body))
			require.Equal(t, b[:again.Len()], again.Bytes())
		}
	})
}

func FuzzDecodeHello(f *testing.F) {
	h := hello{from: 1, to: 2}
	f.Add(h.encode())
	h.proof = make([]byte, 32)
	f.Add(h.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHello(b)
		if err == nil {
			require.Equal(t, b, h.encode())
		}
	})
}

func TestAbsentPeersAreToldOfNowAndThen(t *testing.T) {
	loud := 0
	for n := 1; n <= 2*failuresTold; n++ {
		if howLoud(n, io.EOF) == hclog.Warn {
			loud++
		}
	}
	require.Equal(t, 2, loud)
	require.Equal(t, hclog.Warn, howLoud(mistrustsMin, &handshakeError{io.EOF}))
	require.Equal(t, hclog.Debug, howLoud(mistrustsMin, io.EOF))
}
