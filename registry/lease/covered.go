package lease

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
)

// claimTime is how long a node has to claim the session of a client that is still there,
// from when a newer znode of another session covers one of it. Claims come at once; what
// one that is late costs is that its client's znode is created anew.
const claimTime = 2 * time.Second

// claim is what there is to say of a client's session.
type claim int

const (
	unclaimed claim = iota
	heard           // to be claimed when the client, which has no connection, is heard of
	due             // to be claimed
	claimed
)

// doubt is that znodes of a session may be those of a client that has moved to this node.
//
// The znodes of its old session are covered by what it registers anew, so that the list
// shows them once; but when the new ones go, as the client dies or deregisters, the old
// ones would show again until their session ends. The rule is: znodes that a registration
// covers are removed, unless somebody still has their client.
//
//   - Who has a client, by connection, and sees a znode of it covered claims its session:
//     an ephemeral znode of that session says so (Covered). Of a client without a
//     connection a node knows only when it hears of it the next time.
//   - The node of the new registration gives the others two seconds, during which it is
//     in contact, and then removes what it covers if its session is not claimed, at one
//     zxid. While there is no quorum nothing happens; then the time begins anew.
//   - A client that comes from a node that is gone may go on to another at once. While that
//     may be (Config.Settle), the end of its connection leaves its session to its timeout.
//   - A node that finds its claim wrong, as it lets go of a client that had not been heard
//     of since it was covered, removes what was covered itself.
//
// Nothing is removed but under a newer znode of its key, or after the client of that one
// has gone too, so no list is shorter for it while one of the clients lives. Two living
// clients that register one address keep a znode each. If a node is stopped or cut off
// for longer than two seconds just then, the znode of its client is removed; when it
// hears of the client again it creates it anew.
type doubt struct {
	by      *client // that covers them
	service registry.ServiceKey
	owner   core.SessionID
	paths   []string
	kick    chan struct{}
}

func (d *doubt) wakeUp() {
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// Covered hears of znodes beside which newer ones count. If such a one is of a client
// that is still here, the node of the newer one may not remove it.
func (m *Manager) Covered(covered []catalog.Covered) {
	for n := range covered {
		o := &covered[n]
		m.mu.RLock()
		c := m.mu.sessions[o.Owner]
		m.mu.RUnlock()
		if c == nil {
			continue
		}
		c.mu.Lock()
		if c.mu.ending == staying && c.sessionIDLocked() == o.Owner {
			if w := c.mu.wishes.in(o.Service); w != nil {
				if h := w.have.find(o.Path); h != nil {
					h.covered = max(h.covered, o.By.Czxid)
				}
			}
			if c.mu.claim == unclaimed {
				if c.beat {
					c.mu.claim = heard
					c.listening.Store(true)
				} else {
					m.claimLocked(c)
				}
			}
		}
		c.mu.Unlock()
	}
}

func (m *Manager) claimLocked(c *client) {
	c.mu.claim = due
	m.startLocked(c)
}

// makeClaim claims the session of a client if that is due.
func (m *Manager) makeClaim(ctx context.Context, c *client) error {
	c.mu.Lock()
	session, isDue := c.mu.session, c.mu.claim == due
	c.mu.Unlock()
	if !isDue {
		return nil
	}
	said := unclaimed
	if session != nil {
		err := m.cfg.Store.Claim(ctx, session)
		switch {
		case err == nil:
			said = claimed
		case core.IsSessionOver(err) && m.sessionOver(c, session):
			return nil
		case !refused(err):
			return err
		default:
			m.log.Warn("session not claimed", "client", c.id, "session", session.Session().ID.String(), "err", err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.claim == due && c.mu.session == session {
		c.mu.claim = said
	}
	return nil
}

// disown removes znodes of a client that was let go after it had moved: those that were
// covered since it was last heard of here. Its claim would keep them, and others.
func (m *Manager) disown(ctx context.Context, c *client, id core.SessionID) {
	seen := core.Zxid(c.seen.Load())
	moved := make(map[registry.ServiceKey][]string)
	c.mu.Lock()
	isClaimed := c.mu.claim == claimed
	for k, w := range c.mu.wishes.all() {
		for _, h := range w.have {
			if h.covered > seen {
				moved[k] = append(moved[k], h.Path)
			}
		}
	}
	c.mu.Unlock()
	if isClaimed {
		if err := m.cfg.Store.Unclaim(ctx, id); err != nil {
			m.log.Debug("claim not taken back", "client", c.id, "session", id.String(), "err", err)
		}
	}
	for k, paths := range moved {
		if _, err := m.noteWithdrawal(k, paths); err != nil {
			m.log.Warn("instances of a client that has moved are left to its session", "client", c.id, "service", k.String(), "err", err)
		}
	}
}

// doubt notes which znodes of others a client covers with what it asked for, that was
// written up to a zxid: the picture shows what is older when it has come as far.
func (m *Manager) doubt(ctx context.Context, c *client, list []settlement, zxid core.Zxid) {
	if m.cfg.Picture.Zxid() < zxid { // the client has left already
		short, cancel := context.WithTimeout(ctx, retryMax/4)
		_ = m.cfg.Picture.Wait(short, zxid)
		cancel()
	}
	for _, s := range list {
		m.doubtIn(c, s.service, s.wish)
	}
}

func (m *Manager) doubtIn(c *client, k registry.ServiceKey, w *wish) {
	type own struct {
		key   registry.InstanceKey
		czxid core.Zxid
	}
	var room [4]own
	mine := room[:0]
	c.mu.Lock()
	self, former := c.sessionIDLocked(), c.mu.former
	for _, h := range w.have {
		mine = append(mine, own{h.Instance.Key(), h.Czxid})
	}
	c.mu.Unlock()
	var older []*catalog.Entry
	for _, o := range mine {
		for _, e := range m.cfg.Catalog.Older(k, o.key, o.czxid) {
			if e.Owner != 0 && e.Owner != self && e.Owner != former && !slices.Contains(older, e) {
				older = append(older, e)
			}
		}
	}
	if len(older) == 0 {
		return
	}
	if m.hasMoved(c, older) {
		return
	}
	slices.SortFunc(older, func(a, b *catalog.Entry) int {
		return cmp.Or(cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Path, b.Path))
	})
	var made []*doubt // one for each session
	m.mu.Lock()
	for _, e := range older {
		if m.mu.doubted[e.Path] != nil {
			continue
		}
		if len(made) == 0 || made[len(made)-1].owner != e.Owner {
			made = append(made, &doubt{by: c, service: k, owner: e.Owner, kick: make(chan struct{}, 1)})
		}
		d := made[len(made)-1]
		d.paths = append(d.paths, e.Path)
		m.mu.doubted[e.Path] = d
		m.mu.withdrawn[e.Path]++
	}
	m.mu.Unlock()
	m.queue.Lock()
	m.queue.doubts = append(m.queue.doubts, made...)
	m.queue.Unlock()
	m.wakeRun()
}

// hasMoved notes that a client comes from sessions of before, if none of them is of a client
// of this node, and reports whether it has closed its connection since: it may be on its way
// to another node, which then decides what becomes of the znodes of before.
func (m *Manager) hasMoved(c *client, older []*catalog.Entry) (gone bool) {
	if c.beat {
		return false
	}
	m.mu.RLock()
	here := slices.ContainsFunc(older, func(e *catalog.Entry) bool {
		return m.mu.sessions[e.Owner] != nil || m.mu.ended[e.Owner] != nil
	})
	m.mu.RUnlock()
	if here {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settled.Store(time.Now().Add(m.cfg.Settle).UnixNano())
	return c.mu.ending == closing
}

// resolve removes the znodes that are in doubt unless their session is claimed, or ctx
// ends.
func (m *Manager) resolve(ctx context.Context, d *doubt) {
	var zxid core.Zxid
	for pause := retryMin; ; pause = min(2*pause, retryMax) {
		var err error
		if zxid, err = m.decide(ctx, d); err == nil {
			break
		}
		if refused(err) {
			m.log.Warn("instances of a client that has moved are left to its session", "service", d.service.String(), "session", d.owner.String(), "err", err)
			break
		}
		select {
		case <-ctx.Done():
			return
		case <-d.kick:
		case <-time.After(pause):
		}
	}
	_ = m.cfg.Picture.Wait(ctx, zxid) // whoever hears that they go finds here why
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, path := range d.paths {
		delete(m.mu.doubted, path)
		m.shownAgainLocked(path)
	}
}

// decide gives others the time to claim, and acts. The time begins while there is a
// quorum; if there is none when it ends, it is given again.
func (m *Manager) decide(ctx context.Context, d *doubt) (core.Zxid, error) {
	if _, err := m.cfg.Store.Sync(ctx); err != nil {
		return 0, err
	}
	select {
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-time.After(claimTime):
	}
	m.mu.RLock()
	c := m.mu.sessions[d.owner]
	m.mu.RUnlock()
	if c != nil {
		c.mu.Lock()
		here := c.mu.ending == staying
		c.mu.Unlock()
		if here {
			d.by.settled.Store(0)
			return 0, nil
		}
	}
	isClaimed, zxid, err := m.cfg.Store.RemoveUnclaimed(ctx, d.owner, d.paths)
	if isClaimed {
		d.by.settled.Store(0) // it comes from nowhere
		m.log.Debug("two clients have registered the same instance", "service", d.service.String(), "session", d.owner.String())
	}
	return zxid, err
}
