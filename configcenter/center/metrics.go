package center

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/core"
)

// metrics are the Center's. They are kept also where nobody collects them.
type metrics struct {
	writes  *prometheus.CounterVec
	changes prometheus.Counter
	stale   prometheus.Counter
	faulty  *prometheus.CounterVec
}

// newMetrics registers with r, which may be nil.
func newMetrics(r prometheus.Registerer, c *Center) (*metrics, error) {
	m := &metrics{
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zensus_config_writes_total", Help: "Publishes and removals by what became of them.",
		}, []string{"op", "result"}),
		changes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "zensus_config_changes_total", Help: "Configs whose md5 changed in this node's picture.",
		}),
		faulty: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "zensus_config_faulty_total", Help: "Publishes whose content was not what its type says, or did not fit its schema.",
		}, []string{"type"}),
		stale: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "zensus_config_stale_reads_total", Help: "Reads for which the picture could not be brought up to date in time.",
		}),
	}
	if r == nil {
		return m, nil
	}
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
	}
	err := errors.Join(r.Register(m.writes), r.Register(m.changes), r.Register(m.stale), r.Register(m.faulty),
		r.Register(gauge("zensus_config_stale", "1 while what is read may be behind what is committed.", func() float64 {
			if c.Stale() {
				return 1
			}
			return 0
		})),
		r.Register(gauge("zensus_config_items", "Configs in this node's picture.", func() float64 { return float64(c.cache.Len()) })),
		r.Register(gauge("zensus_config_listened_keys", "Configs listened to, counted per client.", func() float64 { return float64(c.table.Stats().Keys) })),
		r.Register(gauge("zensus_config_long_polls", "Long-polls that are held.", func() float64 { return float64(c.table.Stats().Polls) })),
	)
	return m, err
}

// wrote counts a write.
func (m *metrics) wrote(op string, err error) {
	result := "ok"
	switch {
	case err == nil:
	case errors.Is(err, configcenter.ErrCASMismatch):
		result = "mismatch"
	case errors.Is(err, configcenter.ErrInvalid), errors.Is(err, configcenter.ErrQuota):
		result = "refused"
	case core.IsUnknownOutcome(err):
		result = "unknown"
	case errors.Is(err, core.NotReadOnly):
		result = "no_quorum"
	default:
		result = "failed"
	}
	m.writes.WithLabelValues(op, result).Inc()
}
