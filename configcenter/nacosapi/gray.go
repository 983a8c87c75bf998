package nacosapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/internal/patience"
)

const textGrayCASMismatch = "Cas publish gray config fail, server md5 may have changed."

// set publishes a config, or the gray version of it that is for these IPs or, failing
// that, for this tag. It returns the revision.
func (a *API) set(ctx context.Context, p *configcenter.Publish, betaIPs, tag string) (core.Zxid, error) {
	g := &configcenter.GrayPublish{Publish: *p}
	switch betaIPs, tag = strings.TrimSpace(betaIPs), strings.TrimSpace(tag); {
	case betaIPs != "":
		g.Name, g.Rule = configcenter.GrayBeta, configcenter.BetaRule(betaIPs)
	case tag != "":
		g.Name, g.Rule = configcenter.GrayTagPrefix+tag, configcenter.TagRule(tag)
	default:
		it, err := a.center.Publish(ctx, p)
		if err != nil {
			return 0, refusal(err)
		}
		return it.Revision, nil
	}
	made, err := a.center.PublishGray(ctx, g)
	if errors.Is(err, configcenter.ErrCASMismatch) {
		return 0, &wire.Error{Kind: wire.CASMismatch, Text: textGrayCASMismatch, Err: err}
	}
	if err != nil {
		return 0, refusal(err)
	}
	return made.Item.Revision, nil
}

// withdraw removes the gray version that a tag names: Nacos takes it for the name of the
// version, its clients for the tag.
func (a *API) withdraw(ctx context.Context, k configcenter.Key, tag string, by configcenter.Origin) error {
	tag = strings.TrimSpace(tag)
	if err := configcenter.ValidateTag(strings.TrimPrefix(tag, configcenter.GrayTagPrefix)); err != nil {
		return refusal(err)
	}
	for _, name := range []string{tag, configcenter.GrayTagPrefix + tag} {
		if removed, err := a.center.RemoveGray(ctx, k, name, by); removed || err != nil {
			return refusal(err)
		}
	}
	return nil
}

// The header of HTTP, and the label that an application gives itself, with the tag that a
// client has.
const labelTag = "Vipserver-Tag"

// readerHTTP is who asks over HTTP. tag is the one that he asks for by name.
func readerHTTP(ctx context.Context, tag string) *configcenter.Reader {
	r := rest.Of(ctx)
	who := &configcenter.Reader{IP: r.ClientIP, Tag: tag, Asked: tag != "", Labels: map[string]string{"ClientIp": r.ClientIP}}
	if !who.Asked {
		who.Tag = r.Header.Get(labelTag)
	}
	return who
}

// labelPrefix begins the labels that an application gives itself.
const labelPrefix = "app_"

// readerRPC is who asks over a connection, likewise.
func readerRPC(c *rpc.Conn, tag string) *configcenter.Reader {
	who := &configcenter.Reader{IP: c.ClientIP(), Tag: tag, Asked: tag != "", Labels: map[string]string{
		"ClientIp": c.ClientIP(), "AppName": c.AppName(), "ClientVersion": c.Version(),
	}}
	for k, v := range c.Labels() {
		if name, ok := strings.CutPrefix(k, labelPrefix); ok {
			who.Labels[name] = v
		}
	}
	if !who.Asked {
		who.Tag = who.Labels[labelTag]
	}
	return who
}

// readerOfV3 is who asks as an application over v3, where nobody has a tag.
func readerOfV3(ctx context.Context) *configcenter.Reader {
	ip := rest.Of(ctx).ClientIP
	return &configcenter.Reader{IP: ip, Labels: map[string]string{"ClientIp": ip}}
}

// serve is what somebody reads as a config, and the gray version that it is, if it is one.
// Such a version is given out with the type that the config itself has.
func (a *API) serve(ctx context.Context, k configcenter.Key, who *configcenter.Reader) (*configcenter.Item, *configcenter.Gray, error) {
	cfg, err := a.config(ctx, k)
	if err != nil {
		return nil, nil, err
	}
	it, g := cfg.For(who)
	if it == nil {
		return nil, nil, refusal(configcenter.ErrNotFound)
	}
	if g != nil && cfg.There() && it.Type != cfg.Formal.Type {
		as := *it
		as.Type = cfg.Formal.Type
		it = &as
	}
	return it, g, nil
}

func isBeta(g *configcenter.Gray) bool { return g != nil && g.Rule.Type == configcenter.RuleBeta }

func (a *API) config(ctx context.Context, k configcenter.Key) (*configcenter.Config, error) {
	if err := k.Validate(); err != nil {
		return nil, refusal(err)
	}
	waiting := patience.For(ctx, readPatience)
	defer waiting.End()
	cfg, err := a.center.Config(waiting, k)
	return cfg, readRefusal(err)
}

// beta is the beta version of a config. The error says that there is none.
func (a *API) beta(ctx context.Context, k configcenter.Key) (*configcenter.Gray, error) {
	a.freshen(ctx)
	cfg, err := a.config(ctx, k)
	if err != nil {
		return nil, err
	}
	if g := cfg.Gray(configcenter.GrayBeta); g != nil {
		return g, nil
	}
	return nil, refusal(configcenter.ErrNotFound)
}

// betaV1 is a beta version as v1 shows it: nothing is said of a type.
type betaV1 struct {
	itemV1
	Type             *string `json:"type"`
	EncryptedDataKey *string `json:"encryptedDataKey"`
	BetaIPs          string  `json:"betaIps"`
}

func (a *API) queryBetaV1(ctx context.Context, in keyParams) (rest.RestResult, error) {
	r := rest.RestResult{Code: http.StatusOK, Message: new("query beta ok")}
	g, err := a.beta(ctx, in.key())
	switch {
	case isNotFound(err):
	case err != nil:
		return rest.RestResult{}, err
	default:
		r.Data = betaV1{
			itemV1: detailV1(g.Item, in.Tenant).itemV1, EncryptedDataKey: said(g.Item.EncryptedDataKey), BetaIPs: g.Rule.Expr,
		}
	}
	return r, nil
}

// textNoBeta is what is said where a beta is to be stopped and there is none.
const textNoBeta = "remove beta data error"

// stopBeta withdraws the beta of a config and reports whether there was one.
func (a *API) stopBeta(ctx context.Context, k configcenter.Key) (bool, error) {
	if err := k.Validate(); err != nil {
		return false, refusal(err)
	}
	stopped, err := a.center.RemoveGray(ctx, k, configcenter.GrayBeta, origin(ctx, rest.Of(ctx).ClientIP, ""))
	return stopped, refusal(err)
}

func (a *API) stopBetaV1(ctx context.Context, in keyParams) (rest.RestResult, error) {
	stopped, err := a.stopBeta(ctx, in.key())
	if !stopped {
		return rest.RestResult{Code: http.StatusInternalServerError, Message: new(textNoBeta), Data: false}, err
	}
	return rest.RestResult{Code: http.StatusOK, Message: new("stop beta ok"), Data: true}, nil
}

// betaV3 is a beta version as v3 shows it: of what a config has beside its content there
// is nothing but the application and the key, and who published it last.
type betaV3 struct {
	basicV3
	Type             *string `json:"type"`
	CreateTime       int64   `json:"createTime"`
	Content          string  `json:"content"`
	Desc             *string `json:"desc"`
	EncryptedDataKey *string `json:"encryptedDataKey"`
	CreateUser       *string `json:"createUser"`
	CreateIP         *string `json:"createIp"`
	ConfigTags       *string `json:"configTags"`
	GrayName         string  `json:"grayName"`
	GrayRule         string  `json:"grayRule"`
}

func betaOfV3(g *configcenter.Gray) *betaV3 {
	return &betaV3{
		basicV3: listedV3(g.Item), Content: g.Item.Content, EncryptedDataKey: said(g.Item.EncryptedDataKey),
		CreateUser: said(g.Item.ChangedBy.User), GrayName: g.Name, GrayRule: ruleTextV3(&g.Rule),
	}
}

func (a *API) betaV3(ctx context.Context, in keyV3) (*betaV3, error) {
	g, err := a.beta(ctx, in.params().key())
	if isNotFound(err) {
		return nil, &wire.Error{Kind: wire.NotFound, Text: "Config is not in beta.", Err: err}
	}
	if err != nil {
		return nil, err
	}
	return betaOfV3(g), nil
}

func (a *API) stopBetaV3(ctx context.Context, in keyV3) (any, error) {
	stopped, err := a.stopBeta(ctx, in.params().key())
	if !stopped && err == nil {
		return rest.Result{Code: wire.ServerError.Code(), Message: textNoBeta, Data: false}, nil
	}
	return stopped, err
}

// betaOfConsole is the beta as the console reads it: null where there is none, and with
// the type of the config.
func (a *API) betaOfConsole(ctx context.Context, in keyV3) (*betaV3, error) {
	g, err := a.beta(ctx, in.params().key())
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	shown := betaOfV3(g)
	if it, err := a.get(ctx, in.params().key()); err == nil {
		shown.Type = &it.Type
	}
	return shown, nil
}

func (a *API) stopBetaOfConsole(ctx context.Context, in keyV3) (any, error) {
	stopped, err := a.stopBeta(ctx, in.params().key())
	if !stopped && err == nil {
		return rest.Result{Code: http.StatusInternalServerError, Message: http.StatusText(http.StatusInternalServerError), Data: false}, nil
	}
	return stopped, err
}

// ruleText is a rule as Nacos stores it: the number is a string.
func ruleText(r *configcenter.Rule) string { return ruleJSON(r, strconv.Itoa(int(r.Priority))) }

// ruleTextV3 is a rule as v3 shows it.
func ruleTextV3(r *configcenter.Rule) string { return ruleJSON(r, r.Priority) }

func ruleJSON(r *configcenter.Rule, priority any) string {
	b, err := json.Marshal(struct {
		Type     string `json:"type"`
		Version  string `json:"version"`
		Expr     string `json:"expr"`
		Priority any    `json:"priority"`
	}{string(r.Type), "1.0.0", r.Expr, priority})
	if err != nil {
		return "{}"
	}
	return string(b)
}

// What follows is not Nacos's: gray versions by label and by percentage, several at once,
// and their promotion.

// grayParams name a gray version.
type grayParams struct {
	keyParams
	Name string `form:"grayName" binding:"required"`
}

// grayPublishParams are a publish of one.
type grayPublishParams struct {
	publishParams
	Name     string `form:"grayName" binding:"required"`
	Type     string `form:"grayType" binding:"required"`
	Expr     string `form:"grayRuleExp" binding:"required"`
	Priority int32  `form:"grayPriority"`
}

// rule is the rule that the parameters name. Beta and tag have priorities of their own.
func (p *grayPublishParams) rule() configcenter.Rule {
	switch t := configcenter.RuleType(p.Type); t {
	case configcenter.RuleBeta:
		return configcenter.BetaRule(p.Expr)
	case configcenter.RuleTag:
		return configcenter.TagRule(p.Expr)
	default:
		return configcenter.Rule{Type: t, Expr: p.Expr, Priority: min(p.Priority, configcenter.PriorityTag-1)}
	}
}

func (a *API) publishGrayV3(ctx context.Context, in grayPublishParams) (bool, error) {
	_, err := a.center.PublishGray(ctx, &configcenter.GrayPublish{
		Publish: in.wish(ctx), Name: in.Name, Rule: in.rule(),
	})
	if errors.Is(err, configcenter.ErrCASMismatch) {
		return false, &wire.Error{Kind: wire.CASMismatch, Text: textGrayCASMismatch, Err: err}
	}
	return err == nil, refusal(err)
}

func (a *API) removeGrayV3(ctx context.Context, in grayParams) (bool, error) {
	removed, err := a.center.RemoveGray(ctx, in.key(), in.Name, origin(ctx, rest.Of(ctx).ClientIP, ""))
	return removed, refusal(err)
}

func (a *API) promoteV3(ctx context.Context, in grayParams) (bool, error) {
	_, err := a.center.Promote(ctx, in.key(), in.Name, origin(ctx, rest.Of(ctx).ClientIP, ""))
	return err == nil, refusal(err)
}

// grayV3 is a gray version with all that was published with it.
type grayV3 struct {
	detailV3
	GrayName string `json:"grayName"`
	GrayRule string `json:"grayRule"`
}

// graysV3 lists the gray versions of a config, in the order in which they are asked.
func (a *API) graysV3(ctx context.Context, in keyParams) ([]grayV3, error) {
	a.freshen(ctx)
	cfg, err := a.config(ctx, in.key())
	if err != nil {
		return nil, err
	}
	out := make([]grayV3, len(cfg.Grays))
	for i, g := range cfg.Grays {
		out[i] = grayV3{detailOf(g.Item), g.Name, ruleTextV3(&g.Rule)}
	}
	return out, nil
}
