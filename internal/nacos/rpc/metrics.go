package rpc

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/zensus-io/zensus/internal/telemetry"
)

// Answered is a kind of answer to a request: of which type, and the error code, 0 for
// none. The type is "other" where it is unknown.
type Answered struct {
	Type string
	Code int
}

// Pushed is a kind of push: of which type, and what became of it.
type Pushed struct{ Type, Result string }

// Acknowledged is the Result of a push that its client has confirmed. Only of these it
// is known how long they took.
const Acknowledged = "acknowledged"

// Requests counts the requests since the start.
func (s *Server) Requests() *telemetry.Timers[Answered] { return &s.metrics.requests }

// Pushes counts the pushes since the start.
func (s *Server) Pushes() *telemetry.Timers[Pushed] { return &s.metrics.pushes }

type metrics struct {
	connections prometheus.Gauge
	closed      *prometheus.CounterVec
	refused     prometheus.Counter
	stalled     prometheus.Counter
	requests    telemetry.Timers[Answered]
	seconds     *telemetry.Histograms
	pushes      telemetry.Timers[Pushed]
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
		stalled: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "zensus_rpc_stalled_total", Help: "TCP connections cut because messages that had not come to their end took too much memory.",
		}),
		seconds: telemetry.NewHistograms(prometheus.HistogramOpts{
			Name: "zensus_rpc_request_seconds", Help: "Time to answer a Nacos gRPC request.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9),
		}, "type"),
		ackSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "zensus_rpc_push_ack_seconds", Help: "Time from a push to its acknowledgement.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 8),
		}),
	}
	for _, c := range []prometheus.Collector{
		m.connections, m.closed, m.refused, m.stalled, m.seconds, m.ackSeconds,
		telemetry.Counter(&m.requests, "zensus_rpc_requests_total", "Nacos gRPC requests by type and error code.",
			func(k Answered) []string { return []string{k.Type, strconv.Itoa(k.Code)} }, "type", "code"),
		telemetry.Counter(&m.pushes, "zensus_rpc_pushes_total", "Pushes to Nacos clients by type and result.",
			func(k Pushed) []string { return []string{k.Type, k.Result} }, "type", "result"),
	} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) answered(name string, code int, took time.Duration) {
	m.requests.Observe(Answered{name, code}, took)
	m.seconds.Of(name).Observe(took.Seconds())
}

func (m *metrics) pushed(name string, err error, took time.Duration) {
	result := Acknowledged
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
	m.pushes.Observe(Pushed{name, result}, took)
}
