// Package nacosapi is the namespaces as Nacos's HTTP interfaces show them: v1 and
// v2 of the console and v3 of console and administration.
//
// It holds DTOs and routes only; every act is one call of internal/namespace. A
// user-made namespace has type 2 in v1 and v2, and 1 in v3.
package nacosapi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/internal/namespace"
)

// Counter says how many configs a namespace holds.
type Counter interface {
	CountConfigs(namespace string) int
}

// Config configures the API.
type Config struct {
	Namespaces *namespace.Namespaces
	Counter    Counter // nil shows 0
	// Quota is how many configs a namespace may hold, 0 where nobody has said; nil likewise.
	Quota func(id string) int
	Guard *rest.Guard
	// BlankPublic shows the public namespace's id as "" in v1 and v2, as Nacos 2.x
	// does; otherwise it is "public".
	BlankPublic bool
}

// API serves the routes of namespaces.
type API struct{ cfg Config }

// New makes the API.
func New(cfg Config) *API {
	if cfg.Guard == nil {
		cfg.Guard = rest.NewGuard(nil)
	}
	return &API{cfg}
}

// Routes adds all routes below g, which is /nacos on the main port and empty on
// the console's.
func (a *API) Routes(g *rest.Group) {
	// Nacos tells the names of namespaces to everybody: here somebody must be logged in.
	admin, user := a.cfg.Guard.Admin(), a.cfg.Guard.User()
	const v1 = "/v1/console/namespaces"
	g.GET(v1, user, rest.With(rest.V1Config, a.readV1))
	g.POST(v1, admin, rest.With(rest.V1Config, screened(a.createV1)))
	g.PUT(v1, admin, rest.With(rest.V1Config, a.updateV1))
	g.DELETE(v1, admin, rest.With(rest.V1Config, screened(a.delete)))

	const v2 = "/v2/console/namespace"
	g.GET(v2+"/list", user, rest.Handle(a.listV2))
	g.GET(v2, user, rest.Handle(screened(a.getV2)))
	g.POST(v2, admin, rest.Handle(screened(a.createV2)))
	g.PUT(v2, admin, rest.Handle(screened(a.update)))
	g.DELETE(v2, admin, rest.Handle(screened(a.delete)))

	const console, tools = "/v3/console/core/namespace", "/v3/admin/core/namespace"
	g.GET(console, user, rest.Handle(screened(a.getV3)))
	g.POST(console, admin, rest.Handle(screened(a.createV3)))
	g.PUT(console, admin, rest.Handle(screened(a.update)))
	g.DELETE(console, admin, rest.Handle(screened(a.delete)))
	g.GET(tools, user, rest.Handle(a.getV3))
	g.POST(tools, admin, rest.Handle(a.createV3))
	g.PUT(tools, admin, rest.Handle(a.update))
	g.DELETE(tools, admin, rest.Handle(a.delete))
	for _, v3 := range []string{console, tools} {
		g.GET(v3+"/list", user, rest.Handle(a.listV3))
		g.GET(v3+"/exist", user, rest.Handle(a.exists))
		g.GET(v3+"/check", user, rest.Handle(a.count))
	}
}

// Bounds of the filter that stock Nacos has before consoles, not before tools.
const (
	screenIDChars   = 64
	screenNameChars = 256
)

// screen refuses an id or a name as that filter does. What is absent passes.
func screen(id, name string) error {
	illegal := func(param, why string) error {
		return wire.RefuseBy(wire.ParameterInvalid, &rest.FilteredError{Text: "Param '" + param + "' is illegal, " + why})
	}
	const showName, chars = "namespaceShowName", "illegal characters should not appear in the param."
	switch {
	case utf8.RuneCountInString(name) > screenNameChars:
		return illegal(showName, fmt.Sprintf("the param length should not exceed %d.", screenNameChars))
	case strings.ContainsAny(name, "@#$%^&*"):
		return illegal(showName, chars)
	case len(id) > screenIDChars:
		return illegal("namespaceId/tenant", fmt.Sprintf("the param length should not exceed %d.", screenIDChars))
	case strings.ContainsFunc(id, func(r rune) bool {
		return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}):
		return illegal("namespaceId/tenant", chars)
	}
	return nil
}

// screened is a handler behind the filter.
func screened[In interface{ names() (id, name string) }, Out any](serve func(context.Context, In) (Out, error)) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, in In) (out Out, err error) {
		if err := screen(in.names()); err != nil {
			return out, err
		}
		return serve(ctx, in)
	}
}

// item is one namespace in every version.
type item struct {
	Namespace   string  `json:"namespace"`
	ShowName    string  `json:"namespaceShowName"`
	Description *string `json:"namespaceDesc"` // null where there is none
	Quota       int     `json:"quota"`
	ConfigCount int     `json:"configCount"`
	Type        int     `json:"type"`
}

// The types of namespaces: built in, and made by a user.
const (
	typeBuiltIn  = 0
	typeCustomV3 = 1
	typeCustomV1 = 2
)

// shownQuota is the number of configs that a namespace without a quota shows as what it
// may hold, as every one of Nacos does. It binds nobody.
const shownQuota = 200

func (a *API) item(ns namespace.Namespace, custom int, blankPublic bool) item {
	it := item{Namespace: ns.ID, ShowName: ns.Name, Quota: shownQuota, Type: custom}
	if ns.Description != "" {
		it.Description = &ns.Description
	}
	if a.cfg.Quota != nil {
		if quota := a.cfg.Quota(ns.ID); quota > 0 {
			it.Quota = quota
		}
	}
	if a.cfg.Counter != nil {
		it.ConfigCount = a.cfg.Counter.CountConfigs(ns.ID)
	}
	if ns.ID == namespace.Public {
		it.Type = typeBuiltIn
		if blankPublic {
			it.Namespace = ""
		}
	}
	return it
}

func (a *API) list(ctx context.Context, custom int, blankPublic bool) ([]item, error) {
	all, err := a.cfg.Namespaces.List(ctx)
	items := make([]item, len(all))
	for i, ns := range all {
		items[i] = a.item(ns, custom, blankPublic)
	}
	return items, err
}

func (a *API) get(ctx context.Context, id string, custom int, blankPublic bool) (item, error) {
	ns, err := a.cfg.Namespaces.Get(ctx, id)
	if err != nil {
		return item{}, refusal(err)
	}
	return a.item(ns, custom, blankPublic), nil
}

type readForm struct {
	Show        string `form:"show"`
	CheckExists bool   `form:"checkNamespaceIdExist"`
	NamespaceID string `form:"namespaceId"`
	CustomID    string `form:"customNamespaceId"`
}

// readV1 is three things on one path, told apart by their parameters.
func (a *API) readV1(ctx context.Context, in readForm) (any, error) {
	switch {
	case in.CheckExists:
		return a.exists(ctx, existForm{in.CustomID})
	case in.Show == "all":
		it, err := a.get(ctx, in.NamespaceID, typeCustomV1, a.cfg.BlankPublic)
		if errors.Is(err, namespace.ErrNotFound) { // v1 knows no better code for it
			err = wire.Refuse(wire.ServerError, err.Error())
		}
		return it, err
	}
	all, err := a.list(ctx, typeCustomV1, a.cfg.BlankPublic)
	return rest.RestResult{Code: 200, Data: all}, err
}

// refusals is the one table of the errors of namespaces. Others are left to wire.AsError.
var refusals = []struct {
	err  error
	kind wire.Kind
}{
	{namespace.ErrExists, wire.NamespaceExists},
	{namespace.ErrNotFound, wire.NamespaceNotFound},
	{namespace.ErrIllegal, wire.NamespaceIllegal},
}

// refusal puts err in Nacos's terms.
func refusal(err error) error {
	for _, r := range refusals {
		if errors.Is(err, r.err) {
			return wire.RefuseBy(r.kind, err)
		}
	}
	return err
}

type createFormV1 struct {
	ID          string `form:"customNamespaceId" alias:"namespaceId"`
	Name        string `form:"namespaceName" binding:"required"`
	Description string `form:"namespaceDesc"`
}

func (f createFormV1) names() (id, name string) { return f.ID, f.Name }

// createV1 says false where the namespace is there or will not do.
func (a *API) createV1(ctx context.Context, in createFormV1) (bool, error) {
	return falseFor(a.create(ctx, in))
}

func falseFor(ok bool, err error) (bool, error) {
	if errors.Is(err, namespace.ErrExists) || errors.Is(err, namespace.ErrIllegal) || errors.Is(err, namespace.ErrNotFound) {
		return false, nil
	}
	return ok, err
}

func (a *API) create(ctx context.Context, in createFormV1) (bool, error) {
	_, err := a.cfg.Namespaces.Create(ctx, in.ID, in.Name, in.Description)
	return err == nil, refusal(err)
}

type createForm struct {
	ID          string `form:"namespaceId" alias:"customNamespaceId"`
	Name        string `form:"namespaceName" binding:"required" absent:"required parameter 'namespaceName' is missing"`
	Description string `form:"namespaceDesc"`
}

func (f createForm) names() (id, name string) { return f.ID, f.Name }

// createV2 has a code of its own for a namespace that is there.
func (a *API) createV2(ctx context.Context, in createForm) (bool, error) {
	ok, err := a.createV3(ctx, in)
	if errors.Is(err, namespace.ErrExists) {
		err = wire.Refuse(wire.NamespaceIllegal, "the namespaceId is existed, namespaceId: "+in.ID)
	}
	return ok, err
}

func (a *API) createV3(ctx context.Context, in createForm) (bool, error) {
	return a.create(ctx, createFormV1(in))
}

type updateFormV1 struct {
	ID          string `form:"namespace" binding:"required"`
	Name        string `form:"namespaceShowName" binding:"required"`
	Description string `form:"namespaceDesc"`
}

func (a *API) updateV1(ctx context.Context, in updateFormV1) (bool, error) {
	err := a.cfg.Namespaces.Update(ctx, in.ID, in.Name, in.Description)
	return falseFor(err == nil, err)
}

type updateForm struct {
	ID          string `form:"namespaceId" binding:"required" absent:"required parameter 'namespaceId' is missing"`
	Name        string `form:"namespaceName" binding:"required" absent:"required parameter 'namespaceName' is missing"`
	Description string `form:"namespaceDesc"`
}

func (f updateForm) names() (id, name string) { return f.ID, f.Name }

func (a *API) update(ctx context.Context, in updateForm) (bool, error) {
	err := a.cfg.Namespaces.Update(ctx, in.ID, in.Name, in.Description)
	return err == nil, refusal(err)
}

type idForm struct {
	ID string `form:"namespaceId" binding:"required" absent:"Required request parameter 'namespaceId' for method parameter type String is not present"`
}

func (f idForm) names() (id, name string) { return f.ID, "" }

// getForm means the public namespace where it names none.
type getForm struct {
	ID string `form:"namespaceId"`
}

func (f getForm) names() (id, name string) { return f.ID, "" }

func (a *API) delete(ctx context.Context, in idForm) (bool, error) {
	err := a.cfg.Namespaces.Delete(ctx, in.ID)
	return err == nil, refusal(err)
}

func (a *API) listV2(ctx context.Context, _ rest.None) ([]item, error) {
	return a.list(ctx, typeCustomV1, a.cfg.BlankPublic)
}

func (a *API) listV3(ctx context.Context, _ rest.None) ([]item, error) {
	return a.list(ctx, typeCustomV3, false)
}

func (a *API) getV2(ctx context.Context, in getForm) (item, error) {
	return a.get(ctx, in.ID, typeCustomV1, a.cfg.BlankPublic)
}

func (a *API) getV3(ctx context.Context, in getForm) (item, error) {
	return a.get(ctx, in.ID, typeCustomV3, false)
}

type existForm struct {
	ID string `form:"customNamespaceId"`
}

// exists is for whoever is about to make one: an id that is not given will be made up.
func (a *API) exists(ctx context.Context, in existForm) (bool, error) {
	there, err := a.cfg.Namespaces.Has(ctx, in.ID)
	return there && in.ID != "", err
}

// count is exists for the maintainer's client, which reads a number.
func (a *API) count(ctx context.Context, in idForm) (int, error) {
	there, err := a.cfg.Namespaces.Has(ctx, in.ID)
	if there {
		return 1, err
	}
	return 0, err
}
