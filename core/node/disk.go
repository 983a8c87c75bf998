package node

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// diskWork is what one or several outputs asked of the disk, in this order.
type diskWork struct {
	generation   uint64
	loadSnapshot bool
	installs     []zab.Snap
	truncate     *zab.Position
	appends      []wire.Record
	epochs       *zab.Epochs
}

// disk is the worker that owns the store, with those who help it. Whatever fails
// in it ends the node.
type disk struct {
	node     *Node
	store    *storage.Store
	restored replica.Restored // what Open has read, until it is asked for
	checked  bool             // nothing of the log is left unread
	troubled bool             // the last attempt to read it failed, which has been told
	low      replica.DiskLow  // as the replica was last told
	looked   time.Time        // when the free space was last looked at
	written  int              // bytes of records since then
	failed   chan error       // of capacity 1
	wake     chan struct{}

	making sync.Mutex    // held while a snapshot is written, and what it covers goes
	made   chan struct{} // of capacity 1: that is over
	owner  sync.Mutex    // held by whoever uses the store: the worker as a rule, see help
	over   bool          // nothing more is done
	spare  []wire.Record
	comes  *incoming   // the snapshot that a leader is sending
	quick  atomic.Bool // the last sync took no longer than quickSync

	single  atomic.Int64           // batches of one record since there was one of more, or two at a time
	helper  atomic.Pointer[Intake] // of who is at it in the worker's place
	helping atomic.Int64           // since when somebody else is at it, in milliseconds of Node.Now; 0 is nobody
	heldUp  int64                  // when the loop last saw one who took long; the loop's

	mu struct {
		sync.Mutex
		work   diskWork
		closed bool
	}
}

func newDisk(n *Node, store *storage.Store) *disk {
	return &disk{
		node: n, store: store,
		failed: make(chan error, 1), wake: make(chan struct{}, 1), made: make(chan struct{}, 1),
	}
}

// wanted reports whether an output asks anything of the disk.
func (d *disk) wanted(out *replica.Output) bool {
	return len(out.Append) > 0 || out.Epochs != nil || out.LoadSnapshot ||
		out.Truncate != nil || len(out.Install) > 0
}

// add adds the disk's part of an output to the work that waits. It copies the
// records, not their payloads. Somebody has to see to it that the work is done.
func (d *disk) add(out *replica.Output) {
	d.mu.Lock()
	w := &d.mu.work
	w.generation = out.Generation
	w.appends = append(w.appends, out.Append...)
	w.loadSnapshot = w.loadSnapshot || out.LoadSnapshot
	w.installs = append(w.installs, out.Install...)
	if out.Truncate != nil {
		w.truncate = out.Truncate
	}
	if out.Epochs != nil {
		w.epochs = out.Epochs
	}
	d.mu.Unlock()
}

func (d *disk) signal() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

func (d *disk) close() {
	d.mu.Lock()
	d.mu.closed = true
	d.mu.Unlock()
	d.signal()
}

// idleTime is how long the worker must have had nothing to do before it does what
// makes later appends faster. While a helper is at work in its place it does so all
// the same: appending to what is not prepared takes every sync half as long again.
const idleTime = 5 * time.Millisecond

// run works until close or the first failure.
func (d *disk) run() {
	idle := time.NewTimer(idleTime)
	defer idle.Stop()
	for {
		next := idleTime
		var ended bool
		select {
		case <-idle.C:
			d.owner.Lock()
			next, ended = d.prepare()
		case <-d.wake:
			d.owner.Lock()
			ended = d.work()
		}
		d.owner.Unlock()
		if ended {
			return
		}
		idle.Reset(next)
	}
}

// prepare makes later appends faster, and says when there is more of that.
func (d *disk) prepare() (next time.Duration, ended bool) {
	if d.over {
		return 0, true
	}
	more, err := d.store.Prepare()
	if err == nil {
		err = d.look()
	}
	if err != nil {
		d.over = true
		d.fail(err)
		return 0, true
	}
	switch {
	case more:
		return 0, false
	case d.checkOlder():
		return idleTime, false
	}
	return lookEvery, false
}

// checkOlder reads a piece of the log that a start does not need, and reports
// whether there is more of it. Damage there is told; nobody depends on it.
func (d *disk) checkOlder() (more bool) {
	if d.checked {
		return false
	}
	more, damage, err := d.store.CheckOlder()
	for _, dmg := range damage {
		d.node.tellDamage(dmg)
	}
	if err != nil {
		if !d.troubled {
			d.node.log.Error("older log not checked yet", "err", err)
		}
		d.troubled = true
		return false
	}
	d.checked, d.troubled = !more, false
	return more
}

// work does what has been asked for. It reports whether that was the last.
func (d *disk) work() (ended bool) {
	if d.over {
		return true
	}
	d.mu.Lock()
	work := d.mu.work
	d.mu.work = diskWork{appends: d.spare[:0]}
	d.over = d.mu.closed
	d.mu.Unlock()
	err := d.do(&work)
	clear(work.appends)
	d.spare = work.appends
	if err == nil && !d.over {
		err = d.look()
	}
	if err != nil {
		d.over = true
		d.fail(err)
	}
	return d.over
}

// quickSync is how long a sync may take that somebody else than the worker waits for.
const quickSync = time.Millisecond

// help does what has been asked for on the caller's goroutine, or leaves it to the
// worker. It reports whether the caller was relieved meanwhile.
func (d *disk) help(in *Intake) (relieved bool) {
	if !d.owner.TryLock() {
		d.signal() // for what came too late for whoever is at it
		return false
	}
	var ended bool
	if in.relieve == nil { // nobody waits for what he does else
		ended = d.work()
	} else {
		d.helping.Store(d.node.Now().Mono)
		d.helper.Store(in)
		ended = d.work()
		relieved = !d.helper.CompareAndSwap(in, nil)
		d.helping.Store(0)
	}
	d.owner.Unlock()
	if ended {
		d.signal() // the worker's own end is its goroutine's to see
	}
	return relieved
}

// relieve lets somebody else do what a helper would do if he did not wait here.
func (d *disk) relieve() {
	if in := d.helper.Swap(nil); in != nil {
		in.relieve()
	}
}

// aloneStreak is how many records in a row must have come one by one, with nothing
// before the one before was durable, for their client to be taken for the only one.
const aloneStreak = 32

// alone reports whether that is so: then nobody waits for what a helper could do
// instead of waiting for the disk.
func (d *disk) alone() bool { return d.single.Load() >= aloneStreak }

// noteBatch counts how many records in a row have come one by one.
func (d *disk) noteBatch(records int) {
	d.mu.Lock()
	waiting := len(d.mu.work.appends) > 0
	d.mu.Unlock()
	if records > 1 || waiting {
		d.single.Store(0)
	} else {
		d.single.Add(1)
	}
}

// heldUpMillis is how long a helper may be at it before that holds up signs of life.
const heldUpMillis = 10

// holdsUp reports whether a helper waits for the disk, or has until a moment ago,
// who should have read signs of life from sockets meanwhile. Time must not pass
// then: a long wait is to be a stall of this server, for which nobody expires.
func (d *disk) holdsUp(now int64) bool {
	if since := d.helping.Load(); since != 0 && now-since > heldUpMillis {
		d.heldUp = now
	}
	return d.heldUp != 0 && now-d.heldUp <= 2*tickEvery.Milliseconds()
}

// lookEvery is how often the free space is looked at.
const lookEvery = time.Second

// lookBytes is how much may be written between two looks, and lookLowBytes while the disk
// is nearly full.
const (
	lookBytes    = 4 << 20
	lookLowBytes = 256 << 10
)

// look tells the replica when the disk becomes nearly full, and when it no longer is.
func (d *disk) look() error {
	most := lookBytes
	if d.low.On {
		most = lookLowBytes
	}
	if time.Since(d.looked) < lookEvery && d.written < most {
		return nil
	}
	d.looked, d.written = time.Now(), 0
	err := d.store.DiskLow()
	if err != nil && !errors.Is(err, storage.ErrDiskLow) {
		return err
	}
	low := replica.DiskLow{On: err != nil, Scarce: errors.Is(err, storage.ErrDiskScarce)}
	if low == d.low {
		return nil
	}
	switch {
	case low.Scarce:
		d.node.log.Error("disk is all but full, next to nothing is taken that makes the data larger", "err", err)
	case low.On && !d.low.On:
		d.node.log.Error("disk is nearly full, writes are refused", "err", err)
	case !low.On:
		d.node.log.Info("disk has room again")
	}
	d.low = low
	d.tell(low)
	return nil
}

// short reports whether there is little room, and tells of it.
func (d *disk) short() bool {
	short, err := d.store.Short()
	switch {
	case err != nil:
		d.node.log.Warn("free space", "err", err)
	case short:
		d.node.log.Warn("the disk has little room: log goes as soon as a snapshot covers it")
	}
	return short
}

// fail ends the node; the first failure is the one that is told.
func (d *disk) fail(err error) {
	select {
	case d.failed <- err:
	default:
	}
}

// helpRecords is how many records a batch has at most of which the worker itself
// brings the news through the loop.
const helpRecords = 4

func (d *disk) do(w *diskWork) error {
	if w.loadSnapshot {
		d.tell(replica.SnapshotLoaded{State: d.restored.State, Txns: d.restored.Txns, Bytes: d.restored.Bytes})
		d.restored = replica.Restored{}
	}
	for i := range w.installs {
		if err := d.install(&w.installs[i]); err != nil {
			return err
		}
	}
	if w.truncate != nil {
		if err := d.store.Truncate(w.truncate.Zxid, w.truncate.Chain); err != nil {
			return err
		}
		d.tell(replica.Truncated{})
	}
	for rest := w.appends; len(rest) > 0; {
		n, err := d.portion(rest)
		if err == nil {
			err = d.append(w, rest[:n])
		}
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	if w.epochs != nil {
		m := d.store.Meta()
		m.AcceptedEpoch, m.CurrentEpoch, m.Voteable = w.epochs.Accepted, w.epochs.Current, w.epochs.Voteable
		if err := d.store.WriteMeta(m); err != nil {
			return err
		}
		d.tell(replica.MetaSynced{Generation: w.generation})
	}
	return nil
}

// lowBytes is how much is written at once to a disk that is nearly full, by one who comes
// to a leader's history, and lowPause how long the next snapshot is waited for then. It is
// more than what a snapshot is worth (replica).
const (
	lowBytes = 2 << 20
	lowPause = 200 * time.Millisecond
)

// portion is how many of the records are to be written now: all of them, as a rule. A
// learner that does not serve yet takes in as fast as it can. It looks at its disk often,
// and when that is nearly full it waits for the snapshots by which older log goes, or it
// would fill the disk before they are written.
func (d *disk) portion(records []wire.Record) (n int, err error) {
	if d.node.contact.serving.Load() {
		return len(records), nil
	}
	if err := d.look(); err != nil {
		return 0, err
	}
	most := lookBytes
	if d.low.On {
		most = lowBytes
		select {
		case <-d.made:
		case <-time.After(lowPause): // nothing may be known to be committed of what came last
		}
		d.making.Lock()   // that is not long, and shorter still when the node ends
		d.making.Unlock() //nolint:staticcheck // there is nothing to do in between
		select {
		case <-d.made:
		default:
		}
	}
	for bytes := 0; n < len(records) && bytes < most; n++ {
		bytes += len(records[n].Payload) + wire.RecordHeadBytes
	}
	return n, nil
}

// snapshotMade lets go on who waits for a snapshot that was being written.
func (d *disk) snapshotMade() {
	d.making.Unlock()
	select {
	case d.made <- struct{}{}:
	default:
	}
}

// append writes records, and tells that they are durable.
func (d *disk) append(w *diskWork, records []wire.Record) error {
	began := time.Now()
	for i := range records {
		d.written += len(records[i].Payload) + wire.RecordHeadBytes
	}
	if err := d.store.Append(records); err != nil {
		return err
	}
	if err := d.store.Sync(); err != nil {
		return err
	}
	took := time.Since(began)
	d.quick.Store(took <= quickSync)
	d.noteBatch(len(records))
	d.node.metrics.synced(len(records), took)
	synced := item{in: replica.Synced{Generation: w.generation, UpTo: records[len(records)-1].Zxid}}
	switch first, ok := d.node.inbox.add(synced, false); {
	case first && ok && len(w.appends) <= helpRecords && w.epochs == nil:
		d.node.help(nil)
	case first:
		d.node.inbox.signal()
	}
	return nil
}

func (d *disk) tell(in replica.Input) { d.node.inbox.put(item{in: in}, false) }
