// Package nacosapi is the quotas as Nacos's HTTP interfaces show them (capacity, v1 and v3),
// and a route of our own that has all of a namespace's limits and what it uses of them.
//
// It holds DTOs and routes only. The routes are for administrators.
package nacosapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"

	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/internal/quota"
)

// What Nacos shows where nobody has set a limit. It does not hold anybody to that either.
const (
	shownConfigs      = 200
	shownConfigsOfAll = 100_000
	shownContentBytes = 100 << 10
	shownAggrConfigs  = 10_000
	shownAggrBytes    = 1024
)

// Used is how much of a quota is used.
type Used struct {
	Configs   int   `json:"configs"`
	Bytes     int64 `json:"bytes"`
	Services  int   `json:"services"`
	Instances int   `json:"instances"`
}

// Config configures the API.
type Config struct {
	Quotas *quota.Quotas
	// Used counts what a namespace, or with a blank one a group of the public one, or with
	// two blank names everything, uses.
	Used  func(s quota.Scope) Used
	Guard *rest.Guard
}

// API serves the routes of quotas.
type API struct{ cfg Config }

// New makes the API.
func New(cfg Config) *API {
	if cfg.Guard == nil {
		cfg.Guard = rest.NewGuard(nil)
	}
	return &API{cfg}
}

// Routes adds all routes below g, which is /nacos.
func (a *API) Routes(g *rest.Group) {
	admin := a.cfg.Guard.Admin()
	const v1, v3 = "/v1/cs/capacity", "/v3/admin/cs/capacity"
	g.GET(v1, admin, rest.With(rest.V1Config, a.getV1))
	g.POST(v1, admin, rest.With(rest.V1Config, a.changeV1))
	g.GET(v3, admin, rest.Handle(a.getV3))
	g.POST(v3, admin, rest.Handle(a.changeV3))
	const own = "/v3/admin/core/namespace/quota"
	g.GET(own, admin, rest.Handle(a.get))
	g.PUT(own, admin, rest.Handle(a.change))
}

// limitsForm is what is to be changed; absent limits stay.
type limitsForm struct {
	Quota        *int `form:"quota"`
	MaxSize      *int `form:"maxSize"`
	MaxAggrCount *int `form:"maxAggrCount"`
	MaxAggrSize  *int `form:"maxAggrSize"`
}

func (f *limitsForm) blank() bool {
	return f.Quota == nil && f.MaxSize == nil && f.MaxAggrCount == nil && f.MaxAggrSize == nil
}

func (f *limitsForm) apply(l *quota.Limits) {
	for _, c := range []struct {
		wish  *int
		limit *int
	}{
		{f.Quota, &l.Configs},
		{f.MaxSize, &l.ContentBytes},
		{f.MaxAggrCount, &l.AggrConfigs},
		{f.MaxAggrSize, &l.AggrBytes},
	} {
		if c.wish != nil {
			*c.limit = *c.wish
		}
	}
}

const (
	textNobody  = "The parameter group and tenant cannot be empty at the same time"
	textNothing = "The parameters quota, maxSize, maxAggrCount, maxAggrSize cannot be empty at the same time"
	textWho     = "At least one of the parameters (groupName or namespaceId) must be provided"
)

// capacity is a quota in every version; each names its scope otherwise.
type capacity struct {
	ID           uint32  `json:"id,string"`
	Quota        int     `json:"quota"`
	Usage        int     `json:"usage"`
	MaxSize      int     `json:"maxSize"`
	MaxAggrCount int     `json:"maxAggrCount"`
	MaxAggrSize  int     `json:"maxAggrSize"`
	Created      *string `json:"gmtCreate"`
	Modified     *string `json:"gmtModified"`
}

func (a *API) capacity(ctx context.Context, s quota.Scope) (capacity, error) {
	l, err := a.cfg.Quotas.Get(ctx, s)
	if err != nil {
		return capacity{}, refusal(err)
	}
	configs := shownConfigs
	if s == (quota.Scope{}) {
		configs = shownConfigsOfAll
	}
	return capacity{
		ID:    idOf(s),
		Quota: cmp.Or(l.Configs, configs), Usage: a.cfg.Used(s).Configs, MaxSize: cmp.Or(l.ContentBytes, shownContentBytes),
		MaxAggrCount: cmp.Or(l.AggrConfigs, shownAggrConfigs), MaxAggrSize: cmp.Or(l.AggrBytes, shownAggrBytes),
	}, nil
}

// idOf is a number that a scope has on every node. Nacos numbers the rows of a table.
func idOf(s quota.Scope) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s.Namespace + "\x00" + s.Group)) // it never fails
	return h.Sum32()
}

// scopeV1 tells a name that is blank from one that is absent.
type scopeV1 struct {
	Group       string `form:"group"`
	Tenant      string `form:"tenant"`
	GroupGiven  bool   `given:"group"`
	TenantGiven bool   `given:"tenant"`
}

// scope is the namespace if there is one, as in Nacos.
func (f *scopeV1) scope() quota.Scope {
	if f.Tenant != "" {
		return quota.Scope{Namespace: f.Tenant}
	}
	return quota.Scope{Group: f.Group}
}

// answerV1 is the RestResult of v1, which says in its status what it says in its code.
func answerV1(code int, message string, data any) (*rest.Raw, error) {
	result := rest.RestResult{Code: code, Data: data}
	if message != "" {
		result.Message = &message
	}
	body, err := json.Marshal(result)
	if err != nil {
		return nil, err
	}
	r := rest.Written(string(body))
	r.Status = code
	return r, nil
}

func (a *API) getV1(ctx context.Context, in scopeV1) (*rest.Raw, error) {
	switch {
	case !in.GroupGiven && !in.TenantGiven:
		return answerV1(http.StatusBadRequest, textNobody, nil)
	case !in.GroupGiven && in.Tenant == "":
		return answerV1(http.StatusBadRequest, "tenant cannot be an empty string", nil)
	}
	s := in.scope()
	if err := s.Validate(); err != nil {
		return nil, refusal(err)
	}
	shown, err := a.capacity(ctx, s)
	if err != nil {
		return nil, err
	}
	if s.Namespace != "" {
		return answerV1(http.StatusOK, "", struct {
			capacity
			Tenant string `json:"tenant"`
		}{shown, s.Namespace})
	}
	return answerV1(http.StatusOK, "", struct {
		capacity
		Group string `json:"group"`
	}{shown, s.Group})
}

type changeV1 struct {
	scopeV1
	limitsForm
}

func (a *API) changeV1(ctx context.Context, in changeV1) (*rest.Raw, error) {
	field, name := "tenant", in.Tenant
	if !in.TenantGiven {
		field, name = "group", in.Group
	}
	switch {
	case in.Tenant == "" && in.Group == "":
		return answerV1(http.StatusBadRequest, textNobody, false)
	case in.blank():
		return answerV1(http.StatusBadRequest, textNothing, false)
	case name == "":
		return answerV1(http.StatusBadRequest, "parameter "+field+" is empty.", false)
	}
	if err := a.cfg.Quotas.Change(ctx, in.scope(), in.apply); err != nil {
		return nil, refusal(err)
	}
	return answerV1(http.StatusOK, "successfully updated the capacity information configuration of "+field+" to "+name, true)
}

type scopeV3 struct {
	Group     string `form:"groupName"`
	Namespace string `form:"namespaceId"`
}

func (f *scopeV3) scope() (quota.Scope, error) {
	s := quota.Scope{Namespace: f.Namespace}
	switch {
	case f.Namespace == "" && f.Group == "":
		return s, wire.Refuse(wire.ParameterMissing, textWho)
	case f.Namespace == "":
		s.Group = f.Group
	}
	return s, refusal(s.Validate())
}

func (a *API) getV3(ctx context.Context, in scopeV3) (any, error) {
	s, err := in.scope()
	if err != nil {
		return nil, err
	}
	shown, err := a.capacity(ctx, s)
	if err != nil {
		return nil, err
	}
	if s.Namespace != "" {
		return struct {
			capacity
			Namespace string `json:"namespaceId"`
		}{shown, s.Namespace}, nil
	}
	return struct {
		capacity
		Group string `json:"groupName"`
	}{shown, s.Group}, nil
}

type changeFormV3 struct {
	scopeV3
	limitsForm
}

func (a *API) changeV3(ctx context.Context, in changeFormV3) (bool, error) {
	s, err := in.scope()
	if err != nil {
		return false, err
	}
	if in.blank() {
		return false, wire.Refuse(wire.ParameterMissing, textNothing)
	}
	err = a.cfg.Quotas.Change(ctx, s, in.apply)
	return err == nil, refusal(err)
}

// limits are a namespace's limits in our own route; 0 is no limit.
type limits struct {
	Configs      int   `json:"configs"`
	ContentBytes int   `json:"contentBytes"`
	Bytes        int64 `json:"bytes"`
	Services     int   `json:"services"`
	Instances    int   `json:"instances"`
}

type shownQuota struct {
	Namespace string `json:"namespaceId"`
	Limits    limits `json:"limits"`
	Used      Used   `json:"used"`
}

type namespaceForm struct {
	Namespace string `form:"namespaceId" binding:"required"`
}

// get shows what a namespace may hold, and holds.
func (a *API) get(ctx context.Context, in namespaceForm) (shownQuota, error) {
	s := quota.Scope{Namespace: in.Namespace}
	if err := s.Validate(); err != nil {
		return shownQuota{}, refusal(err)
	}
	l, err := a.cfg.Quotas.Get(ctx, s)
	if err != nil {
		return shownQuota{}, refusal(err)
	}
	return shownQuota{
		Namespace: in.Namespace, Used: a.cfg.Used(s),
		Limits: limits{Configs: l.Configs, ContentBytes: l.ContentBytes, Bytes: l.Bytes, Services: l.Services, Instances: l.Instances},
	}, nil
}

// changeForm sets those limits that it names; 0 takes one away.
type changeForm struct {
	namespaceForm
	Configs      *int   `form:"configs"`
	ContentBytes *int   `form:"contentBytes"`
	Bytes        *int64 `form:"bytes"`
	Services     *int   `form:"services"`
	Instances    *int   `form:"instances"`
}

func (a *API) change(ctx context.Context, in changeForm) (bool, error) {
	if in.Configs == nil && in.ContentBytes == nil && in.Bytes == nil && in.Services == nil && in.Instances == nil {
		return false, wire.Refuse(wire.ParameterMissing, "no limit is named: configs, contentBytes, bytes, services, instances")
	}
	err := a.cfg.Quotas.Change(ctx, quota.Scope{Namespace: in.Namespace}, func(l *quota.Limits) {
		put(&l.Configs, in.Configs)
		put(&l.ContentBytes, in.ContentBytes)
		put(&l.Bytes, in.Bytes)
		put(&l.Services, in.Services)
		put(&l.Instances, in.Instances)
	})
	return err == nil, refusal(err)
}

func put[T any](limit, wish *T) {
	if wish != nil {
		*limit = *wish
	}
}

// refusal puts err in Nacos's terms. Errors of the engine are left to wire.AsError.
func refusal(err error) error {
	var invalid *quota.InvalidError
	switch {
	case errors.As(err, &invalid) && (invalid.Field == "namespace" || invalid.Field == "group"):
		return wire.RefuseBy(wire.ParameterInvalid, &rest.FilteredError{Text: filterText(invalid)})
	case invalid != nil:
		return wire.RefuseBy(wire.ParameterInvalid, err)
	case errors.Is(err, quota.ErrTooMany), errors.Is(err, quota.ErrContended):
		return wire.RefuseBy(wire.Busy, err)
	case errors.Is(err, quota.ErrStarting):
		return wire.RefuseBy(wire.Starting, err)
	}
	return err
}

// filterText is what Nacos's filter of names says.
func filterText(e *quota.InvalidError) string {
	param := e.Field
	if param == "namespace" {
		param = "namespaceId/tenant"
	}
	if e.Reason == quota.IllegalCharacter {
		return "Param '" + param + "' is illegal, illegal characters should not appear in the param."
	}
	return fmt.Sprintf("Param '%s' is illegal, the param length should not exceed %d.", param, quota.NameBytesMax)
}
