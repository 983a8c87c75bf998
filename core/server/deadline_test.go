package server

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core/node"
)

// slow is a socket whose writes wait for the test, and that remembers deadlines.
type slow struct {
	net.Conn
	write   chan int // lengths of writes that have begun
	proceed chan struct{}

	mu       sync.Mutex
	deadline time.Time
}

func (s *slow) Write(b []byte) (int, error) {
	s.write <- len(b)
	<-s.proceed
	return len(b), nil
}

func (s *slow) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = t
	return nil
}

func (s *slow) left() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deadline.IsZero() {
		return 0
	}
	return time.Until(s.deadline)
}

func (s *slow) RemoteAddr() net.Addr { return nil }
func (s *slow) Close() error         { return nil }

func TestEveryBlockingWriteHasADeadlineAndLastWordsAShortOne(t *testing.T) {
	socket := &slow{write: make(chan int), proceed: make(chan struct{})}
	c := newConn(New(Config{}, nil), socket)
	idle := func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return !c.mu.writing
	}
	c.Send(node.Delivery{Bytes: make([]byte, 2*writeBytes+1)})
	for _, n := range []int{writeBytes, writeBytes, 1} {
		require.Equal(t, n, <-socket.write)
		require.Greater(t, socket.left(), lingerTime)
		require.LessOrEqual(t, socket.left(), stuckTime)
		socket.proceed <- struct{}{}
	}
	require.Eventually(t, idle, 5*time.Second, time.Millisecond)
	require.Zero(t, socket.left(), "a deadline that stays would fail a later write")

	c.Send(node.Delivery{Bytes: make([]byte, writeBytes+1)})
	<-socket.write
	c.Send(node.Delivery{Bytes: []byte("bye"), Close: true})
	require.LessOrEqual(t, socket.left(), lingerTime, "the write that is stuck has not heard of the end")
	require.NotZero(t, socket.left())
	for range 2 {
		socket.proceed <- struct{}{}
		<-socket.write
		require.LessOrEqual(t, socket.left(), lingerTime, "a later write has more time")
	}
	socket.proceed <- struct{}{}
	require.Eventually(t, idle, 5*time.Second, time.Millisecond)
}
