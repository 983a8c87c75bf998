package nacosapi

import (
	"context"

	"github.com/gin-gonic/gin"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/validate"
	"github.com/zensus-io/zensus/internal/nacos/rest"
)

// What Nacos does not have: a look at a content before it is published.

func (a *API) routesOwnV3(g *gin.RouterGroup, limit, read gin.HandlerFunc) {
	g.POST("/config/validate", limit, read, checkNames, rest.Handle(a.validateV3))
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
