package nacosapi

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/nacos/wire"
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
	for _, name := range []string{tag, configcenter.GrayTagPrefix + tag} {
		if removed, err := a.center.RemoveGray(ctx, k, name, by); removed || err != nil {
			return refusal(err)
		}
	}
	return nil
}

// The label, and the header of HTTP, with the tag that a client has.
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
		who.Tag = c.Label(labelTag)
	}
	return who
}

// serve is what somebody reads as a config, and the gray version that it is, if it is one.
func (a *API) serve(ctx context.Context, k configcenter.Key, who *configcenter.Reader) (*configcenter.Item, *configcenter.Gray, error) {
	cfg, err := a.config(ctx, k)
	if err != nil {
		return nil, nil, err
	}
	it, g := cfg.For(who)
	if it == nil {
		return nil, nil, refusal(configcenter.ErrNotFound)
	}
	return it, g, nil
}

func isBeta(g *configcenter.Gray) bool { return g != nil && g.Rule.Type == configcenter.RuleBeta }

func (a *API) config(ctx context.Context, k configcenter.Key) (*configcenter.Config, error) {
	if err := k.Validate(); err != nil {
		return nil, refusal(err)
	}
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	cfg, err := a.center.Config(ctx, k)
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

// betaV1 is a beta version as v1 shows it.
type betaV1 struct {
	itemV1
	BetaIPs string `json:"betaIps"`
}

func (a *API) queryBetaV1(ctx context.Context, in keyParams) (rest.RestResult, error) {
	r := rest.RestResult{Code: 200, Message: new("query beta ok")}
	g, err := a.beta(ctx, in.key())
	switch {
	case isNotFound(err):
	case err != nil:
		return rest.RestResult{}, err
	default:
		r.Data = betaV1{detailV1(g.Item, in.Tenant).itemV1, g.Rule.Expr}
	}
	return r, nil
}

func (a *API) stopBeta(ctx context.Context, k configcenter.Key, by configcenter.Origin) error {
	if err := k.Validate(); err != nil {
		return refusal(err)
	}
	_, err := a.center.RemoveGray(ctx, k, configcenter.GrayBeta, by)
	return refusal(err)
}

// grayV3 is a gray version as v3 shows it.
type grayV3 struct {
	detailV3
	GrayName string `json:"grayName"`
	GrayRule string `json:"grayRule"`
}

func (a *API) betaV3(ctx context.Context, in keyParams) (*grayV3, error) {
	g, err := a.beta(ctx, in.key())
	if err != nil {
		return nil, err
	}
	return &grayV3{detailOf(g.Item), g.Name, ruleText(&g.Rule)}, nil
}

func (a *API) stopBetaV3(ctx context.Context, in keyParams) (bool, error) {
	err := a.stopBeta(ctx, in.key(), origin(ctx, rest.Of(ctx).ClientIP, ""))
	return err == nil, err
}

// ruleText is a rule as Nacos writes it: the number is a string.
func ruleText(r *configcenter.Rule) string {
	b, err := json.Marshal(struct {
		Type     string `json:"type"`
		Version  string `json:"version"`
		Expr     string `json:"expr"`
		Priority string `json:"priority"`
	}{string(r.Type), "1.0.0", r.Expr, strconv.Itoa(int(r.Priority))})
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

// graysV3 lists the gray versions of a config, in the order in which they are asked.
func (a *API) graysV3(ctx context.Context, in keyParams) ([]grayV3, error) {
	a.freshen(ctx)
	cfg, err := a.config(ctx, in.key())
	if err != nil {
		return nil, err
	}
	out := make([]grayV3, len(cfg.Grays))
	for i, g := range cfg.Grays {
		out[i] = grayV3{detailOf(g.Item), g.Name, ruleText(&g.Rule)}
	}
	return out, nil
}
