package node

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/zab"
)

// A snapshot that was sent, as far as the link took it, is kept until the learner has
// installed it, for keepTime at most: if the link breaks, it can go on where it was when
// the learner comes back. An open view costs memory for whatever is changed meanwhile:
// no more than keptMax are kept beside those that are being sent.
const (
	keepTime = 30 * time.Second
	keptMax  = 2
)

// sendings are the snapshots that are being sent or kept, by who is sent them. It is
// safe for concurrent use.
type sendings struct {
	mu struct {
		sync.Mutex
		to    map[core.PeerID]*sending
		ended bool
	}
}

// sending is a snapshot for one learner.
type sending struct {
	learner zab.Learner
	id      uint64
	view    *state.View
	at      zab.Position
	before  *sending      // what the same learner was sent before, or nil
	stop    atomic.Bool   // it is of no use to send more
	idle    chan struct{} // closed when nobody sends it

	// Under the lock of the sendings.
	since time.Time   // when it began to be kept; zero while it is being sent
	over  *time.Timer // ends that
	owned bool        // by the next one, which waits for it to be idle and has its view then
}

// next notes that a snapshot is about to be sent. What the learner was sent before ends.
func (s *sendings) next(job *replica.SendSnapshot) *sending {
	k := &sending{
		learner: job.Learner, id: rand.Uint64() | 1, view: job.View, at: zab.Position{Zxid: job.View.Zxid, Chain: job.Chain},
		idle: make(chan struct{}),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.to == nil {
		s.mu.to = make(map[core.PeerID]*sending)
	}
	if k.before = s.mu.to[job.Learner.Peer]; k.before != nil {
		k.before.owned = true
		k.before.stop.Store(true)
		if k.before.over != nil {
			k.before.over.Stop()
		}
	}
	s.mu.to[job.Learner.Peer] = k
	return k
}

// takeOver waits until the snapshot before this one is not being sent any more, and goes
// on with that if the learner has its beginning. It returns the first part to be sent.
func (k *sending) takeOver() (from uint32) {
	old := k.before
	k.before = nil
	if old == nil {
		return 0
	}
	<-old.idle
	if have := k.learner.Have; have.ID == old.id && have.At == old.at {
		k.view.Close()
		k.id, k.view, k.at = old.id, old.view, old.at
		return have.Parts
	}
	old.view.Close()
	return 0
}

// rest keeps a snapshot that is not being sent any more: nobody knows how much of it
// has arrived.
func (s *sendings) rest(k *sending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(k.idle)
	switch {
	case k.owned:
	case s.mu.ended || s.mu.to[k.learner.Peer] != k:
		k.view.Close()
	default:
		k.since = time.Now()
		k.over = time.AfterFunc(keepTime, func() { s.drop(k) })
		s.boundLocked()
	}
}

// boundLocked lets go of the one that was kept longest if too many are.
func (s *sendings) boundLocked() {
	var oldest *sending
	n := 0
	for _, k := range s.mu.to {
		if k.since.IsZero() {
			continue
		}
		if n++; oldest == nil || k.since.Before(oldest.since) {
			oldest = k
		}
	}
	if n > keptMax {
		s.letGoLocked(oldest)
	}
}

// letGoLocked takes a snapshot out; if it is being sent still, rest closes it.
func (s *sendings) letGoLocked(k *sending) {
	delete(s.mu.to, k.learner.Peer)
	k.stop.Store(true)
	if !k.since.IsZero() {
		k.over.Stop()
		k.view.Close()
	}
}

// drop closes a snapshot for which nobody comes any more.
func (s *sendings) drop(k *sending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.to[k.learner.Peer] == k {
		s.letGoLocked(k)
	}
}

// unsent ends the sending to a learner: it has installed the snapshot, or its stream is
// over and it may come back for the rest.
func (s *sendings) unsent(u replica.Unsent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.mu.to[u.Learner.Peer]
	switch {
	case k == nil || k.learner.Stream != u.Learner.Stream:
	case u.Installed:
		s.letGoLocked(k)
	default:
		k.stop.Store(true)
	}
}

// end closes all. Nothing may be being sent any more.
func (s *sendings) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.ended = true
	for _, k := range s.mu.to {
		s.letGoLocked(k)
	}
}

// sendSnapshot sends a learner a view of the state, as fast as the link takes it: one
// of which it has the beginning, if that is kept, else the new one.
func (n *Node) sendSnapshot(job replica.SendSnapshot, gen uint64) {
	s := n.sendings.next(&job)
	n.beside.Go(func() {
		from := s.takeOver()
		if from > 0 {
			n.log.Info("sending of a snapshot goes on", "peer", int(s.learner.Peer), "zxid", s.at.Zxid.String(), "part", from)
		}
		began := time.Now()
		err := n.sendParts(s, gen, from)
		n.sendings.rest(s)
		if err != nil {
			n.log.Info("sending of a snapshot broke off", "peer", int(s.learner.Peer), "err", err)
			return
		}
		n.log.Info("snapshot sent", "peer", int(s.learner.Peer), "zxid", s.at.Zxid.String(), "took_ms", time.Since(began).Milliseconds())
	})
}

// sendParts sends the parts of a snapshot from one on. A view is the same parts each
// time.
func (n *Node) sendParts(s *sending, gen uint64, from uint32) error {
	part := zab.Snap{Stream: s.learner.Stream, At: s.at, Digest: s.view.Digest, ID: s.id}
	send := func() error {
		if n.inbox.isClosed() || s.stop.Load() {
			return errEnded
		}
		if part.Part >= from && !n.links.SendSlowly(s.learner.Peer, gen, func(b []byte) []byte { return zab.AppendMessage(b, part) }) {
			return errEnded
		}
		part.Part++
		return nil
	}
	err := s.view.Encode(func(chunk []byte) error {
		part.Data = chunk
		return send()
	})
	if err != nil {
		return err
	}
	part.Data, part.Last = nil, true
	return send()
}
