package rest

import (
	"cmp"
	"context"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// Checker decides whether a request may be served. The context it returns names
// the subject.
type Checker interface {
	Check(ctx context.Context, who auth.Credentials, need auth.Need) (context.Context, error)
	// Allow decides for a subject that Check has found.
	Allow(s auth.Subject, need auth.Need) bool
}

// Guard stands before handlers and lets nobody pass who may not.
type Guard struct{ checker Checker }

// NewGuard makes a guard that asks checker; a nil checker lets everybody pass.
func NewGuard(checker Checker) *Guard { return &Guard{checker} }

// A guard asks for the right to what its route reads or writes, no less: a name that the
// handler does not look at narrows nothing. So there is a guard for one thing by its name,
// and there are others for all things of a group or of a namespace.

// Naming guards a route that reads or writes the one service which the parameters name.
func (g *Guard) Naming(action auth.Action) gin.HandlerFunc {
	return g.handler(func(p *parameters) auth.Need {
		namespace, group, service := p.unify("namespaceId"), p.unify("groupName"), p.unify("serviceName")
		// The grouped name wins over the parameter groupName.
		if before, after, ok := strings.Cut(service, "@@"); ok {
			group, service = before, after
		} else if service != "" && group == "" {
			group = "DEFAULT_GROUP"
		}
		return auth.Need{Action: action, Resource: auth.ServiceResource(namespace, group, service)}
	})
}

// Group guards a route that reads or writes all services of the group which the
// parameters name: of DEFAULT_GROUP if they name none.
func (g *Guard) Group(action auth.Action) gin.HandlerFunc {
	return g.handler(func(p *parameters) auth.Need {
		group := cmp.Or(p.unify("groupName"), "DEFAULT_GROUP")
		return auth.Need{Action: action, Resource: auth.ServiceResource(p.unify("namespaceId"), group, "")}
	})
}

// Services guards a route that reads or writes all services of a namespace.
func (g *Guard) Services(action auth.Action) gin.HandlerFunc {
	return g.handler(func(p *parameters) auth.Need {
		return auth.Need{Action: action, Resource: auth.ServiceResource(p.unify("namespaceId"), "", "")}
	})
}

// Config guards a route that reads or writes the config which the parameters
// name, or looks for those that have the group and the dataId given. The versions of the interface name them differently (tenant, namespaceId;
// group, groupName), and a handler may know some of the names only. So what was
// checked is what all the names say afterwards: nobody can show the guard one
// config and the handler another. Ids may name any config of the namespace.
func (g *Guard) Config(action auth.Action) gin.HandlerFunc {
	return g.handler(func(p *parameters) auth.Need {
		r := auth.ConfigResource(p.unify("tenant", "namespaceId", "namespace"), p.unify("group", "groupName"), p.unify("dataId"))
		if _, ok := p.first("ids"); ok {
			r.Group, r.Name = "", ""
		}
		return auth.Need{Action: action, Resource: r}
	})
}

// unify is the first value that any of the names has, and makes it the value of
// all of them. Where none has one, what is there remains there, blank.
func (p *parameters) unify(names ...string) string {
	value := firstOf(p, names...)
	for _, name := range names {
		if _, there := p.values[name]; there || value != "" {
			p.values[name] = []string{value}
		}
	}
	return value
}

// Configs guards a route that reads or writes all configs of a namespace. Its names are
// unified as Config does it.
func (g *Guard) Configs(action auth.Action) gin.HandlerFunc {
	return g.handler(func(p *parameters) auth.Need {
		return auth.Need{Action: action, Resource: auth.ConfigResource(p.unify("tenant", "namespaceId", "namespace"), "", "")}
	})
}

// Needs guards a route whose parameters say in a way of its own what it reads or writes.
// needOf is given the form as the route's handler is, blank where it cannot be read.
func Needs[In any](g *Guard, needOf func(In) auth.Need) gin.HandlerFunc {
	return func(c *gin.Context) {
		g.handler(func(*parameters) auth.Need {
			var in, none In
			if bind(c, &in) != nil {
				return needOf(none)
			}
			return needOf(in)
		})(c)
	}
}

// Admin guards a route for administrators.
func (g *Guard) Admin() gin.HandlerFunc {
	return g.handler(func(*parameters) auth.Need { return auth.Need{Admin: true} })
}

// User guards a route for whoever is logged in.
func (g *Guard) User() gin.HandlerFunc {
	return g.handler(func(*parameters) auth.Need { return auth.Need{} })
}

// UserUnless guards a route for whoever is logged in, but is open while a parameter, which
// is true where it is absent, is.
func (g *Guard) UserUnless(name string) gin.HandlerFunc {
	user := g.User()
	return func(c *gin.Context) {
		p, err := paramsOf(c)
		if err != nil {
			return // the handler says so
		}
		if text, given := p.first(name); given {
			if open, err := parseBool(text); err == nil && !open {
				user(c)
			}
		}
	}
}

func firstOf(p *parameters, names ...string) string {
	for _, name := range names {
		if v, ok := p.first(name); ok {
			return v
		}
	}
	return ""
}

func (g *Guard) handler(needOf func(*parameters) auth.Need) gin.HandlerFunc {
	return func(c *gin.Context) {
		b := bodyOf(c.Request)
		met := false
		if b != nil {
			var err error
			if met, err = g.meet(c, b, needOf); err != nil {
				c.Abort()
				deny(c, err)
				return
			}
		}
		p, err := paramsOf(c)
		if err != nil {
			c.Abort()
			V2.refuse(c, err)
			return
		}
		p.need, p.guarded = needOf(p), true
		if g.checker == nil {
			return
		}
		if !met || !g.checker.Allow(auth.SubjectOf(c.Request.Context()), p.need) {
			ctx, err := g.checker.Check(c.Request.Context(), credentials(c, p), p.need)
			if ctx != c.Request.Context() {
				c.Request = c.Request.WithContext(ctx) // it names who may not, if that is known
			}
			if err == nil && b != nil {
				err = b.Known()
			}
			if err != nil {
				c.Abort()
				deny(c, err)
				return
			}
		}
		p.guard = g
	}
}

// Allow decides, within a handler, on something that its guard could not see: a
// config that stands in the body, say. It asks whoever the guard asked, about the
// subject that the guard found, and lets everything pass where there was none.
func Allow(ctx context.Context, need auth.Need) error {
	g := Of(ctx).guard
	if g == nil {
		return nil
	}
	if g.checker.Allow(auth.SubjectOf(ctx), need) {
		return nil
	}
	return auth.ErrForbidden
}

// Allows decides for a subject outside of a request of HTTP: whether it may hear of
// something, say. Where nobody is asked, everybody may.
func (g *Guard) Allows(s auth.Subject, need auth.Need) bool {
	return g.checker == nil || g.checker.Allow(s, need)
}

// deny answers as Nacos's filter does, in all versions: 403 and the framework's
// JSON. What is no refusal of access keeps its own status.
func deny(c *gin.Context, err error) {
	c.Set(keyError, err)
	e := wire.AsError(err)
	status := e.Kind.Status()
	if e.Kind == wire.AccessDenied || e.Kind == wire.TokenInvalid {
		status = http.StatusForbidden
	}
	springError(c, status, e.Text)
}

// credentials are a token or a name and password, wherever clients put them.
func credentials(c *gin.Context, p *parameters) auth.Credentials {
	who := auth.Credentials{RemoteIP: remoteIP(c.Request)}
	header := c.Request.Header
	who.Token = firstOf(p, "accessToken")
	if who.Token == "" {
		who.Token = only(header["Accesstoken"])
	}
	if who.Token == "" {
		if scheme, token, ok := strings.Cut(only(header["Authorization"]), " "); ok && strings.EqualFold(scheme, "Bearer") {
			who.Token = strings.TrimSpace(token)
		}
	}
	who.Username = cmp.Or(firstOf(p, "username"), only(header["Username"]))
	who.Password = cmp.Or(firstOf(p, "password"), only(header["Password"]))
	return who
}

// only is the first value of a header, "" for none.
func only(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}
