package telemetry

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

func TestHistogramsAreThoseOfTheVector(t *testing.T) {
	h := NewHistograms(prometheus.HistogramOpts{Name: "seconds", Help: "Time."}, "route")
	r := prometheus.NewRegistry()
	require.NoError(t, r.Register(h))
	for _, route := range []string{"/a", "/b", "/a", "/a"} {
		h.Of(route).Observe(1)
	}
	h.WithLabelValues("/b").Observe(1)
	families, err := r.Gather()
	require.NoError(t, err)
	counts := map[string]uint64{}
	for _, m := range families[0].GetMetric() {
		counts[m.GetLabel()[0].GetValue()] = m.GetHistogram().GetSampleCount()
	}
	require.Equal(t, map[string]uint64{"/a": 3, "/b": 2}, counts)
}
