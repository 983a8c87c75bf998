package configcenter

import (
	"errors"
	"strings"
	"testing"
)

func TestSumIsWhatNacosComputes(t *testing.T) {
	for content, want := range map[string]string{
		"":             "d41d8cd98f00b204e9800998ecf8427e",
		"hello":        "5d41402abc4b2a76b9719d911017c592",
		"a=1\nb=中文\n":  "6c47c958d6e2a0920c0f398f1511b7a9", // over the bytes of UTF-8
		"\x00\xff\x80": "4fd64cb80c3f86e1e9d0f559af8b370f",
	} {
		if got := Sum(content); got != want {
			t.Errorf("Sum(%q) = %q, want %q", content, got, want)
		}
	}
}

func TestNamespacesOfOneMeaningAreOne(t *testing.T) {
	for in, want := range map[string]string{"": "public", " ": "public", "public": "public", "null": "public", "dev": "dev", " dev ": "dev"} {
		if got := Namespace(in); got != want {
			t.Errorf("Namespace(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestKeysFollowNacosNameRules(t *testing.T) {
	for name, c := range map[string]struct {
		key   Key
		field string // of the error
	}{
		"usual":                {MakeKey("", "DEFAULT_GROUP", "app.yaml"), ""},
		"dubbo's colons":       {MakeKey("dev", "mapping", "com.x.Y:1.0:g"), ""},
		"no dataId":            {MakeKey("", "g", " "), "dataId"},
		"no group":             {MakeKey("", "", "d"), "group"},
		"slash":                {MakeKey("", "g", "a/b"), "dataId"},
		"chinese":              {MakeKey("", "组", "d"), "group"},
		"separators of a poll": {MakeKey("", "g\x02", "d"), "group"},
		"colon in a namespace": {MakeKey("a:b", "g", "d"), "tenant"},
		"longest":              {MakeKey(strings.Repeat("n", 128), strings.Repeat("g", 128), strings.Repeat("d", 256)), ""},
		"dataId too long":      {MakeKey("", "g", strings.Repeat("d", 257)), "dataId"},
		"group too long":       {MakeKey("", strings.Repeat("g", 129), "d"), "group"},
		"namespace too long":   {MakeKey(strings.Repeat("n", 129), "g", "d"), "tenant"},
	} {
		t.Run(name, func(t *testing.T) { wantInvalid(t, c.key.Validate(), c.field) })
	}
}

func wantInvalid(t *testing.T, err error, field string) {
	t.Helper()
	var invalid *InvalidError
	errors.As(err, &invalid)
	switch {
	case field == "" && err != nil:
		t.Errorf("got %v, want none", err)
	case field != "" && (invalid == nil || invalid.Field != field || !errors.Is(err, ErrInvalid)):
		t.Errorf("got %v, want one about %s", err, field)
	}
}

func TestPublishLimits(t *testing.T) {
	limits := Limits{ContentCharsMax: 10, ContentBytesMax: 20}
	for name, c := range map[string]struct {
		change func(*Publish)
		field  string
	}{
		"usual":                     {func(*Publish) {}, ""},
		"blank content":             {func(p *Publish) { p.Content = " \n" }, "content"},
		"as many characters":        {func(p *Publish) { p.Content = strings.Repeat("x", 10) }, ""},
		"one too many":              {func(p *Publish) { p.Content = strings.Repeat("x", 11) }, "content"},
		"counted in characters":     {func(p *Publish) { p.Content = strings.Repeat("é", 10) }, ""},
		"too many bytes":            {func(p *Publish) { p.Content = strings.Repeat("中", 7) }, "content"},
		"pairs count twice":         {func(p *Publish) { p.Content = "\U0001F600\U0001F600" + "xxxxxxx" }, "content"},
		"five tags":                 {func(p *Publish) { p.Tags = "a,b,c,d,e" }, ""},
		"six tags":                  {func(p *Publish) { p.Tags = "a,b,c,d,e,f" }, "config_tags"},
		"long tag":                  {func(p *Publish) { p.Tags = strings.Repeat("t", 65) }, "config_tags"},
		"long desc":                 {func(p *Publish) { p.Desc = strings.Repeat("d", 129) }, "desc"},
		"desc in characters":        {func(p *Publish) { p.Desc = strings.Repeat("描", 128) }, ""},
		"long use":                  {func(p *Publish) { p.Use = strings.Repeat("u", 33) }, "use"},
		"long effect":               {func(p *Publish) { p.Effect = strings.Repeat("e", 33) }, "effect"},
		"long schema":               {func(p *Publish) { p.Schema = strings.Repeat("s", 32769) }, "schema"},
		"long key of an encryption": {func(p *Publish) { p.EncryptedDataKey = strings.Repeat("k", 1025) }, "encryptedDataKey"},
		"bad name":                  {func(p *Publish) { p.Key.DataID = "*" }, "dataId"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &Publish{Key: MakeKey("", "g", "d"), Content: "x"}
			c.change(p)
			wantInvalid(t, p.Validate(limits), c.field)
		})
	}
	p := &Publish{Key: MakeKey("", "g", "d"), Content: strings.Repeat("x", 11)}
	if err := p.Validate(limits); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}

func TestUnknownTypesAreText(t *testing.T) {
	for in, want := range map[string]string{"": "text", "yaml": "yaml", "YAML": "yaml", "yml": "text", "unset": "unset", "toml": "toml"} {
		if got := NormalType(in); got != want {
			t.Errorf("NormalType(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestOnlyAnObjectThatAsksForSomethingIsASchema(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "s": false, "{}": false, " {\n} ": false, "true": false, `{"type":"object"}`: true, "\n{oops": true,
	} {
		if a := (Attributes{Schema: text}); a.HasSchema() != want {
			t.Errorf("%q: got %v", text, !want)
		}
	}
}
