package docs_test

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/session"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zkclient"
	"github.com/zensus-io/zensus/internal/testkit"
)

// TestDifferencesFromZooKeeperAreWhatTheirPageSays asks a server for what
// protocol/zookeeper.md says that it answers where ZooKeeper would not.
func TestDifferencesFromZooKeeperAreWhatTheirPageSays(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and runs the binary")
	}
	s := testkit.Start(t, testkit.Options{})
	dial := func() *zkclient.Client {
		c, err := zkclient.Dial(t.Context(), []string{s.ZooKeeper}, zkclient.Options{Timeout: 10 * time.Second})
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	page := read(t, "protocol/zookeeper.md")
	c := dial()
	full := wire.AppendString(nil, "/x")
	full = wire.AppendBuffer(full, nil)
	for _, tt := range []struct {
		row  string
		op   wire.OpCode
		body []byte
		want core.Code
	}{
		{"| a truncated create | stalls the server (3.9.5) | MARSHALLINGERROR |", wire.OpCreate, full, core.MarshallingError},
		{"| createTTL with a ttl of -1 | ends the server for good (3.8, 3.9) | BADARGUMENTS |", wire.OpCreateTTL, ttl(-1), core.BadArguments},
		{"| reconfig | changes the ensemble; the first leader gives the configuration a version | RECONFIGDISABLED ", wire.OpReconfig, reconfig(), core.ReconfigDisabled},
	} {
		require.Contains(t, page, tt.row)
		before, err := c.Sync(t.Context(), "/")
		require.NoError(t, err)
		h, _, err := c.Do(t.Context(), tt.op, tt.body)
		require.NoError(t, err, tt.row)
		require.Equal(t, tt.want, h.Err, tt.row)
		after, err := c.Sync(t.Context(), "/")
		require.NoError(t, err)
		require.Equal(t, before+1, after, "a refused write takes a zxid")
		_, err = dial().Exists(t.Context(), "/")
		require.NoError(t, err, "it harms nobody else")
	}
	guess := session.ApachePassword(c.Session().ID)
	require.NotEqual(t, guess[:], c.Session().Password, "a password cannot be computed from the id")
}

func ttl(millis int64) []byte {
	b := wire.AppendString(nil, "/x")
	b = wire.AppendBuffer(b, nil)
	b = wire.AppendACLs(b, core.OpenACL())
	b = wire.AppendInt(b, int32(core.PersistentTTL))
	return wire.AppendLong(b, millis)
}

func reconfig() []byte {
	b := wire.AppendString(nil, "server.2=127.0.0.1:2888:3888;2181")
	b = wire.AppendString(b, "")
	b = wire.AppendString(b, "")
	return wire.AppendLong(b, -1)
}

// TestDifferencesFromNacosAreWhatTheirPageSays asks a server that requires logins.
func TestDifferencesFromNacosAreWhatTheirPageSays(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and runs the binary")
	}
	s := testkit.Start(t, testkit.Options{Nacos: true, Config: map[string]string{"zensus.auth.enabled": "true"}})
	token, err := os.ReadFile(filepath.Join(s.DataDir(), "admin-token"))
	require.NoError(t, err)
	st, err := os.Stat(filepath.Join(s.DataDir(), "admin-token"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), st.Mode().Perm())
	page := read(t, "protocol/nacos.md")
	for _, tt := range []struct {
		row, method, path string
		fields            url.Values
		nobody            bool // shows no token
		status            int
		says              string
	}{
		{"| login required | off by default", "GET", "/v1/cs/configs?dataId=a&group=b", nil, true, 403, "token invalid"},
		{"| the first administrator | made by whoever comes first | made with the admin token", "POST", "/v1/auth/users/admin", form("password", "guess"), true, 403, "token invalid"},
		{"| a user named `nacos` by POST v1 users | made | refused", "POST", "/v1/auth/users", form("username", "nacos", "password", "x"), false, 200, `"code":409`},
		{"| the first administrator", "POST", "/v1/auth/users/admin", form("password", "a password"), false, 200, `"username":"nacos"`},
		{"| the first administrator", "POST", "/v1/auth/users/admin", form("password", "another"), false, 200, `"code":409`},
		{"| list of users | shows password hashes | shows a mask", "GET", "/v1/auth/users?pageNo=1&pageSize=9", nil, false, 200, `"password":"******"`},
		{"| a config is removed that has gray versions | they stay", "POST", "/v1/cs/configs", form("dataId", "a", "group", "b", "content", "c", "tag", "t"), false, 200, "true"},
		{"| a config is removed that has gray versions | they stay", "POST", "/v1/cs/configs", form("dataId", "a", "group", "b", "content", "c"), false, 200, "true"},
		{"| a config is removed that has gray versions | they stay", "DELETE", "/v1/cs/configs?dataId=a&group=b", nil, false, 200, "true"},
		{"| a config is removed that has gray versions | they stay", "POST", "/v1/cs/configs", form("dataId", "a", "group", "b", "content", "c"), false, 200, "true"},
		{"they go with it", "GET", "/v1/cs/configs?dataId=a&group=b&tag=t", nil, false, 404, "config data not exist"},
		{"| gray versions by label or percentage, and promotion | not offered", "GET", "/v3/admin/cs/config/gray/list?dataId=a&groupName=b", nil, false, 200, `"data":[]`},
	} {
		require.Contains(t, page, tt.row)
		req, err := http.NewRequestWithContext(t.Context(), tt.method, "http://"+s.HTTP+"/nacos"+tt.path, strings.NewReader(tt.fields.Encode()))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if !tt.nobody {
			req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
		}
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, tt.status, res.StatusCode, "%s %s: %s", tt.method, tt.path, body)
		require.Contains(t, string(body), tt.says, "%s %s", tt.method, tt.path)
	}
}

func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}
