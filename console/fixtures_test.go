package console

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

var rewrite = flag.Bool("rewrite", false, "record the fixtures of the page's types anew")

// The answers recorded here are what the page's types are held against, in
// web/src/api/types.test.ts; so neither side can change alone.
func TestAnswersAreAsThePagesTypesExpect(t *testing.T) {
	open := newBrowser(t, newWorld(t))
	secured := newBrowser(t, securedWorld(t))
	service := q{"namespace": "public", "group": "DEFAULT_GROUP", "name": "payment"}
	for _, f := range []struct {
		name   string
		who    *browser
		method string
		path   string
		query  q
		body   any
	}{
		{name: "session-open", who: open, path: "session"},
		{name: "session-bootstrap", who: secured, path: "session"},
		{name: "user", who: secured, method: "POST", path: "bootstrap", body: bootstrapBody{
			Token: "token-from-the-file", Name: "ann", Password: "long enough",
		}},
		{name: "session-user", who: secured, path: "session"},
		{name: "namespaces", who: open, path: "namespaces"},
		{name: "services", who: open, path: "services", query: q{"namespace": "public", "size": "3"}},
		{name: "service", who: open, path: "service", query: service},
		{name: "instances", who: open, path: "instances", query: service},
		{name: "instance", who: open, method: "PUT", path: "instance", body: map[string]any{
			"namespace": "public", "group": "DEFAULT_GROUP", "name": "payment",
			"cluster": "DEFAULT", "ip": "10.3.0.1", "port": 9000, "ephemeral": false, "weight": 2,
		}},
		{name: "configs", who: open, path: "configs", query: q{"namespace": "public", "size": "2"}},
		{name: "config", who: open, path: "config", query: q{
			"namespace": "public", "group": "DEFAULT_GROUP", "dataId": "feature-flags.json",
		}},
		{name: "znode", who: open, path: "znode", query: q{"path": "/app/guarded"}},
		{name: "znode-null", who: open, path: "znode", query: q{"path": "/dubbo"}},
		{name: "children", who: open, path: "znode/children", query: q{"path": "/many", "limit": "2"}},
		{name: "stat", who: open, method: "PUT", path: "znode", body: `{"path":"/app","data":"","version":0}`},
		{name: "failure", who: open, path: "znode", query: q{"path": "/nowhere"}},
	} {
		method := f.method
		if method == "" {
			method = http.MethodGet
		}
		var raw json.RawMessage
		f.who.do(method, f.path, f.query, f.body, &raw)
		var got bytes.Buffer
		require.NoError(t, json.Indent(&got, raw, "", "  "))
		got.WriteByte('\n')
		file := filepath.Join("web", "src", "api", "fixtures", f.name+".json")
		if *rewrite {
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, got.Bytes(), 0o644))
			continue
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(want), got.String(), "%s: run the test with -rewrite and read the difference", f.name)
	}
}
