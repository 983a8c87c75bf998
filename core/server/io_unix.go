//go:build unix

package server

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
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
			b = c.fresh()
		}
		grow(b)
		n, failed = ignoringEINTR(syscall.Read, int(fd), b.B[len(b.B):cap(b.B)])
		if errors.Is(failed, syscall.EAGAIN) {
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
	switch {
	case len(b) == 0:
		return 0, false
	case c.net == nil:
		n, err := writeDescriptor(c.fd, b)
		return n, err != nil || n < len(b)
	case c.raw == nil:
		return 0, true
	}
	w := writers.Get().(*socketWriter)
	w.from = b
	err := c.raw.Write(w.try)
	n = w.n
	w.from, w.n = nil, 0
	writers.Put(w)
	return n, err != nil || n < len(b)
}

// socketWriter writes to sockets without waiting. It is kept, since a function
// made for each write would be allocated each time.
type socketWriter struct {
	from []byte
	n    int
	try  func(fd uintptr) bool
}

var writers = sync.Pool{New: func() any {
	w := &socketWriter{}
	w.try = func(fd uintptr) bool {
		n, _ := ignoringEINTR(syscall.Write, int(fd), w.from)
		w.n = max(n, 0)
		return true // whatever came of it: never wait here
	}
	return w
}}

func ignoringEINTR(call func(int, []byte) (int, error), fd int, b []byte) (int, error) {
	for {
		n, err := call(fd, b)
		if !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
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
