//go:build unix

package peer

import (
	"errors"
	"net"
	"syscall"
)

// socket writes to a connection without waiting. It belongs to who is writing.
type socket struct {
	raw  syscall.RawConn // nil is none that can be written to so
	from []byte
	n    int
	try  func(fd uintptr) bool
}

func newSocket(c net.Conn) *socket {
	s := &socket{}
	if p, ok := c.(*peeked); ok {
		c = p.Conn
	}
	tcp, plain := c.(*net.TCPConn)
	if !plain {
		return s
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return s
	}
	s.raw = raw
	s.try = func(fd uintptr) bool {
		for {
			n, err := syscall.Write(int(fd), s.from)
			if !errors.Is(err, syscall.EINTR) {
				s.n = max(n, 0)
				return true // whatever came of it: never wait here
			}
		}
	}
	return s
}

// able reports whether there is a way to write without waiting.
func (s *socket) able() bool { return s.raw != nil }

// write writes what the connection takes at once. What went wrong, who can wait will
// be told again.
func (s *socket) write(b []byte) (n int) {
	s.from, s.n = b, 0
	_ = s.raw.Write(s.try)
	s.from = nil
	return s.n
}
