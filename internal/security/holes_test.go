package security

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// TestUserAgentIsNoIdentity: servers of Nacos once let each other pass by a header that
// anybody can send (CVE-2021-29441).
func TestUserAgentIsNoIdentity(t *testing.T) {
	s := start(t)
	for _, agent := range []string{"Nacos-Server", "Nacos-Server:v2.5.1", "nacos-server", "Nacos-Java-Client:v2.5.1"} {
		header := map[string]string{"User-Agent": agent}
		a := s.do(call{method: "GET", target: "/nacos/v1/auth/users?pageNo=1&pageSize=9", header: header})
		require.Equal(t, http.StatusForbidden, a.Status, a.Body)
		a = s.do(call{method: "POST", target: "/nacos/v1/auth/users", form: values("username", "mallory", "password", "m"), header: header})
		require.Equal(t, http.StatusForbidden, a.Status, a.Body)
	}
	require.NotContains(t, s.asRoot("GET", "/nacos/v1/auth/users?pageNo=1&pageSize=9").Body, "mallory")
}

// TestServerIdentityIsNoIdentity: the key and value that stand in Nacos's examples, and
// those that were its defaults.
func TestServerIdentityIsNoIdentity(t *testing.T) {
	s := start(t)
	for _, pair := range [][2]string{{"serverIdentity", "security"}, {"nacos", "nacos"}, {"example", "example"}, {"nacos.core.auth.server.identity.key", "security"}, {"authKey", "nacosSecurty"}, {"test", "test"}} {
		a := s.do(call{method: "GET", target: "/nacos/v1/auth/users?pageNo=1&pageSize=9", header: map[string]string{pair[0]: pair[1], "User-Agent": "Nacos-Server"}})
		require.Equal(t, http.StatusForbidden, a.Status, a.Body)
	}
}

// TestForgedTokensAreRefused: tokens that are signed with the keys that Nacos had by
// default or has in its examples (QVD-2023-6271), with none, with another algorithm, that
// are over, or whose user is gone.
func TestForgedTokensAreRefused(t *testing.T) {
	s := start(t)
	ann := s.addUser("ann")
	s.asRoot("DELETE", "/nacos/v3/auth/user?username=ann")
	soon := time.Now().Add(time.Hour).Unix()
	claims := func(sub string) jwt.MapClaims { return jwt.MapClaims{"sub": sub, "exp": soon} }
	forged := map[string]string{"of a user who is gone": ann, "of a server that asks for none": "AUTH_DISABLED"}
	long := "SecretKey012345678901234567890123456789012345678901234567890123456789"
	decoded, err := base64.StdEncoding.DecodeString(long + strings.Repeat("=", (4-len(long)%4)%4))
	if err != nil {
		decoded = []byte(long)
	}
	other, err := base64.StdEncoding.DecodeString("VGhpc0lzTXlDdXN0b21TZWNyZXRLZXkwMTIzNDU2Nzg=")
	require.NoError(t, err)
	keys := map[string][]byte{
		"Nacos's default key": decoded, "its text": []byte(long), "the key of the examples": other, "the docs' key": []byte("ThisIsMyCustomSecretKey012345678"), "no key": {}, "zeros": make([]byte, 32),
	}
	for what, key := range keys {
		for _, method := range []jwt.SigningMethod{jwt.SigningMethodHS256, jwt.SigningMethodHS384, jwt.SigningMethodHS512} {
			for _, sub := range []string{"root", "nacos"} {
				text, err := jwt.NewWithClaims(method, claims(sub)).SignedString(key)
				require.NoError(t, err)
				forged[what+" "+method.Alg()+" "+sub] = text
			}
		}
	}
	unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, claims("root")).SignedString(jwt.UnsafeAllowNoneSignatureType)
	require.NoError(t, err)
	forged["unsigned"] = unsigned
	parts := strings.Split(s.root, ".")
	require.Len(t, parts, 3)
	segment := func(v any) string {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "HS256 ", "RS256", "HS512", ""} {
		header := segment(map[string]string{"alg": alg, "typ": "JWT"})
		forged["algorithm "+alg] = header + "." + parts[1] + "." + parts[2]
		forged["algorithm "+alg+", unsigned"] = header + "." + parts[1] + "."
	}
	forged["with a key by its file"] = segment(map[string]string{"alg": "HS256", "kid": "/dev/null", "jku": "http://127.0.0.1/"}) + "." + parts[1] + "." + parts[2]
	var inside map[string]any
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(payload, &inside))
	for name, value := range map[string]any{"exp": soon + 1e6, "sub": "nacos", "pwd": "", "admin": true} {
		changed := map[string]any{}
		for k, v := range inside {
			changed[k] = v
		}
		changed[name] = value
		forged["changed "+name] = parts[0] + "." + segment(changed) + "." + parts[2]
	}
	forged["cut"] = s.root[:len(s.root)-2]
	forged["without a signature"] = parts[0] + "." + parts[1] + "."
	forged["twice"] = s.root + "." + s.root
	forged["padded"] = s.root + "="
	forged["the admin token's beginning"] = s.admin[:len(s.admin)-1]
	forged["a made-up machine"] = "zmt_" + strings.Repeat("A", 52)
	const target = "/nacos/v1/auth/users?pageNo=1&pageSize=9"
	for what, token := range forged {
		for how, c := range map[string]call{
			"header":    {token: token},
			"bearer":    {header: map[string]string{"Authorization": "Bearer " + token}},
			"parameter": {target: "&accessToken=" + token},
			"form":      {header: map[string]string{"Cookie": "accessToken=" + token}},
		} {
			c.method, c.target = "GET", target+strings.NewReplacer(" ", "%20", "+", "%2B").Replace(c.target)
			a := s.do(c)
			require.Equal(t, http.StatusForbidden, a.Status, "%s as %s: %s", what, how, a.Body)
		}
	}
	require.Equal(t, http.StatusOK, s.do(call{method: "GET", target: target, token: s.root}).Status)
}

// TestTokensEndWithPasswordAndUser: and a machine's when it is revoked.
func TestTokensEndWithPasswordAndUser(t *testing.T) {
	s := start(t)
	const target = "/nacos/v3/console/core/namespace/list"
	works := func(token string) bool {
		return s.do(call{method: "GET", target: target, token: token}).Status == http.StatusOK
	}
	ann := s.addUser("ann")
	require.True(t, works(ann))
	s.asRoot("PUT", "/nacos/v3/auth/user", "username", "ann", "newPassword", "another")
	require.False(t, works(ann))
	ann = s.login("ann", "another")
	require.True(t, works(ann))
	s.asRoot("DELETE", "/nacos/v3/auth/user?username=ann")
	require.False(t, works(ann))
	s.asRoot("POST", "/nacos/v3/auth/user", "username", "ann", "password", "a third")
	require.False(t, works(ann), "she is another one now")

	ci := s.machine("ci", "deploy")
	require.True(t, works(ci))
	s.asRoot("DELETE", "/nacos/v3/auth/token?name=ci")
	require.False(t, works(ci))
}

// TestNoOperationWithoutALogin: what Nacos let everybody do at one time or another: SQL on
// its embedded store (CVE-2021-29442, QVD-2024-26473), bringing data in, reading logs, raft.
func TestNoOperationWithoutALogin(t *testing.T) {
	s := start(t)
	tokens := map[string]string{"without a login": "", "without rights": s.addUser("nobody")}
	for _, prefix := range []string{"/nacos", "", "/nacos/", "//nacos"} {
		for _, target := range []string{
			"/v1/cs/ops/derby?sql=select%20*%20from%20users", "/v1/cs/ops/data/removal", "/v1/cs/ops/localCache", "/v1/cs/ops/log?logName=x&logLevel=DEBUG",
			"/v2/cs/ops/derby?sql=select%20*%20from%20users", "/v3/admin/cs/ops/derby?sql=select%20*%20from%20users", "/v3/admin/cs/ops/derby/import", "/v3/admin/cs/ops/localCache", "/v3/admin/cs/ops/log",
			"/v1/core/ops/raft", "/v2/core/ops/raft", "/v2/core/ops/ids", "/v2/core/ops/log", "/v3/admin/core/ops/raft", "/v3/admin/core/ops/ids", "/v3/admin/core/ops/log",
			"/v1/ns/operator/switches?entry=x&value=1", "/v1/ns/ops/switches?entry=x&value=1", "/v2/ns/operator/switches?entry=x&value=1", "/v3/admin/ns/ops/switches?entry=x&value=1",
			"/v1/ns/raft/state", "/v1/ns/raft/datum", "/v1/ns/raft/vote", "/v1/ns/distro/datum", "/v1/ns/distro/checksum", "/v1/ns/operator/distro/client", "/v1/ns/operator/cluster/state",
			"/v1/core/cluster/report", "/v1/core/cluster/server/leave", "/v1/core/cluster/switch/lookup?type=file", "/v2/core/cluster/node", "/v2/core/cluster/lookup?type=file", "/v3/admin/core/cluster/lookup?type=file",
			"/v1/cs/capacity?group=G", "/v2/cs/capacity?group=G", "/v3/admin/cs/capacity?groupName=G", "/v3/admin/core/plugin/list", "/actuator/env", "/actuator/heapdump", "/actuator/shutdown", "/actuator/logfile", "/env", "/heapdump", "/druid/index.html", "/h2-console",
			"/v3/admin/core/loader/current", "/v3/admin/core/audit", "/v3/auth/user/list?pageNo=1&pageSize=9", "/v3/auth/token/list",
		} {
			for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
				for who, token := range tokens {
					if method == "GET" && strings.Contains(target, "/switches") && token != "" {
						continue // whoever is logged in sees them
					}
					a := s.do(call{method: method, target: prefix + target, token: token})
					require.GreaterOrEqual(t, a.Status, 300, "%s %s%s %s: %s", method, prefix, target, who, a.Body)
				}
			}
		}
	}
}

// TestNothingDeserializes: Nacos's raft port takes Hessian of anybody (CVE-2023-25194's
// kin, CNVD-2023-45001). Here nothing listens there, and what listens elsewhere makes
// nothing of such bytes and goes on.
func TestNothingDeserializes(t *testing.T) {
	s := start(t)
	for _, offset := range []int{-1000, 1001, 1002} {
		conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", s.HTTPPort+offset), time.Second)
		if err == nil {
			_ = conn.Close()
		}
		require.Error(t, err, "something listens at the port of HTTP %+d", offset)
	}
	hessian := []byte("H\x02\x00C0\x27com.sun.rowset.JdbcRowSetImpl\x92\x0edataSourceName\x0aautoCommit`\x1bldap://127.0.0.1:1389/x\x54")
	java, err := base64.StdEncoding.DecodeString("rO0ABXNyABFqYXZhLnV0aWwuSGFzaE1hcAUH2sHDFmDRAwACRgAKbG9hZEZhY3RvckkACXRocmVzaG9sZHhwP0AAAAAAAAx3CAAAABAAAAAA")
	require.NoError(t, err)
	bolt := append([]byte{1, 1, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 50, 0, 44, 0, 0, 0, byte(len(hessian) >> 8), byte(len(hessian))}, hessian...)
	for _, addr := range []string{s.HTTP, s.GRPC, s.ZooKeeper} {
		for _, garbage := range [][]byte{
			hessian, java, bolt, bytes.Repeat([]byte{0}, 4096), bytes.Repeat([]byte{0xff}, 4096),
			append([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), bytes.Repeat([]byte{0xff}, 64)...),
			append([]byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-hessian\r\nContent-Length: 9999\r\n\r\n"), hessian...),
			[]byte("\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"),
		} {
			conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
			require.NoError(t, err)
			require.NoError(t, conn.SetDeadline(time.Now().Add(300*time.Millisecond)))
			_, _ = conn.Write(garbage)
			_, _ = io.ReadAll(io.LimitReader(conn, 1<<16))
			_ = conn.Close()
		}
	}
	require.False(t, s.Ended())
	s.asRoot("GET", "/nacos/v3/auth/user/list?pageNo=1&pageSize=9")
	s.quiet()
}

// quiet wants a log without panics.
func (s *site) quiet() {
	s.t.Helper()
	text, err := os.ReadFile(s.Dir + "/log")
	require.NoError(s.t, err)
	for _, word := range []string{"panick", "goroutine ", "fatal error", "DATA RACE"} {
		require.NotContains(s.t, string(text), word)
	}
}

// raw sends a request line as it is and returns the answer.
func (s *site) raw(method, target string, headers ...string) (status int, body string) {
	s.t.Helper()
	conn, err := net.DialTimeout("tcp", s.HTTP, 5*time.Second)
	require.NoError(s.t, err)
	defer conn.Close()
	require.NoError(s.t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	_, err = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n", method, target, s.HTTP, strings.Join(headers, ""))
	require.NoError(s.t, err)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, "" // the connection was cut: not served
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, string(text)
}

// TestNoPathLeadsAroundTheGuard: one that the router and a filter would read differently.
// There is no filter: a guard belongs to its route. So whatever leads to the route leads
// to the guard.
func TestNoPathLeadsAroundTheGuard(t *testing.T) {
	s := start(t)
	const marker = `"username":"root"`
	status, body := s.raw("GET", "/nacos/v1/auth/users?pageNo=1&pageSize=9", "accessToken: "+s.root+"\r\n")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, marker)
	const query = "?pageNo=1&pageSize=9"
	paths := []string{
		"/nacos/v1/auth/users", "/nacos/v1/auth/users/", "/nacos/v1/auth/users//", "/nacos/v1/auth/users/.", "/nacos/v1/auth/users/..;/users",
		"//nacos/v1/auth/users", "/nacos//v1/auth/users", "/nacos/v1//auth/users", "/nacos/v1/auth//users", "///nacos///v1///auth///users",
		"/./nacos/v1/auth/users", "/nacos/./v1/auth/users", "/nacos/v1/./auth/./users", "/x/../nacos/v1/auth/users", "/nacos/x/../v1/auth/users",
		"/nacos/v1/console/server/state/../../../auth/users", "/nacos/v1/console/health/liveness/../../../auth/users", "/nacos/v1/auth/users/login/../../users", "/nacos/v1/auth/login/../users",
		"/healthz/../nacos/v1/auth/users", "/assets/../nacos/v1/auth/users", "/assets/..%2fnacos/v1/auth/users", "/assets/%2e%2e/nacos/v1/auth/users",
		"/nacos;a=b/v1/auth/users", "/nacos/v1;a=b/auth/users", "/nacos/v1/auth;a=b/users", "/nacos/v1/auth/users;a=b", "/nacos/v1/auth/users;", "/nacos/v1/auth/users;.js", "/nacos/v1/auth/users;/login",
		"/nacos/v1/auth/users%3ba=b", "/nacos/v1/auth/%75sers", "/nacos/%76%31/auth/users", "/%6eacos/v1/auth/users", "/nacos/v1/auth/%2575sers",
		"/nacos%2fv1%2fauth%2fusers", "/nacos/v1/auth%2fusers", "/nacos/v1/auth/users%2f", "/nacos/v1/auth%5cusers", "/nacos\\v1\\auth\\users", "/nacos/v1/auth\\users",
		"/%2e/nacos/v1/auth/users", "/nacos/%2e%2e/nacos/v1/auth/users", "/nacos/v1/%2e%2e/v1/auth/users", "/nacos/v1/console/server/state/%2e%2e/%2e%2e/%2e%2e/auth/users", "/nacos/v1/console/server/..%2f..%2fauth%2fusers",
		"/nacos/v1/auth/users.", "/nacos/v1/auth/users..", "/nacos/v1/auth/users.json", "/nacos/v1/auth/users.html", "/nacos/v1/auth/users.css", "/nacos/v1/auth/users%00", "/nacos/v1/auth/users%20", "/nacos/v1/auth/users%0a", "/nacos/v1/auth/users%09", "/nacos/v1/auth/users~",
		"/NACOS/v1/auth/users", "/nacos/V1/auth/users", "/nacos/v1/AUTH/users", "/nacos/v1/auth/USERS", "/Nacos/V1/Auth/Users",
		"/nacos/v1/auth/users#/login", "/nacos/v1/auth/users%23", "/nacos/v1/auth/users%3f", "/nacos/v1/auth/users/?", "/nacos/v1/auth/users/%e2%80%8b",
		"/nacos/v1/auth", "/nacos/v1/auth/", "/nacos/v1/auth/search?username=r&x=", "/nacos/v1/auth/users/search?username=r&x=",
		"/nacos/v3/auth/user/list", "/nacos/v3/auth/user/list/", "/v1/auth/users", "/v3/auth/user/list", "/nacos/nacos/v1/auth/users", "/nacos/v2/auth/users",
		"http://" + s.HTTP + "/nacos/v1/auth/users", "http://localhost/nacos/v1/auth/users", "http://x/healthz/../nacos/v1/auth/users", "http://healthz@" + s.HTTP + "/nacos/v1/auth/users", "*",
		"/nacos/v1/auth/users?accessToken=&accessToken=x&", "/nacos/v1/auth/users?username=&password=&", "/nacos/v1/auth/users?accessToken[]=x&",
	}
	headers := []string{
		"", "X-HTTP-Method-Override: GET\r\n", "X-Original-URL: /healthz\r\n", "X-Rewrite-URL: /nacos/v1/auth/login\r\n", "X-Forwarded-Prefix: /healthz\r\n",
		"Referer: http://" + s.HTTP + "/nacos/index.html\r\n", "Host: localhost\r\n", "Transfer-Encoding: identity\r\n", "Expect: 100-continue\r\n", "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
	}
	for _, path := range paths {
		target := path + query
		if strings.Contains(path, "?") {
			target = path + query[1:]
		}
		if strings.ContainsAny(path, "#*") {
			target = path
		}
		for i, header := range headers {
			if i > 0 && path != paths[0] && !thorough {
				break
			}
			for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "get", "GETX", "PROPFIND"} {
				status, body := s.raw(method, target, header)
				require.NotContains(t, body, marker, "%s %s %q", method, target, header)
				require.NotContains(t, body, `"root"`, "%s %s %q", method, target, header)
				if target == "*" {
					continue // OPTIONS of all is answered with nothing
				}
				require.NotEqual(t, http.StatusOK, status, "%s %s %q: %s", method, target, header, body)
			}
		}
	}
	// A method that a header or a parameter asks for is not the one that is done.
	status, _ = s.raw("POST", "/nacos/v1/auth/login?username=x&password=y&_method=DELETE", "X-HTTP-Method-Override: DELETE\r\nContent-Length: 0\r\n")
	require.Equal(t, http.StatusForbidden, status)
	// A method without a guard does not do the work of one with it.
	s.asRoot("POST", "/nacos/v1/cs/configs", "dataId", "a", "group", "G", "content", "kept")
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "delete"} {
		_, _ = s.raw(method, "/nacos/v1/cs/configs?dataId=a&group=G&content=gone", "Content-Length: 0\r\nX-HTTP-Method-Override: DELETE\r\n")
	}
	require.Contains(t, s.asRoot("GET", "/nacos/v1/cs/configs?dataId=a&group=G").Body, "kept")
}

// TestASmuggledRequestIsServedByNobody: two requests in what a proxy would take for one.
func TestASmuggledRequestIsServedByNobody(t *testing.T) {
	s := start(t)
	inner := "GET /nacos/v1/auth/users?pageNo=1&pageSize=9 HTTP/1.1\r\nHost: x\r\nUser-Agent: Nacos-Server\r\n\r\n"
	for _, text := range []string{
		"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner,
		"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n" + inner,
		"GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n" + inner,
		"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + inner,
		"GET /healthz HTTP/1.1\nHost: x\n\n" + inner,
		"GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n" + inner,
	} {
		conn, err := net.DialTimeout("tcp", s.HTTP, 5*time.Second)
		require.NoError(t, err)
		require.NoError(t, conn.SetDeadline(time.Now().Add(500*time.Millisecond)))
		_, err = io.WriteString(conn, text)
		require.NoError(t, err)
		answers, _ := io.ReadAll(io.LimitReader(conn, 1<<20))
		_ = conn.Close()
		require.NotContains(t, string(answers), `"username"`)
	}
	s.quiet()
}

// TestNobodyCallsInTheNameOfAServer: the servers call one another over the port of the
// clients. Without their secret nobody does.
func TestNobodyCallsInTheNameOfAServer(t *testing.T) {
	s := start(t)
	c := s.connect()
	for _, headers := range []map[string]string{nil, {"accessToken": s.root}, {"from": "1", "life": "1", "number": "1", "mac": strings.Repeat("0", 64)}, {"serverIdentity": "security"}} {
		for _, name := range []string{"", "load", "beats", "ConfigQueryRequest", "MemberReportRequest"} {
			in := &wire.Payload{Metadata: &wire.Metadata{Type: name, Headers: headers}, Body: &anypb.Any{Value: []byte("{}")}}
			err := c.conn.Invoke(t.Context(), "/zensus.Cluster/call", in, new(wire.Payload))
			require.Equal(t, codes.PermissionDenied, status.Code(err), "%q %v: %v", name, headers, err)
		}
	}
}

// What a four-letter word lists is no way around the lists that ask for a login.
func TestWordsDoNotNameWhatIsClosed(t *testing.T) {
	s := start(t)
	s.asRoot("POST", "/nacos/v1/ns/instance", "namespaceId", "public", "serviceName", "secretsvc", "ip", "10.1.1.1", "port", "80")
	for _, addr := range []string{s.HTTP, s.ZooKeeper} {
		for _, word := range []string{"dump", "wchs", "wchc", "wchp", "cons", "stat", "mntr", "conf", "envi"} {
			conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
			require.NoError(t, err)
			require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
			_, err = conn.Write([]byte(word))
			require.NoError(t, err)
			text, err := io.ReadAll(conn)
			require.NoError(t, err)
			_ = conn.Close()
			if word == "dump" {
				require.Contains(t, string(text), "Sessions with Ephemerals (")
			}
			for _, secret := range []string{"secretsvc", "10.1.1.1", "/zensus/"} {
				require.NotContains(t, string(text), secret, "%s at %s", word, addr)
			}
		}
	}
	require.Equal(t, 403, s.do(call{method: "GET", target: "/commands/dump"}).Status)
	require.Contains(t, s.asRoot("GET", "/commands/dump").Body, "secretsvc")
}

func TestNumbersOfClientsAreNotForStrangers(t *testing.T) {
	s := start(t)
	user := s.addUser("ann")
	for _, path := range []string{"/v1/ns/operator/metrics", "/v1/ns/ops/metrics", "/v2/ns/operator/metrics", "/v2/ns/ops/metrics", "/v3/admin/ns/ops/metrics"} {
		a := s.do(call{method: "GET", target: "/nacos" + path})
		require.Equal(t, 200, a.Status, path)
		require.Contains(t, a.Body, `"UP"`, path)
		require.NotContains(t, a.Body, "lientCount", path)
		a = s.do(call{method: "GET", target: "/nacos" + path + "?onlyStatus=false"})
		require.Equal(t, 403, a.Status, path)
		a = s.do(call{method: "GET", target: "/nacos" + path + "?onlyStatus=false", token: user})
		require.Equal(t, 200, a.Status, path)
		require.Contains(t, a.Body, "lientCount", path)
	}
}
