package nacosapi

import (
	"context"
	"errors"

	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// API serves the routes of access control.
type API struct {
	auth  *auth.Auth
	guard *rest.Guard
}

// New makes the API.
func New(a *auth.Auth) *API { return &API{auth: a, guard: rest.NewGuard(a)} }

// Routes adds all routes below g, which is /nacos on the main port and empty on
// the console's.
func (a *API) Routes(g *rest.Group) {
	for _, path := range []string{"/v1/auth/login", "/v1/auth/users/login", "/v3/auth/user/login"} {
		g.POST(path, rest.With(rest.V2Bare, a.login))
	}
	a.v1(g.Group("/v1/auth"))
	a.v3(g.Group("/v3/auth"))
	a.tokens(g.Group("/v3/auth"))
}

type loginForm struct {
	Username string `form:"username"`
	Password string `form:"password"`
}

// loginAnswer is not wrapped in any version. TokenTTL is a number of seconds:
// the Go client asserts one, the Python client reckons with it.
type loginAnswer struct {
	AccessToken string `json:"accessToken"`
	TokenTTL    int64  `json:"tokenTtl"`
	GlobalAdmin bool   `json:"globalAdmin"`
	Username    string `json:"username"`
}

// login fails with status 403 and the text that consoles compare.
func (a *API) login(ctx context.Context, in loginForm) (any, error) {
	r := rest.Of(ctx)
	s, err := a.auth.Login(ctx, r.RemoteIP, in.Username, in.Password)
	if errors.Is(err, auth.ErrUnknownUser) {
		answer := rest.Text(err.Error())
		answer.Status = wire.AccessDenied.Status()
		return answer, nil
	}
	if err != nil {
		return nil, err
	}
	r.Reply("Authorization", "Bearer "+s.Token)
	return loginAnswer{s.Token, int64(s.TTL.Seconds()), s.Subject.Admin, in.Username}, nil
}
