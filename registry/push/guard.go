package push

import (
	"sync"
	"time"

	"github.com/zensus-io/zensus/registry"
)

// The rule by which a list is held back: it loses more than a third of its
// instances, and at least lossMin, within lossWindow, and there was trouble of
// our own within troubleWindow. It is then held for holdFor.
const (
	lossMin       = 3
	lossWindow    = 10 * time.Second
	troubleWindow = 30 * time.Second
	holdFor       = 30 * time.Second
)

// Guard decides which lists are held back. Losses that their owners caused by
// withdrawing are not to be told to it. It is safe for concurrent use.
type Guard struct {
	mu struct {
		sync.Mutex
		trouble time.Time
		losses  map[registry.ServiceKey]*loss
	}
}

// loss is what a service has lost in one window.
type loss struct {
	since  time.Time
	before int // instances when the window began
	lost   int
	held   time.Time // since when; zero if not
}

// NewGuard makes a Guard that holds nothing.
func NewGuard() *Guard {
	g := new(Guard)
	g.mu.losses = make(map[registry.ServiceKey]*loss)
	return g
}

// Trouble notes that this server has trouble of its own until then: a new leader,
// a stall, events that were missed.
func (g *Guard) Trouble(until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until.After(g.mu.trouble) {
		g.mu.trouble = until
	}
}

// Lost notes that a service lost n instances that nobody withdrew and has left
// of them now.
func (g *Guard) Lost(k registry.ServiceKey, n, left int, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.mu.losses[k]
	if l == nil || l.held.IsZero() && now.Sub(l.since) > lossWindow {
		l = &loss{since: now, before: left + n}
		g.mu.losses[k] = l
	}
	l.lost += n
	if l.held.IsZero() && l.lost >= lossMin && 3*l.lost > l.before && now.Sub(g.mu.trouble) <= troubleWindow {
		l.held = now
	}
}

// Held reports whether the list of a service, which has left instances now, is
// to be kept back.
func (g *Guard) Held(k registry.ServiceKey, left int, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.mu.losses[k]
	if l == nil || l.held.IsZero() {
		return false
	}
	if now.Sub(l.held) < holdFor && 3*(l.before-left) > l.before {
		return true
	}
	delete(g.mu.losses, k) // they are back, or it is true after all
	return false
}

// Expire forgets losses whose time is over and returns the services that need
// not be held any longer.
func (g *Guard) Expire(now time.Time) (free []registry.ServiceKey) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for k, l := range g.mu.losses {
		switch {
		case !l.held.IsZero() && now.Sub(l.held) >= holdFor:
			free = append(free, k)
			delete(g.mu.losses, k)
		case l.held.IsZero() && now.Sub(l.since) > lossWindow:
			delete(g.mu.losses, k)
		}
	}
	return free
}

// Holding is how many lists are held back.
func (g *Guard) Holding() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for _, l := range g.mu.losses {
		if !l.held.IsZero() {
			n++
		}
	}
	return n
}
