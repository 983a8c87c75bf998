package console

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
)

func securedWorld(t *testing.T) *world {
	w := newWorld(t)
	w.auth = &fakeAuth{adminToken: "token-from-the-file"}
	return w
}

func TestTheFirstUserNeedsTheAdminToken(t *testing.T) {
	b := newBrowser(t, securedWorld(t))
	var s sessionState
	b.ok("GET", "session", nil, nil, &s)
	require.True(t, s.Auth)
	require.True(t, s.Bootstrap)
	require.Nil(t, s.User)
	require.Empty(t, s.Version, "who has not signed in learns no version")

	b.fails(401, "unauthenticated", "POST", "bootstrap", nil, bootstrapBody{Token: "guess", Name: "ann", Password: "long enough"})
	b.fails(400, "invalid", "POST", "bootstrap", nil, bootstrapBody{Token: "token-from-the-file", Name: "ann", Password: "short"})
	b.ok("POST", "bootstrap", nil, bootstrapBody{Token: "token-from-the-file", Name: "ann", Password: "long enough"}, nil)
	b.ok("GET", "session", nil, nil, &s)
	require.False(t, s.Bootstrap)
	require.Equal(t, &User{Name: "ann", Admin: true}, s.User)
	require.Equal(t, "v0.1.0-test", s.Version)
	b.ok("GET", "services", nil, nil, nil)

	b.fails(409, "exists", "POST", "bootstrap", nil, bootstrapBody{Token: "token-from-the-file", Name: "eve", Password: "long enough"})
}

func TestWithoutASessionNothingIsAnswered(t *testing.T) {
	w := securedWorld(t)
	w.auth.passwords = map[string]string{"ann": "long enough"}
	b := newBrowser(t, w)
	for _, call := range []struct{ method, path string }{
		{"GET", "namespaces"},
		{"GET", "services"},
		{"GET", "service"},
		{"GET", "instances"},
		{"PUT", "instance"},
		{"GET", "configs"},
		{"GET", "config"},
		{"POST", "config"},
		{"DELETE", "config"},
		{"GET", "znode"},
		{"GET", "znode/children"},
		{"POST", "znode"},
		{"PUT", "znode"},
		{"DELETE", "znode"},
	} {
		b.fails(401, "unauthenticated", call.method, call.path, nil, nil)
	}
	b.cookie = &http.Cookie{Name: cookieName, Value: "made up"}
	b.fails(401, "unauthenticated", "GET", "services", nil, nil)
	b.cookie = nil

	f := b.fails(401, "unauthenticated", "POST", "login", nil, loginBody{Name: "ann", Password: "wrong"})
	g := b.fails(401, "unauthenticated", "POST", "login", nil, loginBody{Name: "nobody", Password: "wrong"})
	require.Equal(t, f, g, "a wrong name and a wrong password look alike")
	b.ok("POST", "login", nil, loginBody{Name: "ann", Password: "long enough"}, nil)
	b.ok("GET", "services", nil, nil, nil)

	w.auth.expire()
	b.fails(401, "unauthenticated", "GET", "services", nil, nil)
	b.ok("POST", "login", nil, loginBody{Name: "ann", Password: "long enough"}, nil)
	b.ok("POST", "logout", nil, nil, nil)
	require.Empty(t, b.cookie.Value)
	require.Negative(t, b.cookie.MaxAge)
}

func TestManyWrongPasswordsAreThrottled(t *testing.T) {
	w := securedWorld(t)
	w.auth.passwords = map[string]string{"ann": "long enough"}
	b := newBrowser(t, w)
	for range fakeAttemptsMax {
		b.fails(401, "unauthenticated", "POST", "login", nil, loginBody{Name: "ann", Password: "wrong"})
	}
	b.fails(429, "throttled", "POST", "login", nil, loginBody{Name: "ann", Password: "long enough"})
}

func TestTheCookieIsOutOfReachOfScriptsAndOtherSites(t *testing.T) {
	w := securedWorld(t)
	w.auth.passwords = map[string]string{"ann": "long enough"}
	b := newBrowser(t, w)
	b.ok("POST", "login", nil, loginBody{Name: "ann", Password: "long enough"}, nil)
	require.True(t, b.cookie.HttpOnly)
	require.Equal(t, http.SameSiteStrictMode, b.cookie.SameSite)
	require.Empty(t, b.cookie.Path, "the browser takes the request's folder: right under any context path")
	require.False(t, b.cookie.Secure)
	require.Positive(t, b.cookie.MaxAge)

	b.headers.Set("X-Forwarded-Proto", "https")
	b.ok("POST", "login", nil, loginBody{Name: "ann", Password: "long enough"}, nil)
	require.True(t, b.cookie.Secure)
	require.True(t, overTLS(&http.Request{TLS: &tls.ConnectionState{}}))
}

func TestAWriteMustComeFromOurOwnPage(t *testing.T) {
	b := newBrowser(t, newWorld(t)) // also where authentication is off
	b.headers.Del(csrfHeader)
	for _, call := range []struct{ method, path string }{
		{"POST", "login"},
		{"POST", "bootstrap"},
		{"POST", "logout"},
		{"PUT", "instance"},
		{"POST", "config"},
		{"DELETE", "config"},
		{"POST", "znode"},
		{"PUT", "znode"},
		{"DELETE", "znode"},
	} {
		b.fails(403, "forbidden", call.method, call.path, nil, nil)
	}
	b.ok("GET", "services", nil, nil, nil)
	b.headers.Set(csrfHeader, "1")
	b.headers.Set("Sec-Fetch-Site", "cross-site")
	b.fails(403, "forbidden", "POST", "znode", nil, `{"path":"/x","mode":0}`)
	b.headers.Set("Sec-Fetch-Site", "same-origin")
	b.ok("POST", "znode", nil, `{"path":"/x","mode":0}`, nil)
}

// Every right that is withheld is refused by the API, whatever the page shows.
func TestAReaderReads(t *testing.T) {
	w := securedWorld(t)
	w.auth.passwords = map[string]string{"reader": "long enough"}
	b := newBrowser(t, w)
	b.ok("POST", "login", nil, loginBody{Name: "reader", Password: "long enough"}, nil)
	service := q{"namespace": "public", "group": "DEFAULT_GROUP", "name": "payment"}
	config := q{"namespace": "public", "group": "gateway", "dataId": "routes.toml", "md5": "x"}
	znode := q{"path": "/app", "version": "0"}

	b.ok("GET", "services", nil, nil, nil)
	b.ok("GET", "service", service, nil, nil)
	b.ok("GET", "instances", service, nil, nil)
	b.ok("GET", "configs", nil, nil, nil)
	b.ok("GET", "config", config, nil, nil)

	off := false
	b.fails(403, "forbidden", "PUT", "instance", nil, instanceBody{
		ServiceKey: ServiceKey{Namespace: "public", Group: "DEFAULT_GROUP", Name: "payment"},
		Cluster:    "DEFAULT", IP: "10.3.0.1", Port: 9000, Enabled: &off,
	})
	b.fails(403, "forbidden", "POST", "config", nil, publishBody{ConfigKey: ConfigKey{Group: "g", DataID: "d"}, Content: "x"})
	b.fails(403, "forbidden", "DELETE", "config", config, nil)
	b.fails(403, "forbidden", "GET", "znode", znode, nil)
	b.fails(403, "forbidden", "GET", "znode/children", znode, nil)
	b.fails(403, "forbidden", "POST", "znode", nil, `{"path":"/y","mode":0}`)
	b.fails(403, "forbidden", "PUT", "znode", nil, `{"path":"/app","data":"","version":0}`)
	b.fails(403, "forbidden", "DELETE", "znode", znode, nil)
}

func TestWhoPublishedIsRecorded(t *testing.T) {
	w := securedWorld(t)
	w.auth.passwords = map[string]string{"ann": "long enough"}
	b := newBrowser(t, w)
	b.ok("POST", "login", nil, loginBody{Name: "ann", Password: "long enough"}, nil)
	var c configView
	b.ok("POST", "config", nil, publishBody{ConfigKey: ConfigKey{Group: "g", DataID: "d"}, Content: "x"}, &c)
	require.Equal(t, "ann", c.ModifiedBy)
}

func TestTheAddressOfAnActorIsTheClients(t *testing.T) {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	var got Actor
	engine.GET("/", func(g *gin.Context) { got = actor(g) })
	r := httptest.NewRequest("GET", "/", strings.NewReader(""))
	r.RemoteAddr = "192.0.2.7:5555"
	engine.ServeHTTP(httptest.NewRecorder(), r)
	require.Equal(t, Actor{Address: "192.0.2.7"}, got)
}
