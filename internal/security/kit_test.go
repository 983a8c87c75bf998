package security

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

// site is a server with authentication on, and whoever comes to it.
type site struct {
	*testkit.Server
	t     *testing.T
	http  *http.Client
	root  string // its administrator's token
	admin string // the admin token
}

// thorough is what `make security` asks for: more of the same, for longer.
var thorough = os.Getenv("ZENSUS_SECURITY") != ""

const rootPassword = "correct horse battery"

func start(t *testing.T) *site {
	t.Helper()
	if testing.Short() {
		t.Skip("the server that is attacked is a process of its own, which the race detector does not see")
	}
	s := testkit.Start(t, testkit.Options{Nacos: true, Auth: true, Alone: true})
	s.AddAdmin("root", rootPassword)
	out := &site{Server: s, t: t, http: &http.Client{
		Timeout:       20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	t.Cleanup(out.http.CloseIdleConnections)
	text, err := os.ReadFile(filepath.Join(s.DataDir(), "admin-token"))
	require.NoError(t, err)
	out.admin = strings.TrimSpace(string(text))
	out.root = out.login("root", rootPassword)
	return out
}

// answer is what a request was answered.
type answer struct {
	Status int
	Header http.Header
	Body   string
}

// call is one request. What is blank is left out.
type call struct {
	method, target string
	form           url.Values // in the body
	json           string
	token          string
	header         map[string]string
	cookie         string
}

func (s *site) do(c call) answer {
	s.t.Helper()
	a, err := s.try(c)
	require.NoError(s.t, err, "%s %s", c.method, c.target)
	return a
}

func (s *site) try(c call) (answer, error) {
	var body io.Reader = http.NoBody
	kind := ""
	switch {
	case c.json != "":
		body, kind = strings.NewReader(c.json), "application/json"
	case c.form != nil:
		body, kind = strings.NewReader(c.form.Encode()), "application/x-www-form-urlencoded"
	}
	r, err := http.NewRequestWithContext(context.Background(), c.method, "http://"+s.HTTP+c.target, body)
	if err != nil {
		return answer{}, err
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	if c.token != "" {
		r.Header.Set("accessToken", c.token)
	}
	if c.cookie != "" {
		r.AddCookie(&http.Cookie{Name: "zensus_session", Value: c.cookie})
		r.Header.Set("X-Zensus-Console", "1")
	}
	for name, value := range c.header {
		r.Header.Set(name, value)
	}
	res, err := s.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 8<<20))
	return answer{res.StatusCode, res.Header, string(text)}, err
}

// values are name, value, name, value...
func values(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

func (s *site) login(name, password string) string {
	s.t.Helper()
	a := s.do(call{method: "POST", target: "/nacos/v1/auth/login", form: values("username", name, "password", password)})
	require.Equal(s.t, http.StatusOK, a.Status, a.Body)
	var out struct{ AccessToken string }
	require.NoError(s.t, json.Unmarshal([]byte(a.Body), &out))
	require.NotEmpty(s.t, out.AccessToken)
	return out.AccessToken
}

// asRoot does what must succeed.
func (s *site) asRoot(method, target string, form ...string) answer {
	s.t.Helper()
	c := call{method: method, target: target, token: s.root}
	if len(form) > 0 {
		c.form = values(form...)
	}
	a := s.do(c)
	require.Equal(s.t, http.StatusOK, a.Status, "%s %s: %s", method, target, a.Body)
	return a
}

// addUser makes a user with a role of the same name and these permissions, as in
// "dev:*:*", "rw", and returns a login's token.
func (s *site) addUser(name string, permissions ...string) string {
	s.t.Helper()
	password := "password of " + name
	s.asRoot("POST", "/nacos/v3/auth/user", "username", name, "password", password)
	if len(permissions) > 0 {
		s.asRoot("POST", "/nacos/v3/auth/role", "role", name, "username", name)
	}
	for i := 0; i < len(permissions); i += 2 {
		s.asRoot("POST", "/nacos/v3/auth/permission", "role", name, "resource", permissions[i], "action", permissions[i+1])
	}
	return s.login(name, password)
}

// route is something that the server can be asked for.
type route struct {
	method, path string // or, of gRPC, "GRPC" and a type
	who          access
	why          string // of what is not for those alone who have a right
}

// access is who may use a route.
type access string

const (
	open   access = "open"   // everybody, without a login
	user   access = "user"   // whoever is logged in
	asks   access = "asks"   // whoever is logged in, until the handler has asked for a right
	rights access = "rights" // who has a right to what is asked for, or is an administrator
)

// routes are all that the server has, as it says itself, with what exceptions.txt says by
// hand.
func routes(t *testing.T) []route {
	t.Helper()
	all := map[string]*route{}
	var sorted []route
	eachLine(t, "testdata/routes.txt", func(fields []string) {
		require.Len(t, fields, 2)
		sorted = append(sorted, route{method: fields[0], path: fields[1], who: rights})
	})
	for i := range sorted {
		all[sorted[i].method+" "+sorted[i].path] = &sorted[i]
	}
	eachLine(t, "testdata/exceptions.txt", func(fields []string) {
		require.Greater(t, len(fields), 3, "%v: an exception has a reason", fields)
		r := all[fields[1]+" "+fields[2]]
		require.NotNil(t, r, "%v is no route", fields)
		r.who, r.why = access(fields[0]), strings.Join(fields[3:], " ")
		require.Contains(t, []access{open, user, asks}, r.who)
	})
	require.Greater(t, len(sorted), 200)
	return sorted
}

// eachLine calls f with the words of each line that is neither blank nor a comment.
func eachLine(t *testing.T, file string, f func(fields []string)) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 0 && !strings.HasPrefix(fields[0], "#") {
			f(fields)
		}
	}
}

// machine makes a machine's token.
func (s *site) machine(name, role string) string {
	s.t.Helper()
	a := s.asRoot("POST", "/nacos/v3/auth/token", "name", name, "role", role)
	var out struct{ Data struct{ Token string } }
	require.NoError(s.t, json.Unmarshal([]byte(a.Body), &out))
	require.NotEmpty(s.t, out.Data.Token)
	return out.Data.Token
}
