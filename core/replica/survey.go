package replica

import (
	"maps"
	"slices"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// What servers tell one another of themselves when an operator asks one of them. It
// belongs to no epoch: a server answers in every state.
type (
	// inquiry asks a server how it stands.
	inquiry struct{ nonce uint64 }
	// report is the answer.
	report struct {
		nonce uint64
		Report
	}
	// transferAsk asks a leader to hand over.
	transferAsk struct{ to core.PeerID }
)

// Report is how a server stands, as it says itself.
type Report struct {
	Role     zab.Role
	Phase    zab.Phase
	Serving  bool
	Draining bool
	Leader   core.PeerID // 0 is nobody
	Epoch    core.Epoch
	Logged   core.Zxid
	Durable  core.Zxid
	Applied  core.Zxid
	LastSync zab.SyncKind // how it came to its leader's history last
	Conns    int32        // of clients
	Members  core.Zxid    // the version of the members that it knows
}

// report is how this server stands.
func (r *Replica) report() Report {
	return Report{
		Role: r.zab.Role(), Phase: r.zab.Phase(), Serving: r.serving, Draining: r.draining, Leader: r.zab.Leader(), Epoch: r.zab.Epoch(),
		Logged: r.zab.Logged(), Durable: r.zab.Durable(), Applied: r.state.Applied(), LastSync: r.zab.LastSync(),
		Conns: int32(len(r.conns)), Members: r.zab.Members().Version,
	}
}

// survey asks all linked servers how they stand. Reports has what they answer.
func (r *Replica) survey() {
	r.surveys++
	r.reports = map[core.PeerID]Report{r.cfg.Zab.Self: r.report()}
	for p := range r.zab.Links().All() {
		r.send(p, inquiry{nonce: r.surveys})
	}
}

// Reports is what the servers have said since the last Survey, this one included, and
// how many are linked that have not answered.
func (r *Replica) Reports() (reports map[core.PeerID]Report, missing int) {
	for p := range r.zab.Links().All() {
		if _, ok := r.reports[p]; !ok {
			missing++
		}
	}
	return maps.Clone(r.reports), missing
}

// inquired takes the messages of this file.
func (r *Replica) inquired(from core.PeerID, msg any) {
	switch m := msg.(type) {
	case inquiry:
		r.send(from, report{nonce: m.nonce, Report: r.report()})
	case report:
		if m.nonce == r.surveys && r.reports != nil {
			r.reports[from] = m.Report
		}
	case transferAsk:
		if r.zab.Role() == zab.Leading {
			r.transfer(m.to)
		}
	}
}

// transfer hands the leadership over, or asks the leader to. Of one that this server does
// not serve under yet nothing is asked: it may be the one that was asked for.
func (r *Replica) transfer(to core.PeerID) {
	if r.zab.Role() != zab.Leading {
		if p := r.zab.Leader(); p != 0 && r.serving {
			r.send(p, transferAsk{to: to})
		}
		return
	}
	r.ask(func(z *zab.Output) { r.zab.Transfer(to, z) })
}

func appendReport(dst []byte, m *report) []byte {
	dst = wire.AppendLong(append(dst, kindReport), int64(m.nonce))
	dst = append(dst, byte(m.Role), byte(m.Phase), byte(m.Leader), byte(m.LastSync))
	dst = wire.AppendBool(wire.AppendBool(dst, m.Serving), m.Draining)
	dst = wire.AppendInt(wire.AppendInt(dst, int32(m.Epoch)), m.Conns)
	for _, z := range []core.Zxid{m.Logged, m.Durable, m.Applied, m.Members} {
		dst = wire.AppendLong(dst, int64(z))
	}
	return dst
}

func decodeReport(r *wire.Reader) report {
	m := report{nonce: uint64(r.Long())}
	m.Role, m.Phase, m.Leader, m.LastSync = zab.Role(r.Byte()), zab.Phase(r.Byte()), core.PeerID(r.Byte()), zab.SyncKind(r.Byte())
	m.Serving, m.Draining = r.Bool(), r.Bool()
	m.Epoch, m.Conns = core.Epoch(r.Int()), r.Int()
	for _, z := range []*core.Zxid{&m.Logged, &m.Durable, &m.Applied, &m.Members} {
		*z = core.Zxid(r.Long())
	}
	if m.Role > zab.Observing || m.Phase > zab.Broadcast || m.LastSync > zab.SyncSnap {
		r.Fail()
	}
	return m
}

// drain has no client stay: those that are here are hung up on, a few at a time, and
// find another server; who comes is refused until undrained. A leader hands over.
func (r *Replica) drain() {
	if !r.draining || r.decidesAlone() {
		return
	}
	if r.leads(r.zab.Epoch()) && (r.drainedAt == 0 || r.now.Mono-r.drainedAt >= drainTicks*int64(r.cfg.TickMillis)) {
		r.ask(func(z *zab.Output) {
			if r.zab.Transfer(0, z) {
				r.drainedAt = r.now.Mono
			}
		})
	}
	left := drainsPerTick
	for _, id := range slices.Sorted(maps.Keys(r.conns)) {
		c := r.conns[id]
		if c.local || c.pending.len() > 0 || len(c.backlog) > 0 || c.away != nil {
			continue // it is waiting for something: soon
		}
		if left--; left < 0 {
			return
		}
		r.hangUp(c)
	}
}

// drainTicks is the pause between two attempts to hand over: in one, until it is given up,
// nobody's writes are proposed, and who takes over may be to be drained, too.
const drainTicks = 10

// drainsPerTick is how many clients are sent away at a time, so that they do not all
// come to the others at once.
const drainsPerTick = 100
