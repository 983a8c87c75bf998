package node

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// stepTimes is the histogram of the time that Steps take. A Step may take less
// than an observation of a shared histogram would: the loop counts by itself and
// makes its counts known once a turn.
type stepTimes struct {
	desc *prometheus.Desc

	turn stepCounts // owned by the loop

	mu struct {
		sync.Mutex
		total stepCounts
	}
}

// stepBuckets is how many bounds there are, from a microsecond on, each four
// times the one before.
const stepBuckets = 10

type stepCounts struct {
	in      [stepBuckets + 1]uint64 // the last is above all bounds
	count   uint64
	sum     time.Duration
	longest time.Duration
}

func newStepTimes() *stepTimes {
	return &stepTimes{desc: prometheus.NewDesc("zensus_node_step_seconds", "Time that one Step of the replica took.", nil, nil)}
}

// took counts one Step.
func (s *stepTimes) took(d time.Duration) {
	i := 0
	for bound := time.Microsecond; i < stepBuckets && d > bound; bound *= 4 {
		i++
	}
	s.turn.in[i]++
	s.turn.count++
	s.turn.sum += d
	s.turn.longest = max(s.turn.longest, d)
}

// flush makes known what was counted since the last flush.
func (s *stepTimes) flush() {
	if s.turn.count == 0 {
		return
	}
	s.mu.Lock()
	t := &s.mu.total
	for i, n := range s.turn.in {
		t.in[i] += n
	}
	t.count += s.turn.count
	t.sum += s.turn.sum
	t.longest = max(t.longest, s.turn.longest)
	s.mu.Unlock()
	s.turn = stepCounts{}
}

func (s *stepTimes) longest() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.total.longest
}

func (s *stepTimes) resetLongest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.total.longest = 0
}

// Describe implements prometheus.Collector.
func (s *stepTimes) Describe(ch chan<- *prometheus.Desc) { ch <- s.desc }

// Collect implements prometheus.Collector.
func (s *stepTimes) Collect(ch chan<- prometheus.Metric) {
	s.mu.Lock()
	t := s.mu.total
	s.mu.Unlock()
	below := make(map[float64]uint64, stepBuckets)
	sum := uint64(0)
	for i, bound := range prometheus.ExponentialBuckets(1e-6, 4, stepBuckets) {
		sum += t.in[i]
		below[bound] = sum
	}
	ch <- prometheus.MustNewConstHistogram(s.desc, t.count, t.sum.Seconds(), below)
}
