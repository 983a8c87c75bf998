package fuzzy

import (
	"errors"
	"strings"
	"testing"
)

var lengths = Lengths{Namespace: 8, Group: 8, Name: 8}

func TestPatternsMatchAsNacosDoes(t *testing.T) {
	for _, c := range []struct {
		pattern, group, name string
		want                 bool
	}{
		{"n>>g>>a", "g", "a", true},
		{"n>>g>>a", "g", "ab", false},
		{"n>>g>>a", "h", "a", false},
		{"m>>g>>a", "g", "a", false},
		{"n>>*>>*", "g", "a", true},
		{"n>>g>>a*", "g", "ab", true},
		{"n>>g>>a*", "g", "ba", false},
		{"n>>g>>*a", "g", "ba", true},
		{"n>>g>>*a", "g", "ab", false},
		{"n>>g>>*a*", "g", "bab", true},
		{"n>>g>>*a*", "g", "bb", false},
		{"n>>g*>>a", "group", "a", true},
		{"n>>*p>>a", "group", "a", true},
		{"n>>*ro*>>a", "group", "a", true},
		// An asterisk in the middle counts for nothing.
		{"n>>g>>a*b", "g", "ab", false},
		{"n>>g>>a*b", "g", "a*b", false},
		{"n>>g>>*a*b*", "g", "xaby", true},
		{"n>>g>>*a*b*", "g", "xayb", false},
		{"n>>g>>a*b*", "g", "abc", true},
		{"n>>g>>**", "g", "abc", true},
		{"n*>>g>>a", "g", "a", false},
	} {
		p, err := Parse(c.pattern, lengths)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Matches(Key{"n", c.group, c.name}); got != c.want {
			t.Errorf("%s matches %s, %s: %v", c.pattern, c.group, c.name, got)
		}
		if p.String() != c.pattern {
			t.Errorf("%s is written %s", c.pattern, p)
		}
	}
	if (Pattern{}).Matches(Key{}) {
		t.Error("no pattern matches no key")
	}
}

func TestMalformedAndOverlongPatternsAreRefused(t *testing.T) {
	nine := strings.Repeat("é", 9)
	for _, text := range []string{
		"", "n", "n>>g", "n>>g>>a>>b", ">>g>>a", "n>>>>a", "n>>g>>", "n>>g>> ", " >>g>>a", ">>>>", ">>>>>>",
		nine + ">>g>>a", "n>>" + nine + "é*>>a", "n>>g>>*" + nine + "é", strings.Repeat(">", 1000),
	} {
		if p, err := Parse(text, lengths); !errors.Is(err, ErrPattern) {
			t.Errorf("%q is %+v, %v", text, p, err)
		}
	}
	if _, err := Parse("n>>*12345678*>>*12345678*", lengths); err != nil {
		t.Errorf("names of the full length between asterisks: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("n>>g*>>*a", "g", "a")
	f.Add("n>>*>>a*b", "a*b", "a>>b")
	f.Fuzz(func(t *testing.T, text, group, name string) {
		p, err := Parse(text, lengths)
		if err != nil {
			return
		}
		if p.Namespace()+">>"+p.Group()+">>"+p.Name() != text {
			t.Errorf("%q is taken apart to %q, %q, %q", text, p.Namespace(), p.Group(), p.Name())
		}
		p.Matches(Key{p.Namespace(), group, name})
		for _, form := range []Form{Services, Configs} {
			form.Read(text)
		}
		k := Key{p.Namespace(), p.Group(), p.Name()}
		if got, ok := Configs.Read(Configs.Write(k)); !ok || got != k {
			t.Errorf("%+v becomes %+v, %v", k, got, ok)
		}
	})
}

func TestKeysAreWrittenAsClientsReadThem(t *testing.T) {
	k := Key{"ns", "g+%", "a"}
	if got := Configs.Write(k); got != "a+g%2B%25+ns" {
		t.Errorf("a config is %s", got)
	}
	if got, ok := Configs.Read("a+g%2B%25+ns"); !ok || got != k {
		t.Errorf("read as %+v", got)
	}
	k = Key{"ns", "g", "a"}
	if got := Services.Write(k); got != "ns@@g@@a" {
		t.Errorf("a service is %s", got)
	}
	if got, ok := Services.Read("ns@@g@@a"); !ok || got != k {
		t.Errorf("read as %+v", got)
	}
	for _, text := range []string{"", "a+g", "a+g+n+x", "a@@g"} {
		if k, ok := Configs.Read(text); ok {
			t.Errorf("%q is the config %+v", text, k)
		}
		if k, ok := Services.Read(text); ok {
			t.Errorf("%q is the service %+v", text, k)
		}
	}
}
