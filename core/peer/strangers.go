package peer

import (
	"net"
	"slices"
	"sync"
)

// strangersMax bounds connections that have not proved anything yet.
const strangersMax = 32

// strangers are the connections that have not proved anything yet. When there are too
// many, the oldest gives way: whoever opens many and says nothing keeps out nobody who
// proves at once what he has to.
type strangers struct {
	mu struct {
		sync.Mutex
		conns []net.Conn // the oldest first
		ended bool
	}
}

// add takes a connection in, and closes what has to give way to it.
func (s *strangers) add(c net.Conn) {
	s.mu.Lock()
	out := c
	if !s.mu.ended {
		s.mu.conns = append(s.mu.conns, c)
		if out = nil; len(s.mu.conns) > strangersMax {
			out, s.mu.conns = s.mu.conns[0], s.mu.conns[1:]
		}
	}
	s.mu.Unlock()
	if out != nil {
		_ = out.Close()
	}
}

// remove lets a connection go: it is none of a stranger any more, or is over.
func (s *strangers) remove(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.conns = slices.DeleteFunc(s.mu.conns, func(o net.Conn) bool { return o == c })
}

// end closes all, also those that come later.
func (s *strangers) end() {
	s.mu.Lock()
	conns := s.mu.conns
	s.mu.conns, s.mu.ended = nil, true
	s.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
}
