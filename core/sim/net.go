package sim

import (
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/zab"
)

// pair is the link of two servers: two streams of messages, each in order, until the
// link ends. It is made again and again while both are up and nothing is between them.
type pair struct {
	w    *World
	ends [2]*server
	up   bool
	upAt int64 // since when
	gen  uint64
	// knows says which end has been told of this link, and not of its end.
	knows [2]bool
	// cut swallows what goes from ends[i]; lost says that something was swallowed, so
	// that nothing behind it arrives either.
	cut, lost [2]bool
	lastAt    [2]int64 // when the last message from ends[i] arrives
}

// silentTime is how long an end waits for a sign of life of the other (core/peer).
const silentTime = 10 * second

func (w *World) link() {
	for i, a := range w.servers {
		for _, b := range w.servers[i+1:] {
			w.pairs = append(w.pairs, &pair{w: w, ends: [2]*server{a, b}})
		}
	}
	for _, p := range w.pairs {
		p.dialLater()
	}
}

// pairOf is the link of a server with a peer, and which end the server is.
func (w *World) pairOf(s *server, peer core.PeerID) (*pair, int) {
	for _, p := range w.pairs {
		switch {
		case p.ends[0] == s && p.ends[1].id == peer:
			return p, 0
		case p.ends[1] == s && p.ends[0].id == peer:
			return p, 1
		}
	}
	return nil, 0
}

func (p *pair) latency() int64 {
	r := p.w.network
	if oneIn(r, 300) {
		return between(r, 10*millisecond, 200*millisecond)
	}
	return between(r, 50, 2*millisecond)
}

// dialLater makes a link if there is none, and looks again later.
func (p *pair) dialLater() {
	p.w.after(between(p.w.network, 20*millisecond, 500*millisecond), func() {
		if !p.up && p.ends[0].up && p.ends[1].up && !p.cut[0] && !p.cut[1] && !p.knows[0] && !p.knows[1] {
			p.connect()
		}
		p.dialLater()
	})
}

func (p *pair) connect() {
	p.up, p.upAt, p.lost = true, p.w.now, [2]bool{}
	p.gen++
	for i := range p.ends {
		p.tell(i, true)
	}
}

// tell lets an end know that the link is there, or is not any more.
func (p *pair) tell(i int, up bool) {
	s, peer, gen := p.ends[i], p.ends[1-i].id, p.gen
	life := s.life
	at := p.latency()
	if up {
		p.lastAt[1-i] = p.w.now + at // nothing arrives before
	}
	p.w.after(at, func() {
		if s.life != life || !s.up || p.gen != gen {
			return
		}
		if up {
			p.knows[i] = true
			s.input(replica.LinkUp{Peer: peer, Gen: gen})
			return
		}
		if p.knows[i] {
			p.knows[i] = false
			s.input(replica.LinkDown{Peer: peer, Gen: gen})
		}
	})
}

// end ends the link; what is under way may still arrive, or not.
func (p *pair) end() {
	if !p.up {
		return
	}
	p.up = false
	for i := range p.ends {
		p.tell(i, false)
	}
}

// halfOpen ends the link at one end only. The other finds out when nobody has answered
// it for a while.
func (p *pair) halfOpen(i int) {
	if !p.up {
		return
	}
	p.w.cover.hit("half-open link")
	p.tell(i, false)
	gen := p.gen
	p.w.after(between(p.w.network, second, silentTime), func() {
		if p.gen == gen {
			p.end()
		}
	})
}

// reachable reports whether nothing is between a server and all others, and has not
// been for long enough that they have found together again.
func (w *World) reachable(s *server) bool {
	for _, p := range w.pairs {
		if p.ends[0] != s && p.ends[1] != s {
			continue
		}
		if !p.up || p.cut != [2]bool{} || p.lost != [2]bool{} || w.now-p.upAt < 5*second {
			return false
		}
	}
	return true
}

// forget ends the links of a server whose process is over.
func (w *World) forgetLinks(s *server) {
	for _, p := range w.pairs {
		for i, end := range p.ends {
			if end == s {
				p.knows[i] = false
				p.end()
			}
		}
	}
}

// sendPeer carries what a server says to another.
func (s *server) sendPeer(to core.PeerID, body []byte) {
	p, i := s.w.pairOf(s, to)
	if p == nil || !p.knows[i] || !p.up {
		return
	}
	if body = s.w.opt.Mutant.spoilMessage(s, body); body == nil {
		return
	}
	s.w.oracle.said(s, to, body)
	if msg, err := zab.DecodeMessage(body); err == nil {
		if ack, ok := msg.(zab.Ack); ok && ack.Zxid.Counter() == 0 {
			s.after(0, func() { s.passes(epochAcked) })
		}
	}
	if p.cut[i] || p.lost[i] {
		s.w.trace.note("lost", body, int64(s.id), int64(to))
		p.swallow(i)
		return
	}
	t, gen := p.ends[1-i], p.gen
	life := t.life
	p.lastAt[i] = max(s.w.now+p.latency(), p.lastAt[i])
	s.w.after(p.lastAt[i]-s.w.now, func() {
		if t.life != life || !t.up || p.gen != gen || !p.knows[1-i] {
			return
		}
		if p.cut[i] || p.lost[i] {
			s.w.trace.note("lost under way", body, int64(s.id), int64(to))
			p.swallow(i)
			return
		}
		t.input(replica.Message{From: s.id, Body: body})
	})
}

// swallow loses a message: the other end hears nothing any more, and gives the link up
// in the end.
func (p *pair) swallow(i int) {
	if p.lost[i] {
		return
	}
	p.lost[i] = true
	gen := p.gen
	p.w.after(silentTime, func() {
		if p.gen == gen {
			p.w.cover.hit("link given up for silence")
			p.end()
		}
	})
}
