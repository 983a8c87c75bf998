package telemetry

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Config configures logging.
type Config struct {
	// Level is trace, debug, info, warn, error or off; default info.
	Level string
	// Format is text, json, or auto: text on a terminal, JSON otherwise.
	Format string
	// Output is where lines go; default standard error.
	Output io.Writer
}

// Telemetry is the logger and the metrics of a process.
type Telemetry struct {
	// Log is the root logger; packages get Log.Named("...").
	Log hclog.InterceptLogger
	// Registry holds all metrics, the process's own included.
	Registry *prometheus.Registry

	writer *Writer
}

// New makes them.
func New(cfg Config) (*Telemetry, error) {
	level := hclog.Info
	if cfg.Level != "" {
		if level = hclog.LevelFromString(cfg.Level); level == hclog.NoLevel {
			return nil, fmt.Errorf("log level %q is unknown", cfg.Level)
		}
	}
	if cfg.Output == nil {
		cfg.Output = os.Stderr
	}
	var asJSON bool
	switch cfg.Format {
	case "json":
		asJSON = true
	case "text":
	case "auto", "":
		asJSON = !isTerminal(cfg.Output)
	default:
		return nil, fmt.Errorf("log format %q is unknown", cfg.Format)
	}
	options := &hclog.LoggerOptions{
		Name: "zensus", Level: level, JSONFormat: asJSON,
		TimeFormat: "2006-01-02T15:04:05.000Z07:00",
	}
	t := &Telemetry{Registry: prometheus.NewRegistry()}
	t.writer = NewWriter(cfg.Output, func(dropped int64) []byte { return notice(options, dropped) })
	options.Output = t.writer
	t.Log = hclog.NewInterceptLogger(options)
	return t, t.registerOwn()
}

// notice is the line about dropped ones, in the format of all others.
func notice(options *hclog.LoggerOptions, dropped int64) []byte {
	var b lineBuffer
	o := *options
	o.Output = &b
	hclog.New(&o).Named("telemetry").Warn("log lines were dropped, standard error is read too slowly", "lines", dropped)
	return b
}

type lineBuffer []byte

func (b *lineBuffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

func (t *Telemetry) registerOwn() error {
	for _, c := range []prometheus.Collector{
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "zensus_log_dropped_total", Help: "Log lines dropped because standard error was read too slowly.",
		}, func() float64 { return float64(t.writer.Dropped()) }),
	} {
		if err := t.Registry.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// Handler serves the metrics to Prometheus.
func (t *Telemetry) Handler() http.Handler {
	return promhttp.InstrumentMetricHandler(t.Registry, promhttp.HandlerFor(t.Registry, promhttp.HandlerOpts{
		ErrorHandling:       promhttp.ContinueOnError, // one collector's trouble does not hide the others
		MaxRequestsInFlight: 4,
		Timeout:             10 * time.Second,
		EnableOpenMetrics:   true,
	}))
}

// Close writes what is still queued, for at most a second.
func (t *Telemetry) Close() error { return t.writer.Close() }

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}
