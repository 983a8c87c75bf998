package lease

import (
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
)

// farewellExtra is how much longer than its timeout an ended session is
// remembered.
const farewellExtra = 30 * time.Second

// End ends the session of a client that is known to be gone: its instances
// vanish at once and together. It does not wait. A connection that came from a session of
// before only a moment ago is let go as by Release: see Config.Settle.
func (m *Manager) End(id string) { m.leave(id, closing) }

// Release lets go of a client that may be alive elsewhere. Its session lives on
// until its timeout.
func (m *Manager) Release(id string) { m.leave(id, released) }

func (m *Manager) leave(id string, how ending) {
	m.mu.Lock()
	c := m.mu.clients[id]
	delete(m.mu.clients, id)
	m.mu.Unlock()
	if c == nil {
		return
	}
	c.mu.Lock()
	if how == closing && time.Now().UnixNano() < c.settled.Load() {
		how = released // under the lock: who finds out only now that it has moved sees how it left
	}
	c.mu.ending = how
	var overlaid []registry.ServiceKey
	for k, w := range c.mu.wishes.all() {
		w.finishLocked(w.agreed, result{zxid: w.zxid})
		w.finishLocked(w.version, result{err: goneError(id)})
		if w.overlaid {
			overlaid = append(overlaid, k)
		}
	}
	session := c.sessionIDLocked()
	c.mu.Unlock()

	if how == closing && session != 0 {
		m.remember(c, session, false)
		if len(overlaid) > 0 || m.Pending() {
			m.hide(c, session)
		}
	}
	for _, k := range overlaid {
		m.show(c, k)
	}
	c.mu.Lock()
	m.startLocked(c)
	c.mu.Unlock()
}

func goneError(id string) error {
	return registry.Errorf(registry.ErrClientGone, "Client [%s] connection already disconnect, can't register ephemeral instance.", id)
}

// remember notes that this node ends a session, or has found it ended.
func (m *Manager) remember(c *client, session core.SessionID, found bool) {
	c.mu.Lock()
	bye := &farewell{found: found, client: c, services: c.mu.wishes.services(), until: time.Now().Add(c.lasts() + farewellExtra)}
	c.mu.Unlock()
	m.mu.Lock()
	m.mu.ended[session] = bye
	m.mu.Unlock()
}

// hide keeps this node from showing znodes of a session that it could not end.
func (m *Manager) hide(c *client, session core.SessionID) {
	c.mu.Lock()
	c.mu.hiding = session
	services := c.mu.wishes.services()
	c.mu.Unlock()
	for _, k := range services {
		m.show(c, k)
	}
}

// forgetEnded drops what is remembered of sessions whose time is over.
func (m *Manager) forgetEnded(now time.Time) {
	var over []*farewell
	stale := m.cfg.Picture.Stale()
	m.mu.Lock()
	for id, bye := range m.mu.ended {
		if stale { // nothing expires
			bye.until = now.Add(bye.client.lasts() + farewellExtra)
		}
		if now.After(bye.until) {
			over = append(over, bye)
			delete(m.mu.ended, id)
		}
	}
	m.mu.Unlock()
	for _, bye := range over {
		bye.client.mu.Lock()
		bye.client.mu.hiding = 0
		bye.client.mu.Unlock()
		for _, k := range bye.services {
			m.show(bye.client, k)
		}
	}
}

// Going hears of znodes that are about to leave the picture. What a client here
// still wants is shown on.
func (m *Manager) Going(removed []catalog.Removed) {
	for n := range removed {
		r := &removed[n]
		m.mu.RLock()
		c := m.mu.sessions[r.Owner]
		m.mu.RUnlock()
		if c == nil || !m.stillAlive(c) {
			continue
		}
		c.mu.Lock()
		w := c.mu.wishes.in(r.Service)
		missed := w != nil && c.mu.ending == staying && c.sessionIDLocked() == r.Owner && w.missedLocked(r)
		if missed {
			w.overlaid = true
		}
		c.mu.Unlock()
		if missed {
			m.show(c, r.Service)
		}
	}
}

// missedLocked reports whether a znode that goes is wanted and no other one
// stands for it.
func (w *wish) missedLocked(r *catalog.Removed) bool {
	key := r.Instance.Key()
	if w.have.find(r.Path) == nil || w.dropping[r.Path] || w.want.find(key) == nil {
		return false
	}
	for n := range w.have {
		if h := &w.have[n]; h.Path != r.Path && h.Instance.Key() == key {
			return false
		}
	}
	return true
}

// Gone hears of znodes that have left the picture and returns those that nobody
// here withdrew. What a client still wants will be created again.
func (m *Manager) Gone(removed []catalog.Removed) (unexplained []catalog.Removed) {
	for n := range removed {
		r := &removed[n]
		if r.Owner == 0 {
			continue // persistent: somebody deleted it by a call
		}
		m.mu.RLock()
		c, bye := m.mu.sessions[r.Owner], m.mu.ended[r.Owner]
		_, withdrawn := m.mu.withdrawn[r.Path]
		m.mu.RUnlock()
		switch {
		case withdrawn && c == nil && bye == nil: // somebody deregistered it here
		case bye != nil && !bye.found:
			m.left(bye, r)
		case bye != nil: // its client wants the instance still, if it lives
			if !m.stillAlive(bye.client) {
				unexplained = append(unexplained, *r)
			}
		case c == nil || !m.explained(c, r):
			unexplained = append(unexplained, *r)
		}
	}
	return unexplained
}

// left ends the hiding of a session's znodes in a service where there are none
// any more.
func (m *Manager) left(bye *farewell, r *catalog.Removed) {
	bye.client.mu.Lock()
	hiding := bye.client.mu.hiding != 0
	bye.client.mu.Unlock()
	if hiding && len(m.cfg.Catalog.Owned(r.Service, r.Owner)) == 0 {
		bye.client.showing.Lock()
		m.cfg.Catalog.ClearOverlay(r.Service, bye.client.overlay())
		bye.client.showing.Unlock()
	}
}

// explained notes that a znode of a client here has disappeared and reports
// whether the list is none the shorter against the client's will: the client
// withdrew it, or wants it still and is seen to be alive, so that it is shown on.
func (m *Manager) explained(c *client, r *catalog.Removed) bool {
	c.mu.Lock()
	w := c.mu.wishes.in(r.Service)
	if w == nil || c.mu.ending != staying || c.sessionIDLocked() != r.Owner {
		c.mu.Unlock()
		return true
	}
	missed := w.missedLocked(r)
	w.have = w.have.with([]string{r.Path})
	if !missed {
		c.mu.Unlock()
		return true
	}
	w.sure, w.deleted = false, true
	c.changedLocked(r.Service, w)
	alive := m.stillAlive(c)
	w.overlaid = w.overlaid || alive
	m.startLocked(c)
	c.mu.Unlock()
	if alive {
		m.show(c, r.Service)
	}
	return alive
}

// stillAlive reports whether a client was heard of within its timeout.
func (m *Manager) stillAlive(c *client) bool {
	return time.Since(time.Unix(0, c.alive.Load())) < c.lasts()
}
