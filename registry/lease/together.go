package lease

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/registry/store"
)

// settleAtOnce is how many wishes of a client are dealt with at the same time.
const settleAtOnce = 32

// settlement is what there is to do for a wish, at the version that it has then.
type settlement struct {
	dirty
	version   uint64
	requested bool
	drop      []string
	add       []*store.Record
	zxid      core.Zxid // at which it was written, 0 if there was nothing to write
}

// settleAll deals with wishes of different services: in one transaction with those that
// need nothing else, and at the same time with the others. An error means: not yet, try
// again.
func (m *Manager) settleAll(ctx context.Context, c *client, list []dirty) error {
	if len(list) == 1 { // the usual case
		return m.settleOne(ctx, c, list[0], true)
	}
	ready, others := m.ready(c, list)
	errs := make([]error, 2)
	var all sync.WaitGroup
	if len(others) > 0 {
		all.Go(func() { errs[0] = m.settleEach(ctx, c, others) })
	}
	errs[1] = m.settleTogether(ctx, c, ready)
	all.Wait()
	m.putBack(c, ready)
	return errors.Join(errs...)
}

// settleEach deals with each of some wishes in a transaction of its own.
func (m *Manager) settleEach(ctx context.Context, c *client, list []dirty) error {
	errs := make([]error, len(list))
	var all sync.WaitGroup
	for i, d := range list {
		all.Go(func() { errs[i] = m.settleOne(ctx, c, d, false) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// ready parts the wishes of which it is known what the client's session has in their
// service, and that the service is there, from others.
func (m *Manager) ready(c *client, list []dirty) (ready, others []dirty) {
	sure := make([]bool, len(list))
	c.mu.Lock()
	for i, d := range list {
		sure[i] = c.mu.session != nil && d.wish.sure
	}
	c.mu.Unlock()
	for i, d := range list {
		if svc, _, ok := m.cfg.Catalog.Service(d.service); sure[i] && ok && svc.Ephemeral {
			ready = append(ready, d)
		} else {
			others = append(others, d)
		}
	}
	return ready, others
}

// settleTogether deals with wishes in as few transactions as hold them. Those of one that
// is refused are settled each by itself: what is refused of one costs the others nothing.
func (m *Manager) settleTogether(ctx context.Context, c *client, list []dirty) error {
	session, same, differ := m.difference(c, list)
	if session == nil {
		return nil // it has just ended: a new one will be opened
	}
	if err := m.agreed(ctx, c, same); err != nil {
		m.unsure(c, differ)
		return err
	}
	for len(differ) > 0 {
		replacements := make([]store.Replacement, len(differ))
		for i := range differ {
			replacements[i] = store.Replacement{Service: differ[i].service, Drop: differ[i].drop, Add: differ[i].add}
		}
		tried, made, zxid, err := m.cfg.Store.ReplaceTogether(ctx, session, replacements)
		some := differ[:tried]
		differ = differ[tried:]
		if err == nil {
			err = m.wrote(c, session, some, made, zxid)
		}
		if err == nil {
			m.troubled.Store(0)
			if err := m.agreed(ctx, c, some); err != nil {
				m.unsure(c, differ)
				return err
			}
			continue
		}
		if core.IsSessionOver(err) && m.sessionOver(c, session) {
			return nil // at once again, in a new one
		}
		m.unsure(c, some)
		if refused(err) || errors.Is(err, core.NoNode) {
			err = m.settleEach(ctx, c, dirtyOf(some))
		} else {
			m.notYet(ctx, c, some, err)
		}
		if err != nil {
			m.unsure(c, differ)
			return err
		}
	}
	return nil
}

func dirtyOf(list []settlement) []dirty {
	all := make([]dirty, len(list))
	for i := range list {
		all[i] = list[i].dirty
	}
	return all
}

// difference compares wishes with what the client's session has. The session is nil if the
// client has none.
func (m *Manager) difference(c *client, list []dirty) (session core.Client, same, differ []settlement) {
	all := make([]settlement, len(list))
	c.mu.Lock()
	session = c.mu.session
	for i, d := range list {
		all[i] = settlement{dirty: d, version: d.wish.version, requested: d.wish.requested}
	}
	c.mu.Unlock()
	if session == nil {
		return nil, nil, nil
	}
	for i := range all {
		s := &all[i]
		if s.drop, s.add = m.compare(c, session.Session().ID, s.service, s.wish); len(s.drop)+len(s.add) > 0 {
			differ = append(differ, *s)
		} else {
			same = append(same, *s)
		}
	}
	return session, same, differ
}

// wrote notes what has been written for wishes, made being the znodes that it added, in
// their order.
func (m *Manager) wrote(c *client, session core.Client, list []settlement, made []store.Created, zxid core.Zxid) error {
	owner := session.Session().ID
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.session != session {
		return errSessionChanged
	}
	for i := range list {
		s := &list[i]
		s.zxid = zxid
		s.wish.wroteLocked(owner, s.drop, s.add, made[:len(s.add)])
		made = made[len(s.add):]
	}
	return nil
}

// unsure has it looked up what the client's session has in the services of wishes.
func (m *Manager) unsure(c *client, list []settlement) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range list {
		list[i].wish.dropping, list[i].wish.sure = nil, false
	}
}

// notYet notes that wishes could not be written.
func (m *Manager) notYet(ctx context.Context, c *client, list []settlement, err error) {
	if ctx.Err() == nil && !errors.Is(err, core.NoNode) && !errors.Is(err, errSessionChanged) {
		m.troubled.Store(time.Now().UnixNano())
	}
	for i := range list {
		m.overlay(c, list[i].service, list[i].wish)
		m.log.Debug("registration not written yet", "client", c.id, "service", list[i].service.String(), "err", err)
	}
}

// putBack has wishes dealt with again with which the tree does not agree yet.
func (m *Manager) putBack(c *client, list []dirty) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range list {
		if w := d.wish; w.agreed < w.version && c.mu.wishes.in(d.service) == w {
			c.queueLocked(d.service, w)
		}
	}
}
