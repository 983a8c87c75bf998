package sim

import (
	"errors"
	"fmt"
	"iter"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/sim/model"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// What a server does on its disk, and for others, to come to a leader's history or to
// bring others to its own, as core/node does it.

// incoming is a snapshot that a leader is sending.
type incoming struct {
	have zab.Partial
	w    *storage.SnapshotWriter
}

// sending is a snapshot that is being sent, or was until the link broke.
type sending struct {
	id   uint64
	view *state.View
	at   zab.Position
	to   zab.Learner
	over bool // it is of no use to send more
}

// errPassed says that a crash waited where a server has passed.
var errPassed = errors.New("sim: crashed on the way")

// installParts takes the parts of a snapshot that a job has, then goes on.
func (s *server) installParts(job *diskWork) {
	if len(job.installs) == 0 {
		s.truncate(job)
		return
	}
	part := job.installs[0]
	job.installs = job.installs[1:]
	s.after(s.latency(), func() {
		st, err := s.install(&part)
		switch {
		case errors.Is(err, errPassed):
			return
		case err != nil:
			s.diskFailed(err)
			return
		case st != nil && s.passes(snapInPlace):
			return
		}
		s.installParts(job)
		if st != nil {
			s.w.cover.hit("snapshot of a leader installed")
			s.step(replica.SnapshotInstalled{At: part.At, State: st})
		}
	})
}

func (s *server) install(part *zab.Snap) (*state.State, error) {
	if s.comes != nil && part.Part == 0 {
		w := s.comes.w
		s.comes = nil
		if err := w.Abort(); err != nil {
			return nil, err
		}
	}
	if part.ID == 0 {
		s.w.cover.hit("beginning of a snapshot given up")
		return nil, nil
	}
	if s.comes == nil && part.Part == 0 {
		w, err := s.store.NewInstall(storage.SnapshotInfo{
			Zxid: part.At.Zxid, Chain: part.At.Chain, TreeDigest: part.Digest, Time: s.now().Wall,
		})
		if err != nil {
			return nil, err
		}
		s.comes = &incoming{have: zab.Partial{ID: part.ID, At: part.At}, w: w}
	}
	if s.comes == nil || s.comes.have != (zab.Partial{ID: part.ID, At: part.At, Parts: part.Part}) {
		s.w.fail("server %d is given part %d of a snapshot and lacks those before it", s.id, part.Part)
		return nil, errStopped
	}
	s.comes.have.Parts++
	if len(part.Data) > 0 {
		if err := s.comes.w.Write(part.Data); err != nil {
			return nil, err
		}
	}
	if !part.Last {
		if s.passes(partWritten) {
			return nil, errPassed
		}
		return nil, nil
	}
	w := s.comes.w
	s.comes = nil
	info, err := w.Commit()
	if err != nil {
		return nil, err
	}
	s.installing = &position{part.At.Zxid, part.At.Chain}
	if s.passes(snapComplete) {
		return nil, errPassed
	}
	s.callsFail("the switch to a snapshot")
	var st *state.State
	load := func(_ storage.SnapshotInfo, next func() ([]byte, error)) (err error) {
		st, err = state.Load(s.cfg.State, next)
		return err
	}
	if s.w.opt.Mutant == SnapInMemory {
		var r *storage.SnapshotReader
		if r, err = s.store.OpenSnapshot(info); err == nil {
			err = errors.Join(load(info, r.Next), r.Close())
		}
	} else {
		err = s.store.InstallSnapshot(info, load)
	}
	if err != nil {
		return nil, err
	}
	s.beginAt(*s.installing)
	return st, nil
}

// beginAt notes that the log begins anew.
func (s *server) beginAt(at position) {
	s.log, s.base, s.synced, s.installing = nil, at, at.zxid, nil
}

// settleInstall finds out, after a crash in the middle of one, whether the snapshot is
// in place.
func (s *server) settleInstall(rec *storage.Recovered) {
	if s.installing != nil && rec.Snapshot != nil && rec.Snapshot.Zxid == s.installing.zxid && rec.Meta.BaseSnapshotZxid == s.installing.zxid {
		s.w.cover.hit("crash behind the switch of an installation")
		s.beginAt(*s.installing)
	}
	s.installing = nil
}

// lose notes what a damaged disk has lost: the server says so itself.
func (s *server) lose(rec *storage.Recovered) {
	s.w.cover.hit("damage for a leader to mend")
	n := len(s.log)
	for n > 0 && s.log[n-1].Zxid > rec.LastLogged {
		n--
	}
	s.log = s.log[:n]
	if n == 0 {
		s.base = position{rec.LastLogged, rec.LastChain}
	}
	s.had = max(s.had, s.synced)
	s.synced = rec.LastLogged
	if s.model.Applied > rec.LastLogged {
		s.forgetState()
	}
}

// forgetState begins to apply from the beginning again.
func (s *server) forgetState() {
	s.model = model.New()
	s.model.TTL, s.model.Ensemble = s.cfg.State.TTLNodes, s.cfg.State.Ensemble
	s.compared = 0
}

// cutTo notes that what is behind a record goes: it was never committed.
func (s *server) cutTo(at *zab.Position) {
	s.w.cover.hit("log truncated")
	if s.model.Applied > at.Zxid {
		s.w.fail("server %d truncates to %v and has applied %v", s.id, at.Zxid, s.model.Applied)
		return
	}
	s.synced = min(s.synced, at.Zxid)
	n := len(s.log)
	for n > 0 && s.log[n-1].Zxid > at.Zxid {
		n--
	}
	s.log, s.gone, s.keep = s.log[:n:n], append([]wire.Record(nil), s.log[n:]...), at.Zxid
}

// settleCut finds out, after a crash in the middle of a truncation, whether it was
// made: what is behind it was appended only then.
func (s *server) settleCut(rec *storage.Recovered) {
	gone := s.gone
	s.gone = nil
	if rec.LastLogged <= s.keep {
		return
	}
	for i := range gone {
		if gone[i].Zxid == rec.LastLogged && gone[i].Chain() == rec.LastChain {
			s.w.cover.hit("crash in front of a truncation")
			n := len(s.log)
			for n > 0 && s.log[n-1].Zxid > s.keep {
				n--
			}
			s.log = append(s.log[:n:n], gone...)
			return
		}
	}
}

func (s *server) truncate(job *diskWork) {
	if job.truncate == nil {
		s.append(job)
		return
	}
	s.after(s.latency(), func() {
		if s.passes(beforeTruncation) {
			return
		}
		s.callsFail("a truncation")
		if s.w.opt.Mutant == TruncInexact {
			s.gone = nil
		} else if err := s.store.Truncate(job.truncate.Zxid, job.truncate.Chain); err != nil {
			s.diskFailed(fmt.Errorf("truncate to %v: %w", job.truncate.Zxid, err))
			return
		}
		s.gone = nil
		if s.passes(behindTruncation) {
			return
		}
		s.append(job)
		s.step(replica.Truncated{})
	})
}

// feed reads a part of the log for a learner.
func (s *server) feed(f zab.Feed) {
	s.w.cover.hit("learner fed from the log")
	s.after(s.latency(), func() {
		var records []wire.Record
		enough := errors.New("enough")
		err := s.store.Replay(f.After, func(r wire.Record) error {
			if r.Zxid > f.UpTo {
				return enough
			}
			r.Payload = append([]byte(nil), r.Payload...)
			records = append(records, r)
			return nil
		})
		var corrupt *storage.CorruptError
		switch {
		case err == nil, errors.Is(err, enough):
			s.feedPart(f, records)
		case errors.Is(err, storage.ErrGone), errors.Is(err, storage.ErrMismatch), errors.As(err, &corrupt):
			s.w.cover.hit("log gone while a learner is fed")
			s.step(replica.Fed{Feed: f, Gone: true, Base: s.store.Base()})
		default:
			s.diskFailed(err)
		}
	})
}

func (s *server) feedPart(f zab.Feed, records []wire.Record) {
	n := min(readBatch, len(records))
	done := n == len(records)
	if !done {
		s.after(between(s.w.disk, 0, millisecond), func() { s.feedPart(f, records[n:]) })
	}
	s.step(replica.Fed{Feed: f, Records: records[:n:n], Done: done})
}

// sendSnapshot sends a learner a view, a chunk at a time: one of which it has the
// beginning, if that is kept, or the new one.
func (s *server) sendSnapshot(job replica.SendSnapshot) {
	to, have := job.Learner.Peer, job.Learner.Have
	from := uint32(0)
	old := s.kept[to]
	if old != nil {
		old.over = true
	}
	k := &sending{to: job.Learner, view: job.View, at: zab.Position{Zxid: job.View.Zxid, Chain: job.Chain}}
	switch {
	case old != nil && old.id == have.ID && old.at == have.At:
		s.w.cover.hit("sending of a snapshot goes on")
		from = have.Parts
		job.View.Close()
		k.id, k.view, k.at = old.id, old.view, old.at
	case old != nil:
		old.view.Close()
		fallthrough
	default:
		s.w.snapshotIDs++
		k.id = s.w.snapshotIDs
	}
	s.kept[to] = k
	chunks := func(yield func([]byte) bool) {
		_ = k.view.Encode(func(chunk []byte) error {
			if !yield(append([]byte(nil), chunk...)) {
				return errStopped
			}
			return nil
		})
	}
	next, stop := iter.Pull(iter.Seq[[]byte](chunks))
	s.sending = append(s.sending, stop)
	p, i := s.w.pairOf(s, to)
	gen := p.gen
	part := zab.Snap{Stream: job.Learner.Stream, At: k.at, Digest: k.view.Digest, ID: k.id}
	for ; part.Part < from; part.Part++ {
		if _, more := next(); !more {
			s.w.fail("server %d has %d parts of a snapshot that has %d", to, from, part.Part)
			return
		}
	}
	var send func()
	send = func() {
		if k.over || p.gen != gen || !p.knows[i] {
			stop()
			s.w.cover.hit("sending of a snapshot given up")
			return
		}
		chunk, more := next()
		part.Data, part.Last = chunk, !more
		s.sendPeer(to, zab.AppendMessage(nil, part))
		part.Part++
		if !more {
			stop()
			return
		}
		s.after(between(s.w.network, 100, 20*millisecond), send)
	}
	s.after(between(s.w.network, 100, 20*millisecond), send)
}

// unsent ends the sending to a learner that has it, or whose stream is over.
func (s *server) unsent(u replica.Unsent) {
	k := s.kept[u.Learner.Peer]
	if k == nil || k.to.Stream != u.Learner.Stream {
		return
	}
	k.over = true
	if u.Installed {
		delete(s.kept, u.Learner.Peer)
		k.view.Close()
	}
}

// stopSending ends what a life has begun for others.
func (s *server) stopSending() {
	for _, stop := range s.sending {
		stop()
	}
	s.sending, s.kept = nil, make(map[core.PeerID]*sending)
}
