package nacosapi

import (
	"net/url"
	"strings"
	"testing"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/listen"
)

func TestListeningConfigsAreReadAsNacosWritesThem(t *testing.T) {
	md5 := strings.Repeat("a", 32)
	for name, c := range map[string]struct {
		field string
		want  []listen.Watched // nil: refused
	}{
		"without a tenant": {"d\x02g\x02" + md5 + "\x01", []listen.Watched{{Key: configcenter.MakeKey("", "g", "d"), MD5: md5}}},
		"with a tenant": {"d\x02g\x02" + md5 + "\x02dev\x01", []listen.Watched{
			{Key: configcenter.MakeKey("dev", "g", "d"), MD5: md5, Tenant: "dev"},
		}},
		"a tenant named public": {"d\x02g\x02\x02public\x01", []listen.Watched{
			{Key: configcenter.MakeKey("", "g", "d"), Tenant: "public"},
		}},
		"a blank tenant": {"d\x02g\x02\x02\x01", []listen.Watched{{Key: configcenter.MakeKey("", "g", "d")}}},
		"two records": {"a\x02g\x02\x01b\x02g\x02x\x02dev\x01", []listen.Watched{
			{Key: configcenter.MakeKey("", "g", "a")}, {Key: configcenter.MakeKey("dev", "g", "b"), MD5: "x", Tenant: "dev"},
		}},
		"escaped twice":    {"d%02g%02x%01", []listen.Watched{{Key: configcenter.MakeKey("", "g", "d"), MD5: "x"}}},
		"blank":            {" ", nil},
		"no end":           {"d\x02g\x02x", nil},
		"rest after end":   {"d\x02g\x02x\x01rest", nil},
		"two fields":       {"d\x02g\x01", nil},
		"five fields":      {"d\x02g\x02x\x02t\x02u\x01", nil},
		"no dataId":        {"\x02g\x02x\x01", nil},
		"illegal name":     {"d/\x02g\x02x\x01", nil},
		"broken escape":    {"d%0", nil},
		"endless md5":      {"d\x02g\x02" + strings.Repeat("a", 65) + "\x01", nil},
		"too many records": {strings.Repeat("d\x02g\x02\x01", pollKeysMax+1), nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseListening(c.field)
			if (err != nil) != (c.want == nil) || len(got) != len(c.want) {
				t.Fatalf("got %v, %v", got, err)
			}
			for i := range got {
				if got[i] != c.want[i] {
					t.Errorf("record %d: got %+v, want %+v", i, got[i], c.want[i])
				}
			}
		})
	}
}

func TestChangedKeysAreWrittenAsClientsReadThem(t *testing.T) {
	changed := []listen.Watched{
		{Key: configcenter.MakeKey("", "g", "a")},
		{Key: configcenter.MakeKey("dev", "g", "b:c"), Tenant: "dev"},
	}
	if got, want := formatChanged(changed), "a%02g%01b%3Ac%02g%02dev%01"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := formatChanged(nil); got != "" {
		t.Errorf("nothing changed, but %q", got)
	}
	if got, want := formatProbeModify(changed), "a:g;b:c:g;"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzListeningConfigs: no form field makes the parser panic or grow, and what it
// reads it can name in an answer that reads back.
func FuzzListeningConfigs(f *testing.F) {
	f.Add("d\x02g\x02x\x01")
	f.Add("d\x02g\x02x\x02t\x01d\x02g\x02x\x01")
	f.Add("d%02g%02x%01")
	f.Add("")
	f.Fuzz(func(t *testing.T, field string) {
		watched, err := parseListening(field)
		if err != nil {
			return
		}
		if len(watched) == 0 || len(watched) > pollKeysMax {
			t.Fatalf("%d records", len(watched))
		}
		for _, w := range watched {
			if err := w.Key.Validate(); err != nil {
				t.Fatal(err)
			}
		}
		answer, err := url.QueryUnescape(formatChanged(watched))
		if err != nil {
			t.Fatal(err)
		}
		// As clients read it: split at the separators.
		records := strings.Split(strings.TrimSuffix(answer, recordEnd), recordEnd)
		if len(records) != len(watched) {
			t.Fatalf("%d records in the answer to %d", len(records), len(watched))
		}
		for i, record := range records {
			fields := strings.Split(record, fieldEnd)
			w := watched[i]
			if fields[0] != w.Key.DataID || fields[1] != w.Key.Group || (len(fields) == 3) != (w.Tenant != "") {
				t.Fatalf("answer %q for %+v", record, w)
			}
		}
	})
}
