package rest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/backlog"
	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/internal/telemetry"
)

const (
	keyError  = "zensus.error"
	keyUndone = "zensus.undone" // the answer says so
)

// Config configures an engine. The zero value of a member is its default.
type Config struct {
	Log        hclog.Logger          // default: none
	Registerer prometheus.Registerer // default: metrics are kept and not shown
	// Requests counts them, for whoever else wants to know; default: one of its own.
	Requests *telemetry.Timers[Answered]
	// Access hears of every request when it has been answered. It must not block.
	Access func(Access)
	// Backlog bounds what large answers take until their clients have taken them, together
	// with those of others. Default: one of its own.
	Backlog *backlog.Backlog
	// Begin, if set, hears of every request that has a route before anything looks at it,
	// and gives the context with which it is served and what hears of its end: that is
	// when the answer was made, and before it is complete at the client. Both may be nil.
	Begin func(ctx context.Context, r Asked) (context.Context, func(context.Context, Outcome))
}

// Asked is a request as it came in.
type Asked struct {
	Method, Route      string // the route is the pattern that matched
	ClientIP, RemoteIP string
}

// Outcome is what became of it.
type Outcome struct {
	// Done is false if the answer says that nothing was done: by its status, its code, or
	// a false.
	Done   bool
	Status int
	Err    error      // why it was refused, nil for an answer
	Need   *auth.Need // what it had to be allowed to do, nil if no guard came to that
}

// Access is one answered request, for a log or an audit.
type Access struct {
	Method, Path string
	Route        string // the pattern that matched, "" for none
	Status       int
	Bytes        int
	Took         time.Duration
	ClientIP     string
	RemoteIP     string
	User         string
	Err          error // why it was refused, nil for an answer
}

// NewEngine makes the engine that all HTTP interfaces share.
func NewEngine(cfg Config) (*gin.Engine, error) {
	if cfg.Log == nil {
		cfg.Log = hclog.NewNullLogger()
	}
	if cfg.Registerer == nil {
		cfg.Registerer = prometheus.NewRegistry()
	}
	if cfg.Requests == nil {
		cfg.Requests = new(telemetry.Timers[Answered])
	}
	if cfg.Backlog == nil {
		cfg.Backlog = backlog.New(backlog.BytesMax)
	}
	m, err := newMetrics(cfg.Registerer, cfg.Requests)
	if err != nil {
		return nil, err
	}
	gin.SetMode(gin.ReleaseMode) // it prints to standard output otherwise
	e := gin.New()
	e.RedirectTrailingSlash = false
	e.HandleMethodNotAllowed = true
	e.ForwardedByClientIP = false // see Request.ClientIP
	if err := e.SetTrustedProxies(nil); err != nil {
		return nil, err
	}
	e.Use(observe(cfg, m), recovery(cfg.Log))
	if cfg.Begin != nil {
		e.Use(begin(cfg.Begin))
	}
	e.NoRoute(NotFound)
	e.NoMethod(methodNotAllowed)
	return e, nil
}

// observe counts requests and tells of them.
func observe(cfg Config, m *metrics) gin.HandlerFunc {
	all := newBodies()
	var backlogOfAll any = cfg.Backlog
	keys := sync.Pool{New: func() any { return make(map[any]any) }}
	return func(c *gin.Context) {
		c.Keys = keys.Get().(map[any]any) // gin makes a new map for each request
		c.Keys[keyBacklog] = backlogOfAll
		defer func() {
			clear(c.Keys)
			keys.Put(c.Keys)
			c.Keys = nil
		}()
		if r := c.Request; r.Body != nil && r.Body != http.NoBody {
			b := all.of(r)
			defer b.release()
		}
		began := time.Now()
		c.Next()
		took := time.Since(began)
		route := c.FullPath()
		m.requests.Observe(Answered{method(c.Request.Method), cmp.Or(route, "none"), c.Writer.Status()}, took)
		m.seconds.Of(cmp.Or(route, "none")).Observe(took.Seconds())
		if f := c.Request.MultipartForm; f != nil {
			_ = f.RemoveAll() // temporary files; the system removes what we cannot
		}
		var cause error
		if v, ok := c.Get(keyError); ok {
			cause, _ = v.(error)
		}
		if cause != nil && wire.AsError(cause).Kind == wire.ServerError {
			cfg.Log.Warn("request failed", "method", c.Request.Method, "route", route, "err", cause)
		}
		if cfg.Access != nil {
			remote := remoteIP(c.Request)
			cfg.Access(Access{
				Method: c.Request.Method, Path: c.Request.URL.Path, Route: route,
				Status: c.Writer.Status(), Bytes: c.Writer.Size(), Took: took,
				ClientIP: clientIP(c.Request, remote), RemoteIP: remote,
				User: auth.SubjectOf(c.Request.Context()).Name, Err: cause,
			})
		}
	}
}

// begin stands around everything that serves a request.
func begin(f func(context.Context, Asked) (context.Context, func(context.Context, Outcome))) gin.HandlerFunc {
	return func(c *gin.Context) {
		if c.FullPath() == "" {
			return
		}
		remote := remoteIP(c.Request)
		ctx, end := f(c.Request.Context(), Asked{
			Method: c.Request.Method, Route: c.FullPath(), ClientIP: clientIP(c.Request, remote), RemoteIP: remote,
		})
		if end == nil {
			return
		}
		c.Request = c.Request.WithContext(ctx)
		out := Outcome{Err: errPanicked}
		defer func() { end(c.Request.Context(), out) }()
		c.Next()
		_, undone := c.Get(keyUndone)
		out = Outcome{Done: !undone && c.Writer.Status() < http.StatusBadRequest, Status: c.Writer.Status()}
		if v, ok := c.Get(keyError); ok {
			out.Err, _ = v.(error)
		}
		if p := paramsIn(c); p != nil && p.guarded {
			out.Need = &p.need
		}
	}
}

var errPanicked = errors.New("handler panicked")

// method keeps the label bounded: a client may send any word.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodHead, http.MethodOptions:
		return m
	}
	return "other"
}

// recovery answers a request whose handler panicked; the server goes on.
func recovery(log hclog.Logger) gin.HandlerFunc {
	return func(c *gin.Context) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p) // net/http's own way to cut a connection
			}
			log.Error("handler panicked", "method", c.Request.Method, "route", c.FullPath(), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			c.Set(keyError, errPanicked)
			c.Abort()
			if !c.Writer.Written() {
				springError(c, http.StatusInternalServerError, "internal error")
			}
		}()
		c.Next()
	}
}
