package security

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// plausible are parameters with which every route finds what it needs.
func plausible() url.Values {
	return values(
		"namespaceId", "dev", "tenant", "dev", "namespace", "dev", "namespaceName", "n", "namespaceShowName", "n", "customNamespaceId", "made",
		"dataId", "a", "group", "G", "groupName", "G", "serviceName", "s", "clusterName", "DEFAULT", "content", "x", "type", "text",
		"ip", "1.2.3.4", "port", "80", "weight", "1", "healthy", "true", "metadata", "{}", "ephemeral", "true",
		"id", "1", "ids", "1", "nid", "1", "clientId", "c", "connectionId", "c", "count", "1000",
		"role", "r", "resource", "dev:*:*", "action", "rw", "name", "n", "search", "accurate", "pageNo", "1", "pageSize", "10",
		"grayName", "g", "grayType", "tag", "grayRuleExp", "x", "beat", `{"ip":"1.2.3.4","port":80,"serviceName":"s"}`,
		"checkPort", "80", "useInstancePort4Check", "true", "healthChecker", `{"type":"TCP"}`, "path", "/", "md5", "x", "keys", "a", "entry", "x", "value", "1",
		"ttlSeconds", "3600", "Listening-Configs", "a\x02G\x02\x02dev\x01", "limit", "1", "version", "0",
		"targetNamespaceId", "dev", "from", "1", "to", "1", "address", "127.0.0.1:1",
	)
}

// path has something in place of its variables.
func (r *route) filled() string {
	parts := strings.Split(r.path, "/")
	for i, part := range parts {
		if strings.HasPrefix(part, ":") || strings.HasPrefix(part, "*") {
			parts[i] = "x"
		}
	}
	return strings.Join(parts, "/")
}

// consoleBodies are what the console's page sends: it is refused with members too many.
var consoleBodies = map[string]string{
	"POST /console/api/config":    `{"namespace":"dev","group":"G","dataId":"a","content":"x","type":"text"}`,
	"PUT /console/api/instance":   `{"namespace":"dev","group":"G","name":"s","ip":"1.2.3.4","port":80,"enabled":true}`,
	"POST /console/api/znode":     `{"path":"/x","data":""}`,
	"PUT /console/api/znode":      `{"path":"/x","data":"","version":0}`,
	"POST /console/api/login":     `{"name":"x","password":"x"}`,
	"POST /console/api/bootstrap": `{"token":"x","name":"x","password":"x"}`,
}

// requests are the ways in which a route is asked.
func (r *route) requests() []call {
	v := plausible()
	if strings.Contains(r.path, "/auth") { // elsewhere these would be somebody's login
		v.Set("username", "root")
		v.Set("newPassword", "x")
	}
	if strings.HasPrefix(r.path, "/console/") {
		header := map[string]string{"X-Zensus-Console": "1"}
		if r.method == http.MethodGet || r.method == http.MethodDelete || r.method == http.MethodHead {
			return []call{{method: r.method, target: r.filled() + "?" + v.Encode(), header: header}}
		}
		body, ok := consoleBodies[r.method+" "+r.path]
		if !ok {
			body = "{}"
		}
		return []call{{method: r.method, target: r.filled(), json: body, header: header}}
	}
	all := []call{{method: r.method, target: r.filled() + "?" + v.Encode()}, {method: r.method, target: r.filled()}}
	if r.method != http.MethodGet && r.method != http.MethodHead {
		all = append(all, call{method: r.method, target: r.filled(), form: v})
	}
	return all
}

// refused reports whether an answer says that whoever asked may not.
func (a *answer) refused() bool {
	return a.Status == http.StatusServiceUnavailable || // with a name it was an attempt to log in, of which there were too many
		a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden
}

// impostors are who says that he is somebody else, as Nacos once believed.
var impostors = map[string]map[string]string{
	"nobody":                            {},
	"a server, by user agent":           {"User-Agent": "Nacos-Server"},
	"a server, by user agent, in lower": {"User-Agent": "nacos-server:v2.5.1"},
	"a server, by identity":             {"serverIdentity": "security", "User-Agent": "Nacos-Server"},
	"a server, by another identity":     {"nacos-server": "nacos-server", "identity": "identity", "example": "example"},
	"from within":                       {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Forwarded": "for=127.0.0.1", "X-Original-URL": "/healthz", "X-Rewrite-URL": "/healthz"},
	"an unknown token":                  {"accessToken": "x.y.z", "Authorization": "Bearer zat_AAAA"},
	"a wrong password":                  {"username": "nobody at all", "password": "nacos"},
	"the token of a server without it":  {"accessToken": "AUTH_DISABLED"},
}

// TestNobodyUsesARouteWithoutALogin: every route of HTTP and every request of gRPC that
// the server has, but for those that exceptions.txt gives a reason for.
func TestNobodyUsesARouteWithoutALogin(t *testing.T) {
	s := start(t)
	c := s.connect()
	n := 0
	for _, r := range routes(t) {
		if r.method == "GRPC" {
			body := wire.New(r.path)
			require.NotNil(t, body, r.path)
			for what, header := range impostors {
				reply, err := c.askWith(body, header)
				require.NoError(t, err, r.path)
				denied := reply.(wire.Reply).Base().ErrorCode == wire.AccessDenied.RPCCode()
				throttled := reply.(wire.Reply).Base().ErrorCode == wire.Busy.RPCCode()
				require.Equal(t, r.who != open, denied || throttled, "%s, %s: %+v", r.path, what, reply)
			}
			continue
		}
		for what, header := range impostors {
			for _, request := range r.requests() {
				merged := map[string]string{}
				for _, h := range []map[string]string{request.header, header} {
					for k, v := range h {
						merged[k] = v
					}
				}
				request.header = merged
				a, err := s.try(request)
				require.NoError(t, err)
				n++
				if r.who == open {
					break // see TestExceptionsAreTrue
				}
				assert.True(t, a.refused() || r.method == http.MethodConnect, "%s %s, %s: %d %s", r.method, r.path, what, a.Status, a.Body)
			}
		}
	}
	t.Logf("%d requests", n)
}

// TestWhoHasNoRightUsesNoRoute: with a login that may nothing, and with a machine's token
// of a role that nobody gave a right.
func TestWhoHasNoRightUsesNoRoute(t *testing.T) {
	s := start(t)
	tokens := map[string]string{"a user": s.addUser("nobody"), "a machine": s.machine("nothing", "nobody-has-it")}
	c := s.connect()
	for _, r := range routes(t) {
		for what, token := range tokens {
			if r.method == "GRPC" {
				denied := c.refused(asking(r.path), token) == wire.AccessDenied.RPCCode()
				assert.Equal(t, r.who == rights, denied, "%s, %s", r.path, what)
				continue
			}
			if r.who != rights {
				continue
			}
			for _, request := range r.requests() {
				request.token, request.cookie = token, ""
				if strings.HasPrefix(r.path, "/console/") {
					request.cookie = token
				}
				a, err := s.try(request)
				require.NoError(t, err)
				assert.True(t, a.refused() || r.method == http.MethodConnect, "%s %s, %s: %d %s", r.method, r.path, what, a.Status, a.Body)
			}
		}
	}
}

// TestExceptionsAreTrue: what is open is open, and what every user may a user may; or it
// would not belong on the list.
func TestExceptionsAreTrue(t *testing.T) {
	s := start(t)
	token := s.addUser("nobody")
	for _, r := range routes(t) {
		if r.method == "GRPC" || r.who == rights {
			continue
		}
		allowed := false
		for _, request := range r.requests() {
			if r.who == user {
				request.token = token
				if strings.HasPrefix(r.path, "/console/") {
					request.cookie = token
				}
			}
			a, err := s.try(request)
			require.NoError(t, err)
			allowed = allowed || !a.refused()
		}
		login := strings.HasSuffix(r.path, "/login") || strings.HasSuffix(r.path, "/bootstrap")
		require.True(t, allowed || login || r.path == "/nacos/v1/auth" || strings.HasSuffix(r.path, "/auth/user") || strings.HasSuffix(r.path, "/auth/users"),
			"%s %s is on the list and not for everybody", r.method, r.path)
	}
}

// asking is a request of a type that names something.
func asking(name string) wire.Body {
	switch body := wire.New(name).(type) {
	case *wire.ConfigBatchListenRequest:
		body.Listen, body.ConfigListenContexts = true, []wire.ListenContext{{Tenant: "dev", Group: "G", DataID: "a"}}
		return body
	case *wire.NamingFuzzyWatchRequest:
		body.GroupKeyPattern, body.WatchType = "dev>>G>>*", wire.FuzzyWatch
		return body
	case *wire.ConfigFuzzyWatchRequest:
		body.GroupKeyPattern, body.WatchType = "dev>>G>>*", wire.FuzzyWatch
		return body
	default:
		return body
	}
}
