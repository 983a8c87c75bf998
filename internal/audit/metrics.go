package audit

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	lost, omitted prometheus.Counter
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "zensus_audit_lost_total", Help: "Acts that could not be put on record.",
		}),
		omitted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "zensus_audit_omitted_total", Help: "Refusals that are not on record because there were too many.",
		}),
	}
	return m, errors.Join(r.Register(m.lost), r.Register(m.omitted))
}
