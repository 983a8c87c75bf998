package main

import (
	"net"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

// sparing is a listener that leaves the process some descriptors: however many
// clients come, its own files can still be opened. Who comes when they are short is
// hung up on at once, as over any other limit.
type sparing struct {
	net.Listener
	most   int // the highest descriptor that a client gets; the system gives the lowest that is free
	log    hclog.Logger
	warned *atomic.Int64 // when that was last told of, seconds
}

// sparedDescriptors are those that no client gets: for the log and its spares,
// snapshots, the directories and what is inspected, and for the other members and
// the strangers at their port, of whom package peer bears 32. Of few, a quarter.
const sparedDescriptors = 64

// spare wraps a listener where the system tells how many descriptors there may be.
func spare(l net.Listener, log hclog.Logger, warned *atomic.Int64) net.Listener {
	most := descriptorsMax()
	if most <= 0 {
		return l
	}
	return &sparing{Listener: l, most: most - min(sparedDescriptors, most/4), log: log, warned: warned}
}

// Accept implements net.Listener.
func (s *sparing) Accept() (net.Conn, error) {
	for {
		c, err := s.Listener.Accept()
		if err != nil || descriptorOf(c) < s.most {
			return c, err
		}
		if t, ok := c.(*net.TCPConn); ok {
			_ = t.SetLinger(0)
		}
		_ = c.Close()
		now := time.Now().Unix()
		if last := s.warned.Load(); now-last >= 10 && s.warned.CompareAndSwap(last, now) {
			s.log.Warn("too many connections for the descriptors that the process may have", "most", s.most)
		}
	}
}
