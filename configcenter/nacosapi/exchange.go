package nacosapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/archive"
	"github.com/zensus-io/zensus/configcenter/cache"
	"github.com/zensus-io/zensus/configcenter/center"
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// Export, import and clone of configs. Who may read or write a namespace as a whole is the
// guard's; each config is asked for here, since there may be rights for some only.

// importBytesMax bounds an uploaded archive, and exportBytesMax the contents of one that is
// made: as much as can be imported again.
const (
	importBytesMax = 64 << 20
	exportBytesMax = archive.TotalBytesMax
)

type exportParams struct {
	searchParams
	IDs   []string `form:"ids"`
	Newer bool     `form:"exportV2"`
}

// export finds the configs with the ids given or, without any, those that are searched for.
func (a *API) export(ctx context.Context, in exportParams, newer bool) (*rest.Raw, error) {
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
			return nil, wire.Refuse(wire.ContentTooLarge, "these are too many to be exported at once")
		}
		configs = append(configs, archive.Config{
			Group: it.Key.Group, DataID: it.Key.DataID, Content: it.Content, AppName: it.AppName, Desc: it.Desc, Type: it.Type,
		})
	}
	var b bytes.Buffer
	if err := archive.Write(&b, configs, newer); err != nil {
		return nil, err
	}
	name := "nacos_config_export_" + time.Now().UTC().Format("20060102150405") + ".zip"
	return &rest.Raw{
		ContentType: "application/octet-stream", Body: b.Bytes(),
		Header: http.Header{"Content-Disposition": {"attachment;filename=" + name}},
	}, nil
}

func (a *API) chosen(ctx context.Context, in exportParams) ([]*configcenter.Item, error) {
	if len(in.IDs) > 0 {
		items, err := a.byIDs(ctx, in.IDs)
		return of(items, in.Tenant), err
	}
	in.Search, in.PageNo, in.PageSize = "blur", 1, cache.PageSizeMax
	if in.DataID != "" {
		in.DataID = "*" + in.DataID + "*"
	}
	page, err := a.search(ctx, in.searchParams)
	if err == nil && page.Total > len(page.Items) {
		err = wire.Refuse(wire.ContentTooLarge, "these are too many to be exported at once")
	}
	return page.Items, err
}

// of are those of the items that are in one namespace.
func of(items []*configcenter.Item, tenant string) []*configcenter.Item {
	out := items[:0]
	for _, it := range items {
		if it.Key.Namespace == configcenter.Namespace(tenant) {
			out = append(out, it)
		}
	}
	return out
}

// byIDs are the configs with these ids; ids of none are passed over.
func (a *API) byIDs(ctx context.Context, ids []string) ([]*configcenter.Item, error) {
	if len(ids) > cache.PageSizeMax {
		return nil, wire.Refuse(wire.ParameterInvalid, "too many ids")
	}
	a.freshen(ctx)
	var out []*configcenter.Item
	for _, text := range ids {
		id, err := parseID(text)
		if err != nil {
			return nil, err
		}
		it, err := a.center.GetByID(ctx, core.Zxid(id))
		switch {
		case errors.Is(err, configcenter.ErrNotFound):
		case err != nil:
			return nil, readRefusal(err)
		default:
			out = append(out, it)
		}
	}
	return out, nil
}

type importParams struct {
	Tenant  string     `form:"namespaceId" alias:"tenant,namespace"`
	SrcUser string     `form:"src_user"`
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
	textV1 string
	codeV1 int
	data   any // {} or {"succCount":0}
}

func (f *failure) Error() string { return f.textV1 }

var nothingWritten = result{}

// The failures, with v1's texts.
var (
	noFile        = &failure{wire.EmptyFile, "导入的文件数据为空", 100005, struct{}{}}
	noConfigs     = &failure{wire.EmptyFile, "导入的文件数据为空", 100005, nothingWritten}
	badMetadata   = &failure{wire.MetadataIllegal, "导入的元数据非法", 100002, nothingWritten}
	unreadable    = &failure{wire.ParseFailure, "解析数据失败", 100004, nothingWritten}
	noNamespace   = &failure{wire.NamespaceNotFound, "目标 namespace 不存在", 100001, nothingWritten}
	nothingChosen = &failure{wire.NothingSelected, "没有选择任何配置", 100006, nothingWritten}
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
		return rest.Result{Code: f.kind.Code(), Message: f.kind.Summary(), Data: f.data}, nil
	}
	return r, err
}

// bringIn imports an archive. Archives of the older form are for v1 only.
func (a *API) bringIn(ctx context.Context, in importParams, older bool) (*result, error) {
	policy := center.Policy(in.Policy)
	if !policy.Valid() {
		return nil, wire.Refuse(wire.ParameterInvalid, "Param 'policy' is illegal, it is ABORT, SKIP or OVERWRITE")
	}
	if in.File == nil {
		return nil, noFile
	}
	if !a.hasNamespace(in.Tenant) {
		return nil, noNamespace
	}
	f, err := in.File.Open()
	if err != nil {
		return nil, unreadable
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, importBytesMax+1))
	switch {
	case err != nil:
		return nil, unreadable
	case len(b) > importBytesMax:
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
			Attributes: configcenter.Attributes{Type: typeOf(c.Type, c.DataID), AppName: c.AppName, Desc: c.Desc},
		}
	}
	r, err := a.bring(ctx, wishes, policy, in.SrcUser)
	if err != nil {
		return nil, err
	}
	r.Unrecognized = len(contents.Unrecognized)
	for _, name := range contents.Unrecognized {
		r.Names = append(r.Names, unknownName{name})
	}
	return r, nil
}

// typeOf is the type of a config of which none is said: what its name ends with.
func typeOf(said, dataID string) string {
	if said != "" {
		return said
	}
	switch ext := strings.TrimPrefix(path.Ext(dataID), "."); ext {
	case "yml":
		return "yaml"
	case "htm":
		return "html"
	default:
		return ext // text, if it is none
	}
}

// bring publishes configs for somebody who may write each of them.
func (a *API) bring(ctx context.Context, wishes []configcenter.Publish, policy center.Policy, srcUser string) (*result, error) {
	from := origin(ctx, rest.Of(ctx).ClientIP, srcUser)
	for i := range wishes {
		w := &wishes[i]
		w.Origin = from
		if err := w.Validate(a.center.Limits()); err != nil { // before anything is written
			return nil, refusal(err)
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
	return &result{Written: done.Written, Skipped: &skipped, Failures: names(done.Failed), Skips: names(done.Skipped)}, nil
}

func names(keys []configcenter.Key) []configName {
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

// jsonID is an id in JSON, a number or a string.
type jsonID string

// UnmarshalJSON takes both.
func (id *jsonID) UnmarshalJSON(b []byte) error {
	*id = jsonID(bytes.Trim(b, `"`))
	return nil
}

type cloneParams[T any] struct {
	Tenant  string `form:"namespaceId" alias:"tenant,namespace"`
	SrcUser string `form:"src_user"`
	Policy  string `form:"policy,default=ABORT"`
	Configs []T    `body:"json"`
}

// clone copies configs to a namespace.
func (a *API) clone(ctx context.Context, in cloneParams[cloneV3]) (*result, error) {
	policy := center.Policy(in.Policy)
	switch {
	case !policy.Valid():
		return nil, wire.Refuse(wire.ParameterInvalid, "Param 'policy' is illegal, it is ABORT, SKIP or OVERWRITE")
	case len(in.Configs) == 0:
		return nil, nothingChosen
	case !a.hasNamespace(in.Tenant):
		return nil, noNamespace
	}
	ids := make([]string, len(in.Configs))
	named := make(map[string]cloneV3, len(in.Configs))
	for i, c := range in.Configs {
		ids[i] = string(c.ID)
		if _, twice := named[ids[i]]; !twice {
			named[ids[i]] = c
		}
	}
	items, err := a.byIDs(ctx, ids)
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
			Key:     configcenter.MakeKey(in.Tenant, orElse(as.Group, it.Key.Group), orElse(as.DataID, it.Key.DataID)),
			Content: it.Content, Attributes: it.Attributes,
		}
	}
	return a.bring(ctx, wishes, policy, in.SrcUser)
}

func orElse(s, otherwise string) string {
	if strings.TrimSpace(s) == "" {
		return otherwise
	}
	return s
}

// hasNamespace reports whether there is a namespace to bring configs into.
func (a *API) hasNamespace(tenant string) bool {
	id := configcenter.Namespace(tenant)
	return id == configcenter.PublicNamespace || a.namespaces == nil || a.namespaces(id)
}

func (a *API) importV1(ctx context.Context, in importParams) (any, error) {
	r, err := a.bringIn(ctx, in, true)
	return exchangedV1(r, "import success", err)
}

func (a *API) importV3(ctx context.Context, in importParams) (any, error) {
	r, err := a.bringIn(ctx, in, false)
	return exchangedV3(r, err)
}

func (a *API) cloneV1(ctx context.Context, in cloneParams[cloneV1]) (any, error) {
	as := cloneParams[cloneV3]{Tenant: in.Tenant, SrcUser: in.SrcUser, Policy: in.Policy}
	for _, c := range in.Configs {
		as.Configs = append(as.Configs, cloneV3(c))
	}
	r, err := a.clone(ctx, as)
	return exchangedV1(r, "Clone Completed Successfully", err)
}

func (a *API) cloneV3(ctx context.Context, in cloneParams[cloneV3]) (any, error) {
	r, err := a.clone(ctx, in)
	return exchangedV3(r, err)
}

func (a *API) exportV3(ctx context.Context, in exportParams) (*rest.Raw, error) {
	return a.export(ctx, in, true)
}
