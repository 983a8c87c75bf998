package nacosapi

import "testing"

// FuzzMetadata reads metadata as requests bring it, which is no JSON, or a little.
func FuzzMetadata(f *testing.F) {
	for _, text := range []string{`{"a":"b","c":1,"d":null}`, "a=b,c=d,", "{", `{"a":{}}`, `{"a":"\ud800"}`, "=", ","} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var m metadata
		if err := m.UnmarshalText(text); err == nil && len(m) > len(text) {
			t.Fatalf("%d entries of %d bytes", len(m), len(text))
		}
	})
}
