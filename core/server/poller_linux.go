package server

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"syscall"

	"github.com/hashicorp/go-hclog"

	"github.com/zensus-io/zensus/core/node"
)

// poller reads all plain sockets on one goroutine: a connection that waits for
// its client costs no goroutine and no buffer, and one wake-up reads for all that
// have something. It waits in an epoll instance of its own, for which the
// runtime's poller waits in turn.
type poller struct {
	file  *os.File // the epoll instance
	wait  syscall.RawConn
	fd    int
	bell  int // an eventfd: mu.woken has something
	node  *node.Node
	log   hclog.Logger
	start func(func()) // another goroutine that the server waits for

	// A conn's lock may be held when this one is taken, and never the other way round.
	mu struct {
		sync.Mutex
		conns  []*conn // by descriptor
		woken  []*conn // to be looked at, whether they have something or not
		closed bool
	}
}

// loneStreak is how many looks in a row must have found the same connection alone
// before it is taken for the only one that is at work.
const loneStreak = 32

// pollerEvents is how many sockets one look reads from.
const pollerEvents = 128

func newPoller(n *node.Node, log hclog.Logger, start func(func())) (*poller, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	// Without blocking the runtime takes it for something that can be waited for.
	if err := syscall.SetNonblock(fd, true); err != nil {
		syscall.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	p := &poller{file: os.NewFile(uintptr(fd), "epoll"), fd: fd, node: n, log: log, start: start}
	if p.wait, err = p.file.SyscallConn(); err != nil {
		p.file.Close()
		return nil, err
	}
	bell, _, errno := syscall.Syscall(syscall.SYS_EVENTFD2, 0, syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if errno != 0 {
		p.file.Close()
		return nil, os.NewSyscallError("eventfd2", errno)
	}
	p.bell = int(bell)
	ev := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(p.bell)}
	if err := syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_ADD, p.bell, &ev); err != nil {
		syscall.Close(p.bell)
		p.file.Close()
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	return p, nil
}

// run reads until close, or until another goroutine has taken that over. What it
// begins for a connection, endPolled ends.
func (p *poller) run() {
	var reader socketReader
	intake := p.node.NewIntake(func() { p.start(p.run) })
	events := make([]syscall.EpollEvent, pollerEvents)
	var n int
	var failed error
	look := func(fd uintptr) bool {
		n, failed = eventsNow(int(fd), events)
		if errors.Is(failed, syscall.EINTR) {
			failed = nil
		}
		return n > 0 || failed != nil
	}
	last, streak := int32(-1), 0 // looks in a row that found that descriptor and no other
	for !p.isClosed() {
		n = 0
		if err := errors.Join(p.wait.Read(look), failed); err != nil {
			p.fail(err)
			return
		}
		rung := false
		for i := range n {
			ev := &events[i]
			if int(ev.Fd) == p.bell {
				rung = true // later: a descriptor that is given up may be another's at once
				continue
			}
			c := p.conn(ev.Fd)
			if c == nil {
				continue
			}
			if ev.Events&syscall.EPOLLOUT != 0 {
				c.writable()
			}
			gone := ev.Events&(syscall.EPOLLHUP|syscall.EPOLLERR) != 0
			if (gone || ev.Events&syscall.EPOLLIN != 0) && !c.readable(&reader, intake, gone) {
				p.leave(c)
			}
		}
		if rung {
			p.answerBell()
		}
		if n != 1 || events[0].Fd != last {
			last, streak = events[0].Fd, 0
		}
		streak++
		if intake.Done(n == 1 && streak > loneStreak) {
			return
		}
	}
}

// close ends run. No connection is polled any more.
func (p *poller) close() {
	p.mu.Lock()
	p.mu.closed = true
	p.ringLocked()
	p.mu.Unlock()
}

// fail gives up every connection when the system does not tell any more what comes;
// others are read by goroutines of their own from then on.
func (p *poller) fail(err error) {
	p.log.Error("cannot wait for sockets", "err", err)
	p.mu.Lock()
	p.mu.closed = true
	conns := slices.Clone(p.mu.conns)
	p.mu.Unlock()
	for _, c := range conns {
		if c != nil {
			p.leave(c)
		}
	}
}

// release gives the descriptors back, after run has returned.
func (p *poller) release() {
	p.file.Close()
	syscall.Close(p.bell)
}

func (p *poller) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.closed
}

func (p *poller) conn(fd int32) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if int(fd) < len(p.mu.conns) {
		return p.mu.conns[fd]
	}
	return nil
}

func (p *poller) has(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return int(c.fd) < len(p.mu.conns) && p.mu.conns[c.fd] == c
}

// add lets the poller read a connection from now on, which is not closed before it
// has left. It reports false when the system refuses.
func (p *poller) add(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	ev := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: c.fd}
	if p.mu.closed || syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_ADD, int(c.fd), &ev) != nil {
		return false
	}
	if grown := int(c.fd) + 1 - len(p.mu.conns); grown > 0 {
		p.mu.conns = append(p.mu.conns, make([]*conn, grown)...)
	}
	p.mu.conns[c.fd] = c
	return true
}

// arm says what a descriptor is watched for; for its end it always is.
func (p *poller) arm(fd int32, in, out bool) {
	ev := syscall.EpollEvent{Fd: fd}
	if in {
		ev.Events |= syscall.EPOLLIN
	}
	if out {
		ev.Events |= syscall.EPOLLOUT
	}
	_ = syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_MOD, int(fd), &ev)
}

// wake has a connection looked at that has come to its end.
func (p *poller) wake(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.closed {
		return
	}
	p.mu.woken = append(p.mu.woken, c)
	if len(p.mu.woken) == 1 {
		p.ringLocked()
	}
}

// ringLocked rings under the lock: once it is closed the descriptor may be another's.
func (p *poller) ringLocked() {
	one := binary.NativeEndian.AppendUint64(nil, 1)
	_, _ = syscall.Write(p.bell, one)
}

func (p *poller) answerBell() {
	var count [8]byte
	_, _ = syscall.Read(p.bell, count[:])
	p.mu.Lock()
	woken := p.mu.woken
	p.mu.woken = nil
	p.mu.Unlock()
	for _, c := range woken {
		if p.has(c) {
			p.leave(c)
		}
	}
}

// leave gives up a connection, whose end then takes a goroutine of its own.
func (p *poller) leave(c *conn) {
	_ = syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_DEL, int(c.fd), nil)
	p.mu.Lock()
	p.mu.conns[c.fd] = nil
	p.mu.Unlock()
	go c.endPolled()
}

// socketReader reads from sockets without waiting.
type socketReader struct {
	spare *node.Buffer // to read into; kept while what comes is little
}

// read appends to a buffer, nil for a fresh one, what a socket has. It returns the
// buffer as it was when there is nothing. Little is copied into a small buffer:
// many clients may say something at once, and all that they say waits for the loop.
func (r *socketReader) read(fd int32, in *node.Buffer) (*node.Buffer, error) {
	b := in
	if b == nil {
		if r.spare == nil {
			r.spare = node.GetBuffer()
		}
		b = r.spare
	}
	grow(b)
	n, err := readDescriptor(fd, b.B[len(b.B):cap(b.B)])
	switch {
	case errors.Is(err, syscall.EAGAIN):
		return in, nil
	case err != nil:
		return in, err
	case n == 0:
		return in, io.EOF
	}
	b.B = b.B[:len(b.B)+n]
	if b != r.spare {
		return b, nil
	}
	if len(b.B) > node.SmallBytes {
		r.spare = nil
		return b, nil
	}
	small := node.SmallBuffer()
	small.B = append(small.B, b.B...)
	b.B = b.B[:0]
	return small, nil
}

// discard throws away what a socket has. It reports false when there is its end.
func (r *socketReader) discard(fd int32) bool {
	b, err := r.read(fd, nil)
	if b != nil {
		b.Release()
	}
	return err == nil
}
