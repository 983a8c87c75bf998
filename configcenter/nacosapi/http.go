package nacosapi

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/cache"
	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// publishBodyBytes bounds the body of a publish: the longest content, every
// character of which is escaped.
const publishBodyBytes = 3*(16<<20) + 1<<20

// Routes mounts the HTTP interfaces on g, whose path is the context path of
// Nacos: /nacos.
func (a *API) Routes(g *rest.Group) {
	limit := rest.BodyLimit(publishBodyBytes)
	read, write, user := a.guard.Config(auth.Read), a.guard.Config(auth.Write), a.guard.User()
	mark := rest.Behind(a.center.Stale)
	a.routesV1(g.Group("/v1/cs", mark), limit, read, write, user)
	a.routesV2(g.Group("/v2/cs", mark), limit, read, write)
	a.routesV3(g.Group("/v3", mark), limit, read, write, user)
	a.routesConsole(g.Group("/v3/console/cs", mark), limit, read, write, user)
}

// keyParams name a config in every version of the interface. Where a name has
// several parameters, their order is that of rest.Guard: it must look at the one
// that counts here.
type keyParams struct {
	DataID string `form:"dataId" binding:"required"`
	Group  string `form:"group" alias:"groupName" binding:"required"`
	Tenant string `form:"tenant" alias:"namespaceId,namespace"`
}

func (p keyParams) key() configcenter.Key { return configcenter.MakeKey(p.Tenant, p.Group, p.DataID) }

// publishParams are a publish in v1 and v2.
type publishParams struct {
	keyParams
	Content string `form:"content"`
	publishedParams
}

// publishedParams are what a publish says in every version beside name and content.
type publishedParams struct {
	Tag              string `form:"tag"`
	AppName          string `form:"appName"`
	SrcUser          string `form:"src_user" alias:"srcUser"`
	Tags             string `form:"config_tags" alias:"configTags"`
	Desc             string `form:"desc"`
	Use              string `form:"use"`
	Effect           string `form:"effect"`
	Type             string `form:"type"`
	Schema           string `form:"schema"`
	EncryptedDataKey string `form:"encryptedDataKey"`
	AppNameGiven     bool   `given:"appName"`
	TagsGiven        bool   `given:"config_tags,configTags"`
	SchemaGiven      bool   `given:"schema"`
	BetaIPs          string `header:"betaIps"`
	CASMD5           string `header:"casMd5"`
}

// wish is what is to be published.
func (in *publishParams) wish(ctx context.Context) configcenter.Publish {
	return configcenter.Publish{
		Key: in.key(), Content: in.Content, CASMD5: in.CASMD5, KeepAppName: !in.AppNameGiven, KeepTags: !in.TagsGiven,
		KeepSchema: !in.SchemaGiven,
		Attributes: configcenter.Attributes{
			Type: in.Type, AppName: in.AppName, Tags: in.Tags, Desc: in.Desc, Use: in.Use,
			Effect: in.Effect, Schema: in.Schema, EncryptedDataKey: in.EncryptedDataKey,
		},
		Origin: origin(ctx, rest.Of(ctx).ClientIP, in.SrcUser),
	}
}

func (a *API) publishHTTP(ctx context.Context, in publishParams) (bool, error) {
	wish := in.wish(ctx)
	revision, err := a.set(ctx, &wish, in.BetaIPs, in.Tag)
	if err != nil {
		return false, err
	}
	rest.Of(ctx).Reply("Zensus-Zxid", revision.String())
	return true, nil
}

type readParams struct {
	keyParams
	Tag string `form:"tag"`
}

// read finds a config itself, as new as anything that was committed before: behind a
// load balancer the client may have written elsewhere. Where that cannot be made
// sure of, the answer is marked.
func (a *API) read(ctx context.Context, k configcenter.Key) (*configcenter.Item, error) {
	a.freshen(ctx)
	return a.get(ctx, k)
}

// readFor finds what the client itself is to read, likewise.
func (a *API) readFor(ctx context.Context, in readParams) (*configcenter.Item, *configcenter.Gray, error) {
	if in.Tag != "" {
		if err := configcenter.ValidateTag(in.Tag); err != nil {
			return nil, nil, refusal(err)
		}
	}
	a.freshen(ctx)
	return a.serve(ctx, in.key(), readerHTTP(ctx, in.Tag))
}

// freshen brings what this node shows up to all that was committed before, and what it
// reads from its server as well. It reports whether it did: if not, the answer is marked.
func (a *API) freshen(ctx context.Context) bool {
	fresh := a.center.Fresh(ctx)
	if !fresh {
		rest.Of(ctx).Reply(wire.HeaderStale, "true")
	}
	return fresh
}

// errBehind refuses what would be done to less than was meant.
var errBehind = wire.Refuse(wire.Busy, "the server lags behind, or has no quorum, please try later")

// catchUp brings what this node shows up to all that is committed, where it is not anyway.
func (a *API) catchUp(ctx context.Context) error {
	if !a.center.Fresh(ctx) {
		return errBehind
	}
	return nil
}

func (a *API) removeHTTP(ctx context.Context, in readParams) (bool, error) {
	if in.Tag != "" {
		err := a.withdraw(ctx, in.key(), in.Tag, origin(ctx, rest.Of(ctx).ClientIP, ""))
		return err == nil, err
	}
	_, err := a.center.Remove(ctx, &configcenter.Remove{Key: in.key(), Origin: origin(ctx, rest.Of(ctx).ClientIP, "")})
	return err == nil, refusal(err)
}

// removeIDs deletes those of the configs with these ids that are in the given
// namespace: the caller's right was checked for that one only.
func (a *API) removeIDs(ctx context.Context, tenant string, ids []string) error {
	items, err := a.allByIDs(ctx, ids)
	if err != nil {
		return err
	}
	for _, it := range items {
		if it.Key.Namespace != configcenter.Namespace(tenant) {
			continue // as over ids of none
		}
		if _, err := a.center.Remove(ctx, &configcenter.Remove{Key: it.Key, Origin: origin(ctx, rest.Of(ctx).ClientIP, "")}); err != nil {
			return refusal(err)
		}
	}
	return nil
}

func parseID(text string) (uint64, error) {
	id, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0, wire.Refuse(wire.ParameterInvalid, "Param 'id' is illegal, it is no number")
	}
	return id, nil
}

// contentHeaders are the headers of an answer that carries a content, of the gray version
// g if that is not nil.
func contentHeaders(it *configcenter.Item, g *configcenter.Gray) http.Header {
	values := []string{
		it.Type, it.MD5, time.UnixMilli(it.Modified).UTC().Format(http.TimeFormat), "no-cache", "0", "no-cache,no-store", it.Revision.String(),
	}
	h := make(http.Header, 8)
	for n, name := range []string{"Config-Type", "Content-MD5", "Last-Modified", "Pragma", "Expires", "Cache-Control", "Zensus-Zxid"} {
		h[name] = values[n : n+1 : n+1]
	}
	if it.EncryptedDataKey != "" {
		h["Encrypted-Data-Key"] = []string{it.EncryptedDataKey}
	}
	switch {
	case g == nil:
	case g.Rule.Type == configcenter.RuleBeta:
		h["isBeta"] = []string{"true"}
	case g.Rule.Type == configcenter.RuleTag:
		h["tag"] = []string{url.QueryEscape(g.Rule.Expr)}
	}
	return h
}

// searchParams look for configs. A blank name means any.
type searchParams struct {
	DataID   string   `form:"dataId"`
	Group    string   `form:"group" alias:"groupName"`
	Tenant   string   `form:"tenant" alias:"namespaceId,namespace"`
	AppName  string   `form:"appName"`
	Tags     string   `form:"config_tags" alias:"configTags"`
	Types    []string `form:"types" alias:"type"`
	Content  string   `form:"config_detail" alias:"configDetail"`
	PageNo   int      `form:"pageNo,default=1"`
	PageSize int      `form:"pageSize,default=100"`
	Search   string   `form:"search"`
}

// blur reports whether * stands for anything.
func (p *searchParams) blur() bool { return p.Search == "" || p.Search == "blur" }

// wholePages refuses the pages that there cannot be, in the words of v1 and v2.
func wholePages(pageNo, pageSize int) error {
	if pageNo < 1 || pageSize < 1 {
		return wire.Refuse(wire.ParameterInvalid, "pageNo and pageSize must be greater than zero")
	}
	return nil
}

func (a *API) search(ctx context.Context, in searchParams) (cache.Page, error) {
	a.freshen(ctx)
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	page, err := a.center.Search(ctx, cache.Query{
		Namespace: configcenter.Namespace(in.Tenant), Group: strings.TrimSpace(in.Group), DataID: strings.TrimSpace(in.DataID),
		AppName: in.AppName, Tags: in.Tags, Types: in.Types, Content: in.Content,
		Blur: in.blur(), Page: in.PageNo, PageSize: in.PageSize,
	})
	return page, readRefusal(err)
}

// pageOf turns a page into the form of one version.
func pageOf[T any](p cache.Page, view func(*configcenter.Item) T) rest.Page[T] {
	out := rest.Page[T]{TotalCount: p.Total, PageNumber: p.Page, PagesAvailable: p.Pages, PageItems: []T{}}
	for _, it := range p.Items {
		out.PageItems = append(out.PageItems, view(it))
	}
	return out
}
