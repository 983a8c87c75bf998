package session

import (
	"cmp"
	"slices"

	"github.com/zensus-io/zensus/core"
)

// Tracker knows until when each session lives without a further sign of life.
//
// Deadlines are rounded up to the next tick, as ZooKeeper does: a session lives
// between its timeout and its timeout plus one tick. So a touch within a tick
// costs a map lookup, and expiry looks at the first of a few buckets. It is not
// safe for concurrent use.
type Tracker struct {
	tick     int64
	shift    int64 // how far Extend has moved all deadlines: caller's time less this is the tracker's
	past     int64 // the last tick whose bucket has been emptied by Expired
	sessions map[core.SessionID]uint32
	slots    []slot // slots[0] stands for none
	free     uint32 // first of the unused slots, by next
	buckets  []bucket
}

// slot is a session, in the ring of its bucket.
type slot struct {
	id            core.SessionID
	tick          int64 // of the bucket
	timeoutMillis int32
	next, prev    uint32
}

// bucket holds the sessions that end at one tick. Buckets are in the order of
// their ticks and never empty.
type bucket struct {
	tick int64
	head uint32 // the session that came first
}

// NewTracker tracks sessions in ticks of tickMillis, at least 1.
func NewTracker(tickMillis int64) *Tracker {
	return &Tracker{
		tick: max(tickMillis, 1), past: -1,
		sessions: make(map[core.SessionID]uint32), slots: make([]slot, 1),
	}
}

// Add begins to track a session with a full timeout from now on. One that is
// tracked already gets the new timeout.
func (t *Tracker) Add(id core.SessionID, timeoutMillis int32, now int64) {
	i, known := t.sessions[id]
	if known {
		t.slots[i].timeoutMillis = timeoutMillis
		t.move(i, t.deadline(timeoutMillis, now))
		return
	}
	if i = t.free; i != 0 {
		t.free = t.slots[i].next
	} else {
		i = uint32(len(t.slots))
		t.slots = append(t.slots, slot{})
	}
	t.slots[i] = slot{id: id, timeoutMillis: timeoutMillis, tick: t.deadline(timeoutMillis, now)}
	t.sessions[id] = i
	t.link(i)
}

// Touch counts as a sign of life now: the session lives for its timeout again.
// It reports whether the session is tracked; one that Expired has yielded is not.
func (t *Tracker) Touch(id core.SessionID, now int64) bool {
	i, known := t.sessions[id]
	if known {
		t.move(i, t.deadline(t.slots[i].timeoutMillis, now))
	}
	return known
}

// SetTimeout replaces the timeout of a tracked session, as a reconnecting client
// negotiates it, and counts as a sign of life. An unknown session stays unknown.
func (t *Tracker) SetTimeout(id core.SessionID, timeoutMillis int32, now int64) {
	if _, known := t.sessions[id]; known {
		t.Add(id, timeoutMillis, now)
	}
}

// Remove ends the tracking of a session.
func (t *Tracker) Remove(id core.SessionID) {
	if i, known := t.sessions[id]; known {
		t.forget(i)
	}
}

// Expired yields sessions whose time is up, the earliest first, at most limit of
// them, and reports whether more are due. A session that was yielded is no
// longer tracked; yield may call the tracker.
func (t *Tracker) Expired(now int64, limit int, yield func(core.SessionID)) (more bool) {
	current := floorDiv(now-t.shift, t.tick)
	for ; len(t.buckets) > 0 && t.buckets[0].tick <= current; limit-- {
		if limit <= 0 {
			return true
		}
		i := t.buckets[0].head
		id := t.slots[i].id
		t.forget(i)
		yield(id)
	}
	t.past = max(t.past, current)
	return false
}

// Extend moves all deadlines by gapMillis: the time during which this server
// itself stood still and could hear of nobody (Z-55).
func (t *Tracker) Extend(gapMillis int64) {
	if gapMillis > 0 {
		t.shift += gapMillis
	}
}

// Len is the number of tracked sessions.
func (t *Tracker) Len() int { return len(t.sessions) }

// Deadline is the time at which the session ends if nothing is heard of it.
func (t *Tracker) Deadline(id core.SessionID) (millis int64, tracked bool) {
	i, known := t.sessions[id]
	if !known {
		return 0, false
	}
	return t.slots[i].tick*t.tick + t.shift, true
}

// Buckets yields the sessions by their deadline, the earliest first, each bucket
// in the order of ids. The slice is valid until yield returns; yield must not
// change the tracker.
func (t *Tracker) Buckets(yield func(deadlineMillis int64, ids []core.SessionID) bool) {
	var ids []core.SessionID
	for _, b := range t.buckets {
		ids = ids[:0]
		for i := b.head; ; {
			ids = append(ids, t.slots[i].id)
			if i = t.slots[i].next; i == b.head {
				break
			}
		}
		slices.Sort(ids)
		if !yield(b.tick*t.tick+t.shift, ids) {
			return
		}
	}
}

// deadline is the tick at which a session ends that was last heard of now. It is
// never one that Expired has passed already, even if now goes back.
func (t *Tracker) deadline(timeoutMillis int32, now int64) int64 {
	end := now - t.shift + int64(max(timeoutMillis, 0))
	return max(floorDiv(end, t.tick)+1, t.past+1)
}

func (t *Tracker) move(i uint32, tick int64) {
	if t.slots[i].tick == tick {
		return
	}
	t.unlink(i)
	t.slots[i].tick = tick
	t.link(i)
}

func (t *Tracker) forget(i uint32) {
	t.unlink(i)
	delete(t.sessions, t.slots[i].id)
	t.slots[i] = slot{next: t.free}
	t.free = i
}

// find is where the bucket of a tick is, or where it belongs.
func (t *Tracker) find(tick int64) (int, bool) {
	return slices.BinarySearchFunc(t.buckets, tick, func(b bucket, tick int64) int { return cmp.Compare(b.tick, tick) })
}

func (t *Tracker) link(i uint32) {
	s := &t.slots[i]
	at, found := t.find(s.tick)
	if !found {
		s.next, s.prev = i, i
		t.buckets = slices.Insert(t.buckets, at, bucket{tick: s.tick, head: i})
		return
	}
	head := t.buckets[at].head
	first := &t.slots[head]
	s.next, s.prev = head, first.prev
	t.slots[first.prev].next = i
	first.prev = i
}

func (t *Tracker) unlink(i uint32) {
	s := &t.slots[i]
	if s.next == i {
		at, _ := t.find(s.tick)
		t.buckets = slices.Delete(t.buckets, at, at+1)
		return
	}
	t.slots[s.prev].next = s.next
	t.slots[s.next].prev = s.prev
	if at, _ := t.find(s.tick); t.buckets[at].head == i {
		t.buckets[at].head = s.next
	}
}

// floorDiv divides and rounds down, also below zero.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
