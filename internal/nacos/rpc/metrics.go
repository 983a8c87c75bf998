package rpc

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	connections prometheus.Gauge
	closed      *prometheus.CounterVec
	refused     prometheus.Counter
	requests    *prometheus.CounterVec
	seconds     *prometheus.HistogramVec
	pushes      *prometheus.CounterVec
	ackSeconds  prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		connections: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "zensus_rpc_connections", Help: "Nacos gRPC connections that are set up.",
		}),
		closed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zensus_rpc_closed_total", Help: "Nacos gRPC connections that ended, by reason.",
		}, []string{"reason"}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "zensus_rpc_refused_total", Help: "TCP connections refused because of a limit.",
		}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zensus_rpc_requests_total", Help: "Nacos gRPC requests by type and error code.",
		}, []string{"type", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "zensus_rpc_request_seconds", Help: "Time to answer a Nacos gRPC request.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9),
		}, []string{"type"}),
		pushes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zensus_rpc_pushes_total", Help: "Pushes to Nacos clients by type and result.",
		}, []string{"type", "result"}),
		ackSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "zensus_rpc_push_ack_seconds", Help: "Time from a push to its acknowledgement.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 8),
		}),
	}
	for _, c := range []prometheus.Collector{m.connections, m.closed, m.refused, m.requests, m.seconds, m.pushes, m.ackSeconds} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) answered(name string, code int, took time.Duration) {
	m.requests.WithLabelValues(name, strconv.Itoa(code)).Inc()
	m.seconds.WithLabelValues(name).Observe(took.Seconds())
}

func (m *metrics) pushed(name string, err error, took time.Duration) {
	result := "acknowledged"
	var refused *AckError
	switch {
	case err == nil:
		m.ackSeconds.Observe(took.Seconds())
	case errors.Is(err, ErrClosed):
		result = "closed"
	case errors.Is(err, ErrBacklog):
		result = "backlog"
	case errors.Is(err, ErrNoAck):
		result = "no_ack"
	case errors.As(err, &refused):
		result = "refused"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		result = "given_up"
	default:
		result = "other"
	}
	m.pushes.WithLabelValues(name, result).Inc()
}
