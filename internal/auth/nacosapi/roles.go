package nacosapi

import (
	"context"
	"slices"
	"strings"

	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/rest"
)

type grantForm struct {
	Role     string `form:"role" binding:"required"`
	Username string `form:"username" binding:"required"`
}

func (a *API) grant(ctx context.Context, in grantForm) (string, error) {
	return "add role ok!", a.auth.Directory.Grant(ctx, in.Role, in.Username)
}

type revokeForm struct {
	Role     string `form:"role" binding:"required"`
	Username string `form:"username"` // blank: from everybody, and its permissions
}

func (a *API) revoke(ctx context.Context, in revokeForm) (string, error) {
	return "delete role of user " + in.Username + " ok!", a.auth.Directory.Revoke(ctx, in.Role, in.Username)
}

type roleItem struct {
	Role     string `json:"role"`
	Username string `json:"username"`
}

func (a *API) roles(_ context.Context, in listForm) (rest.Page[roleItem], error) {
	var all []roleItem
	for _, g := range a.auth.Directory.Grants() {
		if in.match(in.Role, g.Role) && in.match(in.Username, g.Username) {
			all = append(all, roleItem{g.Role, g.Username})
		}
	}
	return rest.PageOf(all, in.PageNo, in.PageSize), nil
}

type roleForm struct {
	Role string `form:"role" binding:"required"`
}

func (a *API) searchRoles(_ context.Context, in roleForm) ([]string, error) {
	found := []string{}
	for _, g := range a.auth.Directory.Grants() {
		if strings.Contains(g.Role, in.Role) {
			found = append(found, g.Role)
		}
	}
	return slices.Compact(found), nil // grants are sorted by role
}

type permissionForm struct {
	Role     string `form:"role" binding:"required"`
	Resource string `form:"resource" binding:"required"`
	Action   string `form:"action" binding:"required"`
}

func (in permissionForm) permission() auth.Permission {
	return auth.Permission{Role: in.Role, Resource: in.Resource, Action: auth.Action(in.Action)}
}

func (a *API) addPermission(ctx context.Context, in permissionForm) (string, error) {
	return "add permission ok!", a.auth.Directory.AddPermission(ctx, in.permission())
}

func (a *API) removePermission(ctx context.Context, in permissionForm) (string, error) {
	return "delete permission ok!", a.auth.Directory.RemovePermission(ctx, in.permission())
}

// hasPermission says whether a role may already do something: rw is both.
func (a *API) hasPermission(_ context.Context, in permissionForm) (bool, error) {
	wanted := in.permission()
	return slices.ContainsFunc(a.auth.Directory.Permissions(), func(p auth.Permission) bool {
		return p.Role == wanted.Role && p.Resource == wanted.Resource && (p.Action == wanted.Action || p.Action == auth.ReadWrite)
	}), nil
}

type permissionsFormV1 struct {
	listForm
	Resource string `form:"resource"`
	Action   string `form:"action"`
}

// permissionsV1 is two things on one path: hasPermission where the parameters name a
// permission, in the envelope of v2, and else a list.
func (a *API) permissionsV1(ctx context.Context, in permissionsFormV1) (any, error) {
	if in.Resource == "" {
		return a.permissions(ctx, in.listForm)
	}
	has, err := a.hasPermission(ctx, permissionForm{in.Role, in.Resource, in.Action})
	return rest.Result{Message: "success", Data: has}, err
}

type permissionItem struct {
	Role     string `json:"role"`
	Resource string `json:"resource"`
	Action   string `json:"action"`
}

func (a *API) permissions(_ context.Context, in listForm) (rest.Page[permissionItem], error) {
	var all []permissionItem
	for _, p := range a.auth.Directory.Permissions() {
		if in.match(in.Role, p.Role) {
			all = append(all, permissionItem{p.Role, p.Resource, string(p.Action)})
		}
	}
	return rest.PageOf(all, in.PageNo, in.PageSize), nil
}
