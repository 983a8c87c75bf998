package rest

import (
	"errors"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/zensus-io/zensus/internal/telemetry"
)

// Answered is a kind of answer: to what, and with which status. Route is the pattern
// that matched, "none" where none did.
type Answered struct {
	Method, Route string
	Status        int
}

type metrics struct {
	requests *telemetry.Timers[Answered]
	seconds  *telemetry.Histograms
}

func newMetrics(r prometheus.Registerer, requests *telemetry.Timers[Answered]) (*metrics, error) {
	m := &metrics{
		requests: requests,
		seconds: telemetry.NewHistograms(prometheus.HistogramOpts{
			Name: "zensus_http_request_seconds", Help: "Time to answer an HTTP request; long polls include their wait.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9),
		}, "route"),
	}
	total := telemetry.Counter(requests, "zensus_http_requests_total", "HTTP requests by method, route and status.",
		func(k Answered) []string { return []string{k.Method, k.Route, strconv.Itoa(k.Status)} }, "method", "route", "status")
	return m, errors.Join(r.Register(total), r.Register(m.seconds))
}
