package sim

import (
	"bytes"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// What servers say to one another is held against what their disks hold at that moment
// (zab 18), and against what the same link was sent before. A server that promises
// what a crash could take back is found when it does so, and not only by the seed in
// which the crash comes.

// saidState is what a server has said.
type saidState struct {
	promised core.Epoch // the last that it has promised a leader, counted
	asked    zab.Stream // its last attempt to follow
	accepts  bool       // and whether the epoch has been accepted in it
	feeds    map[core.PeerID]feeding
}

// feeding is what a learner was sent in one stream.
type feeding struct {
	stream zab.Stream
	sent   core.Zxid
	marker bool
}

// said checks one message. It goes as it leaves the server, mutants included.
func (o *oracle) said(s *server, to core.PeerID, body []byte) {
	msg, err := zab.DecodeMessage(body)
	if err != nil {
		return // of the replica, about its clients
	}
	say := &s.said
	if say.feeds == nil {
		say.feeds = map[core.PeerID]feeding{}
	}
	switch m := msg.(type) {
	case zab.Notification:
		o.voted(s, m)
	case zab.FollowerInfo:
		if m.Stream != say.asked {
			say.asked, say.accepts = m.Stream, false
		}
	case zab.LeaderInfo:
		if s.lastEpochs.Accepted < m.Epoch {
			o.w.fail("server %d tells of epoch %d, and its disk has %+v (Z-01)", s.id, m.Epoch, s.lastEpochs)
		}
	case zab.AckEpoch:
		o.promisedEpoch(s, m)
	case zab.Ack:
		switch {
		case m.Zxid > s.synced:
			o.w.fail("server %d acknowledges %v, and its disk has synced %v (I7)", s.id, m.Zxid, s.synced)
		case s.lastEpochs.Current < m.Zxid.Epoch():
			o.w.fail("server %d acknowledges %v, and its disk has %+v (I9)", s.id, m.Zxid, s.lastEpochs)
		case !say.accepts && m.Zxid.Counter() != 0:
			o.w.fail("server %d acknowledges %v before the epoch itself (Z-38)", s.id, m.Zxid)
		}
		say.accepts = true
	case zab.Vouch:
		if !s.lastEpochs.Voteable {
			o.w.fail("server %d vouches for its history, and its disk has %+v (Z-14)", s.id, s.lastEpochs)
		}
	case zab.Progress:
		if m.Zxid > s.synced {
			o.w.fail("server %d tells that %v is durable, and its disk has synced %v", s.id, m.Zxid, s.synced)
		}
	case zab.Installed:
		if s.base.zxid != m.Zxid || s.synced < m.Zxid {
			o.w.fail("server %d says that the snapshot of %v is in place, and its log begins at %v (Z-13)", s.id, m.Zxid, s.base.zxid)
		}
	case zab.Elect:
		t := o.w.serverOf(m.Vote.Leader)
		if t == nil || max(t.synced, t.had) < m.Vote.Zxid {
			o.w.fail("server %d hands over to %d, which does not have %v (Z-63)", s.id, m.Vote.Leader, m.Vote.Zxid)
		}
	default:
		o.fed(s, to, msg)
	}
}

// voted checks a vote that a server casts for itself (Z-21), and that it may (Z-14).
func (o *oracle) voted(s *server, m zab.Notification) {
	if m.State != zab.Looking || m.Vote.Leader != s.id {
		return
	}
	if m.Vote.Zxid > s.synced || m.Vote.Epoch > s.lastEpochs.Current {
		o.w.fail("server %d votes for itself with epoch %d and %v, and its disk has %+v and %v (Z-21)", s.id, m.Vote.Epoch, m.Vote.Zxid, s.lastEpochs, s.synced)
	}
	if s.observer && !o.w.opt.Changing || !s.lastEpochs.Voteable && len(o.w.servers) > 1 {
		o.w.fail("server %d votes for itself and may not: %+v (Z-14)", s.id, s.lastEpochs)
	}
}

// promisedEpoch checks a promise: durable, and one for each epoch.
func (o *oracle) promisedEpoch(s *server, m zab.AckEpoch) {
	epoch := s.rep.Status().Epochs.Accepted
	if s.lastEpochs.Accepted < epoch {
		o.w.fail("server %d promises epoch %d, and its disk has %+v (Z-01)", s.id, epoch, s.lastEpochs)
	}
	if m.Counted {
		if epoch <= s.said.promised {
			o.w.fail("server %d promises epoch %d, and had promised %d (Z-27)", s.id, epoch, s.said.promised)
		}
		s.said.promised = epoch
	}
	if m.Current > s.lastEpochs.Current {
		o.w.fail("server %d speaks of epoch %d, and its disk has %+v (Z-21)", s.id, m.Current, s.lastEpochs)
	}
}

// fed checks what a leader sends: records in order, commits of nothing that the link
// was not sent (Z-33, Z-39) nor of what a quorum does not have, and nothing to an
// observer that is not committed (Z-64).
func (o *oracle) fed(s *server, to core.PeerID, msg zab.Message) {
	f := s.said.feeds[to]
	begin := func(stream zab.Stream, at core.Zxid) { f = feeding{stream: stream, sent: at} }
	committed := core.Zxid(0)
	marker := core.MakeZxid(s.rep.Status().Epochs.Accepted, 0)
	switch m := msg.(type) {
	case zab.Diff:
		o.w.cover.hit("brought by DIFF")
		if next := recordAfter(s.log, m.After); next == nil || next.Zxid == marker {
			o.w.cover.hit("brought by a DIFF of nothing")
		}
		begin(m.Stream, m.After)
	case zab.Trunc:
		o.w.cover.hit("brought by TRUNC")
		if next := recordAfter(s.log, m.Keep); next != nil && next.Zxid != marker && next.Zxid.Epoch() != m.Keep.Epoch() {
			o.w.cover.hit("brought by TRUNC and a DIFF across epochs")
		}
		begin(m.Stream, m.Keep)
	case zab.Snap:
		if m.At.Zxid > s.rep.State().Applied() {
			o.w.fail("server %d sends a snapshot of %v, and has applied %v (Z-10)", s.id, m.At.Zxid, s.rep.State().Applied())
		}
		if f.stream != m.Stream {
			o.w.cover.hit("brought by SNAP")
		}
		begin(m.Stream, m.At.Zxid)
	case zab.NewLeader:
		o.toObserver(s, to, &m.Marker)
		f.sent, f.marker = max(f.sent, m.Marker.Zxid), true
	case zab.Propose:
		for i := range m.Records {
			r := &m.Records[i]
			inEpoch := r.Zxid == f.sent+1 && r.Zxid.Counter() != 0
			newEpoch := r.Zxid.Counter() == 0 && r.Zxid > f.sent
			if m.Stream != f.stream || !inEpoch && !newEpoch {
				o.w.fail("server %d sends %v to %d behind %v (I5)", s.id, r.Zxid, to, f.sent)
			}
			o.toObserver(s, to, r)
			f.sent = r.Zxid
		}
		committed = m.Committed
	case zab.UpToDate:
		committed = m.Committed
		if !f.marker {
			o.w.fail("server %d lets %d serve, and has not sent it the epoch's marker (Z-40)", s.id, to)
		}
		if committed < s.rep.State().Applied() {
			o.w.fail("server %d lets %d serve from %v, and has applied %v (Z-39)", s.id, to, committed, s.rep.State().Applied())
		}
		o.committed(s, committed)
		committed = 0 // the records may still be on their way
	default:
		return
	}
	s.said.feeds[to] = f
	if committed > f.sent {
		o.w.fail("server %d tells %d that %v is committed, and has sent it up to %v (Z-33)", s.id, to, committed, f.sent)
	}
	o.committed(s, committed)
}

// toObserver checks a record that goes to an observer.
func (o *oracle) toObserver(s *server, to core.PeerID, rec *wire.Record) {
	t := o.w.serverOf(to)
	if t == nil || !t.observer || rec.Zxid <= o.sure || o.w.opt.Changing {
		return
	}
	if _, have, ok := o.w.quorumHas(s, rec); !ok {
		o.w.fail("server %d sends observer %d %v, which %d voters have on their disks (Z-64)", s.id, to, rec.Zxid, have.Len())
	}
}

// committed checks that what a leader calls committed is on the disks of a quorum (I10).
func (o *oracle) committed(s *server, z core.Zxid) {
	if z <= o.sure || z <= s.base.zxid {
		return
	}
	rec := recordAfter(s.log, z-1)
	if rec == nil || rec.Zxid != z {
		o.w.fail("server %d calls %v committed, which is not in its log", s.id, z)
		return
	}
	if voters, have, ok := o.w.quorumHas(s, rec); !ok {
		o.w.fail("server %d calls %v committed, which %d of %d voters have on their disks (I10)", s.id, z, have.Len(), voters.Len())
	}
	o.sure = z
}

func (w *World) serverOf(id core.PeerID) *server {
	if id == 0 || int(id) > len(w.servers) {
		return nil
	}
	return w.servers[id-1]
}

// keptEpochs checks what a disk has just been given as its epochs: they do not go
// back, and the history that the current one vouches for is there (I1, I8).
func (o *oracle) keptEpochs(s *server, before, now zab.Epochs) {
	if !before.Voteable && now.Voteable && now.Current > 0 {
		o.w.cover.hit("server without a history took part")
	}
	switch {
	case now.Accepted < before.Accepted || now.Current < before.Current || now.Current > now.Accepted:
		o.w.fail("server %d writes %+v over %+v (I1)", s.id, now, before)
	case now.Current > before.Current && s.synced < core.MakeZxid(now.Current, 0):
		o.w.fail("server %d writes %+v, and its log is durable up to %v (I8)", s.id, now, s.synced)
	}
}

// sameRecord reports whether two records are one.
func sameRecord(a, b *wire.Record) bool {
	return a.Zxid == b.Zxid && a.Kind == b.Kind && a.PrevChain == b.PrevChain && bytes.Equal(a.Payload, b.Payload)
}
