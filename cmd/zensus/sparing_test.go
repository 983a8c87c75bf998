//go:build unix

package main

import (
	"net"
	"sync/atomic"
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
	next := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		return c
	}
	first := next()
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
	_, err = next().Read(make([]byte, 1))
	require.Error(t, err, "one too many is hung up on")
	require.NotZero(t, warned.Load())
	s2 := &sparing{Listener: l, most: descriptorsMax(), log: hclog.NewNullLogger(), warned: &warned}
	require.Greater(t, s2.most, s.most)
	require.NoError(t, l.Close())
	_, open := <-accepted
	require.False(t, open)
	require.NoError(t, first.Close())
}
