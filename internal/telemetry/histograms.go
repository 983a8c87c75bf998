package telemetry

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Histograms are a prometheus.HistogramVec of one label, for what happens with each
// request: a histogram is found by the label's value without the hashes and locks of the
// vector. Values must be few, as always; what is deleted from the vector stays here.
type Histograms struct {
	*prometheus.HistogramVec
	byValue sync.Map // string -> prometheus.Observer
}

// NewHistograms makes histograms that are told apart by label. They are to be registered.
func NewHistograms(opts prometheus.HistogramOpts, label string) *Histograms {
	return &Histograms{HistogramVec: prometheus.NewHistogramVec(opts, []string{label})}
}

// Of is the histogram of one value.
func (h *Histograms) Of(value string) prometheus.Observer {
	if o, ok := h.byValue.Load(value); ok {
		return o.(prometheus.Observer)
	}
	o := h.WithLabelValues(value)
	h.byValue.Store(value, o)
	return o
}
