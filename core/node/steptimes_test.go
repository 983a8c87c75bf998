package node

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

func TestStepTimesAreThoseOfAHistogram(t *testing.T) {
	want := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "h", Buckets: prometheus.ExponentialBuckets(1e-6, 4, 10)})
	s := newStepTimes()
	for i, d := range []time.Duration{0, 1, 1000, 1001, 4000, 4001, 70_000, time.Millisecond, 262144 * time.Microsecond, time.Hour} {
		s.took(d)
		want.Observe(d.Seconds())
		if i%3 == 0 {
			s.flush()
		}
	}
	s.flush()
	require.Equal(t, time.Hour, s.longest())
	s.resetLongest()
	require.Zero(t, s.longest())
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(s, want)
	families, err := reg.Gather()
	require.NoError(t, err)
	require.Len(t, families, 2)
	expected, got := families[0].Metric[0], families[1].Metric[0]
	require.Equal(t, expected.Histogram.GetSampleCount(), got.Histogram.GetSampleCount())
	require.InDelta(t, expected.Histogram.GetSampleSum(), got.Histogram.GetSampleSum(), 1e-6)
	require.Len(t, got.Histogram.Bucket, 10)
	for i, b := range expected.Histogram.Bucket {
		require.Equal(t, b.GetUpperBound(), got.Histogram.Bucket[i].GetUpperBound())
		require.Equal(t, b.GetCumulativeCount(), got.Histogram.Bucket[i].GetCumulativeCount(), "%g s", b.GetUpperBound())
	}
}

func TestOutputBuffersAreRecycledWithoutAllocating(t *testing.T) {
	if allocs := testing.AllocsPerRun(1000, func() { Recycle(append(takeOutput(), 1)) }); allocs > 0.5 {
		t.Fatalf("%g allocations for a buffer", allocs)
	}
}
