package auth

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	logins *prometheus.CounterVec
	checks *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zensus_auth_logins_total", Help: "Attempts to log in, by result.",
		}, []string{"result"}),
		checks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zensus_auth_checks_total", Help: "Requests checked, by result.",
		}, []string{"result"}),
	}
	return m, errors.Join(r.Register(m.logins), r.Register(m.checks))
}
