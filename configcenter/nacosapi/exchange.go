package nacosapi

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/archive"
	"github.com/zensus-io/zensus/configcenter/cache"
	"github.com/zensus-io/zensus/configcenter/center"
	"github.com/zensus-io/zensus/configcenter/validate"
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/internal/patience"
)

// Export, import and clone of configs. Who may read or write a namespace as a whole is the
// guard's; each config is asked for here, since there may be rights for some only.

// The bounds of what is exported: as much as can be imported again.
const (
	// archiveBytesMax bounds an archive: an upload is that, in a form.
	archiveBytesMax = publishBodyBytes - 64<<10
	// exportBytesMax bounds the contents of one that is made.
	exportBytesMax = archive.TotalBytesMax
	// exchangesMax bounds how many archives are made and read at once: each costs some
	// times as much memory as it has contents. More wait for exchangePatience.
	exchangesMax     = 2
	exchangePatience = 10 * time.Second
)

// tooMany refuses what an import would refuse.
var tooMany = wire.Refuse(wire.ContentTooLarge, "these are too many to be exported at once")

// bounded is a buffer that takes no more than that many bytes.
type bounded struct {
	bytes.Buffer
	most int
}

// Write implements io.Writer.
func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.most {
		return 0, archive.ErrTooLarge
	}
	return b.Buffer.Write(p)
}

// exchange lets its caller make or read an archive until he calls what it returns.
func (a *API) exchange(ctx context.Context) (leave func(), err error) {
	late := time.NewTimer(exchangePatience)
	defer late.Stop()
	select {
	case a.exchanges <- struct{}{}:
		return func() { <-a.exchanges }, nil
	case <-late.C:
		return nil, wire.Refuse(wire.Busy, "too many exports and imports are under way, please try again later")
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// exportParams are an export. Without ids, blank ones, the names choose.
type exportParams struct {
	searchParams
	IDs []string `form:"ids" binding:"present" absent:"Required request parameter 'ids' for method parameter type List is not present"`
}

// export finds the configs with the ids given or, without any, those that have the names
// given. It passes over those that the caller may not read.
func (a *API) export(ctx context.Context, in exportParams, newer bool) (*rest.Raw, error) {
	leave, err := a.exchange(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	items, err := a.chosen(ctx, in)
	if err != nil {
		return nil, err
	}
	configs := make([]archive.Config, 0, len(items))
	bytesLeft := exportBytesMax
	for _, it := range items {
		if rest.Allow(ctx, auth.Need{Action: auth.Read, Resource: auth.ConfigResource(it.Key.Namespace, it.Key.Group, it.Key.DataID)}) != nil {
			continue
		}
		if bytesLeft -= len(it.Content); bytesLeft < 0 {
			return nil, tooMany
		}
		configs = append(configs, archive.Config{
			Group: it.Key.Group, DataID: it.Key.DataID, Content: it.Content, AppName: it.AppName, Desc: it.Desc, Type: it.Type,
		})
	}
	b := bounded{most: archiveBytesMax}
	switch err := archive.Write(&b, configs, newer); {
	case errors.Is(err, archive.ErrTooLarge):
		return nil, tooMany
	case err != nil:
		return nil, err
	}
	name := "nacos_config_export_" + time.Now().UTC().Format("20060102150405") + ".zip"
	return &rest.Raw{
		ContentType: "application/octet-stream", Body: b.Bytes(),
		Header: http.Header{"Content-Disposition": {"attachment;filename=" + name}},
	}, nil
}

// chosen are the configs of an export, the oldest first.
func (a *API) chosen(ctx context.Context, in exportParams) ([]*configcenter.Item, error) {
	if len(in.IDs) > 0 {
		items, _, err := a.byIDs(ctx, in.IDs) // the answer is marked
		return items, err
	}
	in.Search, in.PageNo, in.PageSize = "accurate", 1, cache.PageSizeMax
	page, err := a.search(ctx, in.searchParams)
	if err == nil && page.Total > len(page.Items) {
		err = tooMany
	}
	slices.SortFunc(page.Items, byAge)
	return page.Items, err
}

func byAge(a, b *configcenter.Item) int { return cmp.Compare(a.ID, b.ID) }

// byIDs are the configs with these ids, in any namespaces, each once and the oldest first;
// ids of none are passed over. certain says that it is known that they are of none. What of
// it the caller may do is not looked at.
func (a *API) byIDs(ctx context.Context, ids []string) (out []*configcenter.Item, certain bool, err error) {
	if len(ids) > cache.PageSizeMax {
		return nil, false, wire.Refuse(wire.ParameterInvalid, "too many ids")
	}
	fresh := a.freshen(ctx)
	certain = true
	waiting := patience.For(ctx, readPatience)
	defer waiting.End()
	for _, text := range ids {
		id, err := parseID(text)
		if err != nil {
			return nil, false, err
		}
		it, err := a.center.GetByID(waiting, core.Zxid(id))
		switch {
		case errors.Is(err, configcenter.ErrNotFound):
			certain = fresh
		case err != nil:
			return nil, false, readRefusal(err)
		default:
			out = append(out, it)
		}
	}
	slices.SortFunc(out, byAge)
	return slices.CompactFunc(out, func(a, b *configcenter.Item) bool { return a.ID == b.ID }), certain, nil
}

// allByIDs is byIDs for those who do something to all of them: it refuses if there may be
// one that this node does not know yet.
func (a *API) allByIDs(ctx context.Context, ids []string) ([]*configcenter.Item, error) {
	items, certain, err := a.byIDs(ctx, ids)
	if err == nil && !certain {
		err = errBehind
	}
	return items, err
}

type importParams struct {
	Tenant  string     `form:"namespaceId" alias:"tenant,namespace"`
	SrcUser string     `form:"src_user" alias:"srcUser"`
	Policy  string     `form:"policy,default=ABORT"`
	File    *rest.File `file:"file"`
}

// result is what became of an import or a clone, as the console reads it.
type result struct {
	Written      int           `json:"succCount"`
	Skipped      *int          `json:"skipCount,omitempty"`
	Failures     []configName  `json:"failData,omitempty"`
	Skips        []configName  `json:"skipData,omitempty"`
	Unrecognized int           `json:"unrecognizedCount,omitempty"`
	Names        []unknownName `json:"unrecognizedData,omitempty"`
}

type configName struct {
	DataID string `json:"dataId"`
	Group  string `json:"group"`
}

type unknownName struct {
	Name string `json:"itemName"`
}

// failure is an import or clone of which nothing was done. Nacos answers it with status
// 200, a code and a count.
type failure struct {
	kind   wire.Kind
	textV3 string
	textV1 string
	codeV1 int
	data   any // {} or {"succCount":0}
}

func (f *failure) Error() string { return f.textV3 }

var nothingWritten = result{}

// The failures, with the texts of v3 and v1.
var (
	noFile        = &failure{wire.EmptyFile, "Imported file data is empty", "导入的文件数据为空", 100005, struct{}{}}
	noConfigs     = &failure{wire.EmptyFile, "Imported file data is empty", "导入的文件数据为空", 100005, nothingWritten}
	badMetadata   = &failure{wire.MetadataIllegal, "Imported metadata is invalid", "导入的元数据非法", 100002, nothingWritten}
	unreadable    = &failure{wire.ParseFailure, "Failed to parse data", "解析数据失败", 100004, nothingWritten}
	noNamespace   = &failure{wire.NamespaceNotFound, "namespace not exist", "目标 namespace 不存在", 100001, nothingWritten}
	nothingChosen = &failure{wire.NothingSelected, "No configuration selected", "没有选择任何配置", 100006, nothingWritten}
)

// unknownWords stand before the names of what an import leaves out, by the reason.
type unknownWords map[archive.Why]string

// v3 has words of its own, but not for its console.
var (
	unknownV1 = unknownWords{archive.NotListed: "未在元数据中找到: ", archive.NotThere: "未在文件中找到: "}
	unknownV3 = unknownWords{archive.NotListed: "Item not found in metadata: ", archive.NotThere: "Item not found in file: "}
)

// v1 and v3 put what became of it into their envelopes.
func exchangedV1(r *result, success string, err error) (any, error) {
	var f *failure
	if errors.As(err, &f) {
		return rest.RestResult{Code: f.codeV1, Message: &f.textV1, Data: f.data}, nil
	}
	return rest.RestResult{Code: http.StatusOK, Message: &success, Data: r}, err
}

func exchangedV3(r *result, err error) (any, error) {
	var f *failure
	if errors.As(err, &f) {
		return rest.Result{Code: f.kind.Code(), Message: f.textV3, Data: f.data}, nil
	}
	return r, err
}

// bringIn imports an archive. Archives of the older form are for v1 only.
func (a *API) bringIn(ctx context.Context, in importParams, older bool, words unknownWords) (*result, error) {
	policy := center.Policy(in.Policy)
	if !policy.Valid() {
		return nil, wire.Refuse(wire.ParameterInvalid, "Param 'policy' is illegal, it is ABORT, SKIP or OVERWRITE")
	}
	if in.File == nil {
		return nil, noFile
	}
	if err := a.needNamespace(ctx, in.Tenant); err != nil {
		return nil, err
	}
	leave, err := a.exchange(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	f, err := in.File.Open()
	if err != nil {
		return nil, unreadable
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, archiveBytesMax+1))
	switch {
	case err != nil:
		return nil, unreadable
	case len(b) > archiveBytesMax:
		return nil, wire.Refuse(wire.ContentTooLarge, "the file is too large")
	}
	contents, err := archive.Read(b)
	switch {
	case errors.Is(err, archive.ErrMetadata):
		return nil, badMetadata
	case errors.Is(err, archive.ErrTooLarge):
		return nil, wire.RefuseBy(wire.ContentTooLarge, err)
	case err != nil && older:
		return nil, noConfigs
	case err != nil, !contents.Newer && !older:
		return nil, badMetadata
	case len(contents.Configs) == 0:
		return nil, noConfigs
	}
	wishes := make([]configcenter.Publish, len(contents.Configs))
	for i, c := range contents.Configs {
		wishes[i] = configcenter.Publish{
			Key: configcenter.MakeKey(in.Tenant, c.Group, c.DataID), Content: c.Content,
			Attributes:  configcenter.Attributes{Type: typeOf(&c), AppName: c.AppName, Desc: c.Desc},
			KeepAppName: c.AppName == "", KeepTags: true,
		}
	}
	r, err := a.bring(ctx, wishes, policy, in.SrcUser)
	if err != nil {
		return nil, err
	}
	r.Unrecognized = len(contents.Unrecognized)
	for _, u := range contents.Unrecognized {
		r.Names = append(r.Names, unknownName{words[u.Why] + u.Name})
	}
	return r, nil
}

// typeOf is the type of a config of which none is said: what its name ends with, provided
// that it is that.
func typeOf(c *archive.Config) string {
	if c.Type != "" {
		return c.Type
	}
	ext := strings.TrimPrefix(path.Ext(c.DataID), ".")
	switch ext {
	case "yml":
		ext = "yaml"
	case "htm":
		ext = "html"
	}
	if validate.Syntax(ext, c.Content) != nil {
		return "text"
	}
	return ext // text, if it is none
}

// bring publishes configs for somebody who may write each of them.
func (a *API) bring(ctx context.Context, wishes []configcenter.Publish, policy center.Policy, srcUser string) (*result, error) {
	from := origin(ctx, rest.Of(ctx).ClientIP, srcUser)
	for i := range wishes {
		w := &wishes[i]
		w.Origin, w.KeepSchema = from, true
		if err := w.Validate(a.center.Limits()); err != nil { // before anything is written
			return nil, refusedAmong(w.Key, err)
		}
		need := auth.Need{Action: auth.Write, Resource: auth.ConfigResource(w.Key.Namespace, w.Key.Group, w.Key.DataID)}
		if err := rest.Allow(ctx, need); err != nil {
			return nil, err
		}
	}
	done, err := a.center.BringIn(ctx, wishes, policy)
	if err != nil {
		return nil, refusal(err)
	}
	skipped := len(done.Skipped)
	return &result{Written: done.Written, Skipped: &skipped, Failures: namesOf(done.Failed), Skips: namesOf(done.Skipped)}, nil
}

// refusedAmong is the refusal of one config of several: it says which name is meant.
func refusedAmong(k configcenter.Key, err error) error {
	var invalid *configcenter.InvalidError
	if errors.As(err, &invalid) {
		switch invalid.Field {
		case "dataId":
			return &wire.Error{Kind: wire.ParameterInvalid, Text: "invalid dataId : " + clip(k.DataID), Err: err}
		case "group":
			return &wire.Error{Kind: wire.ParameterInvalid, Text: "invalid group : " + clip(k.Group), Err: err}
		}
	}
	return refusal(err)
}

func namesOf(keys []configcenter.Key) []configName {
	out := make([]configName, len(keys))
	for i, k := range keys {
		out[i] = configName{k.DataID, k.Group}
	}
	return out
}

// cloneV1 and cloneV3 say which config is to be cloned, and under what name if that is
// another one.
type cloneV1 struct {
	ID     jsonID `json:"cfgId"`
	DataID string `json:"dataId"`
	Group  string `json:"group"`
}

type cloneV3 struct {
	ID     jsonID `json:"configId"`
	DataID string `json:"targetDataId"`
	Group  string `json:"targetGroupName"`
}

// jsonID is an id in JSON, a number or a string; blank if there is none.
type jsonID string

// UnmarshalJSON takes both.
func (id *jsonID) UnmarshalJSON(b []byte) error {
	text := string(bytes.Trim(b, `"`))
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		text = strconv.FormatInt(n, 10) // one text for each id
	}
	if *id = jsonID(text); *id == "null" {
		*id = ""
	}
	return nil
}

// cloneParams are a clone. Its target must be named, if only as the blank one: nobody
// means the public namespace by saying nothing.
type cloneParams struct {
	SrcUser string `form:"src_user" alias:"srcUser"`
	Policy  string `form:"policy,default=ABORT"`
}

type cloneV1Params struct {
	Tenant string `form:"tenant" alias:"namespaceId,namespace" binding:"present" absent:"Required request parameter 'tenant' for method parameter type String is not present"`
	cloneParams
	Configs []cloneV1 `body:"json" binding:"required" absent:"Required request body is missing"`
}

type cloneV3Params struct {
	Tenant string `form:"namespaceId" alias:"tenant,namespace" binding:"present" absent:"Required request parameter 'namespaceId' for method parameter type String is not present"`
	cloneParams
	Configs []cloneV3 `body:"json" binding:"required" absent:"Required request body is missing"`
}

type cloneConsoleParams struct {
	Tenant string `form:"targetNamespaceId" binding:"present" absent:"Required request parameter 'targetNamespaceId' for method parameter type String is not present"`
	cloneParams
	Configs []*cloneV1 `body:"json" binding:"required" absent:"Required request body is missing"`
}

// clone copies configs to a namespace, the oldest first. Of several wishes for one config
// the first counts.
func (a *API) clone(ctx context.Context, in cloneV3Params) (*result, error) {
	policy := center.Policy(in.Policy)
	switch {
	case !policy.Valid():
		return nil, wire.Refuse(wire.ParameterInvalid, "Param 'policy' is illegal, it is ABORT, SKIP or OVERWRITE")
	case len(in.Configs) == 0:
		return nil, nothingChosen
	}
	if err := a.needNamespace(ctx, in.Tenant); err != nil {
		return nil, err
	}
	var ids []string
	named := make(map[string]cloneV3, len(in.Configs))
	for _, c := range in.Configs {
		id := string(c.ID)
		if _, twice := named[id]; id == "" || twice {
			continue
		}
		ids, named[id] = append(ids, id), c
	}
	items, err := a.allByIDs(ctx, ids)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return nil, noConfigs
	}
	wishes := make([]configcenter.Publish, len(items))
	for i, it := range items {
		need := auth.Need{Action: auth.Read, Resource: auth.ConfigResource(it.Key.Namespace, it.Key.Group, it.Key.DataID)}
		if err := rest.Allow(ctx, need); err != nil {
			return nil, err
		}
		as := named[idText(it)]
		wishes[i] = configcenter.Publish{
			Key:     configcenter.MakeKey(in.Tenant, cmp.Or(strings.TrimSpace(as.Group), it.Key.Group), cmp.Or(strings.TrimSpace(as.DataID), it.Key.DataID)),
			Content: it.Content, Attributes: it.Attributes,
		}
	}
	return a.bring(ctx, wishes, policy, in.SrcUser)
}

// needNamespace refuses to bring configs into a namespace that is not there.
func (a *API) needNamespace(ctx context.Context, tenant string) error {
	id := configcenter.Namespace(tenant)
	if id == configcenter.PublicNamespace || a.namespaces == nil {
		return nil
	}
	there, err := a.namespaces(ctx, id)
	if err == nil && !there {
		err = noNamespace
	}
	return err
}

func (a *API) importV1(ctx context.Context, in importParams) (any, error) {
	r, err := a.bringIn(ctx, in, true, unknownV1)
	return exchangedV1(r, "import success", err)
}

func (a *API) importV3(ctx context.Context, in importParams) (any, error) {
	r, err := a.bringIn(ctx, in, false, unknownV3)
	return exchangedV3(r, err)
}

func (a *API) importOfConsole(ctx context.Context, in importParams) (any, error) {
	r, err := a.bringIn(ctx, in, false, unknownV1)
	return exchangedV3(r, err)
}

func (a *API) cloneV1(ctx context.Context, in cloneV1Params) (any, error) {
	configs := make([]cloneV3, len(in.Configs))
	for i, c := range in.Configs {
		configs[i] = cloneV3(c)
	}
	r, err := a.clone(ctx, cloneV3Params{in.Tenant, in.cloneParams, configs})
	return exchangedV1(r, "Clone Completed Successfully", err)
}

func (a *API) cloneV3(ctx context.Context, in cloneV3Params) (any, error) {
	r, err := a.clone(ctx, in)
	return exchangedV3(r, err)
}

// cloneOfConsole passes over what is null among the configs.
func (a *API) cloneOfConsole(ctx context.Context, in cloneConsoleParams) (any, error) {
	var configs []cloneV3
	for _, c := range in.Configs {
		if c != nil {
			configs = append(configs, cloneV3(*c))
		}
	}
	r, err := a.clone(ctx, cloneV3Params{in.Tenant, in.cloneParams, configs})
	return exchangedV3(r, err)
}

func (a *API) exportV3(ctx context.Context, in exportParams) (*rest.Raw, error) {
	return a.export(ctx, in, true)
}
