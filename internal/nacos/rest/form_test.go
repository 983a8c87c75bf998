package rest

import (
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzParseForm(f *testing.F) {
	for _, text := range []string{
		"", "&", "a", "a=b", "a=b&a=c&a=d&b=", "=x", "a=%41+b&%42=c", "a=%", "%=a&b=c", "a;b=c&d=e", "a=b=c&&d", strings.Repeat("a=b&c&", formPairsMost),
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, _ := url.ParseQuery(text)
		require.Equal(t, want, parseForm(text))
	})
}

// TestWhatIsKeptOfAFormDoesNotKeepIt: a server remembers the names of configs and instances
// for long.
func TestWhatIsKeptOfAFormDoesNotKeepIt(t *testing.T) {
	const large = 1 << 20
	for _, more := range []string{"", strings.Repeat("&x=y", formPairsMost)} {
		before := inUse()
		var kept []string
		for range 64 {
			form := parseForm("dataId=app&content=" + strings.Repeat("x", large) + more)
			require.Len(t, form.Get("content"), large)
			kept = append(kept, form.Get("dataId"))
		}
		require.Less(t, inUse()-before, int64(8*large))
		runtime.KeepAlive(kept)
	}
}

func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
