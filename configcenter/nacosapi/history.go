package nacosapi

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/cache"
	"github.com/zensus-io/zensus/configcenter/store"
	"github.com/zensus-io/zensus/internal/nacos/rest"
)

// historyParams list the changes of one config.
type historyParams struct {
	keyParams
	PageNo   int `form:"pageNo,default=1"`
	PageSize int `form:"pageSize,default=100"`
}

// history lists changes, newest first; of what they replaced it knows all but the content.
func (a *API) history(ctx context.Context, in historyParams) (rest.Page[configcenter.Version], error) {
	size := min(max(in.PageSize, 1), store.HistoryPageMax)
	page := max(in.PageNo, 1)
	offset := -1 // past the end
	if page-1 <= (1<<31)/size {
		offset = (page - 1) * size
	}
	a.freshen(ctx)
	// One more: what the last one replaced, mostly.
	entries, total, err := a.center.History(ctx, in.key(), offset, size+1)
	if err != nil {
		return rest.Page[configcenter.Version]{}, refusal(err)
	}
	shown := min(size, len(entries))
	if entries, err = a.withReplaced(ctx, in.key(), entries, shown, offset); err != nil {
		return rest.Page[configcenter.Version]{}, refusal(err)
	}
	changes := make([]configcenter.Version, shown)
	for i := range changes {
		changes[i].Entry = entries[i]
		if j := replaced(entries, i); j > 0 {
			changes[i].Before = &entries[j]
		}
	}
	return rest.Page[configcenter.Version]{
		TotalCount: total, PageNumber: page, PagesAvailable: (total + size - 1) / size, PageItems: changes,
	}, nil
}

// replaced finds among changes, newest first, the one that i replaced: the one before it
// of the same version, the config itself or a gray one. 0 is none.
func replaced(entries []configcenter.Entry, i int) int {
	if entries[i].Op == configcenter.Inserted {
		return 0
	}
	for j := i + 1; j < len(entries); j++ {
		if entries[j].Gray == entries[i].Gray && entries[j].Seq < entries[i].Seq {
			return j
		}
	}
	return 0
}

// withReplaced adds older changes until there is what each of the first ones replaced, or
// no older one: between two of a gray version there may be any number of others.
func (a *API) withReplaced(
	ctx context.Context, k configcenter.Key, entries []configcenter.Entry, shown, offset int,
) ([]configcenter.Entry, error) {
	for i := range shown {
		for entries[i].Op != configcenter.Inserted && replaced(entries, i) == 0 {
			older, _, err := a.center.History(ctx, k, offset+len(entries), store.HistoryPageMax)
			if err != nil {
				return nil, err
			}
			if len(older) == 0 {
				return entries, nil
			}
			entries = append(entries, older...)
		}
	}
	return entries, nil
}

// nidParams name one change. The number is the config's own: it is good only
// together with the config's name.
type nidParams struct {
	keyParams
	NID string `form:"nid" binding:"required"`
}

// version finds one change; nil if there is none, which is no error in Nacos.
func (a *API) version(ctx context.Context, in nidParams) (*configcenter.Version, error) {
	seq, err := parseID(in.NID)
	if err != nil {
		return nil, err
	}
	a.freshen(ctx)
	return optional(a.center.Version(ctx, in.key(), seq))
}

// latestParams ask for the latest change of the config with this row id.
type latestParams struct {
	keyParams
	ID string `form:"id" binding:"required"`
}

func (a *API) latest(ctx context.Context, in latestParams) (*configcenter.Version, error) {
	id, err := parseID(in.ID)
	if err != nil {
		return nil, err
	}
	a.freshen(ctx)
	entries, _, err := a.center.History(ctx, in.key(), 0, store.HistoryPageMax)
	if err != nil || len(entries) == 0 {
		return nil, refusal(err)
	}
	// A config, or a gray version, that was deleted and made again is another row.
	newest := map[string]int{} // of the row of each version, walking back
	for i, e := range entries {
		if _, ok := newest[e.Gray]; !ok {
			newest[e.Gray] = i
		}
		if e.Op != configcenter.Inserted {
			continue
		}
		if uint64(e.Zxid) == id {
			return optional(a.center.Version(ctx, in.key(), entries[newest[e.Gray]].Seq))
		}
		delete(newest, e.Gray)
	}
	if i, ok := newest[""]; ok { // the change that made the oldest row has aged away
		return optional(a.center.Version(ctx, in.key(), entries[i].Seq))
	}
	return nil, nil
}

func optional(v *configcenter.Version, err error) (*configcenter.Version, error) {
	if refused := refusal(err); refused != nil {
		if isNotFound(refused) {
			return nil, nil
		}
		return nil, refused
	}
	return v, nil
}

// namespaceParams name a namespace.
type namespaceParams struct {
	Tenant string `form:"tenant" alias:"namespaceId,namespace"`
}

// configsOf lists all configs of a namespace.
func (a *API) configsOf(ctx context.Context, in namespaceParams) ([]*configcenter.Item, error) {
	page, err := a.search(ctx, searchParams{Tenant: in.Tenant, Search: "accurate", PageNo: 1, PageSize: cache.PageSizeMax})
	return page.Items, err
}

// The constants of Nacos's history items.
const (
	publishFormal = "formal"
	publishGray   = "gray"
	noLastID      = -1
)

// paddedOp is the operation as Nacos's column has it: ten characters.
func paddedOp(op configcenter.ChangeOp) string { return op.String() + strings.Repeat(" ", 9) }

func seqText(seq uint64) string { return strconv.FormatUint(seq, 10) }

func publishType(e *configcenter.Entry) string {
	if e.Gray != "" {
		return publishGray
	}
	return publishFormal
}

// extInfo is what Nacos keeps about a version beside its content, as JSON text: of a gray
// one little.
func extInfo(e *configcenter.Entry) string {
	type about struct {
		Type     string `json:"type,omitempty"`
		Tags     string `json:"config_tags,omitempty"`
		Effect   string `json:"effect,omitempty"`
		User     string `json:"src_user,omitempty"`
		Desc     string `json:"c_desc,omitempty"`
		Use      string `json:"c_use,omitempty"`
		Schema   string `json:"c_schema,omitempty"`
		GrayName string `json:"gray_name,omitempty"`
		GrayRule string `json:"gray_rule,omitempty"`
	}
	info := about{e.Type, e.Tags, e.Effect, e.Origin.User, e.Desc, e.Use, e.Schema, "", ""}
	if e.Gray != "" {
		info = about{User: e.Origin.User, GrayName: e.Gray, GrayRule: ruleText(&e.Rule)}
	}
	b, err := json.Marshal(info)
	if err != nil {
		return "{}"
	}
	return string(b)
}
