package bench

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// gatherer reads many connections on one goroutine, and only when all of them have
// something to be read. A goroutine for each would have the client's own wake-ups
// measured, and reading at once its reads, beside a server that is still writing.
type gatherer struct {
	epoll int
	conns map[int32]*conn
}

// newGatherer takes the connections over: they are read with gather only.
func newGatherer(conns []*conn) (*gatherer, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	g := &gatherer{epoll: fd, conns: make(map[int32]*conn, len(conns))}
	for _, c := range conns {
		if err := g.take(c); err != nil {
			return nil, errors.Join(err, g.close())
		}
	}
	return g, nil
}

// take moves a connection to a descriptor that the runtime's poller does not know.
func (g *gatherer) take(c *conn) error {
	raw, err := c.net.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	fd := -1
	if failed := raw.Control(func(old uintptr) {
		if fd, err = syscall.Dup(int(old)); err == nil {
			syscall.CloseOnExec(fd)
			err = errors.Join(syscall.SetNonblock(fd, false),
				syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: 30}))
		}
	}); failed != nil {
		return failed
	}
	if err != nil {
		return os.NewSyscallError("dup", err)
	}
	err = c.net.Close()
	c.net = blocking{fd: fd}
	if err != nil {
		return err
	}
	ev := syscall.EpollEvent{Events: syscall.EPOLLIN | edgeTriggered, Fd: int32(fd)}
	if err := syscall.EpollCtl(g.epoll, syscall.EPOLL_CTL_ADD, fd, &ev); err != nil {
		return os.NewSyscallError("epoll_ctl", err)
	}
	g.conns[int32(fd)] = c
	return nil
}

// edgeTriggered is syscall.EPOLLET, which is negative on some systems: what has come is told
// of once, read or not.
const edgeTriggered = 1 << 31

// gather waits until every connection has something to be read, and then calls
// read for each. It returns when the last had.
func (g *gatherer) gather(read func(*conn) error) (time.Time, error) {
	deadline := time.Now().Add(30 * time.Second)
	var events [256]syscall.EpollEvent
	told := make(map[int32]bool, len(g.conns))
	for len(told) < len(g.conns) {
		left := time.Until(deadline)
		if left <= 0 {
			return time.Time{}, fmt.Errorf("%d of %d connections were told nothing", len(g.conns)-len(told), len(g.conns))
		}
		n, err := syscall.EpollWait(g.epoll, events[:], int(left.Milliseconds())+1)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return time.Time{}, os.NewSyscallError("epoll_wait", err)
		}
		for i := range max(n, 0) {
			told[events[i].Fd] = true
		}
	}
	last := time.Now()
	for _, c := range g.conns {
		if err := read(c); err != nil {
			return last, err
		}
		if len(c.in) > 0 {
			return last, errors.New("a connection was told twice")
		}
	}
	return last, nil
}

func (g *gatherer) close() error { return syscall.Close(g.epoll) }

// blocking is a socket whose reads and writes block the thread.
type blocking struct {
	net.Conn // nil: nothing else is used
	fd       int
}

func (b blocking) Read(p []byte) (int, error) {
	n, err := syscall.Read(b.fd, p)
	if n == 0 && err == nil && len(p) > 0 {
		return 0, io.EOF
	}
	return max(n, 0), err
}

func (b blocking) Write(p []byte) (int, error) {
	for sent := 0; ; {
		n, err := syscall.Write(b.fd, p[sent:])
		if err != nil {
			return sent, err
		}
		if sent += n; sent == len(p) {
			return sent, nil
		}
	}
}

func (b blocking) Close() error { return syscall.Close(b.fd) }

func (b blocking) SetDeadline(time.Time) error      { return nil }
func (b blocking) SetReadDeadline(time.Time) error  { return nil }
func (b blocking) SetWriteDeadline(time.Time) error { return nil }
