package sdk_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/zensus-io/zensus/sdk"
	"github.com/zensus-io/zensus/sdk/naming"
)

func TestLoginYieldsATokenFromTheFirstServerThatGivesOne(t *testing.T) {
	answers := func(status int, body string) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/nacos/v1/auth/login" || r.FormValue("username") != "u" || r.FormValue("password") != "p&=" {
				t.Errorf("asked %s with %v", r.URL, r.Form)
			}
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}))
		t.Cleanup(s.Close)
		return s
	}
	http.DefaultClient.CloseIdleConnections()
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	login := func(bases ...string) (string, time.Time, error) {
		return sdk.Login(client, bases, func(context.Context) (string, string, error) { return "u", "p&=", nil })(t.Context())
	}
	good := answers(200, `{"accessToken":"t","tokenTtl":100,"globalAdmin":false,"username":"u"}`)
	for name, bad := range map[string]string{
		"refuses":       answers(403, "unknown user!").URL,
		"talks garbage": answers(200, "<html>").URL,
		"gives none":    answers(200, "{}").URL,
		"is not there":  "http://127.0.0.1:1",
		"has a bad URL": "://",
	} {
		token, until, err := login(bad, good.URL+"/")
		if left := time.Until(until); err != nil || token != "t" || left < 80*time.Second || left > 90*time.Second {
			t.Errorf("one that %s: %q for %v, %v", name, token, left, err)
		}
		if _, _, err := login(bad); err == nil || strings.Contains(err.Error(), "p&=") {
			t.Errorf("only one that %s: %v", name, err)
		}
	}
	forever := answers(200, `{"accessToken":"t"}`)
	if _, until, err := login(forever.URL); err != nil || !until.IsZero() {
		t.Errorf("without an end: %v, %v", until, err)
	}
	if _, _, err := login(); err == nil {
		t.Error("no address, no error")
	}
}

func TestATokenThatRunsOutIsRenewedBefore(t *testing.T) {
	c := newCluster(t)
	c.names.set(func() { c.names.token = "t1" })
	asked := 0
	token := func(context.Context) (token string, until time.Time, err error) {
		c.names.set(func() {
			asked++
			token = c.names.token
		})
		return token, time.Now().Add(20 * time.Millisecond), nil
	}
	names := naming.New(dial(t, []*server{c.start("127.0.0.1:0")}, sdk.Lazy(), sdk.Credentials(token)))
	register(t, names, 1)
	time.Sleep(30 * time.Millisecond)
	c.names.set(func() { c.names.token = "t2" })
	register(t, names, 2)
	c.names.set(func() {
		if asked < 2 || c.names.refused > 0 {
			t.Errorf("asked %d times, refused %d times", asked, c.names.refused)
		}
	})
}
