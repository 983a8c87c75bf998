package zab

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/quorum"
	"github.com/zensus-io/zensus/core/wire"
)

// ensemble is some machines with a network and disks that the test steers: one
// event after the other, in an order that a seed draws.
type ensemble struct {
	t      testing.TB
	rng    *rand.Rand
	now    int64
	peers  map[core.PeerID]*peer
	cut    map[[2]core.PeerID]bool // pairs that cannot reach one another
	epochs map[core.Epoch]core.PeerID
	voters []core.PeerID
	agreed []wire.Record // what is committed, by whoever said so first
	fed    int           // parts of logs that were read for learners
	trace  []string
}

// peer is one server: a machine while it is up, and a disk.
type peer struct {
	e    *ensemble
	id   core.PeerID
	cfg  Config
	m    *Machine
	base Position      // durable: what the log begins with
	disk []wire.Record // durable
	meta Epochs        // durable
	jobs []job
	wire map[core.PeerID][]Message // under way to this server, in order
	told core.Zxid                 // applied
	// members is the version of those that it knows to be committed, since its start.
	members core.Zxid
	// doubtful: another state comes of its log than that says, until a snapshot comes.
	doubtful bool
}

// job is one thing that a disk was asked for.
type job struct {
	generation uint64
	truncate   *Position
	records    []wire.Record
	epochs     *Epochs
	install    *Position
}

func newEnsemble(t testing.TB, seed uint64, ids ...core.PeerID) *ensemble {
	e := &ensemble{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), peers: map[core.PeerID]*peer{},
		cut: map[[2]core.PeerID]bool{}, epochs: map[core.Epoch]core.PeerID{}, voters: ids,
	}
	for _, id := range ids {
		e.peers[id] = &peer{
			e: e, id: id, cfg: Config{Self: id, Voters: ids, MembersOf: readMembers, Several: true}, meta: Epochs{Voteable: true}, wire: map[core.PeerID][]Message{},
		}
	}
	return e
}

// observe adds a server that follows and does not vote.
func (e *ensemble) observe(id core.PeerID) {
	e.peers[id] = &peer{e: e, id: id, cfg: Config{Self: id, Voters: e.voters, MembersOf: readMembers, Several: true}, wire: map[core.PeerID][]Message{}}
}

// readMembers reads the transaction of a reconfiguration, as reconfigure makes it.
func readMembers(payload []byte) (Members, error) {
	r := wire.NewReader(payload)
	m := decodeMembers(&r)
	if m == nil || r.Err() != nil {
		return Members{}, ErrMessage
	}
	return *m, nil
}

// reconfigure proposes other members.
func (p *peer) reconfigure(voters, observers quorum.Set) {
	p.act(func(out *Output) {
		m := Members{Version: p.m.Next(), Voters: voters, Observers: observers, Text: fmt.Sprint(voters, observers)}
		p.m.Reconfigure(appendMembers(nil, &m), p.e.now, 0, 0, out)
	})
}

// membersAt are those of the committed history up to a zxid, nil if it says nothing.
func (e *ensemble) membersAt(z core.Zxid) (last *Members) {
	for _, r := range e.agreed {
		if r.Zxid <= z && r.Kind == wire.RecordConfig {
			m, err := readMembers(r.Payload)
			require.NoError(e.t, err)
			last = &m
		}
	}
	return last
}

func (e *ensemble) ids() []core.PeerID {
	var ids []core.PeerID
	for id := range e.peers {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func pair(a, b core.PeerID) [2]core.PeerID { return [2]core.PeerID{min(a, b), max(a, b)} }

// start boots a server from what its disk holds.
func (e *ensemble) start(id core.PeerID) {
	p := e.peers[id]
	d := Durable{
		AcceptedEpoch: p.meta.Accepted, CurrentEpoch: p.meta.Current, Voteable: p.meta.Voteable, Fresh: p.base.Zxid == 0 && len(p.disk) == 0,
		Base: p.base.Zxid, LastLogged: p.base.Zxid, LastChain: p.base.Chain, Members: e.membersAt(p.base.Zxid), Doubtful: p.doubtful,
	}
	if p.base.Zxid != 0 {
		d.Epochs = append(d.Epochs, EpochEnd{p.base.Zxid, p.base.Chain})
	}
	for i := range p.disk {
		r := &p.disk[i]
		if n := len(d.Epochs); n == 0 || d.Epochs[n-1].Last.Epoch() != r.Zxid.Epoch() {
			d.Epochs = append(d.Epochs, EpochEnd{})
		}
		d.LastLogged, d.LastChain = r.Zxid, r.Chain()
		if d.CommitHint = max(d.CommitHint, r.CommitHint); r.Kind == wire.RecordConfig {
			m, err := readMembers(r.Payload)
			require.NoError(e.t, err)
			d.Configs = append(d.Configs, m)
		}
		d.Epochs[len(d.Epochs)-1] = EpochEnd{d.LastLogged, d.LastChain}
	}
	m, err := New(p.cfg, d)
	require.NoError(e.t, err)
	p.m, p.told, p.members = m, p.base.Zxid, 0
	p.act(m.Start)
	for _, o := range e.ids() {
		e.join(id, o)
	}
}

// kill takes a server down: what its disk has not done, some of it may be lost.
func (e *ensemble) kill(id core.PeerID) {
	p := e.peers[id]
	if p.m == nil {
		return
	}
	for len(p.jobs) > 0 && e.rng.IntN(3) > 0 {
		p.do(p.jobs[0])
		p.jobs = p.jobs[1:]
	}
	if len(p.jobs) > 0 && len(p.jobs[0].records) > 0 && e.rng.IntN(2) == 0 { // a part of a batch
		j := p.jobs[0]
		j.records, j.epochs, j.install = j.records[:e.rng.IntN(len(j.records))], nil, nil
		p.do(j)
	}
	p.m, p.jobs = nil, nil
	for _, o := range e.ids() {
		e.part(id, o)
	}
}

// purge forgets the log up to what is applied, as a snapshot allows.
func (p *peer) purge() {
	for len(p.disk) > 0 && p.disk[0].Zxid <= p.told {
		p.base = Position{p.disk[0].Zxid, p.disk[0].Chain()}
		p.disk = p.disk[1:]
	}
}

// wipe loses the disk of a server that is down: it has nothing to vouch for.
func (p *peer) wipe() {
	p.base, p.disk, p.meta, p.told = Position{}, nil, Epochs{}, 0
}

// join links two servers if both are up and nothing is between them.
func (e *ensemble) join(a, b core.PeerID) {
	if a == b || e.peers[a].m == nil || e.peers[b].m == nil || e.cut[pair(a, b)] {
		return
	}
	e.part(a, b)
	e.peers[a].act(func(out *Output) { e.peers[a].m.LinkUp(b, out) })
	e.peers[b].act(func(out *Output) { e.peers[b].m.LinkUp(a, out) })
}

// part ends the link of two servers, with what was under way.
func (e *ensemble) part(a, b core.PeerID) {
	for _, x := range [][2]core.PeerID{{a, b}, {b, a}} {
		p := e.peers[x[0]]
		delete(p.wire, x[1])
		if p.m != nil {
			p.act(func(out *Output) { p.m.LinkDown(x[1], out) })
		}
	}
}

// act lets a machine do something and takes what comes of it.
func (p *peer) act(f func(*Output)) {
	var out Output
	p.m.At(p.e.now)
	f(&out)
	p.m.Open(&out)
	if p.m.WantsRecord() {
		p.m.Propose([]byte("(for a learner)"), p.e.now, 0, 0, &out)
	}
	p.m.Flush(&out)
	if out.Truncate != nil || len(out.Append) > 0 || out.Epochs != nil {
		p.jobs = append(p.jobs, job{p.m.Generation(), out.Truncate, out.Append, out.Epochs, nil})
	}
	for _, part := range out.Install {
		if part.Last {
			p.jobs = append(p.jobs, job{generation: p.m.Generation(), install: &part.At})
		}
	}
	for _, env := range out.Send {
		p.mayLeave(env.To, env.Msg)
		if o := p.e.peers[env.To]; o.m != nil && !p.e.cut[pair(p.id, env.To)] {
			msg, err := DecodeMessage(AppendMessage(nil, env.Msg))
			require.NoError(p.e.t, err)
			o.wire[p.id] = append(o.wire[p.id], msg)
		}
	}
	for _, f := range out.Feeds {
		p.e.fed++
		p.act(func(out *Output) { p.m.Fed(f, p.range_(f.After, f.UpTo), true, out) })
	}
	for _, l := range out.Snapshots {
		p.snapshot(l)
	}
	p.check()
}

// last is the position of the last record on the disk.
func (p *peer) last() Position {
	if n := len(p.disk); n > 0 {
		return Position{p.disk[n-1].Zxid, p.disk[n-1].Chain()}
	}
	return p.base
}

// mayLeave checks that what a message says is on the disk (zab 18).
func (p *peer) mayLeave(to core.PeerID, msg Message) {
	t := p.e.t
	switch msg := msg.(type) {
	case Diff:
		p.e.trace = append(p.e.trace, fmt.Sprintf("%d sends %d DIFF behind %v", p.id, to, msg.After))
	case Trunc:
		p.e.trace = append(p.e.trace, fmt.Sprintf("%d sends %d TRUNC to %v", p.id, to, msg.Keep))
	case Notification:
		if msg.State == Looking && msg.Vote.Leader == p.id {
			require.Equal(t, p.last().Zxid, msg.Vote.Zxid, "a vote for what is not durable (Z-21)")
			require.Equal(t, p.meta.Current, msg.Vote.Epoch)
			require.True(t, p.meta.Voteable, "Z-14")
			require.True(t, p.m.isVoter(p.id), "an observer stands for election")
		}
	case LeaderInfo:
		require.GreaterOrEqual(t, p.meta.Accepted, msg.Epoch, "Z-01")
	case AckEpoch:
		require.Equal(t, p.m.following.epoch, p.meta.Accepted, "Z-01")
		require.Equal(t, p.last().Zxid, msg.Last)
	case Propose:
		if o := p.e.peers[to]; !p.m.isVoter(o.id) {
			for _, r := range msg.Records {
				require.LessOrEqual(t, r.Zxid, p.m.Committed(), "an observer is told what is not committed (Z-64)")
			}
		}
	case Ack:
		require.GreaterOrEqual(t, p.last().Zxid, msg.Zxid, "I7")
		require.Equal(t, msg.Zxid.Epoch(), p.meta.Current, "I9")
	case Vouch:
		require.True(t, p.meta.Voteable, "Z-14")
	case Installed:
		require.Equal(t, p.base.Zxid, msg.Zxid)
	}
}

// snapshot sends a learner the committed state, in two parts.
func (p *peer) snapshot(l Learner) {
	p.e.trace = append(p.e.trace, fmt.Sprintf("%d sends %d SNAP", p.id, l.Peer))
	at := p.base
	for _, r := range p.disk {
		if r.Zxid <= p.told {
			at = Position{r.Zxid, r.Chain()}
		}
	}
	o := p.e.peers[l.Peer]
	if o.m != nil && !p.e.cut[pair(p.id, l.Peer)] {
		o.wire[p.id] = append(o.wire[p.id], Snap{Stream: l.Stream, At: at, ID: uint64(p.id)}, Snap{Stream: l.Stream, At: at, ID: uint64(p.id), Part: 1, Last: true})
	}
}

func (p *peer) range_(after, upTo core.Zxid) (list []wire.Record) {
	for _, r := range p.disk {
		if r.Zxid > after && r.Zxid <= upTo {
			list = append(list, r)
		}
	}
	return list
}

// do is what a disk does.
func (p *peer) do(j job) {
	if j.truncate != nil {
		n := slices.IndexFunc(p.disk, func(r wire.Record) bool { return r.Zxid > j.truncate.Zxid })
		if n >= 0 {
			p.disk = p.disk[:n:n]
		}
		require.GreaterOrEqual(p.e.t, j.truncate.Zxid, p.base.Zxid)
		if n := len(p.disk); n > 0 {
			require.Equal(p.e.t, j.truncate.Zxid, p.disk[n-1].Zxid)
			require.Equal(p.e.t, j.truncate.Chain, p.disk[n-1].Chain())
		}
		require.GreaterOrEqual(p.e.t, j.truncate.Zxid, p.told, "what was applied is cut off")
	}
	if j.install != nil {
		require.GreaterOrEqual(p.e.t, j.install.Zxid, p.told, "a snapshot takes back what was applied")
		require.False(p.e.t, p.doubtful && p.meta.Voteable, "after a crash it would vouch for what it has not come to yet")
		p.base, p.disk, p.told, p.doubtful = *j.install, nil, j.install.Zxid, false
	}
	for _, r := range j.records {
		require.True(p.e.t, follows(p.last().Zxid, r.Zxid), "%v behind %v (I5)", r.Zxid, p.last().Zxid)
		require.Equal(p.e.t, p.last().Chain, r.PrevChain)
		p.disk = append(p.disk, r)
	}
	if j.epochs != nil {
		require.GreaterOrEqual(p.e.t, j.epochs.Accepted, j.epochs.Current, "I1")
		require.GreaterOrEqual(p.e.t, j.epochs.Accepted, p.meta.Accepted, "I1")
		require.GreaterOrEqual(p.e.t, j.epochs.Current, p.meta.Current, "I1")
		p.meta = *j.epochs
	}
}

// diskStep lets the disk of a server do its next thing.
func (p *peer) diskStep() {
	j := p.jobs[0]
	p.jobs = p.jobs[1:]
	p.do(j)
	if j.truncate != nil {
		p.act(p.m.Truncated)
	}
	if n := len(j.records); n > 0 {
		p.act(func(out *Output) { p.m.Synced(j.generation, j.records[n-1].Zxid, out) })
	}
	if j.install != nil {
		p.act(func(out *Output) { p.m.SnapshotInstalled(*j.install, p.e.membersAt(j.install.Zxid), out) })
	}
	if j.epochs != nil && p.m != nil {
		p.act(func(out *Output) { p.m.EpochsSynced(j.generation, out) })
	}
}

// check checks what must hold after every event.
func (p *peer) check() {
	e, m := p.e, p.m
	require.GreaterOrEqual(e.t, m.members.Version, p.members, "what is known of the members is taken back")
	p.members = m.members.Version
	if m.next != nil {
		require.Greater(e.t, m.next.Version, m.members.Version, "members are pending that are not the last")
	}
	if m.Role() == Leading && m.Phase() == Broadcast {
		if other, ok := e.epochs[m.Epoch()]; ok {
			require.Equal(e.t, other, p.id, "two leaders in epoch %d (I2)", m.Epoch())
		}
		e.epochs[m.Epoch()] = p.id
	}
	for {
		if _, ok := m.TakeCommitted(); !ok {
			break
		}
	}
	if m.Phase() != Broadcast {
		return
	}
	upTo := min(m.Committed(), m.Durable())
	for _, r := range p.range_(p.told, upTo) {
		p.told = r.Zxid
		n := slices.IndexFunc(e.agreed, func(a wire.Record) bool { return a.Zxid >= r.Zxid })
		if n < 0 {
			if len(e.agreed) > 0 {
				last := &e.agreed[len(e.agreed)-1]
				require.True(e.t, follows(last.Zxid, r.Zxid), "a gap in what is committed")
				require.Equal(e.t, last.Chain(), r.PrevChain, "%v was committed, and is not in front of %v (I4)", last.Zxid, r.Zxid)
			}
			e.agreed = append(e.agreed, r)
			continue
		}
		require.Equal(e.t, e.agreed[n].Zxid, r.Zxid, "committed histories differ (I4)")
		require.Equal(e.t, e.agreed[n].Payload, r.Payload, "one zxid, two transactions (I3)")
	}
}

// step makes one thing happen. It reports whether there was anything.
func (e *ensemble) step() bool {
	var choices []func()
	for _, id := range e.ids() {
		p := e.peers[id]
		if p.m == nil {
			continue
		}
		if len(p.jobs) > 0 {
			choices = append(choices, p.diskStep)
		}
		for _, from := range e.ids() {
			if len(p.wire[from]) > 0 {
				choices = append(choices, func() {
					msg := p.wire[from][0]
					p.wire[from] = p.wire[from][1:]
					p.act(func(out *Output) { p.m.Receive(from, msg, out) })
				})
			}
		}
	}
	if len(choices) == 0 {
		return false
	}
	choices[e.rng.IntN(len(choices))]()
	return true
}

// pass lets time go by, with everything that happens meanwhile.
func (e *ensemble) pass(millis int64) {
	for end := e.now + millis; e.now < end; e.now += 50 {
		for n := 0; e.step(); n++ {
			require.Less(e.t, n, 100_000, "the ensemble does not come to rest\n%s\n%s", e.dump(), e.pending())
		}
		for _, id := range e.ids() {
			if p := e.peers[id]; p.m != nil {
				p.act(p.m.Tick)
			}
		}
	}
}

// leader is the established one of the highest epoch that a majority follows.
func (e *ensemble) leader() *peer {
	var best *peer
	for _, id := range e.ids() {
		p := e.peers[id]
		if p.m != nil && p.m.Role() == Leading && p.m.Phase() == Broadcast && (best == nil || p.m.Epoch() > best.m.Epoch()) {
			best = p
		}
	}
	return best
}

func (p *peer) propose(text string) core.Zxid {
	var z core.Zxid
	p.act(func(out *Output) { z = p.m.Propose([]byte(text), p.e.now, 0, 0, out) })
	return z
}

func (e *ensemble) startAll() {
	for _, id := range e.ids() {
		e.start(id)
	}
}

func TestThreeServersElectOneAndAgree(t *testing.T) {
	for seed := range uint64(20) {
		e := newEnsemble(t, seed, 1, 2, 3)
		e.startAll()
		e.pass(1000)
		l := e.leader()
		require.NotNil(t, l)
		for i := range 10 {
			l.propose(fmt.Sprint("txn ", i))
		}
		e.pass(100)
		last := l.m.Logged()
		for _, id := range e.ids() {
			p := e.peers[id]
			require.Equal(t, last, p.m.Committed(), "server %d", id)
			require.Equal(t, l.m.Epoch(), p.m.Epoch())
			require.Equal(t, Broadcast, p.m.Phase())
			require.Equal(t, l.id, p.m.Leader())
		}
		require.Len(t, e.agreed, 11)
	}
}

func TestLeadershipIsConfirmedByAQuorumThatAnswers(t *testing.T) {
	e := newEnsemble(t, 1, 1, 2, 3)
	e.startAll()
	e.pass(1000)
	l := e.leader()
	confirm := func() (nonce uint64) {
		l.act(func(out *Output) { nonce = l.m.Confirm(out) })
		return nonce
	}
	n := confirm()
	require.Less(t, l.m.Confirmed(), n, "nobody has answered")
	e.pass(100)
	require.GreaterOrEqual(t, l.m.Confirmed(), n)
	for _, id := range e.ids() {
		if id != l.id {
			e.cut[pair(l.id, id)] = true // without anybody noticing
		}
	}
	n = confirm()
	e.pass(4000)
	require.Less(t, l.m.Confirmed(), n, "a leader that is cut off is confirmed by nobody")
}

// dump tells all about a run that failed.
func (e *ensemble) dump() (s string) {
	for _, id := range e.ids() {
		p := e.peers[id]
		if p.m == nil {
			s += fmt.Sprintf("%d down\n", id)
			continue
		}
		m := p.m
		s += fmt.Sprintf("%d %v %v leader=%d gen=%d round=%d epochs=%+v synced=%+v logged=%v durable=%v commit=%v base=%v drain=%v jobs=%d links=%v\n", id, m.role, m.phase, m.Leader(), m.generation, m.round, m.epochs, m.synced, m.logged, m.durable, m.commit, m.base, m.draining, len(p.jobs), m.links)
		if m.looking != nil {
			s += fmt.Sprintf("   vote %+v received %+v settled %+v decide %d now %d\n", m.looking.vote, m.looking.received, m.looking.settled, m.looking.decideAt, m.now)
		}
		if m.following != nil {
			s += fmt.Sprintf("   %+v\n", *m.following)
		}
		if m.leading != nil {
			s += fmt.Sprintf("   epoch %d infos %v promises %v acks %v began %d\n", m.leading.epoch, m.leading.infos, m.leading.promises, m.leading.acks, m.leading.began)
			for _, l := range m.leading.sorted() {
				s += fmt.Sprintf("      %+v\n", *l)
			}
		}
	}
	return
}

// pending lists what is under way.
func (e *ensemble) pending() (s string) {
	for _, id := range e.ids() {
		for _, f := range e.ids() {
			for _, m := range e.peers[id].wire[f] {
				s += fmt.Sprintf("%d<-%d %T%+v\n", id, f, m, m)
			}
		}
	}
	return
}
