//go:build unix

package main

import (
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
)

func TestConnectionsLeaveSomeDescriptors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var warned atomic.Int64
	s := &sparing{Listener: l, log: hclog.NewNullLogger(), warned: &warned}
	accepted := make(chan net.Conn, 10)
	first, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer first.Close()
	near, err := l.Accept()
	require.NoError(t, err)
	defer near.Close()
	s.most = descriptorOf(near)
	require.NotZero(t, s.most)
	go func() {
		for {
			c, err := s.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- c
		}
	}()
	second, err := net.Dial("tcp", l.Addr().String())
	if err == nil { // else it has been hung up on already
		defer second.Close()
		require.NoError(t, second.SetDeadline(time.Now().Add(10*time.Second)))
		_, err = second.Read(make([]byte, 1))
	}
	require.ErrorIs(t, err, syscall.ECONNRESET, "one too many is hung up on")
	require.NoError(t, l.Close())
	_, open := <-accepted
	require.False(t, open)
	require.NotZero(t, warned.Load())
}
