//go:build unix

package server

import (
	"io"
	"net"
	"os"
	"syscall"

	"github.com/zensus-io/zensus/core/node"
)

func rawConn(t *net.TCPConn) syscall.RawConn {
	raw, err := t.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// read appends to a buffer what the socket has, waiting if need be; in may be
// nil, and no buffer is held while there is nothing to be put into it.
func (c *conn) read(in *node.Buffer) (*node.Buffer, error) {
	if c.raw == nil {
		return c.readBlocking(in)
	}
	var n int
	var failed error
	err := c.raw.Read(func(fd uintptr) bool {
		b := in
		if b == nil {
			b = node.GetBuffer()
		}
		grow(b)
		for {
			n, failed = syscall.Read(int(fd), b.B[len(b.B):cap(b.B)])
			if failed != syscall.EINTR {
				break
			}
		}
		if failed == syscall.EAGAIN {
			if in == nil {
				b.Release()
			}
			return false
		}
		in = b
		return true
	})
	switch {
	case err != nil:
		return in, err
	case failed != nil:
		return in, failed
	case n == 0:
		return in, io.EOF
	}
	in.B = in.B[:len(in.B)+n]
	return in, nil
}

// tryWrite writes what the socket takes at once. blocked says that the rest
// needs somebody who can wait.
func (c *conn) tryWrite(b []byte) (n int, blocked bool) {
	if c.raw == nil {
		return 0, len(b) > 0
	}
	if len(b) == 0 {
		return 0, false
	}
	err := c.raw.Write(func(fd uintptr) bool {
		for {
			m, err := syscall.Write(int(fd), b)
			if err == syscall.EINTR {
				continue
			}
			if m > 0 {
				n = m
			}
			return true // whatever came of it: never wait here
		}
	})
	return n, err != nil || n < len(b)
}

// descriptors counts the open files of the process and how many it may have; -1
// where the system does not say.
func descriptors() (open, most int64) {
	open, most = -1, -1
	if list, err := os.ReadDir("/proc/self/fd"); err == nil {
		open = int64(len(list))
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil {
		most = int64(limit.Cur)
	}
	return open, most
}
