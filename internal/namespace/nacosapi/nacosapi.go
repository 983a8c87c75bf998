// Package nacosapi is the namespaces as Nacos's HTTP interfaces show them: v1 and
// v2 of the console and v3 of console and administration.
//
// It holds DTOs and routes only; every act is one call of internal/namespace. A
// user-made namespace has type 2 in v1 and v2, and 1 in v3.
package nacosapi

import (
	"context"
	"errors"

	"github.com/gin-gonic/gin"

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
	Guard      *rest.Guard
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
func (a *API) Routes(g *gin.RouterGroup) {
	admin := a.cfg.Guard.Admin()
	const v1 = "/v1/console/namespaces"
	g.GET(v1, rest.With(rest.V1Config, a.readV1))
	g.POST(v1, admin, rest.With(rest.V1Config, a.createV1))
	g.PUT(v1, admin, rest.With(rest.V1Config, a.updateV1))
	g.DELETE(v1, admin, rest.With(rest.V1Config, a.delete))

	const v2 = "/v2/console/namespace"
	g.GET(v2+"/list", rest.Handle(a.listV2))
	g.GET(v2, rest.Handle(a.getV2))
	g.POST(v2, admin, rest.Handle(a.createV2))
	g.PUT(v2, admin, rest.Handle(a.update))
	g.DELETE(v2, admin, rest.Handle(a.delete))

	for _, v3 := range []string{"/v3/console/core/namespace", "/v3/admin/core/namespace"} {
		user := a.cfg.Guard.User()
		g.GET(v3+"/list", user, rest.Handle(a.listV3))
		g.GET(v3, user, rest.Handle(a.getV3))
		g.GET(v3+"/exist", user, rest.Handle(a.exists))
		g.GET(v3+"/check", user, rest.Handle(a.count))
		g.POST(v3, admin, rest.Handle(a.createV3))
		g.PUT(v3, admin, rest.Handle(a.update))
		g.DELETE(v3, admin, rest.Handle(a.delete))
	}
}

// item is one namespace in every version.
type item struct {
	Namespace   string `json:"namespace"`
	ShowName    string `json:"namespaceShowName"`
	Description string `json:"namespaceDesc"`
	Quota       int    `json:"quota"`
	ConfigCount int    `json:"configCount"`
	Type        int    `json:"type"`
}

// The types of namespaces: built in, and made by a user.
const (
	typeBuiltIn  = 0
	typeCustomV3 = 1
	typeCustomV1 = 2
)

func (a *API) item(ns namespace.Namespace, custom int, blankPublic bool) item {
	it := item{Namespace: ns.ID, ShowName: ns.Name, Description: ns.Description, Quota: ns.Quota, Type: custom}
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

func (a *API) list(custom int, blankPublic bool) []item {
	all := a.cfg.Namespaces.List()
	items := make([]item, len(all))
	for i, ns := range all {
		items[i] = a.item(ns, custom, blankPublic)
	}
	return items
}

func (a *API) get(id string, custom int, blankPublic bool) (item, error) {
	ns, ok := a.cfg.Namespaces.Get(id)
	if !ok {
		return item{}, &wire.Error{Kind: wire.NamespaceNotFound, Text: "Can not find namespace by id: " + id, Err: namespace.ErrNotFound}
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
func (a *API) readV1(_ context.Context, in readForm) (any, error) {
	switch {
	case in.CheckExists:
		_, found := a.cfg.Namespaces.Get(in.CustomID)
		return found && in.CustomID != "", nil
	case in.Show == "all":
		it, err := a.get(in.NamespaceID, typeCustomV1, a.cfg.BlankPublic)
		if err != nil { // v1 knows no better code for it
			return nil, wire.Refuse(wire.ServerError, err.Error())
		}
		return it, nil
	}
	return rest.RestResult{Code: 200, Data: a.list(typeCustomV1, a.cfg.BlankPublic)}, nil
}

type createFormV1 struct {
	ID          string `form:"customNamespaceId" alias:"namespaceId"`
	Name        string `form:"namespaceName" binding:"required"`
	Description string `form:"namespaceDesc"`
}

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
	return err == nil, err
}

type createFormV2 struct {
	ID          string `form:"namespaceId" alias:"customNamespaceId"`
	Name        string `form:"namespaceName" binding:"required"`
	Description string `form:"namespaceDesc"`
}

// createV2 has a code of its own for a namespace that is there.
func (a *API) createV2(ctx context.Context, in createFormV2) (bool, error) {
	ok, err := a.create(ctx, createFormV1(in))
	if errors.Is(err, namespace.ErrExists) {
		err = wire.Refuse(wire.NamespaceIllegal, err.Error())
	}
	return ok, err
}

func (a *API) createV3(ctx context.Context, in createFormV1) (bool, error) { return a.create(ctx, in) }

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
	ID          string `form:"namespaceId" binding:"required"`
	Name        string `form:"namespaceName" binding:"required"`
	Description string `form:"namespaceDesc"`
}

func (a *API) update(ctx context.Context, in updateForm) (bool, error) {
	err := a.cfg.Namespaces.Update(ctx, in.ID, in.Name, in.Description)
	return err == nil, err
}

type idForm struct {
	ID string `form:"namespaceId" binding:"required"`
}

func (a *API) delete(ctx context.Context, in idForm) (bool, error) {
	err := a.cfg.Namespaces.Delete(ctx, in.ID)
	return err == nil, err
}

func (a *API) listV2(context.Context, rest.None) ([]item, error) {
	return a.list(typeCustomV1, a.cfg.BlankPublic), nil
}

func (a *API) listV3(context.Context, rest.None) ([]item, error) {
	return a.list(typeCustomV3, false), nil
}

func (a *API) getV2(_ context.Context, in idForm) (item, error) {
	return a.get(in.ID, typeCustomV1, a.cfg.BlankPublic)
}

func (a *API) getV3(_ context.Context, in idForm) (item, error) {
	return a.get(in.ID, typeCustomV3, false)
}

type existForm struct {
	ID string `form:"customNamespaceId" binding:"required"`
}

func (a *API) exists(_ context.Context, in existForm) (bool, error) {
	_, ok := a.cfg.Namespaces.Get(in.ID)
	return ok, nil
}

// count is exists for the maintainer's client, which reads a number.
func (a *API) count(_ context.Context, in idForm) (int, error) {
	if _, ok := a.cfg.Namespaces.Get(in.ID); ok {
		return 1, nil
	}
	return 0, nil
}
