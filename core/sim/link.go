package sim

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/wire"
)

// link is a connection between a client and one life of a server: two streams
// of bytes, each in order, each with a latency.
type link struct {
	w     *World
	id    replica.ConnID
	c     *client
	s     *server
	life  int
	local bool

	clientGone bool // the client has let go
	serverGone bool // the server has
	lost       bool // what is under way to the client never arrives
	slow       int64
	held       bool
	batch      []byte   // what is sent in this moment
	socket     [][]byte // requests that wait while the server does not read
	outlived   bool     // a role of the server has ended, and this one in process has not
	upAt       int64
	downAt     int64

	told linkOracle
}

func linksOf(s *server) []*link {
	list := make([]*link, 0, len(s.links))
	for _, id := range slices.Sorted(maps.Keys(s.links)) {
		list = append(list, s.links[id])
	}
	return list
}

// dial opens a link. It is nil while the server is down: connection refused.
func (w *World) dial(c *client, s *server) *link {
	if !s.up {
		return nil
	}
	w.lastConn++
	l := &link{w: w, id: replica.ConnID(w.lastConn), c: c, s: s, life: s.life, local: c.local}
	l.told.init()
	if c.slow && oneIn(w.work, 2) {
		l.slow = between(w.work, 100*millisecond, 3*second)
		w.cover.hit("slow reader")
	}
	in := replica.Connected{Conn: l.id, Local: l.local}
	if l.local {
		in.IDs = []core.Identity{{Scheme: core.NodeScheme, ID: "node"}}
	} else {
		in.Remote = netip.MustParseAddrPort(fmt.Sprintf("10.0.0.%d:4000", c.id+1))
		l.told.ids = []core.Identity{{Scheme: "ip", ID: in.Remote.Addr().String()}}
	}
	if l.local {
		l.told.ids = in.IDs
	}
	s.links[l.id] = l
	s.input(in)
	return l
}

func (l *link) alive() bool { return !l.serverGone && l.s.up && l.s.life == l.life }

// latency of the network, mostly short.
func (l *link) latency() int64 {
	if oneIn(l.w.sched, 200) {
		return between(l.w.sched, 10*millisecond, 300*millisecond)
	}
	return between(l.w.sched, 50, 3*millisecond)
}

// send carries whole frames to the server. What is sent at the same time arrives
// in one piece, as one read of a socket brings it.
func (l *link) send(frames []byte) {
	if l.batch != nil {
		l.batch = append(l.batch, frames...)
		return
	}
	l.batch = frames
	l.w.after(0, func() {
		frames := l.batch
		l.batch = nil
		l.upAt = max(l.w.now+l.latency(), l.upAt)
		l.w.after(l.upAt-l.w.now, func() { l.arrive(frames) })
	})
}

func (l *link) arrive(frames []byte) {
	if !l.alive() {
		return
	}
	l.w.opt.Mutant.spoilRequest(frames)
	if l.held {
		l.socket = append(l.socket, frames)
		return
	}
	l.s.input(replica.Requests{Conn: l.id, Frames: frames})
}

// hold stops or lets go on the reading of requests.
func (s *server) hold(h replica.Hold) {
	l := s.links[h.Conn]
	if l == nil {
		return
	}
	s.w.cover.hit("requests held in the socket")
	l.held = h.On
	if h.On || len(l.socket) == 0 {
		return
	}
	waiting := l.socket
	l.socket = nil
	s.after(0, func() {
		for i, frames := range waiting {
			if !l.alive() {
				return
			}
			if l.held {
				l.socket = append(append([][]byte{}, waiting[i:]...), l.socket...)
				return
			}
			s.step(replica.Requests{Conn: l.id, Frames: frames})
		}
	})
}

// delivery is what a server gives a link to carry.
type delivery struct {
	link  *link
	bytes []byte
	close bool
	want  bool // to be told when it has left
}

// deliver carries output to the client.
func (l *link) deliver(d delivery) {
	if d.close {
		l.serverGone = true
		delete(l.s.links, l.id)
	}
	l.downAt = max(l.w.now+l.latency()+l.slow, l.downAt)
	l.w.after(l.downAt-l.w.now, func() {
		if l.lost || l.clientGone {
			return
		}
		if len(d.bytes) > 0 {
			l.c.receive(l, d.bytes)
		}
		if d.want && l.alive() {
			l.s.input(replica.Drained{Conn: l.id})
		}
		if d.close && !l.clientGone {
			l.c.unlinked(l)
		}
	})
}

// leave lets go of a link from the client's side. The server hears of it soon,
// or, of one that was abandoned, late.
func (l *link) leave(abandon bool) {
	l.clientGone = true
	d := l.latency()
	if abandon {
		l.w.cover.hit("connection abandoned")
		d = between(l.w.sched, 2*second, 40*second)
	}
	l.upAt = max(l.w.now+d, l.upAt)
	l.w.after(l.upAt-l.w.now, func() {
		if !l.alive() {
			return
		}
		l.s.input(replica.Gone{Conn: l.id})
	})
}

// broken is the end of the server's process, as the client sees it.
func (l *link) broken(lost bool) {
	l.serverGone = true
	l.lost = lost
	l.w.after(max(l.downAt-l.w.now, 0)+l.latency(), func() {
		if !l.clientGone {
			l.c.unlinked(l)
		}
	})
}

// cutFrames splits bytes into frames without their lengths.
func cutFrames(b []byte) ([][]byte, error) {
	var frames [][]byte
	for len(b) > 0 {
		r := wire.NewReader(b)
		f := r.Bytes()
		if r.Err() != nil || f == nil {
			return nil, fmt.Errorf("output is not whole frames")
		}
		frames = append(frames, f)
		b = r.Rest()
	}
	return frames, nil
}
