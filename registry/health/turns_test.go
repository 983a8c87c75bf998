package health

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
	"github.com/zensus-io/zensus/registry/store"
)

// waiting makes targets of services ("namespace/service"), so many of each, that have been
// due since the second of their number.
func waiting(of map[string]int) map[registry.ServiceKey][]*target {
	due := make(map[registry.ServiceKey][]*target)
	for name, n := range of {
		space, service, _ := strings.Cut(name, "/")
		k := registry.NewServiceKey(space, "", service)
		for i := range n {
			due[k] = append(due[k], &target{service: k, instance: registry.Instance{IP: strconv.Itoa(i)}, next: time.Unix(int64(i), 0)})
		}
	}
	return due
}

func names(targets []*target) (list []string) {
	for _, t := range targets {
		list = append(list, fmt.Sprint(t.service.Namespace, "/", t.service.Name, " ", t.instance.IP))
	}
	return list
}

func TestPlacesGoRound(t *testing.T) {
	for range 20 { // in whatever order a map is gone through
		s := newTurns()
		of := map[string]int{"a/x": 9, "a/y": 9, "b/x": 1, "c/x": 9}
		due := waiting(of)
		got := s.next(due, 7)
		require.Equal(t, []string{"a/x 0", "b/x 0", "c/x 0", "a/y 0", "c/x 1", "a/x 1", "c/x 2"}, names(got),
			"namespaces in turn, and in each its services")
		s.end(got[1].service) // b's
		of["b/x"], of["d/x"] = 9, 9
		require.Equal(t, []string{"b/x 0", "d/x 0", "b/x 1", "d/x 1"}, names(s.next(waiting(of), 4)),
			"who has the fewest under way comes first")
		require.Equal(t, []string{"b/x 0", "d/x 0", "a/y 0", "c/x 0"}, names(s.next(waiting(of), 4)), "until all have as many")
	}
}

func TestWhoWaitsLongestIsNextOfThoseThatHoldNothing(t *testing.T) {
	s := newTurns()
	of := map[string]int{"a/x": 9, "b/x": 9, "c/x": 9}
	var got []string
	for i := range 8 { // one place, which is free again each time
		if i == 2 {
			of["aa/x"] = 9 // comes to wait, behind c
		}
		one := s.next(waiting(of), 1)
		s.end(one[0].service)
		got = append(got, one[0].service.Namespace)
	}
	require.Equal(t, []string{"a", "b", "c", "a", "aa", "b", "c", "a"}, got)
}

func TestTurnsForgetWhoNeitherWaitsNorHoldsAPlace(t *testing.T) {
	s := newTurns()
	all := s.next(waiting(map[string]int{"a/x": 2, "a/y": 1, "b/x": 1}), 9)
	require.Len(t, all, 4)
	require.Empty(t, s.next(nil, 9))
	require.Len(t, s.holders, 5)
	for _, one := range all {
		s.end(one.service)
	}
	require.Empty(t, s.next(waiting(map[string]int{"c/x": 0}), 9))
	require.Empty(t, s.holders)
}

func TestQueueKeepsTheOldest(t *testing.T) {
	k := registry.NewServiceKey("a", "", "x")
	all := waiting(map[string]int{"a/x": 200})[k]
	for _, limit := range []int{0, 1, 7, 200, 300} {
		var q []*target
		for _, i := range rand.Perm(len(all)) {
			q = queue(q, all[i], limit)
		}
		require.Equal(t, names(all[:min(limit, len(all))]), names(q))
	}
}

// tenants is a catalog of persistent services, whose instances are checked as slowly as
// each says.
type tenants struct {
	instances map[registry.ServiceKey][]*catalog.Entry
	mu        sync.Mutex
	asked     map[string][]time.Time
}

func (p *tenants) Service(k registry.ServiceKey) (registry.Service, int32, bool) {
	return registry.Service{Key: k}, 0, true
}

func (p *tenants) All(k registry.ServiceKey) []*catalog.Entry { return p.instances[k] }

func (p *tenants) probe(ctx context.Context, i *registry.Instance, _ *registry.Cluster) Result {
	p.mu.Lock()
	p.asked[i.IP] = append(p.asked[i.IP], time.Now())
	p.mu.Unlock()
	if strings.HasPrefix(i.IP, "slow") {
		select {
		case <-time.After(answerTimeout):
		case <-ctx.Done():
		}
		return Down
	}
	return Up
}

func (p *tenants) add(k registry.ServiceKey, name string, n int, healthy bool) {
	for j := range n {
		i := registry.Instance{IP: name + strconv.Itoa(j), Port: 80, Cluster: "DEFAULT", Healthy: healthy}
		p.instances[k] = append(p.instances[k], &catalog.Entry{Record: store.Record{Instance: i}})
	}
}

// longest is the longest time between two checks of the instances whose names begin so, or
// from the start or to the end of what was seen.
func (p *tenants) longest(name string, start time.Time) (longest time.Duration) {
	for k, times := range p.asked {
		if strings.HasPrefix(k, name) {
			last := start
			for _, at := range append(times, time.Now()) {
				longest = max(longest, at.Sub(last))
				last = at
			}
		}
	}
	return longest
}

// Thousands of instances of one namespace, or of one service, that never answer held all
// places, and the others' came to be checked by chance, after a minute.
func TestInstancesThatNeverAnswerDelayTheirOwn(t *testing.T) {
	for name, ks := range map[string][2]registry.ServiceKey{
		"of another namespace":                     {registry.NewServiceKey("a", "", "x"), registry.NewServiceKey("b", "", "x")},
		"of another service of the same namespace": {registry.NewServiceKey("a", "", "x"), registry.NewServiceKey("a", "", "y")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &tenants{instances: make(map[registry.ServiceKey][]*catalog.Entry), asked: make(map[string][]time.Time)}
				p.add(ks[0], "slow", 3000, false)
				p.add(ks[1], "quick", 100, true)
				c := NewChecks(ChecksConfig{Source: p, Probe: p.probe, Flip: func(context.Context, registry.ServiceKey, registry.InstanceKey, bool) error { return nil }})
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() { defer close(done); _ = c.Run(ctx) }()
				c.Changed([]registry.ServiceKey{ks[0], ks[1]})
				start := time.Now()
				time.Sleep(3 * time.Minute)
				cancel()
				<-done
				require.Equal(t, 3100, len(p.asked), "slow ones have their turns too")
				require.Less(t, p.longest("quick", start), 12*time.Second)
			})
		})
	}
}
