package replica

import (
	"fmt"
	"net/netip"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/check"
	"github.com/zensus-io/zensus/core/session"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/tree"
	"github.com/zensus-io/zensus/core/watch"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// Config is what the owner chooses. Zero values stand for the defaults named.
type Config struct {
	Zab   zab.Config
	State state.Config

	// TickMillis is one tick: sessions expire on multiples of it. 0 is 2000.
	TickMillis int32
	// MinTimeoutMillis and MaxTimeoutMillis bound what is negotiated on the
	// client port. 0 is 2 and 20 ticks.
	MinTimeoutMillis, MaxTimeoutMillis int32
	// Secret keys the sessions' passwords.
	Secret []byte
	// OutstandingMax is the number of writes in flight above which connections
	// that have one are not read from (globalOutstandingLimit). 0 is 1000.
	OutstandingMax int
	// SnapshotTxns is the number of transactions between snapshots (snapCount).
	// 0 is 100,000; SnapshotBytes likewise in bytes of log, 0 is 4 GiB.
	SnapshotTxns  int
	SnapshotBytes int64
	// SnapshotRestMillis is how long at least no snapshot is written after one,
	// unless the log has grown by SnapshotBytes or one is asked for; after one that
	// took long the rest is three times as long as that. 0 is 1000, negative is no
	// rest at all.
	SnapshotRestMillis int64
	// LongRead is the number of znodes from which on a read is made on a view, away
	// from the loop. 0 is 4000.
	LongRead int
	// ReapEveryMillis is how often containers and znodes with a time to live are
	// looked for. 0 is 60,000. ReapMax bounds what one look removes; 0 is 10,000.
	ReapEveryMillis int64
	ReapMax         int
	// ReadOnlyMode serves reads while there is no quorum to clients that ask for no
	// more (readonlymode.enabled).
	ReadOnlyMode bool
}

func (c *Config) fill() {
	def := func(p *int32, v int32) {
		if *p == 0 {
			*p = v
		}
	}
	def(&c.TickMillis, 2000)
	def(&c.MinTimeoutMillis, 2*c.TickMillis)
	def(&c.MaxTimeoutMillis, 20*c.TickMillis)
	if c.OutstandingMax == 0 {
		c.OutstandingMax = 1000
	}
	if c.SnapshotTxns == 0 {
		c.SnapshotTxns = 100_000
	}
	if c.SnapshotBytes == 0 {
		c.SnapshotBytes = 4 << 30
	}
	if c.SnapshotRestMillis == 0 {
		c.SnapshotRestMillis = 1000
	}
	if c.LongRead == 0 {
		c.LongRead = 4000
	}
	if c.ReapEveryMillis == 0 {
		c.ReapEveryMillis = 60_000
	}
	if c.ReapMax == 0 {
		c.ReapMax = 10_000
	}
}

// sessionlessMillis is how long a connection may stay without a session.
const sessionlessMillis = 10_000

// Replica is one server. It is not safe for concurrent use.
type Replica struct {
	cfg      Config
	zab      *zab.Machine
	state    *state.State
	hasState bool

	generation uint64        // of the role that the rest is about
	learner    *learnerRole  // while this server serves as one
	leader     *leaderRole   // while it serves as the leader of others
	sendings   []zab.Learner // that are being sent snapshots
	// waitingRequests are writes of learners that came while no proposals were taken.
	waitingRequests []state.Request

	syncs       uint64     // number of the last sync that a client asked for
	syncReady   uint64     // up to which they may be answered
	syncTargets []syncWait // answered, and not applied as far yet
	syncing     []*conn    // that wait, in the order of their syncs

	// serving is true while clients are answered: the role is established and
	// everything that was committed before it is applied (I16).
	serving  bool
	reading  bool
	readUpTo core.Zxid

	// paused is set while this server leads and takes no writes for a moment.
	paused bool

	// unplanned is the protocol's count of ended roles when this one began to serve.
	unplanned uint64
	// keptSince is when the role ended that the clients were kept from, 0 if none were.
	// Of what they asked for, all that any leader has proposed is in the history that
	// the next one begins with; the rest is submitted again.
	keptSince int64
	// alone is set when the clients have been let down, until the next role begins.
	alone bool

	aheadIn      uint64        // the role for which the log is read before this server is in step; 0 is none
	commitHint   core.Zxid     // of the log at the start: what it knows to be committed
	readOnly     *readOnlyRole // while there is no quorum, and reads are served all the same
	lookingSince int64         // since when no leader is known, 0 while one is

	conns       map[ConnID]*conn
	sessionless map[ConnID]*conn
	held        map[ConnID]*conn
	bySession   map[core.SessionID]*conn
	lastAddr    netip.Addr // of the last connection, and who that is
	lastIDs     []core.Identity
	tracker     *session.Tracker
	ids         *session.IDs
	passwords   *session.Passwords
	inflight    int // writes of connections that are not answered

	chain         uint64 // at state.Applied()
	sinceSnapshot int
	bytesSince    int64
	dataSizes     [2]int64 // of the data in the last two snapshots, as far as they are known
	snapshotting  bool
	snapshotBegan int64 // monotonic milliseconds, as snapshotRest
	snapshotRest  int64 // when the rest after the last one ends
	snapshotSize  int64 // of the data in the one that began last
	bytesOwed     int64 // of log before it began and behind the last one that was written
	failedRest    int64 // see failedRestMillis
	wantSnapshot  bool

	surveys   uint64
	reports   map[core.PeerID]Report // of the last survey
	draining  bool
	drainedAt int64 // when it began to hand over for that last, monotonic milliseconds; 0 is never

	short      bool // nothing has begun yet: there is to be room first
	disk       DiskLow
	scarceLeft int  // of scarceBytes
	lowLeft    bool // since it is nearly full, this server has handed over once
	lastTick   int64
	nextReap   int64
	reapFrom   tree.Ref
	reapLeft   int // of the round of reaping that is under way

	steps    uint64
	resting  queue[*conn]     // that have had their share, in order
	aways    int              // long reads that are being made
	unsent   bool             // some kept connections are
	waitView map[ConnID]*conn // whose next frame is a long read, while there are too many
	stats    Stats

	now     Now
	out     *Output
	asked   zab.Output // while ask runs
	hits    []watch.Hit
	scratch []byte
	req     state.Request // of the write that is being proposed
}

// New makes a replica from what the disk holds. hasState says that there is a state to be
// loaded: a snapshot's, or what Restored made of that and of the log. chain is the log's
// chain hash at its zxid.
func New(cfg Config, d zab.Durable, hasState bool, chain uint64) (*Replica, error) {
	cfg.fill()
	cfg.Zab.MembersOf = MembersOf
	if cfg.MinTimeoutMillis > cfg.MaxTimeoutMillis {
		return nil, fmt.Errorf("replica: minimum session timeout %d ms is above the maximum %d ms",
			cfg.MinTimeoutMillis, cfg.MaxTimeoutMillis)
	}
	m, err := zab.New(cfg.Zab, d)
	if err != nil {
		return nil, err
	}
	return &Replica{
		cfg: cfg, zab: m, hasState: hasState, chain: chain, commitHint: d.CommitHint,
		state:       state.New(cfg.State),
		conns:       make(map[ConnID]*conn),
		sessionless: make(map[ConnID]*conn),
		held:        make(map[ConnID]*conn),
		waitView:    make(map[ConnID]*conn),
		bySession:   make(map[core.SessionID]*conn),
		tracker:     session.NewTracker(int64(cfg.TickMillis)),
		passwords:   session.NewPasswords(cfg.Secret),
	}, nil
}

// Step takes one input, changes the replica and appends what the shell must do
// to out.
func (r *Replica) Step(now Now, in Input, out *Output) {
	r.now, r.out = now, out
	r.steps++
	r.zab.At(now.Mono)
	switch in := in.(type) {
	case Requests:
		r.requests(in)
	case Synced:
		r.synced(in)
	case Tick:
		r.tick()
	case Connected:
		r.connected(in)
	case Gone:
		r.gone(in)
	case Drained:
		r.drained(in)
	case Touched:
		for _, id := range in.Sessions {
			r.touch(id)
		}
	case Start:
		r.short = in.Short
		if r.hasState {
			out.LoadSnapshot = true
		} else {
			r.start()
		}
	case SnapshotLoaded:
		r.state, r.sinceSnapshot, r.bytesSince = in.State, in.Txns, in.Bytes
		r.noteDataSize(r.state.Tree().DataSize())
		r.start()
	case MetaSynced:
		r.ask(func(z *zab.Output) { r.zab.EpochsSynced(in.Generation, z) })
	case Truncated:
		r.ask(r.zab.Truncated)
	case Fed:
		r.ask(func(z *zab.Output) {
			if in.Gone {
				r.zab.CannotFeed(in.Feed, in.Base, z)
			} else {
				r.zab.Fed(in.Feed, in.Records, in.Done, z)
			}
		})
	case SnapshotInstalled:
		if r.readOnly != nil {
			r.endReadOnly()
		}
		for _, c := range r.connsByID() { // what they watch is another tree now
			r.hangUp(c)
		}
		r.state, r.chain = in.State, in.At.Chain
		r.noteDataSize(r.state.Tree().DataSize())
		r.ask(func(z *zab.Output) { r.zab.SnapshotInstalled(in.At, StateMembers(in.State), z) })
	case LogRead:
		r.logRead(in)
	case More:
		r.more()
	case ViewRead:
		r.viewRead(&in)
	case SnapshotWritten:
		r.snapshotWritten(in)
	case DiskLow:
		if in.Scarce && !r.disk.Scarce {
			r.scarceLeft = scarceBytes
		}
		r.disk, r.lowLeft = in, r.lowLeft && in.On
	case SnapshotNow:
		r.wantSnapshot = true
		r.snapshot()
	case Transfer:
		r.transfer(in.To)
	case Survey:
		r.survey()
	case Drain:
		r.draining, r.drainedAt = in.On, 0
		r.drain()
	case Kick:
		if c := r.bySession[in.Session]; c != nil {
			r.hangUp(c)
		}
	case Message:
		r.message(in)
	case LinkUp:
		r.ask(func(z *zab.Output) { r.zab.LinkUp(in.Peer, z) })
	case LinkDown:
		r.ask(func(z *zab.Output) { r.zab.LinkDown(in.Peer, z) })
	default:
		check.That(false, "replica: unknown input %T", in)
	}
	r.follow()
	out.Generation = r.zab.Generation()
	r.out = nil
}

// ask lets the protocol act and passes on what it wants done.
func (r *Replica) ask(act func(*zab.Output)) {
	r.asked = zab.Output{Append: r.out.Append}
	act(&r.asked)
	z := r.asked
	r.asked = zab.Output{}
	r.out.Append = z.Append
	if z.Epochs != nil {
		r.out.Epochs = z.Epochs
	}
	if z.Truncate != nil {
		r.out.Truncate = z.Truncate
	}
	for _, e := range z.Send {
		r.send(e.To, e.Msg)
	}
	if z.Members != nil {
		r.newMembers(z.Members)
	}
	r.out.Feeds = append(r.out.Feeds, z.Feeds...)
	r.out.Install = append(r.out.Install, z.Install...)
	r.sendings = append(r.sendings, z.Snapshots...)
	for _, l := range z.Snapshots {
		r.out.SendSnapshots = append(r.out.SendSnapshots, SendSnapshot{Learner: l, View: r.state.View(), Chain: r.chain})
	}
}

func (r *Replica) start() {
	r.lastTick = r.now.Mono
	r.nextReap = r.now.Mono + r.cfg.ReapEveryMillis
	if !r.makeRoom() {
		r.ask(r.zab.Start)
	}
}

// synced learns that the log is durable up to a point: what a quorum has now is
// committed, applied, and answered.
func (r *Replica) synced(in Synced) {
	r.ask(func(z *zab.Output) { r.zab.Synced(in.Generation, in.UpTo, z) })
}

// established takes over what is committed but not applied when a role begins to
// broadcast, so that it can serve: from memory, and the rest from the disk.
func (r *Replica) established() {
	if r.serving || r.reading || r.readsAhead() || r.zab.Phase() != zab.Broadcast {
		return
	}
	r.readUpTo = r.zab.TakeFromLog()
	if records, ok := r.zab.Recent(r.state.Applied(), r.readUpTo, aheadBytes); ok {
		r.takeOver(records)
	}
	if r.state.Applied() == r.readUpTo {
		r.serve()
		return
	}
	r.reading = true
	r.readLog(r.readUpTo)
}

// readLog asks for what lies in the log between the state and a zxid.
func (r *Replica) readLog(upTo core.Zxid) {
	r.out.ReadLog = append(r.out.ReadLog, LogRange{Generation: r.zab.Generation(), After: r.state.Applied(), UpTo: upTo})
}

func (r *Replica) logRead(in LogRead) {
	if in.Generation != r.zab.Generation() {
		return
	}
	check.That(!in.Gone, "replica: the log does not hold what is committed behind %v", r.state.Applied())
	if r.readOnly != nil && in.Generation == r.readOnly.generation {
		r.readForReadOnly(in)
		return
	}
	switch {
	case r.short:
		r.readForRoom(in)
		return
	case r.readsAhead():
		r.readAhead(in)
		return
	case !r.reading:
		return
	}
	r.takeOver(in.Records)
	if !in.Done {
		return
	}
	check.That(r.state.Applied() == r.readUpTo, "replica: log read to %v, wanted %v", r.state.Applied(), r.readUpTo)
	r.reading = false
	r.serve()
}

// takeOver applies records of the log that are committed.
func (r *Replica) takeOver(records []wire.Record) {
	for i := range records {
		rec := &records[i]
		check.That(rec.PrevChain == r.chain, "replica: chain breaks at %v", rec.Zxid)
		chain, intact := rec.CarriedChain()
		check.That(intact, "replica: %v has changed since it was read", rec.Zxid)
		verifyDigest(r.state, rec.CommitHint, rec.DigestVersion, rec.TreeDigest)
		switch {
		case rec.Kind == wire.RecordEpoch:
			r.state.Skip(rec.Zxid)
			r.chain = chain
		case len(r.conns) > 0: // of an earlier role: they may wait for it, or watch what it changes
			r.commit(&zab.Proposal{Zxid: rec.Zxid, Kind: rec.Kind, Payload: rec.Payload, Chain: chain})
		default:
			r.state.Apply(rec.Zxid, rec.Payload)
			r.sinceSnapshot++
			r.bytesSince += int64(len(rec.Payload))
			r.chain = chain
		}
	}
}

// verifyDigest compares the digest that a record quotes with the tree's own at
// that zxid (Z-50).
func verifyDigest(st *state.State, at core.Zxid, version uint32, digest uint64) {
	if version == 0 {
		return
	}
	if own, ok := st.DigestAt(at); ok && own != digest {
		check.Fail("replica: digest of the tree at %v is %x, the log says %x", at, own, digest)
	}
}

// serve begins to answer clients, and looks at what came meanwhile.
func (r *Replica) serve() {
	r.serving = true
	r.beginRole()
	r.ask(r.zab.Open)
	r.note(NoteLeading, "", r.state.Applied())
	r.submitAgain()
	for _, c := range r.connsByID() {
		r.advance(c)
		r.workOff(c)
	}
	r.snapshot()
}

func (r *Replica) note(what NoteKind, path string, z core.Zxid) {
	r.out.Notes = append(r.out.Notes, Note{What: what, Path: path, Zxid: z})
}

// propose puts a write into the order. Call only while the protocol is ready.
func (r *Replica) propose(req *state.Request) core.Zxid {
	z := r.zab.Next()
	payload, reconfigures := r.prepare(req, z)
	if path, ok := r.state.TakeSoftQuota(); ok {
		r.note(NoteSoftQuota, path, z)
	}
	version, digest := uint32(0), uint64(0)
	if r.state.Applied() == r.zab.Committed() {
		version, digest = digestVersion, r.state.Tree().Digest()
	}
	r.ask(func(out *zab.Output) {
		if reconfigures {
			r.zab.Reconfigure(payload, r.now.Wall, version, digest, out)
			return
		}
		r.zab.Propose(payload, r.now.Wall, version, digest, out)
	})
	return z
}

// digestVersion is the version of ZooKeeper's tree digest that records quote.
const digestVersion = 2
