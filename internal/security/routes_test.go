package security

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
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

// TestExceptionsAreTrue: what is open is served without a login, and what every user may is
// served to one without a right: each route answers at least one request with a success, or
// nobody would know what it gives. What asks for itself is in the next test.
func TestExceptionsAreTrue(t *testing.T) {
	s := start(t)
	token := s.addUser("nobody")
	asset := regexp.MustCompile(`/assets/[^"]+`).FindString(s.do(call{method: "GET", target: "/"}).Body)
	rightly := map[string]call{
		"/assets/*file":              {target: asset},
		"/console/api/login":         {target: "/console/api/login", json: `{"name":"root","password":"` + rootPassword + `"}`, header: map[string]string{"X-Zensus-Console": "1"}},
		"/nacos/v1/auth/login":       {form: values("username", "root", "password", rootPassword)},
		"/nacos/v3/auth/user/login":  {form: values("username", "root", "password", rootPassword)},
		"/nacos/v1/auth/users/login": {form: values("username", "root", "password", rootPassword)},
		// There is an administrator: whoever has the token is told so.
		"/console/api/bootstrap": {json: `{"token":"` + s.admin + `","name":"x","password":"x"}`, header: map[string]string{"X-Zensus-Console": "1"}},
	}
	for _, r := range routes(t) {
		if r.method == "GRPC" || r.who == rights || r.who == asks {
			continue
		}
		requests := r.requests()
		if c, ok := rightly[r.path]; ok {
			c.method, c.target = r.method, cmp.Or(c.target, r.path)
			requests = []call{c}
		}
		served := false
		var answers []string
		for _, request := range requests {
			if r.who == user {
				request.token = token
				if strings.HasPrefix(r.path, "/console/") {
					request.cookie = token
				}
			}
			a, err := s.try(request)
			require.NoError(t, err)
			served = served || a.Status < 400 || strings.HasSuffix(r.path, "/bootstrap") && a.Status == http.StatusConflict
			answers = append(answers, fmt.Sprintf("%d %.200s", a.Status, a.Body))
		}
		assert.True(t, served, "%s %s is on the list, and answers nobody, or is never asked rightly: %q", r.method, r.path, answers)
	}
}

// TestWhatAsksForItselfRefuses: the routes that are for every user, since only the handler
// sees what is meant, are served to who has the right, and refused to who has it not.
func TestWhatAsksForItselfRefuses(t *testing.T) {
	s := start(t)
	s.asRoot("POST", "/nacos/v1/console/namespaces", "customNamespaceId", own, "namespaceName", own)
	s.asRoot("POST", "/nacos/v1/console/namespaces", "customNamespaceId", other, "namespaceName", other)
	config := func(ns, dataID string) (id string) {
		s.asRoot("POST", "/nacos/v1/cs/configs", "tenant", ns, "dataId", dataID, "group", "G", "content", secret)
		var detail struct{ Data struct{ ID string } }
		a := s.asRoot("GET", "/nacos/v3/admin/cs/config?namespaceId="+ns+"&dataId="+dataID+"&groupName=G")
		require.NoError(t, json.Unmarshal([]byte(a.Body), &detail))
		require.NotEmpty(t, detail.Data.ID)
		return detail.Data.ID
	}
	batch := func(string) (may call, mayNot []call) {
		mine, theirs := config(own, "mine"), config(own, "theirs")
		ids := func(list ...string) call { return call{target: "?ids=" + strings.Join(list, "%2C")} }
		return ids(mine), []call{ids(theirs), ids(mine, theirs), ids(config(other, "mine"))}
	}
	password := func(name string) (may call, mayNot []call) {
		set := func(name string) call { return call{form: values("username", name, "newPassword", "another one")} }
		return set(name), []call{set("root")}
	}
	ways := map[string]func(name string) (may call, mayNot []call){
		"/nacos/v3/admin/cs/config/batch":         batch,
		"/nacos/v3/console/cs/config/batchDelete": batch,
		"/nacos/v1/cs/configs/listener": func(string) (call, []call) {
			listen := func(configs ...string) call {
				return call{form: values("Listening-Configs", strings.Join(configs, ""))}
			}
			mine, theirs := "mine\x02G\x02x\x02own\x01", "theirs\x02G\x02x\x02own\x01"
			return listen(mine), []call{listen(theirs), listen(mine, theirs), listen("mine\x02G\x02x\x02other\x01"), listen("mine\x02G\x02x\x01")}
		},
		"/nacos/v1/auth":       password,
		"/nacos/v1/auth/users": password,
		"/nacos/v3/auth/user":  password,
		"/nacos/v3/console/cs/config/clone": func(string) (call, []call) {
			clone := func(to, id, as string) call {
				return call{target: "?policy=OVERWRITE&targetNamespaceId=" + to, json: fmt.Sprintf(`[{"cfgId":%q,"dataId":%q,"group":"G"}]`, id, as)}
			}
			mine, theirs := config(own, "mine"), config(own, "theirs")
			return clone(own, mine, "mine"), []call{clone(own, theirs, "mine"), clone(own, mine, "theirs"), clone(other, mine, "mine"), clone("", mine, "mine")}
		},
	}
	for _, r := range routes(t) {
		if r.who != asks {
			continue
		}
		way := ways[r.path]
		require.NotNil(t, way, "%s %s must be asked here", r.method, r.path)
		name := "owner of " + strings.ReplaceAll(r.path, "/", "-")
		token := s.addUser(name, own+":G:config/mine", "rw")
		ask := func(c call) answer {
			c.method, c.target, c.token = r.method, r.path+c.target, token
			return s.do(c)
		}
		may, mayNot := way(name)
		for _, c := range mayNot {
			a := ask(c)
			assert.True(t, a.refused(), "%s %s %v %s: %d %s", r.method, r.path+c.target, c.form, c.json, a.Status, a.Body)
			assert.NotContains(t, a.Body, secret)
		}
		a := ask(may)
		assert.Equal(t, http.StatusOK, a.Status, "%s %s: %s", r.method, r.path+may.target, a.Body)
	}
	s.login("root", rootPassword) // which nobody else has set
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
