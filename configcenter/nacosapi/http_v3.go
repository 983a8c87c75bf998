package nacosapi

import (
	"cmp"
	"context"
	"fmt"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

func (a *API) routesV3(g *rest.Group, limit, read, write, user rest.HandlerFunc) {
	g.GET("/client/cs/config", read, checkNames, rest.With(rest.V3Text, a.getClientV3))
	g.GET("/admin/cs/config", read, checkNames, rest.Handle(a.getV3))
	g.POST("/admin/cs/config", limit, write, checkNames, rest.Handle(a.publishV3))
	g.DELETE("/admin/cs/config", write, checkNames, rest.Handle(a.removeV3))
	// Of which configs the ids are, and who may delete those, the handler sees.
	g.DELETE("/admin/cs/config/batch", user, rest.Handle(a.removeBatchV3))
	g.GET("/admin/cs/config/list", read, rest.Handle(a.searchV3))
	g.GET("/admin/cs/config/export", read, checkNames, rest.Handle(a.exportV3))
	g.POST("/admin/cs/config/import", limit, write, rest.Handle(a.importV3))
	g.POST("/admin/cs/config/clone", limit, write, rest.Handle(a.cloneV3))
	g.GET("/admin/cs/config/beta", read, checkNames, rest.Handle(a.betaV3))
	g.DELETE("/admin/cs/config/beta", write, checkNames, rest.Handle(a.stopBetaV3))
	g.GET("/admin/cs/config/gray/list", read, rest.Handle(a.graysV3))
	g.POST("/admin/cs/config/gray", limit, write, rest.Handle(a.publishGrayV3))
	g.DELETE("/admin/cs/config/gray", write, rest.Handle(a.removeGrayV3))
	g.POST("/admin/cs/config/gray/promote", write, rest.Handle(a.promoteV3))
	g.GET("/admin/cs/config/listener", read, checkNames, rest.Handle(a.listenersOfConfigV3))
	g.GET("/admin/cs/listener", read, checkNames, rest.Handle(a.listenersOfClientV3))
	g.GET("/admin/cs/metrics/ip", read, checkNames, rest.Handle(a.heldByClientsV3))
	g.GET("/admin/cs/metrics/cluster", read, checkNames, rest.Handle(a.heldByAllClientsV3))
	g.POST("/admin/cs/ops/localCache", a.guard.Admin(), rest.Handle(a.catchUpV3))
	a.routesHistoryV3(g.Group("/admin/cs/history"), read)
	a.routesOwnV3(g.Group("/admin/cs"), limit, read, write)
}

func (a *API) routesHistoryV3(g *rest.Group, read rest.HandlerFunc) {
	g.GET("", read, checkNames, rest.Handle(a.historyItemV3))
	g.GET("/list", read, checkNames, rest.Handle(a.historyV3))
	g.GET("/previous", read, checkNames, rest.Handle(a.previousV3))
	g.GET("/configs", a.guard.Configs(auth.Read), checkNames, rest.Handle(a.historyConfigsV3))
}

// keyV3 names a config in v3, which misses the group first. The names of v1 count too.
type keyV3 struct {
	Group  string `form:"groupName" alias:"group" binding:"required"`
	DataID string `form:"dataId" binding:"required"`
	Tenant string `form:"namespaceId" alias:"tenant,namespace"`
}

func (p keyV3) params() keyParams {
	return keyParams{DataID: p.DataID, Group: p.Group, Tenant: p.Tenant}
}

// checkNames refuses what cannot be a name before anything else looks at it. What is
// blank passes: whether it may be is for others to say.
var checkNames = rest.Check(func(in struct {
	Group  string `form:"groupName" alias:"group"`
	DataID string `form:"dataId"`
	Tenant string `form:"namespaceId" alias:"tenant,namespace"`
},
) error {
	return refuseNames(in.Tenant, in.Group, in.DataID)
})

// refuseNames refuses what cannot be a name, but not what is blank.
func refuseNames(tenant, group, dataID string) error {
	k := configcenter.MakeKey(tenant, cmp.Or(group, "any"), cmp.Or(dataID, "any"))
	return refusal(k.Validate())
}

// clientConfigV3 is what an application is given: the reply of gRPC, as Java writes it.
type clientConfigV3 struct {
	*wire.ConfigQueryResponse
	Message   *string `json:"message"` // always null, as the next two
	RequestID *string `json:"requestId"`
	Tag       *string `json:"tag"`
	// EncryptedDataKey is null of a gray version that has none.
	EncryptedDataKey *string `json:"encryptedDataKey"`
}

// readV3Params name a config, or a gray version of one.
type readV3Params struct {
	keyV3
	Tag string `form:"tag"`
}

func (p *readV3Params) params() readParams {
	return readParams{keyParams: p.keyV3.params(), Tag: p.Tag}
}

func (a *API) getClientV3(ctx context.Context, in keyV3) (any, error) {
	a.freshen(ctx)
	it, g, err := a.serve(ctx, in.params().key(), readerOfV3(ctx))
	if isNotFound(err) { // with status 200, unlike everywhere else
		return rest.Result{Code: wire.NotFound.Code(), Message: wire.NotFound.Summary()}, nil
	}
	if err != nil {
		return nil, err
	}
	key := &it.EncryptedDataKey
	if g != nil {
		key = said(*key)
	}
	return clientConfigV3{EncryptedDataKey: key, ConfigQueryResponse: &wire.ConfigQueryResponse{
		Response: wire.Succeeded(), Content: it.Content, ContentType: it.Type, MD5: it.MD5, LastModified: it.Modified, Beta: isBeta(g),
	}}, nil
}

// publishV3Params are a publish in v3.
type publishV3Params struct {
	keyV3
	Content string `form:"content" binding:"required"`
	publishedParams
}

func (a *API) publishV3(ctx context.Context, in publishV3Params) (bool, error) {
	return a.publishHTTP(ctx, publishParams{in.params(), in.Content, in.publishedParams})
}

func (a *API) removeV3(ctx context.Context, in readV3Params) (bool, error) {
	return a.removeHTTP(ctx, in.params())
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

// detailV3 is everything about a config; what nobody said is null.
type detailV3 struct {
	basicV3
	Content          string  `json:"content"`
	Desc             *string `json:"desc"`
	EncryptedDataKey string  `json:"encryptedDataKey"`
	CreateUser       *string `json:"createUser"`
	CreateIP         string  `json:"createIp"`
	ConfigTags       *string `json:"configTags"`
}

func (a *API) getV3(ctx context.Context, in keyV3) (*detailV3, error) {
	d, err := a.detailV3(ctx, in)
	if d == nil && err == nil {
		err = wire.Refuse(wire.NotFound, textNotFoundV3)
	}
	return d, err
}

// detailV3 is nil for a config that is not there.
func (a *API) detailV3(ctx context.Context, in keyV3) (*detailV3, error) {
	it, err := a.read(ctx, in.params().key())
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	d := detailOf(it)
	return &d, nil
}

func detailOf(it *configcenter.Item) detailV3 {
	return detailV3{
		basicV3: listedV3(it), Content: it.Content, Desc: said(it.Desc), EncryptedDataKey: it.EncryptedDataKey,
		CreateUser: said(it.CreatedBy.User), CreateIP: it.CreatedBy.IP, ConfigTags: said(it.Tags),
	}
}

type batchParams struct {
	IDs []string `form:"ids" binding:"present" absent:"Required request parameter 'ids' for method parameter type List is not present"`
}

// removeBatchV3 deletes configs of any namespaces, all of which the caller must have the
// right to delete: otherwise it deletes none.
func (a *API) removeBatchV3(ctx context.Context, in batchParams) (bool, error) {
	items, err := a.allByIDs(ctx, in.IDs)
	if err != nil {
		return false, err
	}
	for _, it := range items {
		need := auth.Need{Action: auth.Write, Resource: auth.ConfigResource(it.Key.Namespace, it.Key.Group, it.Key.DataID)}
		if err := rest.Allow(ctx, need); err != nil {
			return false, err
		}
	}
	by := origin(ctx, rest.Of(ctx).ClientIP, "")
	for _, it := range items {
		if _, err := a.center.Remove(ctx, &configcenter.Remove{Key: it.Key, Origin: by}); err != nil {
			return false, refusal(err)
		}
	}
	return true, nil
}

// wholePagesV3 refuses the pages that there cannot be, in v3's words.
func wholePagesV3(pageNo, pageSize int) error {
	const text = "Required parameter '%s' should be positive integer, current is %d"
	switch {
	case pageNo < 1:
		return wire.Refuse(wire.ParameterInvalid, fmt.Sprintf(text, "pageNo", pageNo))
	case pageSize < 1:
		return wire.Refuse(wire.ParameterInvalid, fmt.Sprintf(text, "pageSize", pageSize))
	}
	return nil
}

func (a *API) searchV3(ctx context.Context, in searchParams) (rest.Page[basicV3], error) {
	if err := wholePagesV3(in.PageNo, in.PageSize); err != nil {
		return rest.Page[basicV3]{}, err
	}
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

// gatherParams say whether the listeners of all servers are meant, or of this one only.
type gatherParams struct {
	Everywhere bool `form:"aggregation,default=true"`
}

type listenedV3Params struct {
	keyV3
	gatherParams
}

func (a *API) listenersOfConfigV3(ctx context.Context, in listenedV3Params) (listenersV3, error) {
	return listenersV3{"config", a.listening(ctx, in.params().key(), in.Everywhere)}, nil
}

// addressV3 is the address of clients: of none where it is blank.
type addressV3 struct {
	IP string `form:"ip" binding:"present" absent:"Required request parameter 'ip' for method parameter type String is not present"`
}

type clientV3Params struct {
	addressV3
	gatherParams
	All    bool   `form:"all"`
	Tenant string `form:"namespaceId" alias:"tenant,namespace"`
}

// listenersOfClientV3 names each namespace, however the client did.
func (a *API) listenersOfClientV3(ctx context.Context, in clientV3Params) (listenersV3, error) {
	out := listenersV3{"ip", map[string]string{}}
	for _, w := range a.listened(ctx, clientParams{IP: in.IP, All: in.All, Tenant: in.Tenant}, in.Everywhere) {
		w.Tenant = w.Key.Namespace
		out.Status[groupKey(w)] = w.MD5
	}
	return out, nil
}

type heldV3Params struct {
	addressV3
	DataID string `form:"dataId"`
	Group  string `form:"groupName" alias:"group"`
	Tenant string `form:"namespaceId" alias:"tenant,namespace"`
}

// params refuses what does not name a config.
func (p *heldV3Params) params() (heldParams, error) {
	switch {
	case p.DataID == "":
		return heldParams{}, wire.Refuse(wire.ParameterInvalid, "invalid dataId : null")
	case p.Group == "":
		return heldParams{}, wire.Refuse(wire.ParameterInvalid, "invalid group : null")
	}
	return heldParams{IP: p.IP, DataID: p.DataID, Group: p.Group, Tenant: p.Tenant}, nil
}

func (a *API) heldByClientsV3(ctx context.Context, in heldV3Params) (map[string]any, error) {
	p, err := in.params()
	if err != nil {
		return nil, err
	}
	return a.held(ctx, p, false)
}

func (a *API) heldByAllClientsV3(ctx context.Context, in heldV3Params) (map[string]any, error) {
	p, err := in.params()
	if err != nil {
		return nil, err
	}
	return a.held(ctx, p, true)
}

func (a *API) catchUpV3(ctx context.Context, _ rest.None) (string, error) {
	return "Local cache updated from store successfully!", a.catchUp(ctx)
}

// historyBasicV3 is a change in a list.
type historyBasicV3 struct {
	ID          string  `json:"id"`
	NamespaceID string  `json:"namespaceId"`
	GroupName   string  `json:"groupName"`
	DataID      string  `json:"dataId"`
	MD5         *string `json:"md5"`  // null in a list
	Type        *string `json:"type"` // always null: it is in extInfo
	AppName     string  `json:"appName"`
	CreateTime  int64   `json:"createTime"`
	ModifyTime  int64   `json:"modifyTime"`
	SrcIP       string  `json:"srcIp"`
	SrcUser     *string `json:"srcUser"`
	OpType      string  `json:"opType"`
	PublishType string  `json:"publishType"`
	// RestoredFrom is not Nacos's: the change to which this one went back.
	RestoredFrom string `json:"restoredFrom,omitempty"`
}

func entryV3(v *configcenter.Version) historyBasicV3 {
	return historyBasicV3{
		ID: seqText(v.Seq), NamespaceID: v.Key.Namespace, GroupName: v.Key.Group, DataID: v.Key.DataID,
		AppName: v.Replaced().AppName, CreateTime: v.Time, ModifyTime: v.Time,
		SrcIP: v.Origin.IP, SrcUser: said(v.Origin.User), OpType: paddedOp(v.Op), PublishType: publishType(&v.Entry),
		RestoredFrom: restoredFrom(&v.Entry),
	}
}

func restoredFrom(e *configcenter.Entry) string {
	if e.Restored == 0 {
		return ""
	}
	return seqText(e.Restored)
}

type historyDetailV3 struct {
	historyBasicV3
	Content          string `json:"content"`
	EncryptedDataKey string `json:"encryptedDataKey"`
	GrayName         string `json:"grayName"`
	ExtInfo          string `json:"extInfo"`
}

// versionV3 shows, as Nacos does, the content that the change replaced.
func versionV3(v *configcenter.Version, err error) (*historyDetailV3, error) {
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, wire.Refuse(wire.NotFound, "the history of the config has no such change")
	}
	was := v.Replaced()
	d := &historyDetailV3{
		historyBasicV3: entryV3(v), Content: was.Content,
		EncryptedDataKey: was.EncryptedDataKey, GrayName: v.Gray, ExtInfo: extInfo(was),
	}
	d.MD5 = &was.MD5
	return d, nil
}

type historyV3Params struct {
	keyV3
	PageNo   int `form:"pageNo,default=1"`
	PageSize int `form:"pageSize,default=100"`
}

func (a *API) historyV3(ctx context.Context, in historyV3Params) (rest.Page[historyBasicV3], error) {
	if err := wholePagesV3(in.PageNo, in.PageSize); err != nil {
		return rest.Page[historyBasicV3]{}, err
	}
	page, err := a.history(ctx, historyParams{in.params(), in.PageNo, in.PageSize})
	if err != nil {
		return rest.Page[historyBasicV3]{}, err
	}
	return historyPage(page, entryV3), nil
}

type nidV3Params struct {
	NID string `form:"nid" binding:"required" absent:"Required request parameter 'nid' for method parameter type Long is not present"`
	keyV3
}

func (a *API) historyItemV3(ctx context.Context, in nidV3Params) (*historyDetailV3, error) {
	return versionV3(a.version(ctx, nidParams{in.params(), in.NID}))
}

type latestV3Params struct {
	ID string `form:"id" binding:"required" absent:"Required request parameter 'id' for method parameter type Long is not present"`
	keyV3
}

func (a *API) previousV3(ctx context.Context, in latestV3Params) (*historyDetailV3, error) {
	return versionV3(a.latest(ctx, latestParams{in.params(), in.ID}))
}

// namespaceV3Params name a namespace: blank is the public one.
type namespaceV3Params struct {
	Tenant string `form:"namespaceId" alias:"tenant,namespace" binding:"present" absent:"Required request parameter 'namespaceId' for method parameter type String is not present"`
}

func (a *API) historyConfigsV3(ctx context.Context, in namespaceV3Params) ([]basicV3, error) {
	items, err := a.configsOf(ctx, namespaceParams(in))
	out := make([]basicV3, len(items))
	for i, it := range items {
		out[i] = listedV3(it)
	}
	return out, err
}
