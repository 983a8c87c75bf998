package nacosapi

import (
	"context"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

func (a *API) routesV3(g *gin.RouterGroup, limit, read, write gin.HandlerFunc) {
	g.GET("/client/cs/config", read, rest.Handle(a.getClientV3))
	g.GET("/admin/cs/config", read, rest.Handle(a.getV3))
	g.POST("/admin/cs/config", limit, write, rest.Handle(a.publishHTTP))
	g.DELETE("/admin/cs/config", write, rest.Handle(a.removeHTTP))
	g.DELETE("/admin/cs/config/batch", write, rest.Handle(a.removeBatchV3))
	g.GET("/admin/cs/config/list", read, rest.Handle(a.searchV3))
	g.GET("/admin/cs/config/export", read, rest.Handle(a.exportV3))
	g.POST("/admin/cs/config/import", limit, write, rest.Handle(a.importV3))
	g.POST("/admin/cs/config/clone", limit, write, rest.Handle(a.cloneV3))
	g.GET("/admin/cs/config/beta", read, rest.Handle(a.betaV3))
	g.DELETE("/admin/cs/config/beta", write, rest.Handle(a.stopBetaV3))
	g.GET("/admin/cs/config/gray/list", read, rest.Handle(a.graysV3))
	g.POST("/admin/cs/config/gray", limit, write, rest.Handle(a.publishGrayV3))
	g.DELETE("/admin/cs/config/gray", write, rest.Handle(a.removeGrayV3))
	g.POST("/admin/cs/config/gray/promote", write, rest.Handle(a.promoteV3))
	g.GET("/admin/cs/config/listener", read, rest.Handle(a.listenersOfConfigV3))
	g.GET("/admin/cs/listener", read, rest.Handle(a.listenersOfClientV3))
	g.GET("/admin/cs/history/list", read, rest.Handle(a.historyV3))
	g.GET("/admin/cs/history", read, rest.Handle(a.historyItemV3))
	g.GET("/admin/cs/history/previous", read, rest.Handle(a.previousV3))
	g.GET("/admin/cs/history/configs", read, rest.Handle(a.historyConfigsV3))
}

// clientConfigV3 is what an application is given: the reply of gRPC.
type clientConfigV3 struct {
	*wire.ConfigQueryResponse
}

func (a *API) getClientV3(ctx context.Context, in readParams) (any, error) {
	it, g, err := a.readFor(ctx, in)
	if isNotFound(err) { // with status 200, unlike everywhere else
		return rest.Result{Code: wire.NotFound.Code(), Message: wire.NotFound.Summary(), Data: textNotFound}, nil
	}
	if err != nil {
		return nil, err
	}
	return clientConfigV3{&wire.ConfigQueryResponse{
		Response: wire.Succeeded(), Content: it.Content, ContentType: it.Type, MD5: it.MD5,
		EncryptedDataKey: it.EncryptedDataKey, LastModified: it.Modified, Beta: isBeta(g),
	}}, nil
}

// basicV3 is a config in a list.
type basicV3 struct {
	ID          string `json:"id"`
	NamespaceID string `json:"namespaceId"`
	GroupName   string `json:"groupName"`
	DataID      string `json:"dataId"`
	MD5         string `json:"md5"`
	Type        string `json:"type"`
	AppName     string `json:"appName"`
	CreateTime  int64  `json:"createTime"`
	ModifyTime  int64  `json:"modifyTime"`
}

func listedV3(it *configcenter.Item) basicV3 {
	return basicV3{
		ID: idText(it), NamespaceID: it.Key.Namespace, GroupName: it.Key.Group, DataID: it.Key.DataID, MD5: it.MD5,
		Type: it.Type, AppName: it.AppName, CreateTime: it.Created, ModifyTime: it.Modified,
	}
}

type detailV3 struct {
	basicV3
	Content          string `json:"content"`
	Desc             string `json:"desc"`
	EncryptedDataKey string `json:"encryptedDataKey"`
	CreateUser       string `json:"createUser"`
	CreateIP         string `json:"createIp"`
	ConfigTags       string `json:"configTags"`
}

func (a *API) getV3(ctx context.Context, in readParams) (*detailV3, error) {
	it, err := a.read(ctx, in.key())
	if err != nil {
		return nil, err
	}
	d := detailOf(it)
	return &d, nil
}

func detailOf(it *configcenter.Item) detailV3 {
	return detailV3{
		basicV3: listedV3(it), Content: it.Content, Desc: it.Desc, EncryptedDataKey: it.EncryptedDataKey,
		CreateUser: it.CreatedBy.User, CreateIP: it.CreatedBy.IP, ConfigTags: it.Tags,
	}
}

type batchParams struct {
	Tenant string   `form:"tenant" alias:"namespaceId,namespace"`
	IDs    []string `form:"ids" binding:"required"`
}

func (a *API) removeBatchV3(ctx context.Context, in batchParams) (bool, error) {
	err := a.removeIDs(ctx, in.Tenant, in.IDs)
	return err == nil, err
}

func (a *API) searchV3(ctx context.Context, in searchParams) (rest.Page[basicV3], error) {
	page, err := a.search(ctx, in)
	if err != nil {
		return rest.Page[basicV3]{}, err
	}
	return pageOf(page, listedV3), nil
}

type listenersV3 struct {
	QueryType string            `json:"queryType"`
	Status    map[string]string `json:"listenersStatus"`
}

func (a *API) listenersOfConfigV3(ctx context.Context, in keyParams) (listenersV3, error) {
	l, err := a.listenersOfConfig(ctx, in)
	return listenersV3{"config", l.Status}, err
}

func (a *API) listenersOfClientV3(ctx context.Context, in clientParams) (listenersV3, error) {
	l, err := a.listenersOfClient(ctx, in)
	return listenersV3{"ip", l.Status}, err
}

// historyBasicV3 is a change in a list.
type historyBasicV3 struct {
	basicV3
	SrcIP       string `json:"srcIp"`
	SrcUser     string `json:"srcUser"`
	OpType      string `json:"opType"`
	PublishType string `json:"publishType"`
}

func entryV3(v *configcenter.Version) historyBasicV3 {
	e := &v.Entry
	return historyBasicV3{
		basicV3: basicV3{
			ID: seqText(e.Seq), NamespaceID: e.Key.Namespace, GroupName: e.Key.Group, DataID: e.Key.DataID, MD5: e.MD5,
			Type: e.Type, AppName: e.AppName, CreateTime: e.Time, ModifyTime: e.Time,
		},
		SrcIP: e.Origin.IP, SrcUser: e.Origin.User, OpType: strings.TrimSpace(e.Op.String()), PublishType: publishType(e),
	}
}

type historyDetailV3 struct {
	historyBasicV3
	Content          string `json:"content"`
	EncryptedDataKey string `json:"encryptedDataKey"`
	GrayName         string `json:"grayName"`
	ExtInfo          string `json:"extInfo"`
}

func versionV3(v *configcenter.Version, err error) (*historyDetailV3, error) {
	if v == nil || err != nil {
		return nil, err
	}
	was := v.Replaced()
	d := &historyDetailV3{
		historyBasicV3: entryV3(v), Content: was.Content,
		EncryptedDataKey: was.EncryptedDataKey, GrayName: v.Gray, ExtInfo: extInfo(was),
	}
	d.MD5 = was.MD5
	return d, nil
}

func (a *API) historyV3(ctx context.Context, in historyParams) (rest.Page[historyBasicV3], error) {
	page, err := a.history(ctx, in)
	if err != nil {
		return rest.Page[historyBasicV3]{}, err
	}
	return historyPage(page, entryV3), nil
}

func (a *API) historyItemV3(ctx context.Context, in nidParams) (*historyDetailV3, error) {
	return versionV3(a.version(ctx, in))
}

func (a *API) previousV3(ctx context.Context, in latestParams) (*historyDetailV3, error) {
	return versionV3(a.latest(ctx, in))
}

func (a *API) historyConfigsV3(ctx context.Context, in namespaceParams) ([]basicV3, error) {
	items, err := a.configsOf(ctx, in)
	out := make([]basicV3, len(items))
	for i, it := range items {
		out[i] = listedV3(it)
	}
	return out, err
}
