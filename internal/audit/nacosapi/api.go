// Package nacosapi puts the requests of the Nacos side on record, and shows the audit.
//
// HTTP and RPC are hooks that every request passes, whatever it is: a new route that
// writes is on record without anybody thinking of it. What is left out is listed, with
// the reason.
package nacosapi

import (
	"context"
	"time"

	"github.com/zensus-io/zensus/internal/audit"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// API shows the audit.
type API struct {
	log   *audit.Log
	guard *rest.Guard
}

// New makes the API.
func New(l *audit.Log, guard *rest.Guard) *API { return &API{l, guard} }

// Routes adds the route below g, which is /nacos on the main port. Nacos has none such.
func (a *API) Routes(g *rest.Group) {
	g.GET("/v3/admin/core/audit", a.guard.Admin(), rest.Handle(a.query))
}

type queryForm struct {
	User      string `form:"user"`
	Action    string `form:"action"`
	Kind      string `form:"type"`
	Namespace string `form:"namespaceId"`
	Group     string `form:"groupName"`
	Name      string `form:"name"`
	Result    string `form:"result"`
	From      int64  `form:"startTime"` // milliseconds since 1970
	To        int64  `form:"endTime"`
	PageNo    int    `form:"pageNo,default=1"`
	PageSize  int    `form:"pageSize,default=100"`
}

func (a *API) query(ctx context.Context, in queryForm) (rest.Page[audit.Record], error) {
	if in.From < 0 || in.To < 0 || in.PageNo < 1 || in.PageSize < 1 {
		return rest.Page[audit.Record]{}, wire.Refuse(wire.ParameterInvalid, "startTime and endTime are milliseconds since 1970, pageNo and pageSize at least 1")
	}
	f := audit.Filter{
		User: in.User, Action: in.Action, Kind: audit.Kind(in.Kind), Namespace: in.Namespace, Group: in.Group, Name: in.Name,
		Result: audit.Result(in.Result),
	}
	if in.From > 0 {
		f.From = time.UnixMilli(in.From)
	}
	if in.To > 0 {
		f.To = time.UnixMilli(in.To)
	}
	size := min(in.PageSize, audit.PageSizeMax)
	found, err := a.log.Query(ctx, f, in.PageNo, size)
	return rest.Page[audit.Record]{
		TotalCount: found.Total, PageNumber: in.PageNo, PagesAvailable: (found.Total + size - 1) / size, PageItems: found.Records,
	}, err
}
