package lease

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
	"github.com/zensus-io/zensus/registry/store"
)

// restingMax is how many workers wait for a next client. One that is there already costs
// less than a new one, whose stack has to grow.
const restingMax = 64

// workOn works for a client, and then for others, until there is none or ctx ends.
func (m *Manager) workOn(ctx context.Context, c *client) {
	for {
		m.work(ctx, c)
		if m.resting.Add(1) > restingMax {
			m.resting.Add(-1)
			return
		}
		select {
		case c = <-m.hands:
			m.resting.Add(-1)
		case <-ctx.Done():
			return
		}
	}
}

// work makes the tree agree with a client's wishes, until it does or ctx ends.
func (m *Manager) work(ctx context.Context, c *client) {
	var pause time.Duration
	for {
		c.mu.Lock()
		if c.mu.ending != staying {
			c.mu.Unlock()
			m.bury(ctx, c)
			return
		}
		n := settleAtOnce
		if c.mu.session == nil {
			n = 1 // which opens one
		}
		list := c.dirtyLocked(n)
		if len(list) == 0 && c.mu.claim != due {
			c.mu.working = false
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		err := m.makeClaim(ctx, c)
		if unsettled := m.settleAll(ctx, c, list); unsettled != nil {
			err = unsettled
		}
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			pause = 0
			continue
		}
		pause = min(max(2*pause, retryMin), retryMax)
		select {
		case <-ctx.Done():
			return
		case <-c.kick:
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
	}
}

func (m *Manager) settleOne(ctx context.Context, c *client, d dirty, alone bool) error {
	err := m.settle(ctx, c, d.service, d.wish, alone)
	if err != nil {
		m.overlay(c, d.service, d.wish)
	}
	m.putBack(c, []dirty{d})
	return err
}

// settle deals with one wish. Only one that is settled alone opens a session.
func (m *Manager) settle(ctx context.Context, c *client, k registry.ServiceKey, w *wish, alone bool) error {
	c.mu.Lock()
	version, requested, session := w.version, w.requested, c.mu.session
	c.mu.Unlock()
	if session == nil && !alone {
		return errSessionChanged
	}
	zxid, err := m.agree(ctx, c, session, k, w)
	switch {
	case err == nil:
		m.troubled.Store(0)
		return m.agreed(ctx, c, []settlement{{dirty: dirty{k, w}, version: version, requested: requested, zxid: zxid}})
	case core.IsSessionOver(err) && m.sessionOver(c, session):
		return nil // with nothing left, again at once
	case requested && refused(err): // nobody asked for the rest: it is tried again
		m.drop(c, k, w, version, err)
		return nil
	}
	c.mu.Lock()
	w.sure = false
	c.mu.Unlock()
	if ctx.Err() == nil && !errors.Is(err, core.NoNode) && !errors.Is(err, errSessionChanged) {
		m.troubled.Store(time.Now().UnixNano())
	}
	m.log.Debug("registration not written yet", "client", c.id, "service", k.String(), "err", err)
	return err
}

// refused reports whether the engine will not take this wish at any time.
func refused(err error) bool {
	for _, never := range []error{registry.ErrKind, registry.ErrLimit, core.NoAuth, core.InvalidACL, core.BadArguments, core.QuotaExceeded, core.MarshallingError} {
		if errors.Is(err, never) {
			return true
		}
	}
	return false
}

// agreed notes that the tree shows wishes, and answers whoever waits for them as soon as
// the picture shows them too, or does not for a while.
func (m *Manager) agreed(ctx context.Context, c *client, list []settlement) error {
	var zxid core.Zxid
	waits := list[:0] // for the picture
	c.mu.Lock()
	for _, s := range list {
		w := s.wish
		w.agreed = max(w.agreed, s.version)
		settled := w.version == s.version
		if settled {
			w.requested = false
		}
		w.zxid = max(w.zxid, s.zxid)
		zxid = max(zxid, s.zxid)
		if settled && len(w.want) == 0 && len(w.have) == 0 && c.mu.wishes.in(s.service) == w {
			c.mu.wishes.remove(s.service)
		}
		if s.zxid == 0 && !s.requested && !(w.overlaid && settled) {
			w.finishLocked(s.version, result{zxid: w.zxid})
		} else {
			waits = append(waits, s)
		}
	}
	c.mu.Unlock()
	if len(waits) == 0 {
		return nil
	}
	answer := func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, s := range waits {
			s.wish.finishLocked(s.version, result{zxid: s.wish.zxid})
		}
	}
	// The picture must show the znodes before the overlay goes, or the instance
	// would be away in between.
	if err := m.caughtUp(ctx, c, zxid, answer); err != nil {
		answer()
		return err
	}
	var overlaid []registry.ServiceKey
	var covered []catalog.Covered
	doubtful := waits[:0]
	c.mu.Lock()
	for _, s := range waits {
		by, alone := m.verifyLocked(c, s.service, s.wish)
		covered = append(covered, by...)
		if w := s.wish; w.version == s.version && w.overlaid {
			w.overlaid = false
			overlaid = append(overlaid, s.service)
		}
		s.wish.finishLocked(s.version, result{zxid: s.wish.zxid})
		if s.requested && !alone {
			doubtful = append(doubtful, s)
		}
	}
	c.mu.Unlock()
	m.Covered(covered)
	for _, k := range overlaid {
		m.show(c, k)
	}
	if len(doubtful) > 0 {
		m.doubt(ctx, c, doubtful, zxid)
	}
	return nil
}

// caughtUp waits for the picture, unless the client leaves. It calls late as long as that
// takes long.
func (m *Manager) caughtUp(ctx context.Context, c *client, zxid core.Zxid, late func()) error {
	for m.cfg.Picture.Zxid() < zxid {
		short, cancel := context.WithTimeout(ctx, retryMax/4)
		err := m.cfg.Picture.Wait(short, zxid)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		late()
		c.mu.Lock()
		left := c.mu.ending != staying
		c.mu.Unlock()
		if left {
			return nil
		}
	}
	return nil
}

// verifyLocked compares again if a znode that was written is not in the picture
// that has reached the write. The session has ended already then, and Gone may
// have come before the znode was noted, or not at all: a mirror that finds
// something created and deleted at once says nothing of it.
//
// It makes up for what Covered may have missed: the first znodes of a session are there
// before it is known whose it is. alone says that there are no znodes of others with the
// keys of any of the client's, which were all written just now.
func (m *Manager) verifyLocked(c *client, k registry.ServiceKey, w *wish) (covered []catalog.Covered, alone bool) {
	if !w.sure {
		return nil, false // it will be compared anyhow, or has ended
	}
	alone = true
	for n := range w.have {
		h := &w.have[n]
		if !h.unseen {
			alone = false
			continue
		}
		e, newest, only := m.cfg.Catalog.Entry(k, h.Instance.Key(), h.Path)
		if e == nil {
			w.sure = false
			c.changedLocked(k, w)
			return covered, false
		}
		alone = alone && only
		h.unseen = false
		w.shareLocked(h, e)
		if newest.Czxid > e.Czxid && newest.Owner != e.Owner {
			covered = append(covered, catalog.Covered{Entry: e, Service: k, By: newest})
		}
	}
	return covered, alone
}

// shareLocked has a wish rest on what the catalog keeps of a znode, which says the same.
func (w *wish) shareLocked(h *held, e *catalog.Entry) {
	if e.Czxid != h.Czxid || !recordEqual(&h.Record, &e.Record) {
		return
	}
	h.Entry = e
	if at, ok := w.want.search(e.Instance.Key()); ok && recordEqual(w.want[at], &e.Record) {
		w.want[at] = &e.Record
	}
}

// drop gives a wish up that cannot be fulfilled and lets its caller know why.
// What the client had before stays wanted.
func (m *Manager) drop(c *client, k registry.ServiceKey, w *wish, version uint64, err error) {
	c.mu.Lock()
	w.finishLocked(version, result{err: err})
	w.agreed = max(w.agreed, version)
	if w.version == version {
		c.mu.instances -= len(w.want)
		had := make([]*store.Record, len(w.have))
		for n := range w.have {
			had[n] = &w.have[n].Record
		}
		w.want = newWanted(had)
		c.mu.instances += len(w.want)
		w.requested = false
		if len(w.have) > 0 || !w.sure {
			c.changedLocked(k, w) // take back what was written of it, if anything
		} else {
			c.mu.wishes.remove(k)
		}
	}
	w.overlaid = false
	c.mu.Unlock()
	m.show(c, k)
	m.log.Warn("registration refused", "client", c.id, "service", k.String(), "err", err)
}

// errSessionChanged says that the session of a client ended, or another was opened,
// while one of its wishes was being settled.
var errSessionChanged = errors.New("the session of the client has changed")

// sessionOver forgets a session that has ended, and reports whether the client still had
// it; nil is the one that it has.
func (m *Manager) sessionOver(c *client, session core.Client) bool {
	c.mu.Lock()
	id := c.sessionIDLocked()
	if id == 0 || (session != nil && c.mu.session != session) {
		c.mu.Unlock()
		return false
	}
	c.lostSessionLocked()
	services := c.mu.wishes.services()
	if m.stillAlive(c) {
		for _, w := range c.mu.wishes.all() {
			w.overlaid = w.overlaid || len(w.want) > 0
		}
	}
	c.mu.Unlock()
	m.remember(c, id, true)
	m.mu.Lock()
	delete(m.mu.sessions, id)
	m.mu.Unlock()
	for _, k := range services {
		m.show(c, k)
	}
	m.log.Debug("session of a client ended", "client", c.id, "session", id.String())
	return true
}

// bury ends or lets go of the session of a client that has left.
func (m *Manager) bury(ctx context.Context, c *client) {
	c.mu.Lock()
	session, how := c.mu.session, c.mu.ending
	c.mu.session = nil
	c.mu.Unlock()
	if session == nil {
		return
	}
	id := session.Session().ID
	if how == released {
		m.disown(ctx, c, id)
		m.mu.Lock()
		delete(m.mu.sessions, id)
		m.mu.Unlock()
		m.cfg.Sessions.Detach(id)
		return
	}
	m.mu.RLock()
	_, remembered := m.mu.ended[id]
	m.mu.RUnlock()
	if !remembered { // the session was opened after the client had left
		m.remember(c, id, false)
	}
	m.mu.Lock()
	delete(m.mu.sessions, id)
	m.mu.Unlock()
	if err := session.Close(); err != nil && !core.IsSessionOver(err) {
		m.log.Debug("session of a client not ended yet", "client", c.id, "session", id.String(), "err", err)
		m.hide(c, id) // until it is
		if !m.endLater(ctx, c, session.Session()) {
			return
		}
	}
	m.unhide(ctx, c)
}

// unhide ends the hiding of a session that has ended, when the picture shows that. Where
// it had no znodes nobody would tell.
func (m *Manager) unhide(ctx context.Context, c *client) {
	c.mu.Lock()
	hiding := c.mu.hiding != 0
	c.mu.Unlock()
	if !hiding {
		return
	}
	zxid, err := m.cfg.Store.Sync(ctx)
	if err != nil || m.cfg.Picture.Wait(ctx, zxid) != nil {
		return // it is forgotten in time
	}
	c.mu.Lock()
	c.mu.hiding = 0
	services := c.mu.wishes.services()
	c.mu.Unlock()
	for _, k := range services {
		m.show(c, k)
	}
}

// endLater ends a session of a client that has left, as soon as there is a quorum for it,
// and reports whether it did. Nobody touches it any more, so its timeout would end it
// too, but later.
func (m *Manager) endLater(ctx context.Context, c *client, info core.SessionInfo) bool {
	for pause := retryMin; ; pause = min(2*pause, retryMax) {
		select {
		case <-ctx.Done():
			return false
		case <-c.kick:
		case <-time.After(pause):
		}
		session, err := m.cfg.Sessions.Resume(ctx, info.ID, info.Password)
		if err == nil {
			err = session.Close()
		}
		if err == nil || core.IsSessionOver(err) {
			return true
		}
	}
}

// agree compares one wish with the tree and writes the difference, in the session or,
// where that is nil, in one that it opens. The zxid is that of the write, or 0.
func (m *Manager) agree(ctx context.Context, c *client, session core.Client, k registry.ServiceKey, w *wish) (core.Zxid, error) {
	c.mu.Lock()
	wanted, requested := len(w.want) > 0, w.requested
	c.mu.Unlock()
	var self core.SessionID // 0: no session
	via := session
	var first *newcomer
	switch {
	case session != nil:
		self = session.Session().ID
	case !wanted:
		return 0, nil
	case !requested && !m.stillAlive(c):
		c.owing.Store(true)
		return 0, nil
	default:
		first = &newcomer{manager: m, client: c}
		via = first
	}
	var zxid core.Zxid
	if wanted {
		z, err := m.ensureService(ctx, k)
		if err != nil {
			return 0, err
		}
		zxid = z
	}
	if err := m.look(ctx, c, session, k, w); err != nil {
		return 0, err
	}
	drop, add := m.compare(c, self, k, w)
	if len(drop)+len(add) == 0 {
		return zxid, nil
	}
	made, z, err := m.cfg.Store.Replace(ctx, via, k, drop, add)
	if first != nil && first.Client != nil {
		session, self = first.Client, first.Session().ID
	}
	c.mu.Lock()
	if err == nil && c.mu.session != session {
		err = errSessionChanged
	}
	if err != nil {
		w.dropping, w.sure = nil, false
		c.mu.Unlock()
		return 0, err
	}
	w.wroteLocked(self, drop, add, made)
	c.mu.Unlock()
	return max(z, zxid), nil
}

// wroteLocked notes what has been written: made are the znodes of what was added.
func (w *wish) wroteLocked(owner core.SessionID, drop []string, add []*store.Record, made []store.Created) {
	written := make([]held, len(add))
	for n, r := range add {
		written[n] = held{Entry: &catalog.Entry{Path: made[n].Path, Czxid: made[n].Czxid, Owner: owner, Record: *r}, unseen: true}
	}
	w.have = w.have.with(drop, written...)
	w.dropping = nil
}

// ensureService makes the service if it is missing, and checks its kind.
func (m *Manager) ensureService(ctx context.Context, k registry.ServiceKey) (core.Zxid, error) {
	svc, _, ok := m.cfg.Catalog.Service(k)
	var zxid core.Zxid
	if !ok {
		if n := m.cfg.Catalog.Count(""); n >= m.cfg.Limits.Services {
			return 0, registry.Errorf(registry.ErrLimit, "services: there are %d already.", n)
		}
		var err error
		if svc, zxid, err = m.cfg.Store.EnsureService(ctx, k, true); err != nil {
			return 0, err
		}
	}
	if !svc.Ephemeral {
		return 0, registry.KindError("register", k, false)
	}
	return zxid, nil
}

// look finds out which znodes the session has in a service, if that is not sure.
func (m *Manager) look(ctx context.Context, c *client, session core.Client, k registry.ServiceKey, w *wish) error {
	c.mu.Lock()
	sure := w.sure
	c.mu.Unlock()
	if sure {
		return nil
	}
	if session == nil { // which has none
		c.mu.Lock()
		w.have, w.sure = nil, true
		c.mu.Unlock()
		return nil
	}
	// Calls of one session take effect in order: what was sent before the Sync and
	// took effect at all is in the picture that reaches its zxid.
	zxid, err := session.Sync(ctx, store.ServicePath(k))
	if err != nil {
		return err
	}
	if err := m.cfg.Picture.Wait(ctx, zxid); err != nil {
		return err
	}
	var have holdings
	for _, e := range m.cfg.Catalog.Owned(k, session.Session().ID) {
		have = append(have, held{Entry: e})
	}
	have = have.with(nil)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.session != session {
		return errSessionChanged
	}
	w.have, w.sure = have, true
	return nil
}

// compare says which znodes are too many and which are missing.
func (m *Manager) compare(c *client, self core.SessionID, k registry.ServiceKey, w *wish) (drop []string, add []*store.Record) {
	alive := m.stillAlive(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.ending != staying {
		return nil, nil // bury deletes all
	}
	mine := make(map[registry.InstanceKey][]*held)
	for n := range w.have {
		h := &w.have[n]
		if key := h.Instance.Key(); w.want.find(key) == nil {
			drop = append(drop, h.Path)
		} else {
			mine[key] = append(mine[key], h)
		}
	}
	for _, r := range w.want {
		key := r.Instance.Key()
		keep := ""
		var last core.Zxid
		for _, h := range mine[key] {
			if h.Czxid >= last && recordEqual(&h.Record, r) {
				keep, last = h.Path, h.Czxid
			}
		}
		foreign := m.foreign(k, key, self, c.mu.former)
		moved := foreign > last
		switch {
		case w.requested && (keep == "" || moved):
			keep = "" // the client is here, now: its znode is to be the newest
			add = append(add, r)
		case w.requested || keep != "":
		case moved && c.beat && !r.Instance.Healthy:
			// Heartbeats are handed on to the node of the newest znode: it would have heard
			// what was not heard here, also if one came here since.
			c.owing.Store(true)
		case moved && foreign > core.Zxid(c.seen.Load()):
			// It has registered with another node since it was last heard of here. If
			// it is heard of here again, it is here.
			c.owing.Store(true)
		case len(mine[key]) > 0:
			add = append(add, r) // it stands, and is to look otherwise
		case c.beat && w.deleted:
			// Somebody deregistered it. If its client is alive it will register again.
			w.want = w.want.without(key)
			c.mu.instances--
		case !alive:
			c.owing.Store(true)
		default:
			add = append(add, r)
		}
		for _, h := range mine[key] {
			if h.Path != keep {
				drop = append(drop, h.Path)
			}
		}
	}
	w.deleted = false
	if len(drop) > 0 {
		w.dropping = make(map[string]bool, len(drop))
		for _, path := range drop {
			w.dropping[path] = true
		}
	}
	slices.Sort(drop)
	return drop, add
}

// foreign is the czxid of the newest znode of a key that is none of a client's
// own: neither of its session nor of the one that it had before, whose end the
// picture may not show yet. It is 0 if there is none.
func (m *Manager) foreign(k registry.ServiceKey, key registry.InstanceKey, self, former core.SessionID) core.Zxid {
	newest := m.cfg.Catalog.Newest(k, key)
	switch {
	case newest == nil || newest.Owner == self:
		return 0
	case newest.Owner != former:
		return newest.Czxid
	}
	for _, e := range slices.Backward(m.cfg.Catalog.Entries(k, key)) {
		if e.Owner != self && e.Owner != former {
			return e.Czxid
		}
	}
	return 0
}
