package peer

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What is flushed by whoever has queued it must come in order and whole, also where the
// socket takes a part of it only, or nothing, and the writer has to go on.
func TestWhatIsFlushedComesInOrderWhoeverWritesIt(t *testing.T) {
	listener := listen(t)
	dialed, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	far, err := listener.Accept()
	require.NoError(t, err)
	defer far.Close()
	require.NoError(t, dialed.(*net.TCPConn).SetWriteBuffer(8<<10))
	l := newLink(2, 1, dialed)
	require.True(t, l.socket.able(), "this test is about writing without waiting")
	var writers sync.WaitGroup
	writers.Go(l.write)
	defer writers.Wait()
	defer l.close()

	const many, size = 6000, 1000 // more than the sockets take
	l.queue(numbered(0, size))
	l.flush()
	require.False(t, l.mu.due, "little goes out at once")
	require.Empty(t, l.mu.queue)
	var flushers sync.WaitGroup
	for range 2 {
		flushers.Go(func() {
			for range many {
				l.flush()
			}
		})
	}
	for i := 1; i < many; i++ {
		require.True(t, l.queue(numbered(i, size)))
		if i%3 == 0 {
			l.flush()
		}
	}
	flushers.Wait()
	l.flush()
	waiting := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.mu.queue)
	}
	sent := many
	for ; waiting() == 0; sent++ { // the sockets have grown, and took it all
		require.Less(t, sent, 20*many)
		require.True(t, l.queue(numbered(sent, size)))
		l.flush()
	}
	require.NoError(t, far.SetReadDeadline(time.Now().Add(time.Minute)))
	r := bufio.NewReader(far)
	for i := range sent {
		b, err := readFrame(r, FrameBytesMax)
		require.NoError(t, err)
		require.Equal(t, numbered(i, size)(nil), b)
	}
}

// numbered is a message that says which one it is.
func numbered(i, size int) func([]byte) []byte {
	return func(b []byte) []byte {
		b = binary.BigEndian.AppendUint64(b, uint64(i))
		return append(b, bytes.Repeat([]byte{byte(i)}, size)...)
	}
}

// Who queues much does not hold it back until he flushes: it is written meanwhile.
func TestWhatIsMuchNeedsNoFlush(t *testing.T) {
	listener := listen(t)
	dialed, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	far, err := listener.Accept()
	require.NoError(t, err)
	defer far.Close()
	l := newLink(2, 1, dialed)
	var writers sync.WaitGroup
	writers.Go(l.write)
	defer writers.Wait()
	defer l.close()
	require.True(t, l.queue(numbered(7, carryBytes)))
	require.NoError(t, far.SetReadDeadline(time.Now().Add(time.Minute)))
	b, err := readFrame(far, FrameBytesMax)
	require.NoError(t, err)
	require.Equal(t, numbered(7, carryBytes)(nil), b)
}
