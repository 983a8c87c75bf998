//go:build !unix

package peer

import "net"

// socket would write to a connection without waiting; there is no way to do so here.
type socket struct{}

func newSocket(net.Conn) *socket { return &socket{} }

func (*socket) able() bool { return false }

func (*socket) write([]byte) int { return 0 }
