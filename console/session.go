package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

const (
	cookieName = "zensus_session"
	// csrfHeader must come with every write. A page of another origin cannot
	// send it without a preflight, to which nobody here says yes.
	csrfHeader = "X-Zensus-Console"
	actorKey   = "console.actor"
)

type loginBody struct {
	Name     string `json:"name"`
	Password string `json:"password"`
}

type bootstrapBody struct {
	Token    string `json:"token"`
	Name     string `json:"name"`
	Password string `json:"password"`
}

// sessionState is what the page asks first: who am I, what is there.
type sessionState struct {
	Version   string   `json:"version"`
	Auth      bool     `json:"auth"`      // a sign-in is required
	Bootstrap bool     `json:"bootstrap"` // there is no user yet
	User      *User    `json:"user"`      // null: nobody has signed in
	Features  []string `json:"features"`  // the screens that this server has
}

// guard is before every call of the API: nothing is cached, and a write must
// come from our own page, whether or not authentication is on. (A server on
// loopback is reached by every page that its user's browser opens.)
func (c *Console) guard(g *gin.Context) {
	g.Header("Cache-Control", "no-store")
	g.Header("X-Content-Type-Options", "nosniff")
	if g.Request.Method == http.MethodGet || g.Request.Method == http.MethodHead {
		return
	}
	if g.GetHeader(csrfHeader) == "" {
		c.fail(g, fmt.Errorf("%w: header %s is missing", ErrForbidden, csrfHeader))
		return
	}
	switch g.GetHeader("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		c.fail(g, fmt.Errorf("%w: the request comes from another site", ErrForbidden))
	}
}

// authenticate finds out who asks, and stops those who had to sign in first.
func (c *Console) authenticate(g *gin.Context) {
	if c.auth == nil || !c.auth.Enabled() {
		known(g)
		return
	}
	user, err := c.whoIs(g)
	if err != nil {
		c.fail(g, err)
		return
	}
	g.Set(actorKey, user)
	known(g)
}

// known says so to a body of which less is read from strangers.
func known(g *gin.Context) {
	if b, ok := g.Request.Body.(interface{ Known() error }); ok {
		_ = b.Known() // it has nothing to say before the first Read
	}
}

// whoIs reads the cookie.
func (c *Console) whoIs(g *gin.Context) (User, error) {
	cookie, err := g.Request.Cookie(cookieName)
	if err != nil || cookie.Value == "" {
		return User{}, ErrUnauthenticated
	}
	return c.auth.Verify(g.Request.Context(), cookie.Value)
}

// actor is who asks, after authenticate.
func actor(g *gin.Context) Actor {
	who := Actor{Address: g.ClientIP()}
	if user, ok := g.Get(actorKey); ok {
		who.User = user.(User)
	}
	return who
}

// session answers also those who have not signed in, and tells them no more
// than that they must. Without a quorum it still answers: then nothing can be
// said about a first user, and nobody could make one.
func (c *Console) session(g *gin.Context) {
	out := sessionState{Auth: c.auth != nil && c.auth.Enabled(), Features: c.features()}
	if !out.Auth {
		out.Version = c.version
		g.JSON(http.StatusOK, out)
		return
	}
	user, err := c.whoIs(g)
	switch {
	case err == nil:
		out.User, out.Version = &user, c.version
	case errors.Is(err, ErrUnauthenticated):
		has, err := c.auth.HasUsers(g.Request.Context())
		out.Bootstrap = err == nil && !has
	default:
		c.fail(g, err)
		return
	}
	g.JSON(http.StatusOK, out)
}

func (c *Console) features() []string {
	out := []string{}
	if c.services != nil {
		out = append(out, "services")
	}
	if c.configs != nil {
		out = append(out, "configs")
	}
	if c.znodes != nil {
		out = append(out, "tree")
	}
	return out
}

func (c *Console) login(ctx context.Context, who Actor, in loginBody) (any, error) {
	if c.auth == nil || !c.auth.Enabled() {
		return nil, fmt.Errorf("login: %w: authentication is off", ErrAbsent)
	}
	return c.auth.Login(ctx, who.Address, in.Name, in.Password)
}

func (c *Console) bootstrap(ctx context.Context, who Actor, in bootstrapBody) (any, error) {
	if c.auth == nil || !c.auth.Enabled() {
		return nil, fmt.Errorf("bootstrap: %w: authentication is off", ErrAbsent)
	}
	return c.auth.Bootstrap(ctx, who.Address, in.Token, in.Name, in.Password)
}

// signIn puts a session's token into the cookie. The cookie has no path: the
// browser takes the folder of this very request, which is right under any
// context path, also one that only a proxy in front knows.
func (c *Console) signIn(g *gin.Context, s Session) {
	http.SetCookie(g.Writer, &http.Cookie{
		Name: cookieName, Value: s.Token,
		Expires:  s.Expires,
		MaxAge:   max(1, int(time.Until(s.Expires).Seconds())),
		HttpOnly: true,
		Secure:   overTLS(g.Request),
		SameSite: http.SameSiteStrictMode,
	})
	g.JSON(http.StatusOK, s.User)
}

func (c *Console) logout(g *gin.Context) {
	http.SetCookie(g.Writer, &http.Cookie{
		Name: cookieName, MaxAge: -1,
		HttpOnly: true, Secure: overTLS(g.Request), SameSite: http.SameSiteStrictMode,
	})
	g.JSON(http.StatusOK, struct{}{})
}

// overTLS reports whether the browser's connection is encrypted. Who lies in
// the header only keeps the cookie from themselves.
func overTLS(r *http.Request) bool {
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"
}
