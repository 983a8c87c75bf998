package lease

import (
	"context"

	"github.com/zensus-io/zensus/core"
)

// newcomer stands for the session of a client that has none yet: its first Multi opens
// one. Nothing else may be asked of it before.
type newcomer struct {
	core.Client // nil until then
	manager     *Manager
	client      *client
}

// Multi opens the session, if that has not been done. The client has it then, whatever
// becomes of ops. If it has none, znodes may have been made all the same for a session
// that nobody knows, where the outcome is unknown: they go with its timeout, and before
// when what is registered next covers them (doubt).
func (n *newcomer) Multi(ctx context.Context, ops ...core.Op) ([]core.OpResult, core.Zxid, error) {
	if n.Client != nil {
		return n.Client.Multi(ctx, ops...)
	}
	m, opt := n.manager, core.SessionOptions{Timeout: n.client.lasts(), ACL: n.manager.cfg.Store.ACL()}
	if m.founding != nil {
		session, results, zxid, err := m.founding.OpenMulti(ctx, opt, ops...)
		if session != nil {
			n.opened(session)
		}
		return results, zxid, err
	}
	session, err := m.cfg.Sessions.Open(ctx, opt)
	if err != nil {
		return nil, 0, err
	}
	n.opened(session)
	return session.Multi(ctx, ops...)
}

func (n *newcomer) opened(session core.Client) {
	n.Client = session
	m, c := n.manager, n.client
	m.mu.Lock()
	m.mu.sessions[session.Session().ID] = c
	m.mu.Unlock()
	c.mu.Lock()
	c.mu.session = session
	c.mu.Unlock()
}
