package server_test

import (
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/server"
	"github.com/zensus-io/zensus/core/wire"
)

// welcomed connects and reads the welcome.
func welcomed(t *testing.T, addr string) net.Conn {
	t.Helper()
	c := dial(t, addr)
	_, err := c.Write(connectFrame())
	require.NoError(t, err)
	_, err = io.ReadFull(c, make([]byte, 41))
	require.NoError(t, err)
	return c
}

// replies reads n of them and demands that they are answers to xid 1, 2 and so on.
func replies(t *testing.T, c net.Conn, n int) {
	t.Helper()
	head := make([]byte, 4+wire.ReplyHeaderBytes)
	for xid := int32(1); xid <= int32(n); xid++ {
		_, err := io.ReadFull(c, head)
		require.NoError(t, err)
		require.EqualValues(t, xid, binary.BigEndian.Uint32(head[4:]))
		_, err = io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head))-wire.ReplyHeaderBytes)
		require.NoError(t, err)
	}
}

func TestIdleConnectionsTakeNoGoroutines(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere a connection has a goroutine")
	}
	addr, _ := serve(t, server.Config{})
	welcomed(t, addr)
	before := runtime.NumGoroutine()
	for range 100 {
		welcomed(t, addr)
	}
	require.Eventually(t, func() bool { return runtime.NumGoroutine() < before+10 }, time.Minute, 5*time.Millisecond)
}

func TestClientThatReadsLateIsServedAllTheSame(t *testing.T) {
	addr, _ := serve(t, server.Config{})
	_, _, err := client(t, addr).Create(t.Context(), "/big", make([]byte, 512<<10), core.CreateOptions{})
	require.NoError(t, err)
	late := welcomed(t, addr)
	const asked = 40 // of half a megabyte each: more than the sockets hold and the server leaves unsent
	go func() {
		for xid := int32(1); xid <= asked; xid++ {
			if _, err := late.Write(ask(xid, wire.OpGetData, wire.AppendPathWatch(nil, "/big", false))); err != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	time.Sleep(200 * time.Millisecond)
	replies(t, late, asked)
	_, err = late.Write(ask(1, wire.OpExists, wire.AppendPathWatch(nil, "/big", false)))
	require.NoError(t, err)
	replies(t, late, 1)
}

func TestConnectionsThatComeAndGoDoNotDisturbOthers(t *testing.T) {
	addr, s := serve(t, server.Config{FrameBytesMax: 1 << 20})
	steady := welcomed(t, addr)
	var all sync.WaitGroup
	for i := range 8 { // descriptors are used again at once
		all.Go(func() {
			for round := range 40 {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				_ = c.SetDeadline(time.Now().Add(time.Minute))
				_, _ = c.Write(connectFrame())
				_, _ = io.ReadFull(c, make([]byte, 41))
				switch (i + round) % 4 {
				case 0: // the client hangs up
				case 1: // the client says something impossible, and is hung up on
					_, _ = c.Write([]byte{0x7f, 0xff, 0xff, 0xff})
					_, _ = io.ReadAll(c)
				case 2: // it ends its session
					_, _ = c.Write(ask(1, wire.OpCloseSession, nil))
					_, _ = io.ReadAll(c)
				case 3: // it hangs up in the middle of a frame, and hard
					_, _ = c.Write([]byte{0, 0, 0, 9, 1})
					_ = c.(*net.TCPConn).SetLinger(0)
				}
				_ = c.Close()
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	asked := 0
	for waiting := true; waiting; {
		select {
		case <-done:
			waiting = false
		default:
		}
		asked++
		_, err := steady.Write(ask(1, wire.OpExists, wire.AppendPathWatch(nil, "/", false)))
		require.NoError(t, err)
		replies(t, steady, 1)
	}
	require.Eventually(t, func() bool { return connections(t, s) == 1 }, time.Minute, 10*time.Millisecond,
		"connections that are over are still counted")
	require.NotZero(t, asked)
}

func TestClientThatIsGoneWhileItMayNotBeReadCostsNothing(t *testing.T) {
	addr, s := serve(t, server.Config{})
	_, _, err := client(t, addr).Create(t.Context(), "/big", make([]byte, 512<<10), core.CreateOptions{})
	require.NoError(t, err)
	gone := welcomed(t, addr)
	for xid := int32(1); xid <= 40; xid++ {
		_, err := gone.Write(ask(xid, wire.OpGetData, wire.AppendPathWatch(nil, "/big", false)))
		require.NoError(t, err)
	}
	time.Sleep(100 * time.Millisecond)
	require.NoError(t, gone.(*net.TCPConn).SetLinger(0)) // hard, in the middle of it all
	require.NoError(t, gone.Close())
	require.Eventually(t, func() bool { return connections(t, s) == 1 }, time.Minute, 10*time.Millisecond)
}

func TestClientThatStaysWhenItsSessionHasEndedIsClosed(t *testing.T) {
	addr, s := serve(t, server.Config{})
	c := welcomed(t, addr)
	_, err := c.Write(ask(1, wire.OpCloseSession, nil))
	require.NoError(t, err)
	_, err = io.ReadAll(c)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return connections(t, s) == 0 }, time.Minute, 10*time.Millisecond)
}

// A server that closes a socket in which something is unread resets it, and what is
// still under way to the client may be lost.
func TestSocketIsNotResetBehindTheLastWords(t *testing.T) {
	addr, _ := serve(t, server.Config{})
	for tries := 1; ; tries++ {
		c := welcomed(t, addr)
		asked := time.Now()
		_, err := c.Write(ask(1, wire.OpCloseSession, nil))
		require.NoError(t, err)
		_, err = io.ReadFull(c, make([]byte, 4+wire.ReplyHeaderBytes))
		require.NoError(t, err)
		for began := time.Now(); err == nil && time.Since(began) < 200*time.Millisecond; time.Sleep(10 * time.Millisecond) {
			_, err = c.Write(make([]byte, 4<<10))
		}
		n := 0
		if err == nil {
			n, err = c.Read(make([]byte, 1))
		}
		if time.Since(asked) < time.Second { // in which the server reads on
			require.Zero(t, n)
			require.ErrorIs(t, err, io.EOF)
			return
		}
		require.Less(t, tries, 20, "the machine stands still")
	}
}

func TestClientThatAsksForMuchBehindItsFirstFrame(t *testing.T) {
	addr, _ := serve(t, server.Config{})
	good := client(t, addr)
	_, _, err := good.Create(t.Context(), "/big", make([]byte, 900<<10), core.CreateOptions{})
	require.NoError(t, err)
	slow := dial(t, addr)
	require.NoError(t, slow.(*net.TCPConn).SetReadBuffer(64<<10))
	const asked = 12
	first := connectFrame()
	for xid := int32(1); xid <= asked; xid++ {
		first = append(first, ask(xid, wire.OpGetData, wire.AppendPathWatch(nil, "/big", false))...)
	}
	_, err = slow.Write(first)
	require.NoError(t, err)
	_, err = slow.Write(ask(asked+1, wire.OpCreate, wire.AppendCreate(nil, wire.OpCreate, "/told", nil, core.OpenACL(), 0, 0)))
	require.NoError(t, err)
	time.Sleep(100 * time.Millisecond)
	_, err = io.ReadFull(slow, make([]byte, 41))
	require.NoError(t, err)
	replies(t, slow, asked+1)
	_, err = good.Exists(t.Context(), "/told")
	require.NoError(t, err)
}
