package configcenter

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
)

// Gray is a version of a config for those of its readers whom its rule names. Name is
// "beta", "tag_" with a tag, or any that an operator gave. Item is the version itself: its
// Key is the config's, its ID that of the version.
type Gray struct {
	Name string
	Rule Rule
	Item *Item
}

// The names of gray versions that Nacos's clients make.
const (
	GrayBeta      = "beta"
	GrayTagPrefix = "tag_"
)

// RuleType says how a rule is read.
type RuleType string

// The types of rules.
const (
	// RuleBeta is a comma list of client IPs; a blank in it is a part of an IP (Nacos).
	RuleBeta RuleType = "beta"
	// RuleTag is the tag that a client has.
	RuleTag RuleType = "tag"
	// RuleLabel is a comma list of KEY=VALUE, all of which must hold of the client's
	// labels; VALUE may be several, with | between them.
	RuleLabel RuleType = "label"
	// RulePercent is a number from 0 to 100: as many of a hundred clients, and always
	// the same ones. Who has a lower number also has the higher one.
	RulePercent RuleType = "percent"
)

// The priorities of beta and tag (Nacos). Rules of other types are asked after them,
// the highest priority first.
const (
	PriorityBeta = 1<<31 - 1
	PriorityTag  = 1<<31 - 2
)

// Rule says who reads a gray version.
type Rule struct {
	Type     RuleType
	Expr     string
	Priority int32
}

// BetaRule is for the clients with these IPs.
func BetaRule(ips string) Rule { return Rule{Type: RuleBeta, Expr: ips, Priority: PriorityBeta} }

// TagRule is for the clients with this tag.
func TagRule(tag string) Rule { return Rule{Type: RuleTag, Expr: tag, Priority: PriorityTag} }

// Reader is a client, as rules look at it. A nil Reader is nobody in particular.
type Reader struct {
	IP string
	// Tag is the tag that it has. Asked says that it asked for that tag by name: then
	// nothing but that version will do, or the beta.
	Tag   string
	Asked bool
	// Labels are what a connection says of itself.
	Labels map[string]string
}

// The bounds of gray versions: Nacos's, and on an expression our own.
const (
	GraysMax     = 10
	grayNameMax  = 128
	tagNameMax   = 16
	ruleExprMax  = 4096
	percentScale = 100 // hundredths of a percent
)

// Validate checks a rule. It returns an *InvalidError.
func (r *Rule) Validate() error {
	if strings.TrimSpace(r.Expr) == "" {
		return &InvalidError{Field: "grayRule", Reason: "is blank"}
	}
	if len(r.Expr) > ruleExprMax {
		return &InvalidError{Field: "grayRule", Reason: "is too long", Max: ruleExprMax}
	}
	switch r.Type {
	case RuleBeta:
		return nil
	case RuleTag:
		return ValidateTag(r.Expr)
	case RuleLabel:
		for want := range strings.SplitSeq(r.Expr, ",") {
			if key, _, ok := strings.Cut(want, "="); !ok || strings.TrimSpace(key) == "" {
				return &InvalidError{Field: "grayRule", Reason: "is no list of key=value"}
			}
		}
		return nil
	case RulePercent:
		if _, ok := percent(r.Expr); !ok {
			return &InvalidError{Field: "grayRule", Reason: "is no percentage, such as 25"}
		}
		return nil
	}
	return &InvalidError{Field: "grayRule", Reason: "is of an unknown type: there are beta, tag, label and percent"}
}

// ValidateTag checks a tag: letters, digits and "_-:.". It returns an *InvalidError.
func ValidateTag(tag string) error {
	if len(tag) > tagNameMax {
		return &InvalidError{Field: "tag", Reason: "is too long", Max: tagNameMax, Nacos: fmt.Sprint("too long tag, over ", tagNameMax)}
	}
	if err := checkName("tag", tag, tagNameMax, "_-:."); err != nil {
		return &InvalidError{Field: "tag", Reason: "holds an illegal character", Nacos: "invalid tag : " + tag}
	}
	return nil
}

// Matches reports whether a rule of the config named k names a reader.
func (r *Rule) Matches(k Key, who *Reader) bool {
	switch r.Type {
	case RuleBeta:
		for ip := range strings.SplitSeq(r.Expr, ",") {
			if ip != "" && ip == who.IP {
				return true
			}
		}
	case RuleTag:
		return who.Tag != "" && who.Tag == r.Expr
	case RuleLabel:
		for want := range strings.SplitSeq(r.Expr, ",") {
			key, values, _ := strings.Cut(want, "=")
			has := who.Labels[strings.TrimSpace(key)]
			if has == "" || !slices.Contains(strings.Split(strings.TrimSpace(values), "|"), has) {
				return false
			}
		}
		return true
	case RulePercent:
		share, ok := percent(r.Expr)
		return ok && bucket(k, who) < share
	}
	return false
}

// percent reads a percentage, in hundredths.
func percent(expr string) (int, bool) {
	f, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(expr), "%"), 64)
	if err != nil || !(f >= 0 && f <= 100) {
		return 0, false
	}
	return int(f*percentScale + 0.5), true
}

// bucket is a number below 100 percent that a client has for one config: it does not
// change when it reconnects, and another config's clients are other ones.
func bucket(k Key, who *Reader) int {
	h := fnv.New64a()
	for _, part := range []string{k.Namespace, k.Group, k.DataID, who.IP} {
		_, _ = h.Write([]byte(part)) // it never fails
		_, _ = h.Write([]byte{0})
	}
	return int(h.Sum64() % (100 * percentScale))
}

// GrayPublish is a wish to set a gray version, which replaces all that there was of it. The
// Revision and MustCreate of the publish, and what it would keep, have no meaning for it;
// CASMD5 is compared with the version of that name.
type GrayPublish struct {
	Publish
	Name string
	Rule Rule
	// MustExist refuses to make a version that is not there.
	MustExist bool
}

// Validate checks a wish against the limits. It returns an *InvalidError.
func (p *GrayPublish) Validate(l Limits) error {
	if err := p.Publish.Validate(l); err != nil {
		return err
	}
	// The name may be made of the rule, and then the rule is what is wrong.
	if err := p.Rule.Validate(); err != nil {
		return err
	}
	return ValidateGrayName(p.Name)
}

// ValidateGrayName checks the name of a gray version: letters, digits and "_-:.". It
// returns an *InvalidError.
func ValidateGrayName(name string) error { return checkName("grayName", name, grayNameMax, "_-:.") }

// Over is g as it would be in place of a config, nil for one that is not there: of the type
// in which its readers have it, the config's, and with what was said of the config and not of
// g. The key of g is its own: it belongs to the content.
func (g *Gray) Over(formal *Item) *Gray {
	if formal == nil {
		return g
	}
	as := *g.Item
	as.Type = formal.Type
	as.AppName = cmp.Or(as.AppName, formal.AppName)
	as.Tags = cmp.Or(as.Tags, formal.Tags)
	as.Desc = cmp.Or(as.Desc, formal.Desc)
	as.Use = cmp.Or(as.Use, formal.Use)
	as.Effect = cmp.Or(as.Effect, formal.Effect)
	as.Schema = cmp.Or(as.Schema, formal.Schema)
	return &Gray{Name: g.Name, Rule: g.Rule, Item: &as}
}

// Config is all that there is of one config. It is immutable, and nil is nothing.
type Config struct {
	Formal *Item   // nil for a config with gray versions only
	Grays  []*Gray // in the order in which their rules are asked
}

// NewConfig puts gray versions in order; nil if there is nothing.
func NewConfig(formal *Item, grays []*Gray) *Config {
	if formal == nil && len(grays) == 0 {
		return nil
	}
	slices.SortFunc(grays, func(a, b *Gray) int {
		return cmp.Or(-cmp.Compare(a.Rule.Priority, b.Rule.Priority), strings.Compare(a.Name, b.Name))
	})
	return &Config{Formal: formal, Grays: grays}
}

// For is what a reader reads: an item, and the gray version that it is, if it is one. Both
// are nil where there is nothing for that reader.
func (c *Config) For(who *Reader) (*Item, *Gray) {
	if c == nil {
		return nil, nil
	}
	if who == nil {
		return c.Formal, nil
	}
	asked := who.Asked && who.Tag != ""
	for _, g := range c.Grays {
		if asked && g.Rule.Type != RuleBeta && g.Rule.Type != RuleTag {
			continue
		}
		if g.Rule.Matches(g.Item.Key, who) {
			return g.Item, g
		}
	}
	if asked {
		return nil, nil
	}
	return c.Formal, nil
}

// MD5 is the md5 of what a reader reads, "" for nothing.
func (c *Config) MD5(who *Reader) string {
	if it, _ := c.For(who); it != nil {
		return it.MD5
	}
	return ""
}

// Gray is the gray version of a name, nil if there is none.
func (c *Config) Gray(name string) *Gray {
	if c == nil {
		return nil
	}
	for _, g := range c.Grays {
		if g.Name == name {
			return g
		}
	}
	return nil
}

// There reports whether there is a config, and not only gray versions of one or nothing.
func (c *Config) There() bool { return c != nil && c.Formal != nil }

// SameToAll reports whether every reader reads the same from c as from o.
func (c *Config) SameToAll(o *Config) bool {
	if c == nil || o == nil {
		return c == o
	}
	if c.MD5(nil) != o.MD5(nil) || len(c.Grays) != len(o.Grays) {
		return false
	}
	for i, g := range c.Grays {
		if g.Name != o.Grays[i].Name || g.Rule != o.Grays[i].Rule || g.Item.MD5 != o.Grays[i].Item.MD5 {
			return false
		}
	}
	return true
}
