package naming

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	pushes  *prometheus.CounterVec
	latency prometheus.Histogram

	mu struct {
		sync.Mutex
		Pushes
	}
}

// Pushes says how pushes of lists went on this node since they were last counted anew.
type Pushes struct {
	Acknowledged, Failed int64
	// Took is the time from a change to its acknowledgement of all that were acknowledged
	// together, Longest of the slowest.
	Took, Longest time.Duration
}

func newMetrics(to prometheus.Registerer, s *Service) (*metrics, error) {
	if to == nil {
		to = prometheus.NewRegistry()
	}
	m := &metrics{
		pushes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zensus_naming_pushes_total", Help: "Lists pushed to subscribers, by result.",
		}, []string{"result"}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "zensus_naming_push_seconds", Help: "From a change on this node to the acknowledgement of its push.",
			Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5},
		}),
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	for _, c := range []prometheus.Collector{
		m.pushes, m.latency,
		gauge("zensus_naming_services", "Services in the registry.", func() float64 { return float64(s.Totals().Services) }),
		gauge("zensus_naming_instances", "Instances in the registry.", func() float64 { return float64(s.Totals().Instances) }),
		gauge("zensus_naming_clients", "Clients with registrations on this node.", func() float64 { return float64(s.leases.Clients()) }),
		gauge("zensus_naming_beats", "Instances that heartbeats at this node keep alive.", func() float64 { return float64(s.beats.Watched()) }),
		gauge("zensus_naming_checks", "Persistent instances that this node checks.", func() float64 { return float64(s.checks.Checked()) }),
		gauge("zensus_naming_subscriptions", "Subscriptions on this node.", func() float64 { return float64(s.hub.Total()) }),
		gauge("zensus_naming_lists_held", "Lists held back because they shrank while this node had trouble.", func() float64 { return float64(s.guard.Holding()) }),
		gauge("zensus_naming_undecodable_znodes", "Znodes of the registry whose value cannot be read.", func() float64 { return float64(s.catalog.Undecodable()) }),
		gauge("zensus_naming_stale", "1 while answers may differ from the tree.", func() float64 {
			if s.Stale() {
				return 1
			}
			return 0
		}),
	} {
		if err := to.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) pushed(err error, took time.Duration) {
	m.mu.Lock()
	if err != nil {
		m.mu.Failed++
	} else {
		m.mu.Acknowledged++
		m.mu.Took += took
		m.mu.Longest = max(m.mu.Longest, took)
	}
	m.mu.Unlock()
	if err != nil {
		m.pushes.WithLabelValues("failed").Inc()
		return
	}
	m.pushes.WithLabelValues("acknowledged").Inc()
	m.latency.Observe(took.Seconds())
}

// Pushes says how pushes went. With anew they are counted anew from now on; the metrics
// go on all the same.
func (s *Service) Pushes(anew bool) Pushes {
	s.metrics.mu.Lock()
	defer s.metrics.mu.Unlock()
	p := s.metrics.mu.Pushes
	if anew {
		s.metrics.mu.Pushes = Pushes{}
	}
	return p
}
