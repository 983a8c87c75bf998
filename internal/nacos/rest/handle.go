package rest

import (
	"context"
	"net"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// These are gin's; packages whose routes are made here alone need not import it.
type (
	// Group is where routes are added.
	Group = gin.RouterGroup
	// HandlerFunc is what serves them.
	HandlerFunc = gin.HandlerFunc
)

// Handle makes a handler that answers with the envelope of v2 and v3.
func Handle[In, Out any](serve func(ctx context.Context, in In) (Out, error)) gin.HandlerFunc {
	return With(V2, serve)
}

// With makes a handler that binds its parameters, calls serve, and answers as r
// does. A result that is a *Raw, a Result or a RestResult is written as it is.
func With[In, Out any](r Responder, serve func(ctx context.Context, in In) (Out, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		var in In
		if err := bind(c, &in); err != nil {
			r.refuse(c, err)
			return
		}
		out, err := serve(contextOf(c), in)
		if err != nil {
			r.refuse(c, err)
			return
		}
		r.respond(c, out)
	}
}

// Check makes a handler that stands before the one that serves and looks at the
// parameters. What check refuses is answered as Nacos's filter does it, in all versions:
// a bare line. Parameters that cannot be read are left to the handler that serves.
func Check[In any](check func(In) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		var in In
		if c.IsAborted() || bind(c, &in) != nil {
			return
		}
		if err := check(in); err != nil {
			c.Set(keyError, wire.RefuseBy(wire.ParameterInvalid, err))
			c.Abort()
			c.Writer.Header()["Content-Type"] = nil // nor is one to be guessed
			writeRaw(c, &Raw{Status: http.StatusBadRequest, Body: []byte(err.Error() + "\r\n")})
		}
	}
}

// None is the parameters of a handler that has none.
type None struct{}

// Request is what a handler may want to know beside its parameters.
type Request struct {
	Method string
	Path   string
	// ClientIP is where the request says that it comes from: X-Forwarded-For,
	// X-Real-IP, the connection. It is good for records, not for decisions.
	ClientIP string
	// RemoteIP is where the connection comes from.
	RemoteIP  string
	UserAgent string
	Header    http.Header // not to be modified

	body   *body // nil if it has none
	answer http.Header
	guard  *Guard // that let it pass, nil if nobody was asked
}

// Reply sets a header of the answer. Call it before the handler returns.
func (r *Request) Reply(name, value string) {
	if r.answer != nil {
		r.answer.Set(name, value)
	}
}

// LetGoOfBody says that the request goes on for a while and its body is not needed any
// more: others may have the room that it takes.
func (r *Request) LetGoOfBody() {
	if r.body != nil {
		r.body.release()
	}
}

type requestKey struct{}

// Of is the request that a handler's context belongs to. Outside of a handler it
// is an empty Request.
func Of(ctx context.Context) *Request {
	if r, ok := ctx.Value(requestKey{}).(*Request); ok {
		return r
	}
	return &Request{}
}

// contextOf is the context of a handler: the request's, with the subject that a
// guard found and the Request.
func contextOf(c *gin.Context) context.Context {
	return context.WithValue(c.Request.Context(), requestKey{}, requestOf(c))
}

func requestOf(c *gin.Context) *Request {
	r := c.Request
	remote := remoteIP(r)
	out := &Request{
		Method: r.Method, Path: r.URL.Path, ClientIP: clientIP(r, remote), RemoteIP: remote,
		UserAgent: r.UserAgent(), Header: r.Header, answer: c.Writer.Header(),
	}
	out.body, _ = r.Body.(*body)
	if p := paramsIn(c); p != nil {
		out.guard = p.guard
	}
	return out
}

func remoteIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// maxIPBytes is more than any address needs, zone included.
const maxIPBytes = 64

func clientIP(r *http.Request, remote string) string {
	first, _, _ := strings.Cut(only(r.Header["X-Forwarded-For"]), ",")
	for _, ip := range []string{first, only(r.Header["X-Real-Ip"])} {
		if ip = strings.TrimSpace(ip); ip != "" && len(ip) <= maxIPBytes && !strings.EqualFold(ip, "unknown") {
			return ip
		}
	}
	return remote
}
