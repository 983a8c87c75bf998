package server

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The system may tell of something to be read where there is nothing: of bytes out
// of band, or of a descriptor that has become another connection's.
func TestSocketThatIsReadableAndHasNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	near, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer near.Close()
	far, err := l.Accept()
	require.NoError(t, err)
	defer far.Close()
	c := newConn(New(Config{}, nil), far)
	c.fd, err = ownDescriptor(c.raw)
	require.NoError(t, err)
	defer closeDescriptor(c.fd)
	var r socketReader
	require.True(t, c.readable(&r, nil, false))
	require.Nil(t, c.in)
	_, err = near.Write([]byte{0, 0})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return c.readable(&r, nil, false) && c.in != nil }, time.Minute, time.Millisecond)
	require.True(t, c.readable(&r, nil, false), "half a length is there, and nothing more comes")
	require.Len(t, c.in.B, 2)
}
