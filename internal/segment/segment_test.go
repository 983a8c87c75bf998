package segment

import (
	"testing"

	"github.com/zensus-io/zensus/core"
)

func TestEscape(t *testing.T) {
	for _, c := range []struct{ what, name, want string }{
		{"a plain name stays", "providers:com.acme.Svc:1.0:", "providers:com.acme.Svc:1.0:"},
		{"Chinese stays", "服务", "服务"},
		{"a slash", "config/app.yaml", "config%2Fapp.yaml"},
		{"a percent sign", "100%", "100%25"},
		{"the layout's separator", "A~1", "A%7E1"},
		{"a control character", "a\nb", "a%0Ab"},
		{"a dot", ".", "%2E"},
		{"two dots", "..", "%2E."},
		{"ZooKeeper's own subtree", "zookeeper", "%7Aookeeper"},
		{"a name that begins like it", "zookeeper2", "zookeeper2"},
		{"an emoji, which ZooKeeper forbids", "a😀", "a%F0%9F%98%80"},
		{"no UTF-8", "a\xff", "a%FF"},
		{"empty", "", "%"},
	} {
		if got := Escape(c.name); got != c.want {
			t.Errorf("%s: Escape(%q) = %q, want %q", c.what, c.name, got, c.want)
		}
		if got, err := Unescape(c.want); err != nil || got != c.name {
			t.Errorf("%s: Unescape(%q) = %q, %v, want %q", c.what, c.want, got, err, c.name)
		}
	}
}

func TestUnescapeRefusesWhatEscapeNeverWrites(t *testing.T) {
	for _, s := range []string{"a%", "a%2", "%2f", "%41", "a/b", "..", "zookeeper", "a%zz", "%2E%2E", "a~b", ""} {
		if name, err := Unescape(s); err == nil {
			t.Errorf("Unescape(%q) = %q, want an error", s, name)
		}
	}
}

func FuzzSegment(f *testing.F) {
	for _, s := range []string{"", "a", "..", "%2E", "服/务", "a\x00", "\xff\xfe", "%", "zookeeper"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		s := Escape(name)
		if err := core.ValidatePath("/a/" + s + "/b"); err != nil {
			t.Fatalf("Escape(%q) = %q, which is no path segment", name, s)
		}
		if back, err := Unescape(s); err != nil || back != name {
			t.Fatalf("Unescape(Escape(%q)) = %q, %v", name, back, err)
		}
		if plain, err := Unescape(name); err == nil && Escape(plain) != name {
			t.Fatalf("two segments for %q", plain)
		}
	})
}
