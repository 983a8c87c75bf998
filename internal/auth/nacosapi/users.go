package nacosapi

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"

	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/internal/names"
)

// v1 answers with RestResults, but bare pages and lists.
func (a *API) v1(g *rest.Group) {
	admin, user := a.guard.Admin(), a.guard.User()
	for _, users := range []string{"/users", ""} { // the prefix alone means the users
		g.POST(users, admin, rest.With(rest.V1Result, inV1(a.createUserV1)))
		g.POST(users+"/admin", admin, rest.With(rest.V1Config, inV1(a.createAdminV1)))
		g.PUT(users, user, rest.With(rest.V1Result, inV1(a.updateUser)))
		g.DELETE(users, admin, rest.With(rest.V1Result, inV1(a.deleteUser)))
		g.GET(users, admin, rest.With(rest.V1Config, known(a, a.users)))
		g.GET(users+"/search", admin, rest.With(rest.V1Config, known(a, a.searchUsers)))
	}
	g.POST("/roles", admin, rest.With(rest.V1Result, inV1(a.grant)))
	g.DELETE("/roles", admin, rest.With(rest.V1Result, inV1(a.revoke)))
	g.GET("/roles", admin, rest.With(rest.V1Config, known(a, a.roles)))
	g.GET("/roles/search", admin, rest.With(rest.V1Config, known(a, a.searchRoles)))
	g.POST("/permissions", admin, rest.With(rest.V1Result, inV1(a.addPermission)))
	g.DELETE("/permissions", admin, rest.With(rest.V1Result, inV1(a.removePermission)))
	g.GET("/permissions", admin, rest.With(rest.V1Config, known(a, a.permissionsV1)))
}

// inV1 answers a conflict, and what is not there, as a bad parameter: v1 knows nothing
// better for them.
func inV1[In, Out any](serve func(context.Context, In) (Out, error)) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, in In) (Out, error) {
		out, err := serve(ctx, in)
		if errors.Is(err, auth.ErrExists) || errors.Is(err, auth.ErrNotFound) {
			err = wire.RefuseBy(wire.ParameterInvalid, err)
		}
		return out, err
	}
}

// v3 answers with the envelope throughout.
func (a *API) v3(g *rest.Group) {
	admin, user := a.guard.Admin(), a.guard.User()
	g.POST("/user", admin, rest.Handle(a.createUser))
	g.POST("/user/admin", admin, rest.Handle(a.createAdminV3))
	g.PUT("/user", user, rest.Handle(a.updateUser))
	g.DELETE("/user", admin, rest.Handle(a.deleteUser))
	g.GET("/user/list", admin, rest.Handle(known(a, a.users)))
	g.GET("/user/search", admin, rest.Handle(known(a, a.searchUsers)))
	g.POST("/role", admin, rest.Handle(a.grant))
	g.DELETE("/role", admin, rest.Handle(a.revoke))
	g.GET("/role/list", admin, rest.Handle(known(a, a.roles)))
	g.GET("/role/search", admin, rest.Handle(known(a, a.searchRoles)))
	g.POST("/permission", admin, rest.Handle(a.addPermission))
	g.DELETE("/permission", admin, rest.Handle(a.removePermission))
	g.GET("/permission/list", admin, rest.Handle(known(a, a.permissions)))
	g.GET("/permission", admin, rest.Handle(known(a, a.hasPermission)))
}

// known is a handler that reads users or rights and waits until there are any to be read.
func known[In, Out any](a *API, serve func(context.Context, In) (Out, error)) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, in In) (out Out, err error) {
		if err := a.auth.Directory.Await(ctx); err != nil {
			return out, err
		}
		return serve(ctx, in)
	}
}

// firstAdmin is the name that Nacos gives to the first administrator.
const firstAdmin = "nacos"

type newUserForm struct {
	Username string `form:"username" binding:"required"`
	Password string `form:"password" binding:"required"`
}

func (a *API) createUser(ctx context.Context, in newUserForm) (string, error) {
	return "create user ok!", a.auth.Directory.CreateUser(ctx, in.Username, in.Password)
}

// createUserV1 keeps the administrator's name for the route that makes one.
func (a *API) createUserV1(ctx context.Context, in newUserForm) (any, error) {
	if in.Username == firstAdmin {
		return rest.RestResult{Code: http.StatusConflict, Data: "the user " + firstAdmin + " is made by POST /v1/auth/users/admin"}, nil
	}
	return a.createUser(ctx, in)
}

type adminForm struct {
	Password string `form:"password"`
}

type adminAnswer struct {
	Username string `json:"username"`
	Password string `json:"password"` // shown this once
}

func (a *API) createAdmin(ctx context.Context, in adminForm) (adminAnswer, error) {
	if in.Password == "" {
		in.Password = rand.Text()
	}
	return adminAnswer{firstAdmin, in.Password}, a.auth.CreateAdmin(ctx, firstAdmin, in.Password)
}

const adminExists = "have admin user cannot use it"

// createAdminV1 is not wrapped where it succeeds.
func (a *API) createAdminV1(ctx context.Context, in adminForm) (any, error) {
	out, err := a.createAdmin(ctx, in)
	if errors.Is(err, auth.ErrExists) {
		return rest.RestResult{Code: http.StatusConflict, Data: adminExists}, nil
	}
	return out, err
}

func (a *API) createAdminV3(ctx context.Context, in adminForm) (any, error) {
	out, err := a.createAdmin(ctx, in)
	if errors.Is(err, auth.ErrExists) {
		return rest.Result{Code: http.StatusConflict, Message: adminExists + "."}, nil
	}
	return out, err
}

type passwordForm struct {
	Username    string `form:"username" binding:"required"`
	NewPassword string `form:"newPassword" binding:"required"`
}

// updateUser lets everybody change their own password.
func (a *API) updateUser(ctx context.Context, in passwordForm) (string, error) {
	if s := auth.SubjectOf(ctx); a.auth.Enabled() && !s.Admin && s.Name != in.Username {
		return "", auth.ErrForbidden
	}
	return "update user ok!", a.auth.Directory.SetPassword(ctx, in.Username, in.NewPassword)
}

type userForm struct {
	Username string `form:"username" binding:"required"`
}

func (a *API) deleteUser(ctx context.Context, in userForm) (string, error) {
	return "delete user ok!", a.auth.Directory.DeleteUser(ctx, in.Username)
}

type listForm struct {
	PageNo   int    `form:"pageNo,default=1"`
	PageSize int    `form:"pageSize,default=100"`
	Search   string `form:"search,default=accurate"`
	Username string `form:"username"`
	Role     string `form:"role"`
}

// match reports whether text is what is looked for; blank looks for everything.
func (in *listForm) match(wanted, text string) bool {
	if wanted == "" {
		return true
	}
	if in.Search != "blur" {
		return wanted == text
	}
	return names.Match(wanted, text) // without an asterisk the text must be equal
}

type userItem struct {
	Username string `json:"username"`
	Password string `json:"password"` // a mask; stock Nacos shows the hash
}

func (a *API) users(_ context.Context, in listForm) (rest.Page[userItem], error) {
	var all []userItem
	for _, name := range a.auth.Directory.Users() {
		if in.match(in.Username, name) {
			all = append(all, userItem{name, "******"})
		}
	}
	return rest.PageOf(all, in.PageNo, in.PageSize), nil
}

func (a *API) searchUsers(_ context.Context, in userForm) ([]string, error) {
	found := []string{}
	for _, name := range a.auth.Directory.Users() {
		if strings.Contains(name, in.Username) {
			found = append(found, name)
		}
	}
	return found, nil
}
