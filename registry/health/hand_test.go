package health

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/registry"
)

// peers are nodes that watch some instances, if they answer.
type peers struct {
	mu      sync.Mutex
	watches map[string][]string // addresses by node
	dead    map[string]bool
	slow    map[string]time.Duration
	calls   map[string]int
	took    map[string]int // beats
}

func (p *peers) Beats(ctx context.Context, node string, beats []Heard) (unknown []Heard, err error) {
	p.mu.Lock()
	p.calls[node]++
	slow, dead := p.slow[node], p.dead[node]
	p.mu.Unlock()
	select {
	case <-time.After(slow):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if dead {
		return nil, errors.New("unreachable")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range beats {
		known := false
		for _, ip := range p.watches[node] {
			known = known || ip == b.Instance.IP
		}
		if known {
			p.took[node]++
		} else {
			unknown = append(unknown, b)
		}
	}
	return unknown, nil
}

func startHander(t *testing.T) (*Hander, *peers) {
	t.Helper()
	p := &peers{watches: map[string][]string{}, dead: map[string]bool{}, slow: map[string]time.Duration{}, calls: map[string]int{}, took: map[string]int{}}
	h := NewHander(p, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = h.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return h, p
}

func heard(ip string) Heard {
	return Heard{shop, registry.InstanceKey{Cluster: "DEFAULT", IP: ip, Port: 80}}
}

func TestBeatsAreHandedOnTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := startHander(t)
		p.watches["1"] = []string{"a", "b"}
		for range 3 {
			require.True(t, h.Add("1", heard("a")))
			require.True(t, h.Add("1", heard("b")))
		}
		time.Sleep(time.Second)
		p.mu.Lock()
		defer p.mu.Unlock()
		require.Equal(t, 1, p.calls["1"])
		require.Equal(t, 2, p.took["1"], "each once")
	})
}

func TestBeatThatNobodyTakesIsNextTimeForTheNodeThatItComesTo(t *testing.T) {
	for name, what := range map[string]func(*peers){
		"the node does not know the instance": func(*peers) {},
		"the node does not answer":            func(p *peers) { p.dead["1"] = true },
		"the node hangs":                      func(p *peers) { p.slow["1"] = time.Hour },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, p := startHander(t)
				what(p)
				require.True(t, h.Add("1", heard("a")))
				time.Sleep(5 * time.Second)
				require.False(t, h.Add("1", heard("a")))
				require.True(t, h.Add("1", heard("a")), "of which the node is asked again")
				time.Sleep(refusedFor + 5*time.Second)
				require.True(t, h.Add("1", heard("a")), "it is not remembered for ever")
			})
		})
	}
}

func TestRefusalOfOneNodeSaysNothingOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := startHander(t)
		p.dead["1"] = true
		p.watches["2"] = []string{"a"}
		require.True(t, h.Add("1", heard("a")))
		time.Sleep(5 * time.Second)
		// Meanwhile another node has taken it over.
		require.True(t, h.Add("2", heard("a")))
		time.Sleep(time.Second)
		p.mu.Lock()
		defer p.mu.Unlock()
		require.Equal(t, 1, p.took["2"])
	})
}

func TestSlowNodeDelaysTheBeatsOfItsOwnOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, p := startHander(t)
		p.watches = map[string][]string{"1": {"a"}, "2": {"b"}}
		p.slow["1"] = 1900 * time.Millisecond
		for range 10 {
			h.Add("1", heard("a"))
			h.Add("2", heard("b"))
			time.Sleep(600 * time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		p.mu.Lock()
		defer p.mu.Unlock()
		require.Equal(t, 10, p.took["2"])
		require.Positive(t, p.took["1"])
		require.Less(t, p.calls["1"], 5, "one call at a time")
	})
}

func TestBeatsThatWaitAreBounded(t *testing.T) {
	h := NewHander(&peers{}, nil)
	for n := range handMax {
		require.True(t, h.Add("1", Heard{shop, registry.InstanceKey{Port: n}}))
	}
	require.False(t, h.Add("1", heard("a")))
	require.True(t, h.Add("2", heard("a")))
}
