package peer

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"time"

	"github.com/zensus-io/zensus/core"
)

// partTime is how long the link of one that is no peer any more stays: what was sent
// last, which tells it so, still arrives.
const partTime = 5 * time.Second

// dialer reaches for one peer, or knocks at it, until it is cancelled.
type dialer struct {
	addrs   []string
	cancel  context.CancelFunc
	knocked chan struct{} // of capacity 1: it is there, and waits
}

// SetPeers says who is linked from now on, in place of Config.Peers. A link with one
// that stays is left alone unless its addresses are others; with one that goes it ends a
// few seconds later. It never waits.
func (t *Transport) SetPeers(peers map[core.PeerID][]string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.peers = maps.Clone(peers)
	t.dialLocked()
	for p := range t.mu.links {
		if _, stays := peers[p]; !stays {
			time.AfterFunc(partTime, func() { t.partFrom(p) })
		}
	}
}

// partFrom ends the link of one that is no peer, if it still is none.
func (t *Transport) partFrom(p core.PeerID) {
	t.mu.Lock()
	l := t.mu.links[p]
	if _, back := t.mu.peers[p]; back {
		l = nil
	}
	t.mu.Unlock()
	if l != nil {
		l.close()
	}
}

// addressesOf are those of a peer.
func (t *Transport) addressesOf(p core.PeerID) ([]string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	addrs, known := t.mu.peers[p]
	return addrs, known
}

// dialLocked begins to reach for the peers with lower ids that nobody reaches for, stops
// to reach for those that are none, and knocks at those with higher ids that are new.
// Before Run and after it it does nothing.
func (t *Transport) dialLocked() {
	if t.mu.run == nil || t.mu.ended {
		return
	}
	for p, d := range t.mu.dialers {
		if addrs, stays := t.mu.peers[p]; !stays || !slices.Equal(addrs, d.addrs) {
			d.cancel()
			delete(t.mu.dialers, p)
		}
	}
	for p, addrs := range t.mu.peers {
		if _, dialed := t.mu.dialers[p]; dialed || p == t.cfg.Self {
			continue
		}
		ctx, cancel := context.WithCancel(t.mu.run)
		d := &dialer{addrs: addrs, cancel: cancel, knocked: make(chan struct{}, 1)}
		t.mu.dialers[p] = d
		if p < t.cfg.Self {
			t.wg.Go(func() { t.dial(ctx, p, d) })
		} else {
			t.wg.Go(func() { t.knock(ctx, p, addrs) })
		}
	}
}

// knockEvery is how often one knocks at a peer with a higher id that does not come.
const knockEvery = time.Second

// knock tells a peer with a higher id that this server is there, once: it may be in the
// pause between two attempts to reach it. One that has a claim knocks again while there is
// no link: who is on his own dials nobody.
func (t *Transport) knock(ctx context.Context, p core.PeerID, addrs []string) {
	ticker := time.NewTicker(knockEvery)
	defer ticker.Stop()
	for alone := 0; ; {
		if t.linkedWith(p) {
			alone = 0
		} else if err := t.knockOnce(ctx, p, addrs); errors.Is(err, errAlone) && ctx.Err() == nil {
			alone++
			t.log.Log(howLoud(alone, err), "no link", "peer", int(p), "err", err)
		}
		if t.cfg.Claim == nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// knockOnce knocks at the first address at which somebody is. The handshake is that of a
// link, which this does not become.
func (t *Transport) knockOnce(ctx context.Context, p core.PeerID, addrs []string) (err error) {
	for _, addr := range addrs {
		d := net.Dialer{Timeout: dialTime}
		var raw net.Conn
		if raw, err = d.DialContext(ctx, "tcp", addr); err == nil {
			_, _, err = t.introduce(ctx, p, raw, addr)
			_ = raw.Close()
		}
		if err == nil || errors.Is(err, errAlone) {
			return err
		}
		t.log.Debug("knocked in vain", "peer", int(p), "addr", addr, "err", err)
	}
	return err
}

func (t *Transport) linkedWith(p core.PeerID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.links[p] != nil
}

// knocked has a peer that has knocked reached for at once.
func (t *Transport) knocked(p core.PeerID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d := t.mu.dialers[p]; d != nil {
		select {
		case d.knocked <- struct{}{}:
		default:
		}
	}
}
