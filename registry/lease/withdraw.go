package lease

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
)

// withdrawal is the wish that znodes of a service be gone that no client of this node
// has: somebody deregistered an instance here that had been registered elsewhere.
type withdrawal struct {
	id      string // names its overlay
	service registry.ServiceKey
	paths   []string
	kick    chan struct{}
	done    chan result // of the first attempt that told; capacity 1

	mu struct {
		sync.Mutex // held while the catalog takes the overlay in
		over       bool
	}
}

func (w *withdrawal) wakeUp() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// Withdraw removes znodes of a service that are not those of a client here. Znodes that
// are created for the same instances later are not touched. As with Set, pending says
// that there was no quorum to do it in time: this node does not show them all the same,
// and they go when there is one. It returns ErrLimit, or what the engine refuses for
// good.
func (m *Manager) Withdraw(ctx context.Context, k registry.ServiceKey, paths []string) (zxid core.Zxid, pending bool, err error) {
	w, err := m.noteWithdrawal(k, paths)
	if err != nil {
		return 0, false, err
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case r := <-w.done:
		return r.zxid, r.pending, r.err
	case <-late.C:
	case <-ctx.Done():
	}
	return 0, true, nil
}

// noteWithdrawal has a worker remove znodes.
func (m *Manager) noteWithdrawal(k registry.ServiceKey, paths []string) (*withdrawal, error) {
	w := &withdrawal{service: k, paths: paths, kick: make(chan struct{}, 1), done: make(chan result, 1)}
	w.id = "withdrawn/" + strconv.FormatUint(m.serial.Add(1), 10)
	m.mu.Lock()
	if len(m.mu.withdrawals) >= m.cfg.Limits.Clients {
		m.mu.Unlock()
		return nil, registry.Errorf(registry.ErrLimit, "instances: this node has %d to withdraw already.", m.cfg.Limits.Clients)
	}
	m.mu.withdrawals[w.id] = w
	for _, path := range paths {
		m.mu.withdrawn[path]++
	}
	m.mu.Unlock()
	m.queue.Lock()
	m.queue.withdrawals = append(m.queue.withdrawals, w)
	m.queue.Unlock()
	m.wakeRun()
	return w, nil
}

// shownAgainLocked takes a znode off the withdrawals that it is in by one.
func (m *Manager) shownAgainLocked(path string) {
	if m.mu.withdrawn[path]--; m.mu.withdrawn[path] == 0 {
		delete(m.mu.withdrawn, path)
	}
}

// withdraw works until the znodes are gone from tree and picture, or ctx ends.
func (m *Manager) withdraw(ctx context.Context, w *withdrawal) {
	slow := time.AfterFunc(overlayAfter, func() { m.withhold(w) })
	zxid, err := m.remove(ctx, w)
	for pause := retryMin; err != nil && !refused(err); zxid, err = m.remove(ctx, w) {
		m.withhold(w)
		w.tell(result{pending: true})
		select {
		case <-ctx.Done():
			slow.Stop()
			return
		case <-w.kick:
		case <-time.After(pause):
		}
		pause = min(2*pause, retryMax)
	}
	slow.Stop()
	w.tell(result{zxid: zxid, err: err})
	if err == nil { // the picture must show it before the overlay goes
		_ = m.cfg.Picture.Wait(ctx, zxid)
	}
	m.mu.Lock()
	delete(m.mu.withdrawals, w.id)
	for _, path := range w.paths {
		m.shownAgainLocked(path)
	}
	m.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.over = true
	m.cfg.Catalog.ClearOverlay(w.service, w.id)
}

func (w *withdrawal) tell(r result) {
	select {
	case w.done <- r:
	default: // it has been told
	}
}

// withhold keeps this node from showing what is to be gone.
func (m *Manager) withhold(w *withdrawal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.mu.over {
		m.cfg.Catalog.SetOverlay(w.service, w.id, catalog.Overlay{Without: w.paths})
	}
}

// remove deletes the znodes one by one: some may be gone, with their sessions.
func (m *Manager) remove(ctx context.Context, w *withdrawal) (last core.Zxid, err error) {
	for _, path := range w.paths {
		_, zxid, err := m.cfg.Store.ReplaceOwn(ctx, w.service, []string{path}, nil)
		if err != nil && !errors.Is(err, core.NoNode) {
			return 0, err
		}
		last = max(last, zxid)
	}
	return last, nil
}
