package rest

import (
	"net/url"
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
