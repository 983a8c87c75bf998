package nacosapi

import (
	"context"
	"errors"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/center"
	"github.com/zensus-io/zensus/configcenter/validate"
	"github.com/zensus-io/zensus/internal/nacos/rest"
)

// What Nacos does not have: a look at a content before it is published, and at what changed
// between two versions; the way back to any of them.

func (a *API) routesOwnV3(g *rest.Group, limit, read, write rest.HandlerFunc) {
	g.POST("/config/validate", limit, read, checkNames, rest.Handle(a.validateV3))
	g.GET("/history/diff", read, checkNames, rest.Handle(a.diffV3))
	g.POST("/history/rollback", write, checkNames, rest.Handle(a.rollbackV3))
}

// validateParams are a content that may be published. With a name and without a schema it is
// looked at with the schema of that config, and without a type as of the type of that.
type validateParams struct {
	Group   string `form:"groupName" alias:"group"`
	DataID  string `form:"dataId"`
	Tenant  string `form:"namespaceId" alias:"tenant,namespace"`
	Content string `form:"content" binding:"required"`
	Type    string `form:"type"`
	Schema  string `form:"schema"`
	Given   bool   `given:"schema"`
}

// verdictV3 is what is wrong with a content.
type verdictV3 struct {
	Valid  bool              `json:"valid"`
	Type   string            `json:"type"` // as which it was looked at
	Schema bool              `json:"schema"`
	Faults []*validate.Fault `json:"faults"`
}

func (a *API) validateV3(ctx context.Context, in validateParams) (*verdictV3, error) {
	as := configcenter.Attributes{Type: in.Type, Schema: in.Schema}
	if in.DataID != "" && in.Group != "" && (in.Type == "" || !in.Given) {
		it, err := a.read(ctx, configcenter.MakeKey(in.Tenant, in.Group, in.DataID))
		switch {
		case isNotFound(err):
		case err != nil:
			return nil, err
		default:
			if in.Type == "" {
				as.Type = it.Type
			}
			if !in.Given {
				as.Schema = it.Schema
			}
		}
	}
	wish := configcenter.Publish{Key: configcenter.MakeKey("", "any", "any"), Content: in.Content, Attributes: as}
	if err := wish.Validate(a.center.Limits()); err != nil {
		return nil, refusal(err)
	}
	as.Type = configcenter.NormalType(as.Type)
	faults, err := a.center.Faults(ctx, as.Type, in.Content, as.Schema)
	if err != nil {
		return nil, refusal(err)
	}
	if faults == nil {
		faults = []*validate.Fault{}
	}
	return &verdictV3{len(faults) == 0, as.Type, as.HasSchema() && validate.Comparable(as.Type), faults}, nil
}

// diffParams name two versions by the changes that left them. A blank to is the newest one
// of what from was of: the config itself, or a gray version.
type diffParams struct {
	keyV3
	From string `form:"from" binding:"required"`
	To   string `form:"to"`
}

type diffV3 struct {
	From leftV3 `json:"from"`
	To   leftV3 `json:"to"`
	Diff string `json:"diff"`
}

// leftV3 is what a change left, where Nacos's history shows what it replaced.
type leftV3 struct {
	ID           string `json:"id"`
	OpType       string `json:"opType"`
	GrayName     string `json:"grayName"`
	MD5          string `json:"md5"`
	Type         string `json:"type"`
	ModifyTime   int64  `json:"modifyTime"`
	SrcUser      string `json:"srcUser"`
	SrcIP        string `json:"srcIp"`
	RestoredFrom string `json:"restoredFrom,omitempty"`
}

func leftBy(e *configcenter.Entry) leftV3 {
	return leftV3{
		seqText(e.Seq), e.Op.String(), e.Gray, e.MD5, e.Type, e.Time, e.Origin.User, e.Origin.IP, restoredFrom(e),
	}
}

func (a *API) diffV3(ctx context.Context, in diffParams) (*diffV3, error) {
	k := in.params().key()
	from, err := parseID(in.From)
	if err != nil {
		return nil, err
	}
	a.freshen(ctx)
	var to uint64 // 0 is the newest
	if in.To != "" {
		if to, err = parseID(in.To); err != nil {
			return nil, err
		}
	}
	d, err := a.center.Diff(ctx, k, from, to)
	if err != nil {
		return nil, refusal(err)
	}
	return &diffV3{leftBy(&d.From), leftBy(&d.To), d.Unified}, nil
}

// rollbackParams name the version to go back to. A gray one that is not there any more
// comes back only if it is named.
type rollbackParams struct {
	keyV3
	NID      string `form:"nid" binding:"required"`
	GrayName string `form:"grayName"`
	SrcUser  string `form:"srcUser" alias:"src_user"`
	CASMD5   string `header:"casMd5"`
}

func (a *API) rollbackV3(ctx context.Context, in rollbackParams) (bool, error) {
	seq, err := parseID(in.NID)
	if err != nil {
		return false, err
	}
	fresh := a.freshen(ctx)
	it, err := a.center.Rollback(ctx, &center.Rollback{
		Key: in.params().key(), Seq: seq, Gray: in.GrayName, CASMD5: in.CASMD5, Origin: origin(ctx, rest.Of(ctx).ClientIP, in.SrcUser),
	})
	if errors.Is(err, configcenter.ErrNotFound) && !fresh {
		return false, errBehind
	}
	if err != nil {
		return false, refusal(err)
	}
	rest.Of(ctx).Reply("Zensus-Zxid", it.Revision.String())
	return true, nil
}
