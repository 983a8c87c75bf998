package configcenter

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestWhomARuleNames(t *testing.T) {
	k := MakeKey("", "g", "d")
	for name, c := range map[string]struct {
		rule Rule
		who  Reader
		want bool
	}{
		"an IP of the list":                {BetaRule("10.0.0.1,10.0.0.2"), Reader{IP: "10.0.0.2"}, true},
		"an IP after a blank":              {BetaRule("10.0.0.1, 10.0.0.2"), Reader{IP: "10.0.0.2"}, false},
		"another IP":                       {BetaRule("10.0.0.1"), Reader{IP: "10.0.0.11"}, false},
		"an IP that nobody knows":          {BetaRule(","), Reader{}, false},
		"the tag":                          {TagRule("blue"), Reader{Tag: "blue"}, true},
		"another tag":                      {TagRule("blue"), Reader{Tag: "green"}, false},
		"no tag":                           {TagRule("blue"), Reader{}, false},
		"all labels":                       {Rule{Type: RuleLabel, Expr: "env=canary, zone=a|b"}, Reader{Labels: map[string]string{"env": "canary", "zone": "b"}}, true},
		"one label too few":                {Rule{Type: RuleLabel, Expr: "env=canary,zone=a|b"}, Reader{Labels: map[string]string{"env": "canary"}}, false},
		"another value":                    {Rule{Type: RuleLabel, Expr: "zone=a|b"}, Reader{Labels: map[string]string{"zone": "c"}}, false},
		"everybody":                        {Rule{Type: RulePercent, Expr: "100"}, Reader{IP: "10.0.0.1"}, true},
		"nobody":                           {Rule{Type: RulePercent, Expr: "0%"}, Reader{IP: "10.0.0.1"}, false},
		"a rule of a type that is unknown": {Rule{Type: "moon", Expr: "full"}, Reader{IP: "10.0.0.1"}, false},
	} {
		if got := c.rule.Matches(k, &c.who); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A percentage names about as many, always the same, and more when it grows: none of
// those who had the version loses it.
func TestAPercentageIsSticky(t *testing.T) {
	k, other := MakeKey("", "g", "d"), MakeKey("", "g", "e")
	ten, thirty := Rule{Type: RulePercent, Expr: "10"}, Rule{Type: RulePercent, Expr: "30%"}
	of := map[string]int{}
	for i := range 10_000 {
		who := &Reader{IP: fmt.Sprintf("10.0.%d.%d", i/256, i%256)}
		a, b := ten.Matches(k, who), thirty.Matches(k, who)
		if a && !b || a != ten.Matches(k, who) {
			t.Fatalf("%s loses it", who.IP)
		}
		if a {
			of["ten"]++
		}
		if b {
			of["thirty"]++
		}
		if a && ten.Matches(other, who) {
			of["both"]++
		}
	}
	if of["ten"] < 800 || of["ten"] > 1200 || of["thirty"] < 2700 || of["thirty"] > 3300 || of["both"] > 300 {
		t.Errorf("of 10000 %v", of)
	}
}

func TestRulesThatAreNone(t *testing.T) {
	for name, r := range map[string]Rule{
		"blank": BetaRule(" "), "a tag that is too long": TagRule(strings.Repeat("t", 17)), "a tag with a blank": TagRule("a b"),
		"no label": {Type: RuleLabel, Expr: "env"}, "no percentage": {Type: RulePercent, Expr: "many"},
		"more than all": {Type: RulePercent, Expr: "101"}, "not a number": {Type: RulePercent, Expr: "NaN"},
		"an unknown type": {Type: "moon", Expr: "full"}, "too long": BetaRule(strings.Repeat("1", 5000)),
	} {
		if err := r.Validate(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// They said that there was something wrong, and not what would do.
func TestARefusedRuleSaysWhatThereIs(t *testing.T) {
	for want, r := range map[string]Rule{
		"is no percentage, such as 25":                                  {Type: RulePercent, Expr: "200"},
		"is of an unknown type: there are beta, tag, label and percent": {Type: "percentage", Expr: "20"},
	} {
		if err := r.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestWhoReadsWhat(t *testing.T) {
	k := MakeKey("", "g", "d")
	item := func(s string) *Item { return &Item{Key: k, Content: s, MD5: Sum(s)} }
	gray := func(name string, r Rule) *Gray { return &Gray{Name: name, Rule: r, Item: item(name)} }
	cfg := NewConfig(item("formal"), []*Gray{
		gray("canary", Rule{Type: RuleLabel, Expr: "env=canary", Priority: 5}),
		gray("tag_blue", TagRule("blue")),
		gray("half", Rule{Type: RulePercent, Expr: "100", Priority: 9}),
		gray("beta", BetaRule("10.0.0.1")),
	})
	for name, c := range map[string]struct {
		who  *Reader
		want string
	}{
		"nobody in particular":                   {nil, "formal"},
		"a beta client":                          {&Reader{IP: "10.0.0.1"}, "beta"},
		"beta is first, whatever is asked for":   {&Reader{IP: "10.0.0.1", Tag: "blue", Asked: true}, "beta"},
		"a tag":                                  {&Reader{IP: "10.0.0.2", Tag: "blue"}, "tag_blue"},
		"a tag that is asked for":                {&Reader{IP: "10.0.0.2", Tag: "blue", Asked: true}, "tag_blue"},
		"a tag without a version":                {&Reader{IP: "10.0.0.2", Tag: "red"}, "half"},
		"asked for by name it has no substitute": {&Reader{IP: "10.0.0.2", Tag: "red", Asked: true}, ""},
		"the higher priority":                    {&Reader{IP: "10.0.0.2", Labels: map[string]string{"env": "canary"}}, "half"},
	} {
		it, g := cfg.For(c.who)
		got := ""
		if it != nil {
			got = it.Content
		}
		if got != c.want || (g == nil) != (got == "" || got == "formal") {
			t.Errorf("%s: %q, %v", name, got, g)
		}
	}
	if it, g := (*Config)(nil).For(&Reader{}); it != nil || g != nil || (*Config)(nil).MD5(nil) != "" || NewConfig(nil, nil) != nil {
		t.Error("there is something in nothing")
	}
}

// What is promoted keeps the type that its readers had it in, and what was said of the config
// and not of the version.
func TestAVersionInPlaceOfItsConfig(t *testing.T) {
	g := &Gray{Name: "beta", Rule: BetaRule("10.0.0.1"), Item: &Item{
		Content: "b", Attributes: Attributes{Type: "text", AppName: "new", Desc: "new"},
	}}
	if g.Over(nil) != g {
		t.Error("without a config it is as it is")
	}
	formal := &Item{Content: "a", Attributes: Attributes{
		Type: "yaml", AppName: "old", Tags: "x", Desc: "old", Use: "u", Effect: "e", Schema: "{}", EncryptedDataKey: "k",
	}}
	got := g.Over(formal)
	want := Attributes{Type: "yaml", AppName: "new", Tags: "x", Desc: "new", Use: "u", Effect: "e", Schema: "{}"}
	if got.Item.Attributes != want || got.Item.Content != "b" || got.Name != "beta" || got.Rule != g.Rule {
		t.Errorf("%+v", got.Item)
	}
	if g.Item.Type != "text" || g.Item.Tags != "" {
		t.Errorf("the version itself is changed: %+v", g.Item)
	}
}
