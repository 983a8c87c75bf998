package server

import (
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core/node"
)

// slow is a socket whose writes wait for the test or for its end.
type slow struct {
	net.Conn
	write   chan int // lengths of writes that have begun
	proceed chan struct{}
	closed  chan struct{}
	once    sync.Once
}

func (s *slow) Write(b []byte) (int, error) {
	s.write <- len(b)
	select {
	case <-s.proceed:
		return len(b), nil
	case <-s.closed:
		return 0, net.ErrClosed
	}
}

func (s *slow) isClosed() bool {
	synctest.Wait()
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

func (s *slow) RemoteAddr() net.Addr { return nil }
func (s *slow) Close() error         { s.once.Do(func() { close(s.closed) }); return nil }

func slowConn() (*slow, *conn) {
	socket := &slow{write: make(chan int), proceed: make(chan struct{}), closed: make(chan struct{})}
	return socket, newConn(New(Config{}, nil), socket)
}

func TestWriteThatIsStuckGivesTheClientUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		socket, c := slowConn()
		c.Send(node.Delivery{Bytes: make([]byte, 2*writeBytes+1)})
		for _, n := range []int{writeBytes, writeBytes, 1} {
			require.Equal(t, n, <-socket.write)
			time.Sleep(stuckTime - time.Nanosecond)
			require.False(t, socket.isClosed(), "each portion has its time")
			socket.proceed <- struct{}{}
		}
		time.Sleep(10 * stuckTime)
		require.False(t, socket.isClosed(), "nothing is under way")

		c.Send(node.Delivery{Bytes: make([]byte, writeBytes+1)})
		<-socket.write
		time.Sleep(stuckTime)
		require.True(t, socket.isClosed())
	})
}

func TestLastWordsHaveAShortTimeInAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		socket, c := slowConn()
		c.Send(node.Delivery{Bytes: make([]byte, 2*writeBytes)})
		<-socket.write
		time.Sleep(stuckTime / 2)
		c.Send(node.Delivery{Bytes: []byte("bye"), Close: true})
		time.Sleep(lingerTime / 2)
		socket.proceed <- struct{}{}
		<-socket.write // a later write has no more time
		time.Sleep(lingerTime/2 - time.Nanosecond)
		require.False(t, socket.isClosed())
		time.Sleep(time.Nanosecond)
		require.True(t, socket.isClosed(), "the write that was stuck has not heard of the end")
	})
}
