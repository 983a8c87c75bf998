package telemetry

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Timers count how often something was done, and how long all of it took, by a key of
// which there must be few values. Observe takes no lock and allocates nothing for keys
// that were seen before. The zero value is ready; it is safe for concurrent use.
type Timers[K comparable] struct {
	cells atomic.Pointer[map[K]*timer] // replaced, not modified
	mu    sync.Mutex                   // held while it is replaced
}

type timer struct{ count, nanos atomic.Int64 }

// Observe counts one.
func (t *Timers[K]) Observe(k K, took time.Duration) {
	var c *timer
	if m := t.cells.Load(); m != nil {
		c = (*m)[k]
	}
	if c == nil {
		c = t.add(k)
	}
	c.count.Add(1)
	c.nanos.Add(int64(took))
}

func (t *Timers[K]) add(k K) *timer {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := map[K]*timer{}
	if m := t.cells.Load(); m != nil {
		if c := (*m)[k]; c != nil {
			return c
		}
		next = maps.Clone(*m)
	}
	c := new(timer)
	next[k] = c
	t.cells.Store(&next)
	return c
}

// Each calls f for each key, in no order.
func (t *Timers[K]) Each(f func(k K, count int64, took time.Duration)) {
	m := t.cells.Load()
	if m == nil {
		return
	}
	for k, c := range *m {
		f(k, c.count.Load(), time.Duration(c.nanos.Load()))
	}
}

// Counter shows the counts of timers, by labels whose values it gets from the key.
func Counter[K comparable](t *Timers[K], name, help string, values func(K) []string, labels ...string) prometheus.Collector {
	return &counter[K]{t, prometheus.NewDesc(name, help, labels, nil), values}
}

type counter[K comparable] struct {
	timers *Timers[K]
	desc   *prometheus.Desc
	values func(K) []string
}

// Describe implements prometheus.Collector.
func (c *counter[K]) Describe(to chan<- *prometheus.Desc) { to <- c.desc }

// Collect implements prometheus.Collector.
func (c *counter[K]) Collect(to chan<- prometheus.Metric) {
	c.timers.Each(func(k K, count int64, _ time.Duration) {
		to <- prometheus.MustNewConstMetric(c.desc, prometheus.CounterValue, float64(count), c.values(k)...)
	})
}
