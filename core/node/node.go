package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/restore"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/zab"
)

// Config says what to run.
type Config struct {
	Replica replica.Config
	Storage storage.Options
	// Members is told when others have become the members of the ensemble. It must not
	// block. Nil is nobody. MembersSince is the version of those that it was told last in
	// an earlier life of the node, 0 if nobody knows.
	Members      func(zab.Members)
	MembersSince core.Zxid
	// Logger is where the life of the node is told; nil is nowhere.
	Logger hclog.Logger
	// Registerer takes the node's metrics; nil is nobody.
	Registerer prometheus.Registerer
}

// tickEvery is how often time is told to the replica.
const tickEvery = 50 * time.Millisecond

// Node is one server without its sockets.
type Node struct {
	cfg     Config
	log     hclog.Logger
	metrics *metrics
	start   time.Time

	inbox    *inbox
	flusher  *flusher
	disk     *disk
	lastConn atomic.Uint64
	serving  chan struct{} // closed when clients are answered for the first time
	ended    chan struct{} // closed when Run has returned

	touched struct {
		sync.Mutex
		ids map[core.SessionID]struct{}
	}
	local    localClients
	contact  *contact
	outage   outage        // owned by the loop
	doubtful bool          // the log makes no state that is to be used
	reading  atomic.Uint64 // the role for which the log is read, or was last

	// owner is held by whoever has the loop in his hands: the Run goroutine as a
	// rule, see help for the others.
	owner     sync.Mutex
	over      bool // the loop has ended
	replica   *replica.Replica
	out       replica.Output
	links     Links
	gens      map[core.PeerID]uint64 // of the links that the replica knows
	ports     map[replica.ConnID]Port
	watchers  map[replica.ConnID]*watcher
	behind    bool // a watcher was not told yet of told
	told      core.Zxid
	items     []item    // memory for the next turn
	mark      time.Time // when the last Step of this turn ended
	work      []flush
	unflushed bool           // there is work for the flusher
	unsent    bool           // messages are queued for the links
	asker     core.PeerID    // who has brought the last write of a client
	lone      bool           // the turn is that of a helper who does the disk's work too
	unwritten bool           // and there is some
	idleSince time.Time      // when the last turn ended
	beside    sync.WaitGroup // who write and send snapshots, and read the log
	sendings  sendings
	views     sync.WaitGroup // long reads
	viewSlots chan struct{}  // bounds how many are made at once
}

// New opens the data directory. It starts nothing.
func New(cfg Config) (*Node, error) {
	if cfg.Logger == nil {
		cfg.Logger = hclog.NewNullLogger()
	}
	making := restore.New(restore.Config{State: cfg.Replica.State})
	cfg.Storage.Restore, cfg.Storage.Logged, cfg.Storage.Both = making.Snapshot, making.Logged, atOnce
	store, rec, err := storage.Open(cfg.Storage)
	restored, doubt := making.End(rec)
	if err != nil {
		return nil, err
	}
	cfg.Storage.Restore, cfg.Storage.Logged = nil, nil // which hold it
	n := &Node{
		cfg: cfg, log: cfg.Logger, start: time.Now(),
		inbox: newInbox(), flusher: newFlusher(),
		serving: make(chan struct{}), ended: make(chan struct{}), viewSlots: make(chan struct{}, viewsAtOnce),
		contact: newContact(),
		links:   noLinks{}, gens: make(map[core.PeerID]uint64),
		ports: make(map[replica.ConnID]Port), watchers: make(map[replica.ConnID]*watcher),
	}
	n.out.Buffer = takeOutput
	n.touched.ids = make(map[core.SessionID]struct{})
	n.local.init()
	n.metrics = newMetrics(cfg.Registerer)
	if doubt != nil {
		n.log.Error("the log does not make the state that it says; among others this server waits for a snapshot of the leader", "err", doubt)
	}
	n.doubtful = doubt != nil
	if err := n.recover(store, rec, restored); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	n.disk.restored = restored
	return n, nil
}

// atOnce calls two functions at the same time and returns when both have returned.
func atOnce(a, b func()) {
	var wg sync.WaitGroup
	wg.Go(a)
	b()
	wg.Wait()
}

func (n *Node) recover(store *storage.Store, rec *storage.Recovered, restored replica.Restored) error {
	for _, d := range rec.Damage {
		n.tellDamage(d)
	}
	if rec.TornBytes > 0 {
		n.log.Warn("cut a torn tail that was never acknowledged", "size_bytes", rec.TornBytes)
	}
	durable := zab.Durable{
		AcceptedEpoch: rec.Meta.AcceptedEpoch, CurrentEpoch: rec.Meta.CurrentEpoch,
		LastLogged: rec.LastLogged, LastChain: rec.LastChain,
		Voteable: rec.Meta.Voteable && !rec.Lost, Fresh: rec.Meta.Fresh && !rec.Lost,
		Doubtful: n.doubtful,
	}
	alone, err := recoverMembers(&n.cfg.Replica.Zab, &durable, restored.State, rec, n.cfg.MembersSince)
	if err != nil {
		return fmt.Errorf("%s: the members of the ensemble: %w", n.cfg.Storage.Dir, err)
	}
	if rec.Lost && !alone {
		// A leader sends what is missing; until then this server has no vote (Z-04).
		if err := store.Repair(); err != nil {
			return err
		}
		n.log.Warn("set aside what is damaged; a leader has to send what is missing", "from", rec.LastLogged.String())
	}
	durable.Base = store.Base()
	for _, e := range rec.Epochs {
		durable.Epochs = append(durable.Epochs, zab.EpochEnd{Last: e.Last, Chain: e.Chain})
	}
	if n.cfg.Storage.LowWaterBytes >= 0 {
		if n.cfg.Replica.SnapshotBytes, err = snapshotBytes(n.cfg.Replica.SnapshotBytes, store); err != nil {
			return err
		}
	}
	r, err := replica.New(n.cfg.Replica, durable, restored.State != nil, restored.Chain)
	if err != nil {
		return fmt.Errorf("%s: %w", n.cfg.Storage.Dir, err)
	}
	n.replica = r
	n.disk = newDisk(n, store)
	return nil
}

func (n *Node) tellDamage(d storage.Damage) {
	n.log.Error("data is damaged", "file", d.File, "offset", d.Offset, "what", d.What)
}

// Abandon closes the data directory of a node that is not to be run.
func (n *Node) Abandon() error { return n.disk.store.Close() }

// Serving is closed when the node answers clients for the first time.
func (n *Node) Serving() <-chan struct{} { return n.serving }

// Durable is the last transaction that the log holds on the disk. Call it before Run, or
// after it.
func (n *Node) Durable() core.Zxid { return n.replica.Status().Durable }

// Now is the node's time, as Step is told it.
func (n *Node) Now() replica.Now { return n.at(time.Now()) }

func (n *Node) at(t time.Time) replica.Now {
	return replica.Now{Mono: t.Sub(n.start).Milliseconds() + 1, Wall: t.UnixMilli()}
}

// Run drives the replica until ctx ends or the disk fails. It returns after every
// goroutine it started has returned; the store is then closed.
func (n *Node) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	workers.Go(n.disk.run)
	workers.Go(n.flusher.run)
	err := n.loop(ctx)
	for _, it := range n.inbox.close() {
		if it.buf != nil {
			it.buf.Release()
		}
	}
	n.disk.close()
	n.beside.Wait()
	n.sendings.end()
	n.views.Wait()
	for id, p := range n.ports {
		n.flusher.put([]flush{{conn: id, port: p, del: Delivery{Close: true}}})
	}
	n.flusher.close()
	workers.Wait()
	close(n.ended)
	if closeErr := n.disk.store.Close(); closeErr != nil && err == nil {
		err = closeErr
	}
	return err
}

// loop is the owner loop.
func (n *Node) loop(ctx context.Context) error {
	if ctx.Err() != nil { // it is never to serve
		n.stop()
		return nil
	}
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	n.owner.Lock()
	n.mark = time.Now()
	n.step(n.at(n.mark), replica.Start{Short: n.disk.short() && !n.doubtful})
	n.perform()
	n.idleSince = time.Now()
	n.letGo()
	for {
		tick := false
		select {
		case <-ctx.Done():
			n.stop()
			return nil
		case err := <-n.disk.failed:
			n.stop()
			return err
		case <-ticker.C:
			tick = true
		case <-n.inbox.wake:
		}
		n.owner.Lock()
		n.turnNow(tick)
		n.letGo()
	}
}

// stop ends all turns, also those of helpers.
func (n *Node) stop() {
	n.owner.Lock()
	n.over = true
	n.owner.Unlock()
}

// letGo gives the loop out of the hand of its goroutine, and the flusher its work.
func (n *Node) letGo() {
	unflushed, unsent, asker := n.unflushed, n.unsent, n.asker
	n.unflushed, n.unsent = false, false
	n.owner.Unlock()
	if unflushed {
		n.flusher.signal()
	}
	if unsent {
		n.links.Flush(asker)
	}
}

// help makes a turn of the loop on the caller's goroutine, if nobody else has it
// in his hands, and flushes what comes of it. Waking another goroutine takes
// longer than a small request does: what little comes is done by whoever brings it.
// It is for one who has nothing else to do in the meantime. One who gives his intake
// also does what the disk is asked for, and waits for it; if that takes so long that he
// is relieved, help reports so.
func (n *Node) help(lone *Intake) (relieved bool) {
	if !n.owner.TryLock() {
		n.inbox.signal()
		return false
	}
	if n.over {
		n.owner.Unlock()
		return false
	}
	n.lone = lone != nil
	n.turnNow(false)
	unflushed, unsent, unwritten, asker := n.unflushed, n.unsent, n.unwritten, n.asker
	n.unflushed, n.unsent, n.unwritten, n.lone = false, false, false, false
	n.owner.Unlock()
	if unsent {
		n.links.Flush(asker)
	}
	if unflushed {
		n.flusher.help()
	}
	if unwritten {
		relieved = n.disk.help(lone)
	}
	if n.inbox.waiting() {
		n.inbox.signal()
	}
	return relieved
}

// turnNow is a turn at the present time, measured.
func (n *Node) turnNow(tick bool) {
	began := time.Now()
	n.metrics.idle(began.Sub(n.idleSince))
	n.mark = began
	now := n.at(began)
	if tick && n.disk.holdsUp(now.Mono) {
		tick = false
		n.disk.relieve()
	}
	n.turn(now, tick)
	if tick {
		n.tellOutage(began)
	}
	n.idleSince = time.Now()
	n.metrics.busy(n.idleSince.Sub(began))
}

// turn handles what has come, and only then lets time pass: a sign of life that
// waits in the inbox must not come too late because the loop does.
func (n *Node) turn(now replica.Now, tick bool) {
	n.items = n.inbox.take(n.items)
	for i := range n.items {
		it := &n.items[i]
		n.handle(now, it)
		*it = item{}
	}
	if tick {
		n.passTouches(now)
		n.step(now, replica.Tick{})
	}
	n.perform()
	n.metrics.steps.flush()
}

func (n *Node) handle(now replica.Now, it *item) {
	if it.do != nil {
		it.do(n.replica)
		n.mark = time.Now() // it was no Step's time
		return
	}
	switch in := it.in.(type) {
	case replica.Message:
		if replica.IsForward(in.Body) {
			n.asker = in.From
		}
	case replica.Connected:
		n.ports[in.Conn] = it.port
	case replica.Gone:
		delete(n.ports, in.Conn)
		delete(n.watchers, in.Conn)
	case replica.LinkUp:
		n.gens[in.Peer] = in.Gen
	case replica.LinkDown:
		delete(n.gens, in.Peer)
		n.contact.trouble()
	case replica.DiskLow:
		if in.On {
			n.makeRoom()
		}
	}
	n.step(now, it.in)
	if it.buf != nil {
		it.buf.Release()
	}
}

func (n *Node) step(now replica.Now, in replica.Input) {
	n.replica.Step(now, in, &n.out)
	end := time.Now()
	n.metrics.steps.took(end.Sub(n.mark))
	n.mark = end
}

// perform does what the Steps since the last one asked for.
func (n *Node) perform() {
	out := &n.out
	if n.disk.wanted(out) {
		n.disk.add(out)
		if n.unwritten = n.lone; !n.lone {
			n.disk.signal()
		}
	}
	n.unsent = n.unsent || len(out.Send) > 0
	for i := range out.Send {
		e := &out.Send[i]
		n.links.Send(e.To, n.gens[e.To], e.Append)
	}
	if out.Members != nil && n.cfg.Members != nil {
		n.cfg.Members(*out.Members)
	}
	for _, r := range out.ReadLog {
		n.readLog(r)
	}
	for _, f := range out.Feeds {
		n.feed(f)
	}
	for _, s := range out.SendSnapshots {
		n.sendSnapshot(s, n.gens[s.Learner.Peer])
	}
	for _, u := range out.Unsent {
		n.sendings.unsent(u)
	}
	if out.More {
		n.inbox.put(item{in: replica.More{}}, false)
	}
	for _, v := range out.ViewReads {
		n.views.Go(func() {
			n.viewSlots <- struct{}{}
			v.Make()
			<-n.viewSlots
			n.inbox.put(item{in: *v}, false)
		})
	}
	if out.Snapshot != nil {
		n.writeSnapshot(*out.Snapshot)
	}
	n.contact.stand(n.replica.Serving(), n.replica.Epoch()) // before anybody is told of it
	n.deliver(out)
	for _, note := range out.Notes {
		n.tell(note)
	}
	out.Reset()
	n.replica.State().Tree().Maintain(maintainBudget)
}

// viewsAtOnce is how many long reads are made at the same time: they are to leave
// the processors to everybody else.
const viewsAtOnce = 1

// maintainBudget is how much tidying of the tree one turn of the loop does.
const maintainBudget = 64

func (n *Node) tell(note replica.Note) {
	switch note.What {
	case replica.NoteLeading, replica.NoteFollowing:
		n.log.Info("serving", "role", n.replica.Role().String(), "epoch", uint32(note.Zxid.Epoch()), "zxid", note.Zxid.String())
		select {
		case <-n.serving:
		default:
			close(n.serving)
		}
	case replica.NoteReadOnly:
		n.log.Warn("no quorum, serving reads to clients that ask for no more", "zxid", note.Zxid.String())
	case replica.NoteReadOnlyEnds:
		n.log.Info("read-only mode ends")
	case replica.NoteSoftQuota:
		n.log.Warn("quota exceeded", "path", note.Path)
	case replica.NoteBadMessage:
		n.log.Warn("a peer sent what is no message")
	case replica.NoteRemoved:
		n.log.Warn("this server is no member of the ensemble any more", "since", note.Zxid.String())
	case replica.NoteStall:
		n.contact.trouble()
		n.log.Warn("this server stood still; no session is expired for it")
	}
}

// Touch counts as a sign of life of the sessions named (core.Sessions).
func (n *Node) Touch(ids ...core.SessionID) {
	n.touched.Lock()
	for _, id := range ids {
		n.touched.ids[id] = struct{}{}
	}
	n.touched.Unlock()
}

// passTouches tells the replica what Touch has collected since the last tick,
// and of the sessions that are kept alive.
func (n *Node) passTouches(now replica.Now) {
	ids := n.local.keptAlive(now)
	n.touched.Lock()
	for id := range n.touched.ids {
		ids = append(ids, id)
	}
	clear(n.touched.ids)
	n.touched.Unlock()
	if len(ids) > 0 {
		n.step(now, replica.Touched{Sessions: ids})
	}
}

// Do runs f on the owner loop, between two Steps, and waits for it. f must only
// read, and quickly: everything else waits meanwhile. When Do returns an error f
// has not run and never will.
func (n *Node) Do(ctx context.Context, f func(*replica.Replica)) error {
	var claimed atomic.Bool // by the loop, which then runs f, or by whoever gives it up
	done := make(chan struct{})
	run := func(r *replica.Replica) {
		if claimed.CompareAndSwap(false, true) {
			f(r)
			close(done)
		}
	}
	if !n.inbox.put(item{do: run}, false) {
		return core.ErrClosed
	}
	err := core.ErrClosed
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-n.ended:
	}
	if claimed.CompareAndSwap(false, true) {
		return err
	}
	<-done
	return nil
}

// Snapshot asks for a snapshot at once.
func (n *Node) Snapshot() { n.inbox.put(item{in: replica.SnapshotNow{}}, false) }

// Kick closes the connection of a session.
func (n *Node) Kick(id core.SessionID) { n.inbox.put(item{in: replica.Kick{Session: id}}, false) }

// Uptime is how long the node exists.
func (n *Node) Uptime() time.Duration { return time.Since(n.start) }

// DiskStats says what the data directory holds.
func (n *Node) DiskStats() (storage.Stats, error) { return n.disk.store.Stats() }

// FsyncStats counts the syncs of the log and the time they took.
func (n *Node) FsyncStats() (count int64, total time.Duration) {
	return n.metrics.syncs.Load(), time.Duration(n.metrics.syncNanos.Load())
}
