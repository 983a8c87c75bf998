package nacosapi

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/listen"
	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

func (a *API) routesV1(g *rest.Group, limit, read, write, user rest.HandlerFunc) {
	g.POST("/configs", limit, write, a.postV1())
	g.GET("/configs", read, rest.With(rest.V1Config, a.getV1))
	g.DELETE("/configs", write, rest.With(rest.V1Config, a.deleteV1))
	g.GET("/configs/catalog", read, rest.With(rest.V1Result, a.catalogV1))
	// Which configs a poll names is in its body: the handler asks for each.
	g.POST("/configs/listener", user, rest.With(rest.V1Config, a.pollV1))
	g.GET("/configs/listener", read, rest.With(rest.V1Config, a.listenersOfConfigV1))
	g.GET("/listener", read, rest.With(rest.V1Config, a.listenersOfClientV1))
	g.GET("/metrics/current", read, rest.With(rest.V1Config, a.heldByClients))
	g.GET("/metrics/cluster", read, rest.With(rest.V1Config, a.heldByAllClients))
	g.GET("/communication/configWatchers", read, rest.With(rest.V1Config, a.watchersV1))
	g.GET("/communication/watcherConfigs", a.guard.Admin(), rest.With(rest.V1Config, a.watchedV1))
	g.POST("/ops/localCache", a.guard.Admin(), rest.With(rest.V1Config, a.catchUpV1))
	g.GET("/history", read, rest.With(rest.V1Config, a.historyV1))
	g.GET("/history/previous", read, rest.With(rest.V1Config, a.previousV1))
	g.GET("/history/configs", a.guard.Configs(auth.Read), rest.With(rest.V1Config, a.historyConfigsV1))
	g.GET("/health", rest.With(rest.V1Config, a.healthV1))
}

// postV1 is what comes by one path: a publish, or what the query says.
func (a *API) postV1() rest.HandlerFunc {
	publish, clone := rest.With(rest.V1Config, a.publishHTTP), rest.With(rest.V1Config, a.cloneV1)
	bringIn := rest.With(rest.V1Config, a.importV1)
	return rest.ByQuery(func(q url.Values) rest.HandlerFunc {
		switch {
		case q.Get("import") == "true":
			return bringIn
		case q.Get("clone") == "true":
			return clone
		}
		return publish
	})
}

// getV1Params are everything that GET /v1/cs/configs may be asked for.
type getV1Params struct {
	searchParams
	Tag    string   `form:"tag"`
	Show   string   `form:"show"`
	Beta   string   `form:"beta"` // true, or it is none
	Export bool     `form:"export"`
	Newer  bool     `form:"exportV2"`
	IDs    []string `form:"ids"`
	Chosen bool     `given:"ids"` // an export must say, if only that it names none
}

func (a *API) getV1(ctx context.Context, in getV1Params) (any, error) {
	if in.Export || in.Newer {
		if err := refuseNames(in.Tenant, in.Group, in.DataID); err != nil {
			return nil, err
		}
		if !in.Chosen {
			return nil, wire.RefuseBy(wire.ParameterMissing, &rest.MissingError{Name: "ids"})
		}
		return a.export(ctx, exportParams{searchParams: in.searchParams, IDs: in.IDs}, in.Newer)
	}
	if in.Search == "accurate" || in.Search == "blur" {
		if err := wholePages(in.PageNo, in.PageSize); err != nil {
			return nil, wire.Refuse(wire.ParameterInvalid, "serialize page error, dataId="+in.DataID+", group="+in.Group+";caused: "+err.Error())
		}
		page, err := a.search(ctx, in.searchParams)
		if err != nil {
			return nil, err
		}
		return pageOf(page, foundV1(&in.searchParams)), nil
	}
	k := keyParams{DataID: in.DataID, Group: in.Group, Tenant: in.Tenant}
	if err := k.key().Validate(); err != nil {
		return nil, refusal(err)
	}
	if in.Beta == "true" {
		return a.queryBetaV1(ctx, k)
	}
	if in.Show == "all" {
		return a.detailV1(ctx, k)
	}
	it, g, err := a.readFor(ctx, readParams{keyParams: k, Tag: in.Tag})
	switch {
	case isNotFound(err):
		r := rest.Written(textNotFound + "\n")
		r.Status = http.StatusNotFound
		return r, nil
	case err != nil:
		return nil, err
	}
	r := rest.Text("")
	r.Body, r.Shared = configcenter.Bytes(it.Content), true
	r.Header = contentHeaders(it, g)
	return r, nil
}

// detailV1 is everything about a config itself.
func (a *API) detailV1(ctx context.Context, in keyParams) (any, error) {
	it, err := a.read(ctx, in.key())
	if isNotFound(err) {
		return rest.Written(""), nil
	}
	if err != nil {
		return nil, err
	}
	return detailV1(it, in.Tenant), nil
}

// isNotFound reports whether a refusal says that a config is not there.
func isNotFound(err error) bool { return err != nil && wire.AsError(err).Kind == wire.NotFound }

type deleteV1Params struct {
	DataID  string   `form:"dataId"`
	Group   string   `form:"group" alias:"groupName"`
	Tenant  string   `form:"tenant" alias:"namespaceId,namespace"`
	Tag     string   `form:"tag"`
	DelType string   `form:"delType"`
	IDs     []string `form:"ids"`
	Beta    string   `form:"beta"` // likewise
}

func (a *API) deleteV1(ctx context.Context, in deleteV1Params) (any, error) {
	if in.DelType == "ids" {
		return rest.RestResult{Code: http.StatusOK, Data: true}, a.removeIDs(ctx, in.Tenant, in.IDs)
	}
	k := keyParams{DataID: in.DataID, Group: in.Group, Tenant: in.Tenant}
	if in.Beta == "true" {
		return a.stopBetaV1(ctx, k)
	}
	return a.removeHTTP(ctx, readParams{keyParams: k, Tag: in.Tag})
}

type catalogV1 struct {
	aboutV1
	Type string `json:"type"`
}

func (a *API) catalogV1(ctx context.Context, in keyParams) (*catalogV1, error) {
	it, err := a.read(ctx, in.key())
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &catalogV1{aboutOfV1(it), it.Type}, nil
}

// pollParams are a long-poll.
type pollParams struct {
	Listening string `form:"Listening-Configs"`
	// Timeout is how long the client is ready to wait; without it, it is not.
	Timeout  *time.Duration `header:"Long-Pulling-Timeout"`
	NoHangup bool           `header:"Long-Pulling-Timeout-No-Hangup"`
	Version  string         `header:"Client-Version"`
}

const (
	pollMin    = 10 * time.Second
	pollMax    = 2 * time.Minute // a client that asks for more is answered sooner
	pollMargin = 500 * time.Millisecond
)

// hold is how long the poll may be held.
func (p *pollParams) hold() time.Duration {
	if p.Timeout == nil || p.NoHangup {
		return 0
	}
	return min(max(pollMin, *p.Timeout-pollMargin), pollMax)
}

func (a *API) pollV1(ctx context.Context, in pollParams) (*rest.Raw, error) {
	watched, err := parseListening(in.Listening)
	if err != nil {
		return nil, refusal(err)
	}
	for _, w := range watched {
		need := auth.Need{Action: auth.Read, Resource: auth.ConfigResource(w.Key.Namespace, w.Key.Group, w.Key.DataID)}
		if err := rest.Allow(ctx, need); err != nil {
			return nil, err
		}
	}
	if err := a.ready(ctx); err != nil {
		return nil, err
	}
	if a.refusing.Load() {
		return nil, errDraining
	}
	a.freshen(ctx)
	rest.Of(ctx).LetGoOfBody()
	changed, err := a.center.Listeners().Poll(ctx, rest.Of(ctx).ClientIP, readerHTTP(ctx, ""), watched, in.hold())
	if err != nil {
		return nil, refusal(err)
	}
	if len(changed) == 0 && a.refusing.Load() {
		return nil, errDraining
	}
	body := formatChanged(changed)
	if in.Timeout == nil {
		// Clients of old read headers; newer ones ask without a time only by mistake.
		reply := rest.Of(ctx)
		reply.Reply("Probe-Modify-Response", formatProbeModify(changed))
		reply.Reply("Probe-Modify-Response-New", body)
	}
	if body != "" {
		body += "\n"
	}
	r := rest.Written(body)
	r.Header = http.Header{"Pragma": {"no-cache"}, "Expires": {"0"}, "Cache-Control": {"no-cache,no-store"}}
	return r, nil
}

// listenersV1 is who listens, with Nacos's spelling.
type listenersV1 struct {
	CollectStatus int               `json:"collectStatus"`
	Status        map[string]string `json:"lisentersGroupkeyStatus"`
}

// listening is who listens to a config: by the client's address, with the md5 that it has.
func (a *API) listening(ctx context.Context, k configcenter.Key, everywhere bool) map[string]string {
	status := map[string]string{}
	for _, l := range a.listeners(ctx, listenersQuery{Config: &k}, everywhere) {
		status[l.Client] = l.MD5
	}
	return status
}

// listenedParams name a config whose group need not be said.
type listenedParams struct {
	DataID string `form:"dataId" binding:"required"`
	Group  string `form:"group,default=DEFAULT_GROUP" alias:"groupName"`
	Tenant string `form:"tenant" alias:"namespaceId,namespace"`
}

func (p listenedParams) key() configcenter.Key { return keyParams(p).key() }

func (a *API) listenersOfConfigV1(ctx context.Context, in listenedParams) (listenersV1, error) {
	return listenersV1{http.StatusOK, a.listening(ctx, in.key(), true)}, nil
}

type clientParams struct {
	IP     string `form:"ip" binding:"required"`
	All    bool   `form:"all"`
	Tenant string `form:"tenant" alias:"namespaceId,namespace"`
}

// listened is what the clients at one address listen to, as far as the caller may read it:
// the guard has looked at one name, or at none.
func (a *API) listened(ctx context.Context, in clientParams, everywhere bool) []listen.Watched {
	namespace := configcenter.Namespace(in.Tenant)
	var found []listen.Watched
	for _, l := range a.listeners(ctx, listenersQuery{Client: in.IP}, everywhere) {
		k := l.Config
		if !in.All && k.Namespace != namespace {
			continue
		}
		need := auth.Need{Action: auth.Read, Resource: auth.ConfigResource(k.Namespace, k.Group, k.DataID)}
		if rest.Allow(ctx, need) != nil {
			continue
		}
		found = append(found, l.watched())
	}
	return found
}

func (a *API) listenedV1(ctx context.Context, in clientParams, everywhere bool) map[string]string {
	status := map[string]string{}
	for _, w := range a.listened(ctx, in, everywhere) {
		status[groupKey(w)] = w.MD5
	}
	return status
}

func (a *API) listenersOfClientV1(ctx context.Context, in clientParams) (listenersV1, error) {
	return listenersV1{http.StatusOK, a.listenedV1(ctx, in, true)}, nil
}

// sampleV1 is what one server of Nacos tells another about those who listen.
type sampleV1 struct {
	Status map[string]string `json:"lisentersGroupkeyStatus"`
}

func (a *API) watchersV1(ctx context.Context, in listenedParams) (sampleV1, error) {
	return sampleV1{a.listening(ctx, in.key(), false)}, nil
}

func (a *API) watchedV1(ctx context.Context, in clientParams) (sampleV1, error) {
	in.All = true
	return sampleV1{a.listenedV1(ctx, in, false)}, nil
}

// catchUpV1 brings what this node shows up to all that is committed.
func (a *API) catchUpV1(ctx context.Context, _ rest.None) (string, error) {
	return strconv.Itoa(http.StatusOK), a.catchUp(ctx)
}

// groupKey is a config's name as Nacos joins it.
func groupKey(w listen.Watched) string {
	escape := strings.NewReplacer("+", "%2B", "%", "%25")
	s := escape.Replace(w.Key.DataID) + "+" + escape.Replace(w.Key.Group)
	if w.Tenant != "" {
		s += "+" + escape.Replace(w.Tenant)
	}
	return s
}

type historyV1Params struct {
	historyParams
	Search string `form:"search"`
	NID    string `form:"nid"`
}

func (a *API) historyV1(ctx context.Context, in historyV1Params) (any, error) {
	if in.Search != "accurate" {
		if in.NID == "" {
			return nil, wire.RefuseBy(wire.ParameterMissing, &rest.MissingError{Name: "nid"})
		}
		v, err := a.version(ctx, nidParams{keyParams: in.keyParams, NID: in.NID})
		return versionV1(v, in.Tenant), err
	}
	if err := wholePages(in.PageNo, in.PageSize); err != nil {
		return nil, err
	}
	page, err := a.history(ctx, in.historyParams)
	if err != nil {
		return nil, err
	}
	return historyPage(page, func(v *configcenter.Version) historyItemV1 { return entryV1(v, in.Tenant) }), nil
}

func (a *API) previousV1(ctx context.Context, in latestParams) (any, error) {
	v, err := a.latest(ctx, in)
	return versionV1(v, in.Tenant), err
}

func (a *API) historyConfigsV1(ctx context.Context, in namespaceParams) ([]keptV1, error) {
	items, err := a.configsOf(ctx, in)
	return keptOfV1(items, in.Tenant), err
}

func (a *API) healthV1(context.Context, rest.None) (string, error) {
	if a.center.Stale() {
		return "DOWN:the picture of the configs is behind", nil
	}
	return "UP", nil
}

// historyPage turns a page of the history into the form of one version.
func historyPage[T any](p rest.Page[configcenter.Version], view func(*configcenter.Version) T) rest.Page[T] {
	out := rest.Page[T]{TotalCount: p.TotalCount, PageNumber: p.PageNumber, PagesAvailable: p.PagesAvailable, PageItems: []T{}}
	for i := range p.PageItems {
		out.PageItems = append(out.PageItems, view(&p.PageItems[i]))
	}
	return out
}

func idText(it *configcenter.Item) string { return strconv.FormatUint(uint64(it.ID), 10) }
