//go:build !noconsole

package console

import (
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
)

func get(t *testing.T, path string) *httptest.ResponseRecorder {
	t.Helper()
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	newWorld(t).console(t).Routes(engine)
	w := httptest.NewRecorder()
	engine.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

var nonceInPolicy = regexp.MustCompile(`'nonce-([A-Z2-7]+)'`)

func TestThePageComesWithAPolicyAndANonceOfItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, page := range Pages {
		w := get(t, page)
		require.Equal(t, 200, w.Code, page)
		require.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		policy := w.Header().Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'; script-src 'self';")
		require.Contains(t, policy, "frame-ancestors 'none'")
		require.NotContains(t, policy, "unsafe")
		nonce := nonceInPolicy.FindStringSubmatch(policy)[1]
		require.False(t, seen[nonce], "a nonce came twice")
		seen[nonce] = true
		require.Contains(t, w.Body.String(), `nonce="`+nonce+`"`)
		require.NotContains(t, w.Body.String(), nonceMark)
	}
}

func TestThePageHasNoScriptInItAndNamesRelativeFilesThatExist(t *testing.T) {
	body := get(t, "/").Body.String()
	require.NotRegexp(t, `<script[^>]*>[^<]`, body)
	require.NotRegexp(t, `\son\w+=`, body)
	names := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(body, -1)
	require.NotEmpty(t, names)
	for _, name := range names {
		require.True(t, strings.HasPrefix(name[1], "./"), "%s would break under a context path", name[1])
		require.Equal(t, 200, get(t, name[1][1:]).Code, name[1])
	}
}

func TestHashedFilesAreKeptForeverAndOthersAreNotThere(t *testing.T) {
	files, err := filepath.Glob("dist/assets/*")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		require.Regexp(t, `-[\w-]{8}\.(js|css)$`, file)
		w := get(t, "/assets/"+filepath.Base(file))
		require.Equal(t, 200, w.Code)
		require.Contains(t, w.Header().Get("Cache-Control"), "immutable")
		require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
		require.Regexp(t, `^text/(javascript|css)`, w.Header().Get("Content-Type"))
	}
	require.Equal(t, "image/svg+xml", get(t, "/favicon.svg").Header().Get("Content-Type"))
	licenses := get(t, "/licenses.md")
	require.Equal(t, "text/plain; charset=utf-8", licenses.Header().Get("Content-Type"))
	require.Contains(t, licenses.Body.String(), "## antd - ")
	for _, path := range []string{"/assets/", "/assets/none.js", "/assets/../index.html", "/assets/%2e%2e/index.html", "/index.html", "/nothing"} {
		require.Equal(t, 404, get(t, path).Code, path)
	}
}

// The page's own routes are those that the server answers.
func TestEveryScreenHasItsAddress(t *testing.T) {
	app, err := os.ReadFile("web/src/app.tsx")
	require.NoError(t, err)
	pages := []string{"/"}
	for _, m := range regexp.MustCompile(`path: "(\w+)"`).FindAllStringSubmatch(string(app), -1) {
		pages = append(pages, "/"+m[1])
	}
	require.ElementsMatch(t, Pages, pages)
}

// Budgets, in gzipped bytes: what the first screen needs, and all of it.
func TestTheBuildKeepsItsBudget(t *testing.T) {
	const firstMax, allMax = 500_000, 900_000
	index, err := os.ReadFile("dist/index.html")
	require.NoError(t, err)
	var first, all int
	require.NoError(t, filepath.WalkDir("dist", func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		require.NotContains(t, string(body), "sourceMappingURL", name)
		n := gzipped(t, body)
		all += n
		if d.Name() == "index.html" || strings.Contains(string(index), d.Name()) {
			first += n
		}
		return nil
	}))
	t.Logf("first paint %d bytes, all %d bytes gzipped", first, all)
	require.LessOrEqual(t, first, firstMax)
	require.LessOrEqual(t, all, allMax)
}

func gzipped(t *testing.T, body []byte) int {
	t.Helper()
	var n counter
	w := gzip.NewWriter(&n)
	_, err := w.Write(body)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return int(n)
}

type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
