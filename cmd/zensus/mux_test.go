package main

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSilentConnectionsAreBounded(t *testing.T) {
	p := crowd{most: peeksMax, perAddress: peeksPerAddress}
	near, far, third := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for range peeksPerAddress {
		require.True(t, p.admit(far))
	}
	require.False(t, p.admit(far), "more than one address may have")
	require.True(t, p.admit(third))
	for p.mu.total < peeksMax {
		require.True(t, p.admit(near), "this machine is bounded by the total only")
	}
	require.False(t, p.admit(near))
	require.False(t, p.admit(third))
	p.done(far)
	require.True(t, p.admit(far))
	for range peeksPerAddress {
		p.done(far)
	}
	p.done(third)
	for p.mu.total > 0 {
		p.done(near)
	}
	require.Empty(t, p.mu.perAddr)
}

// from pretends that a listener's connections come from elsewhere.
type from struct {
	net.Listener
	addr net.Addr
}

type fromConn struct {
	net.Conn
	addr net.Addr
}

func (f from) Accept() (net.Conn, error) {
	c, err := f.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return fromConn{c, f.addr}, nil
}

func (f fromConn) RemoteAddr() net.Addr { return f.addr }

func TestPortClosesWhatIsTooMuchAndSortsTheRest(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	got := make(chan string, 1)
	m := newMux(from{l, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}}, httpLimits{2, 2}, func(c net.Conn, prefix []byte) {
		got <- string(prefix)
		_ = c.Close()
	}, nil)
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- m.Run(ctx) }()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		require.NoError(t, c.SetDeadline(time.Now().Add(30*time.Second)))
		return c
	}
	var silent []net.Conn
	for range peeksPerAddress {
		silent = append(silent, dial())
	}
	_, err = dial().Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "one connection too many stays open")
	_, err = silent[0].Write([]byte("ruok"))
	require.NoError(t, err)
	require.Equal(t, "ruok", <-got)
	_, err = dial().Write([]byte{0, 0, 0, 44})
	require.NoError(t, err)
	require.Equal(t, "\x00\x00\x00\x2c", <-got)
	cancel()
	require.NoError(t, <-ran)
}

func TestConnectionsThatSpeakHTTPAreBounded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	m := newMux(l, httpLimits{Connections: 3, PerAddress: 2}, nil, nil)
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- m.Run(ctx) }()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		require.NoError(t, c.SetDeadline(time.Now().Add(30*time.Second)))
		_, err = c.Write([]byte("GET / HTTP/1.1\r\n"))
		require.NoError(t, err)
		return c
	}
	dial()
	first, err := m.http.Accept()
	require.NoError(t, err)
	dial()
	second, err := m.http.Accept()
	require.NoError(t, err)
	_, err = dial().Read(make([]byte, 1))
	require.Error(t, err, "one connection too many stays open")
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	require.EqualValues(t, 1, m.requests.refused.Load())
	require.NoError(t, first.Close())
	_ = first.Close() // net/http may do it twice
	dial()
	third, err := m.http.Accept()
	require.NoError(t, err)
	require.NoError(t, second.Close())
	require.NoError(t, third.Close())
	require.Zero(t, m.requests.mu.total)
	cancel()
	require.NoError(t, <-ran)
}
