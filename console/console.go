package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/hashicorp/go-hclog"
)

// Bounds of what a request may bring.
const (
	configBodyBytesMax = 16 << 20 // a config of 10 MiB, escaped as JSON
	znodeBodyBytesMax  = 8 << 20  // a znode of some MiB in base64
	smallBodyBytesMax  = 64 << 10 // everything else
	queryBytesMax      = 8 << 10
	requestTimeout     = 15 * time.Second
)

// Options say what the console shows.
type Options struct {
	// Version of the server, shown in the page.
	Version string
	// Log hears of failures that the user is not told the cause of.
	Log hclog.Logger

	// What stands behind the screens. Nil: not there. A nil Auth lets everybody
	// do everything, as on a server that listens on loopback only.
	Auth       Auth
	Namespaces Namespaces
	Services   Services
	Configs    Configs
	Znodes     Znodes
}

// Console is the page and its API. It is safe for concurrent use.
type Console struct {
	version    string
	log        hclog.Logger
	auth       Auth
	namespaces Namespaces
	services   Services
	configs    Configs
	znodes     Znodes
	ui         *ui
}

// New makes a console. It starts nothing.
func New(opt Options) (*Console, error) {
	if opt.Log == nil {
		return nil, errors.New("console: no logger")
	}
	page, err := newUI()
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	return &Console{
		version: opt.Version, log: opt.Log,
		auth: opt.Auth, namespaces: opt.Namespaces,
		services: opt.Services, configs: opt.Configs, znodes: opt.Znodes,
		ui: page,
	}, nil
}

// Routes adds the page and its API to r, which is the engine or a group at the
// context path. It claims "/", Pages, "/assets/*", "/favicon.svg", "/licenses.md"
// and "/console/api/*", and nothing else.
func (c *Console) Routes(r gin.IRouter) {
	c.ui.routes(r)

	open := r.Group("/console/api", c.guard)
	open.GET("/session", c.session)
	open.POST("/login", endpoint(c, body[loginBody], c.login))
	open.POST("/bootstrap", endpoint(c, body[bootstrapBody], c.bootstrap))
	open.POST("/logout", c.logout)

	known := open.Group("", c.authenticate)
	known.GET("/namespaces", endpoint(c, query[struct{}], c.listNamespaces))

	known.GET("/services", endpoint(c, query[serviceListQuery], c.listServices))
	known.GET("/service", endpoint(c, query[serviceQuery], c.getService))
	known.GET("/instances", endpoint(c, query[instanceListQuery], c.listInstances))
	known.PUT("/instance", endpoint(c, body[instanceBody], c.updateInstance))

	known.GET("/configs", endpoint(c, query[configListQuery], c.listConfigs))
	known.GET("/config", endpoint(c, query[configQuery], c.getConfig))
	known.POST("/config", endpoint(c, bodyUpTo[publishBody](configBodyBytesMax), c.publishConfig))
	known.DELETE("/config", endpoint(c, query[configDeleteQuery], c.deleteConfig))

	known.GET("/znode", endpoint(c, query[znodeQuery], c.getZnode))
	known.GET("/znode/children", endpoint(c, query[childrenQuery], c.listChildren))
	known.POST("/znode", endpoint(c, bodyUpTo[znodeCreateBody](znodeBodyBytesMax), c.createZnode))
	known.PUT("/znode", endpoint(c, bodyUpTo[znodeSetBody](znodeBodyBytesMax), c.setZnode))
	known.DELETE("/znode", endpoint(c, query[znodeDeleteQuery], c.deleteZnode))
}

// endpoint is a handler: decode, one call, answer.
func endpoint[In any](c *Console, decode func(*gin.Context) (In, error),
	run func(ctx context.Context, who Actor, in In) (any, error),
) gin.HandlerFunc {
	return func(g *gin.Context) {
		in, err := decode(g)
		if err != nil {
			c.fail(g, err)
			return
		}
		ctx, cancel := context.WithTimeout(g.Request.Context(), requestTimeout)
		defer cancel()
		out, err := run(ctx, actor(g), in)
		if err != nil {
			c.fail(g, err)
			return
		}
		if s, ok := out.(Session); ok {
			c.signIn(g, s)
			return
		}
		g.JSON(http.StatusOK, out)
	}
}

// query binds the parameters of a read or delete.
func query[In any](g *gin.Context) (In, error) {
	var in In
	if len(g.Request.URL.RawQuery) > queryBytesMax {
		return in, fmt.Errorf("query: %w: more than %d bytes", ErrTooLarge, queryBytesMax)
	}
	if err := g.ShouldBindQuery(&in); err != nil {
		return in, fmt.Errorf("query: %w: %w", ErrInvalid, err)
	}
	return in, nil
}

// body decodes a small JSON body.
func body[In any](g *gin.Context) (In, error) { return bodyUpTo[In](smallBodyBytesMax)(g) }

// bodyUpTo decodes a JSON body of at most limit bytes. Unknown fields are
// refused: a misspelled "version" must not write unconditionally.
func bodyUpTo[In any](limit int64) func(*gin.Context) (In, error) {
	return func(g *gin.Context) (In, error) {
		var in In
		dec := json.NewDecoder(http.MaxBytesReader(g.Writer, g.Request.Body, limit))
		dec.DisallowUnknownFields()
		err := dec.Decode(&in)
		if err == nil {
			if _, more := dec.Token(); !errors.Is(more, io.EOF) {
				err = errors.New("more than one value")
			}
		}
		var over *http.MaxBytesError
		switch {
		case errors.As(err, &over):
			return in, fmt.Errorf("body: %w: more than %d bytes", ErrTooLarge, limit)
		case err != nil:
			return in, fmt.Errorf("body: %w: %w", ErrInvalid, err)
		}
		return in, nil
	}
}

// pageQuery is how a list's page is asked for.
type pageQuery struct {
	Page int `form:"page"`
	Size int `form:"size"`
}

// page fills in what was not said: the first page, 20 entries.
func (q pageQuery) page() (Page, error) {
	p := Page{Number: q.Page, Size: q.Size}
	if p.Number == 0 {
		p.Number = 1
	}
	if p.Size == 0 {
		p.Size = 20
	}
	if p.Number < 1 || p.Number > 1<<30 || p.Size < 1 || p.Size > PageSizeMax {
		return p, fmt.Errorf("page: %w: page starts at 1, size at most %d", ErrInvalid, PageSizeMax)
	}
	return p, nil
}

// allow asks whether who may do this; without Auth everybody may.
func (c *Console) allow(ctx context.Context, who Actor, want Access) error {
	if c.auth == nil || !c.auth.Enabled() {
		return nil
	}
	return c.auth.Allow(ctx, who.User, want)
}

func (c *Console) listNamespaces(ctx context.Context, _ Actor, _ struct{}) (any, error) {
	if c.namespaces == nil {
		return []Namespace{}, nil
	}
	list, err := c.namespaces.List(ctx)
	return orEmpty(list), err
}

// orEmpty makes a list that JSON writes as [] rather than null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
