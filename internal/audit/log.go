package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/zensus-io/zensus/core"
)

// Root is where the records lie: see name and packName.
const Root = "/zensus/audit"

// Limits bound what is kept; the oldest goes.
type Limits struct {
	Records int           // 0 keeps no audit at all
	Age     time.Duration // 0 is no bound
}

// Config configures a Log.
type Config struct {
	// Client reads and writes below Root. Its default ACL is that of new znodes.
	Client     core.Client
	Limits     Limits
	Log        *slog.Logger          // default: none
	Registerer prometheus.Registerer // default: metrics are kept and not shown
}

// How refusals are recorded: a burst of them, then so many a second of this node. Who has
// no right at all must not push what others did out of the audit.
const (
	refusedPerSecond = 5
	refusedBurst     = 200
)

// untoldFor is how long nothing more is logged of refusals that cannot be recorded, which
// come as fast as their budget allows while there is no quorum. What was done is always told.
const untoldFor = 10 * time.Second

const (
	queueMax      = 4096 // acts that wait for their record; more wait for a place
	batchMax      = 64   // records of one write
	appendTimeout = 5 * time.Second
)

// Log is the audit of a node. It is safe for concurrent use.
type Log struct {
	cfg     Config
	metrics *metrics

	open    atomic.Bool // Root is there
	ready   chan struct{}
	tag     string // tells this process's names from others'
	count   atomic.Uint64
	grown   atomic.Int64 // records since the last tidying
	kick    chan struct{}
	queue   chan waiting
	budget  *rate.Limiter
	omitted atomic.Int64
	lines   *rate.Limiter // tells of refusals that are not on record
	untold  int           // since the last such line; write's own
	queries chan struct{} // bounds those under way
}

type waiting struct {
	record Record
	done   chan error // nil: nobody waits
}

// New makes a log. It starts nothing; Run does.
func New(cfg Config) (*Log, error) {
	if cfg.Client == nil {
		return nil, errors.New("audit: no client")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Registerer == nil {
		cfg.Registerer = prometheus.NewRegistry()
	}
	l := &Log{
		cfg: cfg, ready: make(chan struct{}), tag: fmt.Sprintf("%08x", rand.Uint32()), kick: make(chan struct{}, 1),
		queue: make(chan waiting, queueMax), budget: rate.NewLimiter(refusedPerSecond, refusedBurst),
		lines:   rate.NewLimiter(rate.Every(untoldFor), 1),
		queries: make(chan struct{}, queriesMax),
	}
	var err error
	l.metrics, err = newMetrics(cfg.Registerer)
	return l, err
}

// Enabled reports whether there is an audit.
func (l *Log) Enabled() bool { return l.cfg.Limits.Records > 0 }

// Ready is closed when records can be written.
func (l *Log) Ready() <-chan struct{} { return l.ready }

// Run writes and tidies until ctx ends.
func (l *Log) Run(ctx context.Context) error {
	if !l.Enabled() {
		close(l.ready)
		<-ctx.Done()
		return context.Cause(ctx)
	}
	if err := l.prepare(ctx); err != nil {
		return err
	}
	l.open.Store(true)
	close(l.ready)
	tidied := make(chan struct{})
	go func() {
		defer close(tidied)
		l.tidy(ctx)
	}()
	l.write(ctx)
	<-tidied
	return context.Cause(ctx)
}

// prepareEvery is how often Root is tried to be made while there is no quorum.
const prepareEvery = time.Second

func (l *Log) prepare(ctx context.Context) error {
	for {
		_, _, err := l.cfg.Client.Create(ctx, Root, nil, core.CreateOptions{})
		if err == nil || errors.Is(err, core.NodeExists) {
			return nil
		}
		l.cfg.Log.Debug("the audit cannot be opened yet", "err", err)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(prepareEvery):
		}
	}
}

// name is that of a znode for new records. Names are in the order of time, and no two
// processes make the same.
func (l *Log) name() string {
	return fmt.Sprintf("e%012x-%s-%x", time.Now().UnixMilli(), l.tag, l.count.Add(1))
}

// append returns when the record is durable, or cannot be made so: which is told, since
// what it is about was done.
func (l *Log) append(ctx context.Context, r Record) {
	if !l.Enabled() {
		return
	}
	// The act is done, whether or not its client still waits.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), appendTimeout)
	defer cancel()
	w := waiting{r, make(chan error, 1)}
	var err error
	select {
	case l.queue <- w:
		select {
		case err = <-w.done:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		l.lost(r, err)
	}
}

// refused records what was not done, if there is room for it.
func (l *Log) refused(r Record) {
	if !l.Enabled() {
		return
	}
	if !l.budget.Allow() {
		l.omitted.Add(1)
		l.metrics.omitted.Inc()
		return
	}
	r.Omitted = l.omitted.Swap(0)
	select {
	case l.queue <- waiting{r, nil}:
	default: // so many wait that nobody would read them
		l.omitted.Add(r.Omitted + 1)
		l.metrics.omitted.Inc()
	}
}

func (l *Log) lost(r Record, err error, more ...any) {
	l.metrics.lost.Inc()
	l.cfg.Log.Error("an act is not on record", append([]any{
		"user", r.User, "action", r.Action, "type", string(r.Kind), "result", string(r.Result), "err", err,
	}, more...)...)
}

// write owns the queue: what waits is written at once, one write under way at a time.
func (l *Log) write(ctx context.Context) {
	batch := make([]waiting, 0, batchMax)
	for {
		batch = batch[:0]
		select {
		case w := <-l.queue:
			batch = append(batch, w)
		case <-ctx.Done():
			return
		}
	more:
		for len(batch) < batchMax {
			select {
			case w := <-l.queue:
				batch = append(batch, w)
			default:
				break more
			}
		}
		err := l.put(ctx, batch)
		for _, w := range batch {
			switch {
			case w.done != nil:
				w.done <- err
			case err != nil && ctx.Err() == nil:
				l.unrecorded(w.record, err)
			}
		}
	}
}

// unrecorded notes a refusal that cannot be recorded.
func (l *Log) unrecorded(r Record, err error) {
	if !l.lines.Allow() {
		l.metrics.lost.Inc()
		l.untold++
		return
	}
	l.lost(r, err, "more", l.untold)
	l.untold = 0
}

func (l *Log) put(ctx context.Context, batch []waiting) error {
	records := make([]Record, len(batch))
	for i, w := range batch {
		records[i] = w.record
	}
	value, err := encode(records, formatPlain)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, appendTimeout)
	defer cancel()
	path := core.JoinPath(Root, l.name())
	for {
		_, _, err = l.cfg.Client.Create(ctx, path, value, core.CreateOptions{})
		switch {
		case err == nil || errors.Is(err, core.NodeExists): // the reply of the first try was lost
			l.wrote()
			return nil
		case !core.IsUnknownOutcome(err) || ctx.Err() != nil:
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(retryEvery):
		}
	}
}

const retryEvery = 100 * time.Millisecond

// wrote notes a znode more.
func (l *Log) wrote() {
	if l.grown.Add(1)%packAt == 0 {
		select {
		case l.kick <- struct{}{}:
		default:
		}
	}
}
