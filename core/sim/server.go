package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/restore"
	"github.com/zensus-io/zensus/core/sim/model"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/vfs"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

const dataDir = "/data"

// tickEvery is how often a server is told of the time, as core/node does.
const tickEvery = 50 * millisecond

// wallBegin is the wall clock at the start of a run.
const wallBegin int64 = 1_800_000_000_000

// server is one server: what survives its crashes, and its present life.
type server struct {
	w        *World
	id       core.PeerID
	observer bool
	mem      *vfs.Mem
	cfg      replica.Config
	opt      storage.Options
	speed    diskSpeed
	rare     bool            // snapshots are
	flipped  map[string]bool // files that have a bit that was flipped

	// What the world knows of the log: every record that was appended and may
	// still be there, and the last that a sync confirmed.
	log      []wire.Record
	synced   core.Zxid
	had      core.Zxid // synced, before the disk lost it
	base     position  // what the log begins with, after an installation
	model    *model.Model
	compared core.Zxid // up to which trees were compared

	wallOffset int64 // milliseconds that the wall clock is off
	wallStuck  int64 // what it shows all the time; 0: it goes
	servedAt   int64 // what it showed when the server began to serve for the first time
	slowUntil  int64 // the disk takes long for everything
	ahead      ahead // a crash that waits

	gone       []wire.Record // what a truncation under way takes off the log
	keep       core.Zxid     // and up to where not
	installing *position     // a snapshot that is being put in place

	// One life.
	life        int
	up          bool
	fs          *vfs.Fault
	store       *storage.Store
	rep         *replica.Replica
	out         replica.Output
	began       int64
	restored    replica.Restored // what Open has read
	pend        diskWork
	comes       *incoming                // a snapshot that a leader is sending
	sending     []func()                 // that end the sending of others
	kept        map[core.PeerID]*sending // what is being sent, or was until a link broke
	busy        bool
	snap        *snapshotWork
	links       map[replica.ConnID]*link
	pausedUntil int64
	waiting     []func() // what came while the server stood still
	steady      int64    // since when it has served without a break
	serving     bool
	stalls      int64      // time it stood still in this life, milliseconds
	lastEpochs  zab.Epochs // that the disk has confirmed
	said        saidState
	syncing     syncMode        // "" is on no way to an epoch
	was         replica.Status  // behind the last Step
	cut         bool            // the power goes with the next batch that is not synced
	low         replica.DiskLow // as the replica was told of the disk
	lowUntil    int64           // when it was last told that it no longer is
}

// diskSpeed is how slow a disk is.
type diskSpeed struct{ lo, hi int64 }

func newServer(w *World, id core.PeerID) *server {
	s := &server{w: w, id: id, mem: vfs.NewMem(), flipped: make(map[string]bool), links: map[replica.ConnID]*link{}, model: model.New()}
	r := w.faults
	voters := max(w.opt.Voters, 1)
	s.observer = int(id) > voters
	if len(w.servers) > 0 { // they are configured alike
		s.configureLike(w.servers[0])
		return s
	}
	s.speed = pick(r, diskSpeed{100, 2 * millisecond}, diskSpeed{millisecond, 20 * millisecond}, diskSpeed{10, 100})
	s.cfg = replica.Config{
		Zab:             zab.Config{Self: id},
		TickMillis:      pick[int32](r, 500, 1000, 2000),
		Secret:          []byte("the secret of a simulation"),
		SnapshotTxns:    pick(r, 15, 60, 300),
		ReapEveryMillis: pick[int64](r, 500, 5000),
		OutstandingMax:  pick(r, 4, 50, 1000),
		LongRead:        pick(r, 8, 8, 4000),
	}
	for i := range voters {
		s.cfg.Zab.Voters = append(s.cfg.Zab.Voters, core.PeerID(i+1))
	}
	s.snapshotsAreRare()
	s.cfg.State.TTLNodes = !oneIn(r, 5)
	s.changeable()
	s.model.TTL = s.cfg.State.TTLNodes
	if oneIn(r, 3) {
		s.cfg.Zab.CounterMax = uint32(between(r, 60, 400)) // epochs advance in place
	}
	// Most worlds are short: without a rest they write many snapshots.
	snaps := stream(w.opt.Seed, 6)
	s.cfg.SnapshotRestMillis = pick[int64](snaps, -1, -1, 1, 1000)
	salts := rand.New(rand.NewPCG(w.opt.Seed, 5))
	s.opt = storage.Options{
		Dir: dataDir, SegmentBytes: pick[int64](r, 16<<10, 64<<10, 1<<20), Retain: pick(r, 1, 2, 3),
		WindowBytes: pick[int64](r, 1, 32<<10), BallastBytes: pick[int64](r, 16<<10, -1),
		LowWaterBytes: pick[int64](r, 128<<10, 128<<10, -1), Random: salts.Uint64,
		RereadAfter: pick(snaps, -1, time.Second, 10*time.Minute),
	}
	return s
}

// configureLike takes over what all servers of an ensemble have alike, and draws what
// they need not.
func (s *server) configureLike(first *server) {
	r := s.w.faults
	s.speed = pick(r, diskSpeed{100, 2 * millisecond}, diskSpeed{millisecond, 20 * millisecond}, diskSpeed{10, 100})
	s.cfg, s.opt = first.cfg, first.opt
	s.cfg.Zab.Self = s.id
	s.model.Ensemble = s.cfg.State.Ensemble
	s.cfg.SnapshotTxns = pick(r, 15, 60, 300)
	s.snapshotsAreRare()
	s.cfg.Zab.RecentBytes, s.cfg.Zab.WindowBytes = pick(r, 1, 2000, 0), pick(r, 500, 0)
	s.model.TTL, s.model.Ensemble = s.cfg.State.TTLNodes, s.cfg.State.Ensemble
	salts := rand.New(rand.NewPCG(s.w.opt.Seed, 5+uint64(s.id)<<8))
	s.opt.Random = salts.Uint64
	s.opt.WindowBytes = pick[int64](r, 1, 32<<10)
}

// snapshotsAreRare has some servers write none of their own accord: their starts are from
// the log, unless a leader has sent one.
func (s *server) snapshotsAreRare() {
	if s.rare = oneIn(s.w.starts, 3); s.rare {
		s.cfg.SnapshotTxns = 100_000
	}
}

// leads reports whether the server serves as a leader.
func (s *server) leads() bool { return s.serving && s.rep.Role() == zab.Leading }

// now is the server's time: monotonic since the start of this life.
func (s *server) now() replica.Now {
	now := replica.Now{
		Mono: (s.w.now-s.began)/millisecond + 1,
		Wall: wallBegin + s.w.now/millisecond + s.wallOffset,
	}
	if s.wallStuck != 0 {
		now.Wall = s.wallStuck
	}
	return now
}

// after makes something happen in this life of the server, later; while it
// stands still it waits.
func (s *server) after(d int64, do func()) {
	life := s.life
	s.w.after(d, func() {
		if !s.up || s.life != life {
			return
		}
		if s.pausedUntil > s.w.now {
			s.waiting = append(s.waiting, do)
			return
		}
		do()
	})
}

// boot starts the process on what the disk holds. If it refuses, boot says why.
func (s *server) boot() error {
	w := s.w
	s.life++
	s.fs = vfs.NewFault(s.mem, storage.FileClass, nil)
	s.opt.FS = w.opt.Mutant.fileSystem(tracedFS{s.fs, s})
	if plan := w.bootPlan(s); plan != nil {
		s.fs.SetPlan(plan)
	}
	making := s.restore()
	store, rec, err := storage.Open(s.opt)
	var doubt error
	if s.restored, doubt = making.End(rec); doubt != nil {
		w.fail("server %d: what the start makes of the log: %w", s.id, doubt)
	}
	if err != nil {
		w.logf("server %d life %d does not open: %v", s.id, s.life, err)
		return err
	}
	if rec.TornBytes > 0 {
		w.cover.hit("restart with torn tail")
	}
	switch {
	case rec.Snapshot != nil:
		w.cover.hit("snapshot found")
	case s.restored.State != nil:
		w.cover.hit("state made of the log")
	case rec.CommitHint > 0:
		w.cover.hit("log left to the replica")
	}
	for _, d := range rec.Damage {
		w.cover.hit("damage reported")
		w.logf("damage: %v", d)
	}
	durable := zab.Durable{
		AcceptedEpoch: rec.Meta.AcceptedEpoch, CurrentEpoch: rec.Meta.CurrentEpoch,
		LastLogged: rec.LastLogged, LastChain: rec.LastChain,
		Voteable: rec.Meta.Voteable && !rec.Lost, Fresh: rec.Meta.Fresh && !rec.Lost,
	}
	if err := s.recoverMembers(&durable, rec); err != nil {
		return err
	}
	durable.Base = store.Base()
	for _, e := range rec.Epochs {
		durable.Epochs = append(durable.Epochs, zab.EpochEnd{Last: e.Last, Chain: e.Chain})
	}
	if rec.Lost && (w.opt.Mutant == TornTailTruncatesMiddle || !w.alone()) {
		if err := store.Repair(); err != nil {
			return err
		}
		durable.Voteable = w.opt.Mutant == TornTailTruncatesMiddle
		s.lose(rec)
	}
	rep, err := replica.New(s.cfg, durable, s.restored.State != nil, s.restored.Chain)
	if err != nil {
		if rec.Lost {
			w.cover.hit("middle corruption detected")
		}
		w.logf("server %d life %d does not start: %v", s.id, s.life, err)
		store.Close()
		return err
	}
	s.store, s.rep = store, rep
	s.out = replica.Output{}
	s.pend, s.busy, s.snap = diskWork{}, false, nil
	s.links = map[replica.ConnID]*link{}
	s.comes, s.sending, s.kept = nil, nil, make(map[core.PeerID]*sending)
	s.said = saidState{promised: s.said.promised}
	s.syncing, s.was = "", replica.Status{}
	s.pausedUntil, s.waiting, s.serving, s.stalls, s.low, s.cut = 0, nil, false, 0, replica.DiskLow{}, false
	s.began = w.now - between(w.sched, 0, 5)*second
	s.up = true
	w.logf("server %d life %d starts at %v", s.id, s.life, rec.LastLogged)
	err = s.compareLog(rec)
	if corrupt := (*storage.CorruptError)(nil); errors.As(err, &corrupt) {
		// In front of the newest snapshot nobody has looked yet: the log begins behind it.
		w.cover.hit("damage in older log")
		err = s.checkAllOlder()
		if err == nil {
			err = s.compareLog(rec)
		}
	}
	if errors.Is(err, vfs.ErrCrashed) {
		s.die(err) // the crash that was ahead came while the log was read
		return nil
	} else if err != nil {
		w.fail("after a restart: %w", err)
		return err
	}
	short, err := store.Short()
	if err != nil {
		return err
	}
	s.input(replica.Start{Short: short})
	s.tickLater()
	s.idleLater()
	s.lookLater()
	return nil
}

// restore prepares what a start reads to become a state, as core/node does. Now and then
// the log is left to the replica, and the parts are small: they come between commits.
func (s *server) restore() *restore.Restoring {
	r := s.w.starts
	making := restore.New(restore.Config{
		State: s.cfg.State, BatchBytes: pick(r, 1, 1, 2000, 0), OpenBytesMax: pick(r, 500, 0, 0),
	})
	s.opt.Restore, s.opt.Logged = making.Snapshot, making.Logged
	if oneIn(r, 5) {
		s.opt.Logged = nil
	}
	return making
}

// compareLog holds what the disk has kept against what was appended: everything
// that was synced is there, nothing else was made up (C9), and forgets what the
// crash has taken.
func (s *server) compareLog(rec *storage.Recovered) error {
	s.settleInstall(rec)
	s.settleCut(rec)
	if rec.LastLogged < s.synced {
		return fmt.Errorf("the log ends at %v, and %v had been synced", rec.LastLogged, s.synced)
	}
	if s.model.Applied > rec.LastLogged {
		return fmt.Errorf("the log ends at %v, and %v had been applied", rec.LastLogged, s.model.Applied)
	}
	n := len(s.log)
	for n > 0 && s.log[n-1].Zxid > rec.LastLogged {
		n--
	}
	s.log = s.log[:n]
	at := 0
	for at < n && s.log[at].Zxid <= s.store.Base() {
		at++
	}
	err := s.store.Replay(s.store.Base(), func(r wire.Record) error {
		if at == n {
			return fmt.Errorf("the log holds %v, which was never appended", r.Zxid)
		}
		if !sameRecord(&s.log[at], &r) {
			return fmt.Errorf("the log holds another record at %v", r.Zxid)
		}
		at++
		return nil
	})
	if err == nil && at != n {
		err = fmt.Errorf("the log lacks %v", s.log[at].Zxid)
	}
	if n > 0 {
		s.synced = max(s.synced, s.log[n-1].Zxid) // what recovery kept it has synced
	}
	if epochs := (zab.Epochs{Accepted: rec.Meta.AcceptedEpoch, Current: rec.Meta.CurrentEpoch}); err == nil &&
		(epochs.Accepted < s.lastEpochs.Accepted || epochs.Current < s.lastEpochs.Current) {
		err = fmt.Errorf("epochs went back from %+v to %+v (I1)", s.lastEpochs, epochs)
	}
	s.lastEpochs = zab.Epochs{Accepted: rec.Meta.AcceptedEpoch, Current: rec.Meta.CurrentEpoch, Voteable: rec.Meta.Voteable && !rec.Lost}
	return err
}

// input gives the replica one input, or keeps it while the server stands still.
func (s *server) input(in replica.Input) {
	if s.pausedUntil > s.w.now {
		s.waiting = append(s.waiting, func() { s.input(in) })
		return
	}
	s.step(in)
}

func (s *server) step(in replica.Input) {
	if s.w.err != nil {
		return
	}
	s.w.cover.hit(fmt.Sprintf("input %T", in))
	if in, ok := in.(replica.Message); ok {
		s.syncs(in.From, in.Body)
	}
	s.w.oracle.before(s, in)
	s.w.trace.input(s, in)
	s.rep.Step(s.now(), in, &s.out)
	s.w.trace.output(s, &s.out)
	s.perform(in)
}

// perform does what a Step asked for, as core/node does, and has it checked.
func (s *server) perform(in replica.Input) {
	w, out := s.w, &s.out
	s.watchRole()
	if out.Truncate != nil {
		s.cutTo(out.Truncate)
	}
	for i := range out.Append {
		rec := out.Append[i]
		rec.Payload = append([]byte{}, rec.Payload...)
		if err := s.follows(&rec); err != nil {
			w.fail("%w", err)
			return
		}
		s.log = append(s.log, rec)
		if s.rep.Role() == zab.Leading {
			w.oracle.appended(s, &rec)
		}
		if rec.Kind == wire.RecordEpoch && s.serving {
			w.cover.hit("epoch advanced in place")
		}
	}
	if len(out.Append) > 0 || out.Epochs != nil || out.LoadSnapshot ||
		out.Truncate != nil || len(out.Install) > 0 {
		s.pend.add(out)
		s.startDisk()
	}
	for _, r := range out.ReadLog {
		s.readLog(r)
	}
	if out.Snapshot != nil {
		s.startSnapshot(*out.Snapshot)
	}
	for i := range out.Send {
		s.sendPeer(out.Send[i].To, out.Send[i].Append(nil))
	}
	for _, f := range out.Feeds {
		s.feed(f)
	}
	for _, job := range out.SendSnapshots {
		s.sendSnapshot(job)
	}
	for _, u := range out.Unsent {
		s.unsent(u)
	}
	if out.More {
		s.after(0, func() { s.input(replica.More{}) })
	}
	for _, v := range out.ViewReads {
		s.after(between(w.sched, 0, 20*millisecond), func() {
			v.Make()
			s.step(*v)
		})
	}
	if out.Members != nil {
		w.cover.hit("members changed")
	}
	deliveries := w.oracle.after(s, in, out)
	for _, note := range out.Notes {
		switch note.What {
		case replica.NoteLeading, replica.NoteFollowing:
			if !s.serving { // and not merely a new epoch in the same life
				w.oracle.served(s)
			}
			s.serving, s.steady = true, w.now
			if s.servedAt == 0 {
				s.servedAt = s.now().Wall
			}
		case replica.NoteStall:
			w.cover.hit("stall noticed")
		}
	}
	if s.serving && !s.rep.Serving() && !w.alone() {
		s.serving = false
		w.cover.hit("role lost")
	}
	for _, h := range out.Holds {
		s.hold(h)
	}
	w.logf("%d: %T %v: %d records, %d frames to send, digest %x", s.id, in, s.rep.State().Applied(), len(out.Append), len(deliveries), s.rep.State().Tree().Digest())
	out.Reset()
	for _, d := range deliveries {
		d.link.deliver(d)
	}
	s.rep.State().Tree().Maintain(64)
}

// follows checks that a record continues the log (I5, I12).
func (s *server) follows(rec *wire.Record) error {
	last, chain := s.base.zxid, s.base.chain
	if n := len(s.log); n > 0 {
		last, chain = s.log[n-1].Zxid, s.log[n-1].Chain()
	}
	inEpoch := rec.Zxid == last+1 && rec.Zxid.Counter() != 0
	newEpoch := rec.Zxid.Counter() == 0 && rec.Zxid.Epoch() > last.Epoch() && rec.Kind == wire.RecordEpoch
	if !inEpoch && !newEpoch {
		return fmt.Errorf("record %v follows %v (I5)", rec.Zxid, last)
	}
	if rec.PrevChain != chain {
		return fmt.Errorf("the chain breaks at %v (I5)", rec.Zxid)
	}
	return nil
}

func (s *server) tickLater() {
	s.after(tickEvery, func() {
		s.step(replica.Tick{})
		if s.up {
			s.tickLater()
		}
	})
}
