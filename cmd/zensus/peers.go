package main

import (
	"context"
	"sync"

	"github.com/zensus-io/zensus/internal/cluster"
	"github.com/zensus-io/zensus/registry/health"
	"github.com/zensus-io/zensus/registry/naming"
)

// peers are the other servers, as the registry needs them.
type peers struct {
	cluster *cluster.Cluster
	mu      struct {
		sync.Mutex
		changed chan struct{}
	}
}

// newPeers makes peers before the cluster runs.
func newPeers(c *cluster.Cluster) *peers {
	p := &peers{cluster: c}
	p.mu.changed = make(chan struct{})
	c.OnChange(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		close(p.mu.changed)
		p.mu.changed = make(chan struct{})
	})
	return p
}

// Live are the ids of the living servers: none before they are known, which changes at the
// latest when this one's own znode is there.
func (p *peers) Live() ([]string, <-chan struct{}) {
	p.mu.Lock()
	changed := p.mu.changed
	p.mu.Unlock()
	select {
	case <-p.cluster.Ready():
		return p.cluster.Live(), changed
	default:
		return nil, changed
	}
}

// beatsCall is the name of the calls by which heartbeats are handed on.
const beatsCall = "naming/beats"

// beats are heartbeats, or those of them that were for nobody.
type beats struct {
	Beats []health.Heard `json:"beats"`
}

// Beats hands heartbeats on.
func (p *peers) Beats(ctx context.Context, node string, heard []health.Heard) ([]health.Heard, error) {
	out, err := cluster.Call[beats, beats](ctx, p.cluster, node, beatsCall, &beats{heard})
	if err != nil {
		return nil, err
	}
	return out.Beats, nil
}

// takeBeats has the registry take those that other servers hand on.
func takeBeats(c *cluster.Cluster, s *naming.Service) {
	cluster.Handle(c, beatsCall, func(_ context.Context, _ string, in *beats) (*beats, error) {
		return &beats{s.TakeBeats(in.Beats)}, nil
	})
}
