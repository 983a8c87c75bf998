package health

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/zensus-io/zensus/registry"
)

const (
	// handEvery is how long heartbeats are gathered for the node that watches their
	// instances: long enough for few calls, short beside any timeout.
	handEvery = 500 * time.Millisecond
	// handTime bounds one call, and callMax the heartbeats in it.
	handTime = 2 * time.Second
	callMax  = 10_000
	// handMax bounds the heartbeats that wait for one node, and those of which it is
	// remembered that nobody took them. One more is for the node that it came to.
	handMax = 100_000
	// refusedFor is how long that is remembered: longer than clients pause between two.
	refusedFor = time.Minute
)

// Heard is a heartbeat that came to another node than the one that watches its instance.
type Heard struct {
	Service  registry.ServiceKey  `json:"service"`
	Instance registry.InstanceKey `json:"instance"`
}

// Peers carry heartbeats to other nodes.
type Peers interface {
	// Beats hands heartbeats on to a node. It returns those whose instances that node does
	// not watch.
	Beats(ctx context.Context, node string, beats []Heard) (unknown []Heard, err error)
}

// refusal is that a node did not take a heartbeat.
type refusal struct {
	node string
	at   time.Time
}

// Hander hands heartbeats on, so that an instance stays with its node whichever node a
// load balancer picks for each beat. A node that does not take a beat is not asked again
// for the next one of that instance, which is then for the node that it comes to. That
// says nothing of another node, which may have taken the instance over since. It is safe
// for concurrent use.
type Hander struct {
	peers Peers
	log   hclog.Logger

	mu struct {
		sync.Mutex
		waiting map[string]map[Heard]struct{} // by node
		refused map[Heard]refusal
	}
}

// NewHander makes a Hander; Run makes it hand on.
func NewHander(peers Peers, log hclog.Logger) *Hander {
	if log == nil {
		log = hclog.NewNullLogger()
	}
	h := &Hander{peers: peers, log: log}
	h.mu.waiting = make(map[string]map[Heard]struct{})
	h.mu.refused = make(map[Heard]refusal)
	return h
}

// Add has a heartbeat handed on to a node. It reports whether that will be done; if not,
// the beat is for this node. It never blocks.
func (h *Hander) Add(node string, b Heard) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r, ok := h.mu.refused[b]; ok {
		delete(h.mu.refused, b)
		if r.node == node && time.Since(r.at) < refusedFor {
			return false
		}
	}
	beats := h.mu.waiting[node]
	if len(beats) >= handMax {
		return false
	}
	if beats == nil {
		beats = make(map[Heard]struct{})
		h.mu.waiting[node] = beats
	}
	beats[b] = struct{}{}
	return true
}

// Run hands on until ctx ends. A node that is slow to answer delays its own beats only.
func (h *Hander) Run(ctx context.Context) error {
	var calls sync.WaitGroup
	defer calls.Wait()
	under := make(map[string]bool) // nodes that are being called
	done := make(chan string)
	tick := time.NewTicker(handEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case node := <-done:
			delete(under, node)
		case now := <-tick.C:
			for node, beats := range h.take(under, now) {
				under[node] = true
				calls.Go(func() {
					h.hand(ctx, node, beats)
					select {
					case done <- node:
					case <-ctx.Done():
					}
				})
			}
		}
	}
}

// take is what waits for nodes that are not being called.
func (h *Hander) take(under map[string]bool, now time.Time) map[string][]Heard {
	h.mu.Lock()
	defer h.mu.Unlock()
	taken := make(map[string][]Heard)
	for node, waiting := range h.mu.waiting {
		if under[node] {
			continue
		}
		beats := make([]Heard, 0, len(waiting))
		for b := range waiting {
			beats = append(beats, b)
		}
		taken[node] = beats
		delete(h.mu.waiting, node)
	}
	for b, r := range h.mu.refused {
		if now.Sub(r.at) >= refusedFor {
			delete(h.mu.refused, b)
		}
	}
	return taken
}

func (h *Hander) hand(ctx context.Context, node string, beats []Heard) {
	for some := range slices.Chunk(beats, callMax) {
		call, cancel := context.WithTimeout(ctx, handTime)
		unknown, err := h.peers.Beats(call, node, some)
		cancel()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			h.log.Debug("heartbeats not handed on", "peer", node, "beats", len(some), "err", err)
			unknown = some
		}
		h.refuse(node, unknown)
	}
}

// refuse remembers heartbeats that a node did not take.
func (h *Hander) refuse(node string, beats []Heard) {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range beats {
		if len(h.mu.refused) >= handMax {
			return
		}
		h.mu.refused[b] = refusal{node, now}
	}
}
