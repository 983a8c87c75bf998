package picture

import (
	"context"
	"log/slog"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/mirror"
)

// Bounds of waiting.
const (
	// ReadyPatience is how long Await waits: clients give up after three seconds.
	ReadyPatience = 2500 * time.Millisecond
	// WritePatience is how long a writer waits to see his own write.
	WritePatience = 2500 * time.Millisecond
)

// Config configures a Picture.
type Config struct {
	Client core.Client
	Root   string // the subtree; it need not exist
	// Starting is what Await returns while the picture is not known.
	Starting error
	// OnChange hears, on the goroutine of Run, that something became different; the
	// picture shows it already. Nil is allowed.
	OnChange func()
	Log      *slog.Logger // default: none
}

// Picture is a subtree in memory. It is safe for concurrent use.
type Picture struct {
	mirror   *mirror.Mirror
	starting error
	log      *slog.Logger
}

// New makes a Picture; Run fills it.
func New(cfg Config) (*Picture, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	of := mirror.Config{Client: cfg.Client, Root: cfg.Root, Logger: cfg.Log}
	if cfg.OnChange != nil {
		of.OnChange = func([]mirror.Change, core.Zxid) { cfg.OnChange() }
	}
	m, err := mirror.New(of)
	if err != nil {
		return nil, err
	}
	return &Picture{mirror: m, starting: cfg.Starting, log: cfg.Log}, nil
}

// Run keeps the picture until ctx ends.
func (p *Picture) Run(ctx context.Context) error { return p.mirror.Run(ctx) }

// Ready is closed when the picture is known.
func (p *Picture) Ready() <-chan struct{} { return p.mirror.Ready() }

// Known reports whether the picture is known.
func (p *Picture) Known() bool {
	select {
	case <-p.Ready():
		return true
	default:
		return false
	}
}

// Await returns when the picture is known. It returns Config.Starting after ReadyPatience,
// or the cause of ctx's end.
func (p *Picture) Await(ctx context.Context) error {
	if p.Known() {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, ReadyPatience, p.starting)
	defer cancel()
	select {
	case <-p.Ready():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Reach returns when the picture has come to zxid z, or an error after WritePatience.
func (p *Picture) Reach(ctx context.Context, z core.Zxid) error {
	ctx, cancel := context.WithTimeout(ctx, WritePatience)
	defer cancel()
	return p.mirror.Wait(ctx, z)
}

// Shown is Reach for who wrote at z: his write stands whether he sees it or not.
func (p *Picture) Shown(ctx context.Context, z core.Zxid) {
	if err := p.Reach(ctx, z); err != nil {
		p.log.Debug("own write is not seen yet", "zxid", z.String(), "err", err)
	}
}

// Get returns a znode of the picture.
func (p *Picture) Get(path string) (*mirror.Node, bool) { return p.mirror.Get(path) }

// Children returns the names of the children of path, sorted. The caller must not modify
// the slice.
func (p *Picture) Children(path string) []string { return p.mirror.Children(path) }

// Walk calls yield for root and everything below it, as mirror.Mirror does.
func (p *Picture) Walk(root string, yield func(*mirror.Node) bool) { p.mirror.Walk(root, yield) }
