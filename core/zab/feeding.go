package zab

import (
	"slices"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// feed chooses how a learner comes to the own history, and begins (zab 7.1).
func (m *Machine) feed(p *learner, out *Output) {
	from, keep := m.common(p.report)
	switch {
	case from == nil:
		m.stats.Snap++
		p.snapping = true
		out.Snapshots = append(out.Snapshots, Learner{Peer: p.peer, Stream: p.stream, Have: p.report.Have})
		return
	case keep:
		m.stats.Diff++
		m.send(out, p.peer, Diff{Stream: p.stream, After: from.Last})
	default:
		m.stats.Trunc++
		m.send(out, p.peer, Trunc{Stream: p.stream, Keep: from.Last, Chain: from.Chain})
	}
	m.feedFrom(p, from.Last, out)
}

// feedFrom begins to send a learner what it lacks behind a position: one stream, through
// the marker to what is proposed just now (Z-33).
func (m *Machine) feedFrom(p *learner, z core.Zxid, out *Output) {
	p.feeding, p.sent = true, z
	if marker := core.MakeZxid(m.leading.epoch, 0); z >= marker {
		// It has been here before, or has a snapshot of this epoch: it accepts it all the same.
		m.send(out, p.peer, NewLeader{Stream: p.stream, Marker: m.markerRecord})
	}
}

// snapped goes on behind the snapshot that a learner has installed.
func (m *Machine) snapped(p *learner, in Installed, out *Output) {
	if !p.snapping || in.Zxid > m.logged {
		return
	}
	p.snapping = false
	m.feedFrom(p, in.Zxid, out)
}

// Sends reports whether a learner is being sent a snapshot in its stream; if not,
// installed tells that it has it.
func (m *Machine) Sends(l Learner) (sends, installed bool) {
	if m.leading == nil {
		return false, false
	}
	p := m.leading.learners[l.Peer]
	if p == nil || p.stream != l.Stream {
		return false, false
	}
	return p.snapping, !p.snapping
}

// common is the last position that a learner's log and the own have in common, and
// whether the learner has nothing behind it. It is nil if the own log does not
// reach back that far. Two logs with records of one epoch agree in it up to where
// the shorter one ends, for an epoch has one leader (I3).
func (m *Machine) common(r *AckEpoch) (at *EpochEnd, keep bool) {
	if r.Last == 0 && m.base == 0 {
		return &EpochEnd{}, true
	}
	ends := append(slices.Clone(m.ends), EpochEnd{Last: m.logged, Chain: m.chain})
	for i := len(ends) - 1; i >= 0; i-- {
		own := ends[i]
		for j := len(r.Epochs) - 1; j >= 0; j-- {
			theirs := r.Epochs[j]
			if theirs.Last.Epoch() != own.Last.Epoch() {
				continue
			}
			c := own
			if theirs.Last < own.Last {
				c = theirs
			}
			if c.Last < m.base || c.Last < r.Base {
				return nil, false
			}
			return &c, c.Last == r.Last
		}
	}
	if m.base == 0 && r.Base == 0 && len(m.ends) < epochsMax && len(r.Epochs) <= epochsMax {
		return &EpochEnd{}, r.Last == 0 // both have told of all of their epochs
	}
	return nil, false
}

// feedBytes is how many bytes of records a message has at most.
const feedBytes = 1 << 20

// window counts the bytes that a learner was sent and has not made durable yet.
type window struct {
	bytes int
	sent  []portion
}

// portion is some of them.
type portion struct {
	upTo  core.Zxid
	bytes int
}

func (w *window) add(upTo core.Zxid, bytes int) {
	w.bytes += bytes
	w.sent = append(w.sent, portion{upTo, bytes})
}

func (w *window) durable(upTo core.Zxid) {
	n := 0
	for n < len(w.sent) && w.sent[n].upTo <= upTo {
		w.bytes -= w.sent[n].bytes
		n++
	}
	w.sent = slices.Delete(w.sent, 0, n)
}

// pump sends every learner what it has not been sent: records, in one message, and
// how far they are committed. An observer gets what is committed only (Z-64).
func (m *Machine) pump(out *Output) {
	m.settle(out)
	l := m.leading
	if l == nil || len(l.learners) == 0 {
		return
	}
	for _, p := range l.sorted() {
		m.welcome(p, out)
		if !p.feeding || p.reading {
			continue
		}
		upTo := m.logged
		if p.observer {
			upTo = 0
			if m.phase == Broadcast {
				upTo = m.commit
			}
		}
		for p.sent < upTo && p.room.bytes < m.cfg.WindowBytes {
			records, ok := m.recent.after(p.sent, upTo, feedBytes)
			if !ok {
				p.reading = true
				out.Feeds = append(out.Feeds, Feed{Peer: p.peer, Stream: p.stream, After: p.sent, UpTo: min(upTo, m.durable)})
				break
			}
			m.sendRecords(p, records, out)
		}
		m.tellCommitted(p, out)
	}
}

// tellCommitted tells a learner what is committed, if it has all of that.
func (m *Machine) tellCommitted(p *learner, out *Output) {
	if p.upToDate && p.sentUpTo < m.commit && p.sent >= m.commit {
		p.sentUpTo = m.commit
		m.send(out, p.peer, Propose{Stream: p.stream, Committed: m.commit})
	}
}

// sendRecords sends records that follow what a learner has. The marker of the epoch
// goes as what it is.
func (m *Machine) sendRecords(p *learner, records []wire.Record, out *Output) {
	marker := core.MakeZxid(m.leading.epoch, 0)
	for len(records) > 0 {
		n := slices.IndexFunc(records, func(r wire.Record) bool { return r.Zxid == marker })
		switch {
		case n == 0:
			m.send(out, p.peer, NewLeader{Stream: p.stream, Marker: records[0]})
			p.sent, records = records[0].Zxid, records[1:]
			continue
		case n < 0:
			n = len(records)
		}
		msg := Propose{Stream: p.stream, Records: records[:n:n]}
		if p.upToDate {
			msg.Committed = min(m.commit, records[n-1].Zxid)
			p.sentUpTo = max(p.sentUpTo, msg.Committed)
		}
		m.send(out, p.peer, msg)
		bytes := 0
		for i := range msg.Records {
			bytes += recordBytes(&msg.Records[i])
		}
		p.sent, records = records[n-1].Zxid, records[n:]
		p.room.add(p.sent, bytes)
	}
}

// Fed brings records that Output.Feeds asked for.
func (m *Machine) Fed(f Feed, records []wire.Record, done bool, out *Output) {
	if m.leading == nil {
		return
	}
	p := m.leading.learners[f.Peer]
	if p == nil || p.stream != f.Stream || !p.reading {
		return
	}
	p.reading = !done
	m.sendRecords(p, records, out)
	m.pump(out)
}

// LogBegins says that what was logged up to base is not in the log any more: who lacks
// that needs a snapshot. To find it out only when a learner is fed costs the learner its
// stream, and a leader that has no quorum without it the time that InitTicks gives.
func (m *Machine) LogBegins(base core.Zxid) { m.base = max(m.base, base) }

// CannotFeed says that what a Feed asked for is not in the log any more, which begins
// at base. The learner comes again, and is sent a snapshot.
func (m *Machine) CannotFeed(f Feed, base core.Zxid, out *Output) {
	m.LogBegins(base)
	if m.leading == nil {
		return
	}
	if p := m.leading.learners[f.Peer]; p != nil && p.stream == f.Stream && p.reading {
		m.leading.drop(f.Peer)
		m.send(out, f.Peer, Leave{Stream: f.Stream})
	}
}
