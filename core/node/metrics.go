package node

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the node's own; what the replica counts is exported by core/server.
type metrics struct {
	steps     *stepTimes
	fsync     prometheus.Histogram
	batch     prometheus.Histogram
	snapshots prometheus.Histogram
	snapBytes prometheus.Gauge

	busyNanos, idleNanos atomic.Int64
	syncs                atomic.Int64
	syncNanos            atomic.Int64
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		steps: newStepTimes(),
		fsync: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "zensus_storage_fsync_seconds",
			Help:    "Time to append and sync one batch of records.",
			Buckets: prometheus.ExponentialBuckets(50e-6, 2, 16),
		}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "zensus_storage_batch_records",
			Help:    "Records that one sync made durable.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 14),
		}),
		snapshots: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "zensus_storage_snapshot_seconds",
			Help:    "Time to write a snapshot.",
			Buckets: prometheus.ExponentialBuckets(0.01, 2, 14),
		}),
		snapBytes: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "zensus_storage_snapshot_bytes",
			Help: "Size of the last snapshot.",
		}),
	}
	if reg == nil {
		return m
	}
	reg.MustRegister(m.steps, m.fsync, m.batch, m.snapshots, m.snapBytes,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "zensus_node_loop_busy_ratio",
			Help: "Part of the time since the last scrape that the owner loop was busy.",
		}, m.takeBusyRatio),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "zensus_node_longest_step_seconds",
			Help: "Longest single Step since the start or the last reset.",
		}, func() float64 { return m.steps.longest().Seconds() }),
	)
	return m
}

func (m *metrics) busy(d time.Duration) { m.busyNanos.Add(int64(d)) }
func (m *metrics) idle(d time.Duration) { m.idleNanos.Add(int64(d)) }

// takeBusyRatio is the ratio since the last call.
func (m *metrics) takeBusyRatio() float64 {
	busy, idle := m.busyNanos.Swap(0), m.idleNanos.Swap(0)
	if busy+idle == 0 {
		return 0
	}
	return float64(busy) / float64(busy+idle)
}

func (m *metrics) synced(records int, d time.Duration) {
	m.fsync.Observe(d.Seconds())
	m.batch.Observe(float64(records))
	m.syncs.Add(1)
	m.syncNanos.Add(int64(d))
}

func (m *metrics) snapshot(d time.Duration, bytes int64) {
	m.snapshots.Observe(d.Seconds())
	m.snapBytes.Set(float64(bytes))
}

// LongestStep is the longest single Step since the start or ResetLongestStep.
func (n *Node) LongestStep() time.Duration { return n.metrics.steps.longest() }

// ResetLongestStep begins to measure it anew.
func (n *Node) ResetLongestStep() { n.metrics.steps.resetLongest() }
