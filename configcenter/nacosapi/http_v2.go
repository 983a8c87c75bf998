package nacosapi

import (
	"context"
	"strings"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/rest"
)

func (a *API) routesV2(g *rest.Group, limit, read, write rest.HandlerFunc) {
	g.GET("/config", read, rest.Handle(a.getV2))
	g.POST("/config", limit, write, rest.Handle(a.publishHTTP))
	g.DELETE("/config", write, rest.Handle(a.removeHTTP))
	g.GET("/config/searchDetail", read, rest.With(rest.V2Bare, a.searchV2))
	g.GET("/history/list", read, rest.Handle(a.historyV2))
	g.GET("/history", read, rest.Handle(a.historyItemV2))
	g.GET("/history/detail", read, rest.Handle(a.historyDetailV2))
	g.GET("/history/previous", read, rest.Handle(a.previousV2))
	g.GET("/history/configs", a.guard.Configs(auth.Read), rest.Handle(a.historyConfigsV2))
}

func (a *API) getV2(ctx context.Context, in readParams) (string, error) {
	it, g, err := a.readFor(ctx, in)
	if err != nil {
		return "", err
	}
	reply := rest.Of(ctx)
	for name, values := range contentHeaders(it, g) {
		reply.Reply(name, values[0])
	}
	return it.Content, nil
}

func (a *API) searchV2(ctx context.Context, in searchParams) (rest.Page[itemV1], error) {
	if err := wholePages(in.PageNo, in.PageSize); err != nil {
		return rest.Page[itemV1]{}, err
	}
	page, err := a.search(ctx, in)
	if err != nil {
		return rest.Page[itemV1]{}, err
	}
	return pageOf(page, foundV1(&in)), nil
}

func (a *API) historyV2(ctx context.Context, in historyParams) (rest.Page[historyItemV1], error) {
	if err := wholePages(in.PageNo, in.PageSize); err != nil {
		return rest.Page[historyItemV1]{}, err
	}
	page, err := a.history(ctx, in)
	if err != nil {
		return rest.Page[historyItemV1]{}, err
	}
	return historyPage(page, func(v *configcenter.Version) historyItemV1 { return entryV1(v, in.Tenant) }), nil
}

func (a *API) historyItemV2(ctx context.Context, in nidParams) (*historyItemV1, error) {
	return itemOrNil(a.version(ctx, in))(in.Tenant)
}

func (a *API) previousV2(ctx context.Context, in latestParams) (*historyItemV1, error) {
	return itemOrNil(a.latest(ctx, in))(in.Tenant)
}

func itemOrNil(v *configcenter.Version, err error) func(tenant string) (*historyItemV1, error) {
	return func(tenant string) (*historyItemV1, error) {
		if v == nil || err != nil {
			return nil, err
		}
		return versionItemV1(v, tenant), nil
	}
}

// historyDetail says which content was there before a change and which after it.
type historyDetail struct {
	changeV1
	ID                       uint64  `json:"id"` // a number here, as in Nacos, and a text where else a change is shown
	OriginalMD5              string  `json:"originalMd5"`
	OriginalContent          string  `json:"originalContent"`
	OriginalEncryptedDataKey string  `json:"originalEncryptedDataKey"`
	OriginalExtInfo          string  `json:"originalExtInfo"`
	UpdatedMD5               *string `json:"updatedMd5"` // null of a deletion
	UpdatedContent           *string `json:"updatedContent"`
	UpdatedEncryptedDataKey  *string `json:"updatedEncryptedDataKey"`
	UpdateExtInfo            *string `json:"updateExtInfo"`
}

func (a *API) historyDetailV2(ctx context.Context, in nidParams) (*historyDetail, error) {
	v, err := a.version(ctx, in)
	if v == nil || err != nil {
		return nil, err
	}
	d := &historyDetail{changeV1: changeOfV1(v, in.Tenant), ID: v.Seq}
	d.OpType = strings.TrimSpace(d.OpType)
	if b := v.Before; b != nil {
		d.OriginalMD5, d.OriginalContent = b.MD5, b.Content
		d.OriginalEncryptedDataKey, d.OriginalExtInfo = b.EncryptedDataKey, extInfo(b)
	}
	if v.Op != configcenter.Deleted {
		about := extInfo(&v.Entry)
		d.UpdatedMD5, d.UpdatedContent = &v.MD5, &v.Content
		d.UpdatedEncryptedDataKey, d.UpdateExtInfo = &v.EncryptedDataKey, &about
	}
	return d, nil
}

func (a *API) historyConfigsV2(ctx context.Context, in namespaceParams) ([]keptV1, error) {
	items, err := a.configsOf(ctx, in)
	return keptOfV1(items, in.Tenant), err
}
