package nacosapi_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/archive"
	"github.com/zensus-io/zensus/configcenter/listen"
	"github.com/zensus-io/zensus/configcenter/nacosapi"
	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// devOnly lets everybody do everything in the namespace dev, and nothing elsewhere.
type devOnly struct{}

func (devOnly) Check(ctx context.Context, _ auth.Credentials, need auth.Need) (context.Context, error) {
	if need.Action != "" && need.Resource.Namespace != "dev" {
		return ctx, wire.Refuse(wire.AccessDenied, "authorization failed!")
	}
	return ctx, nil
}

func (devOnly) Allow(_ auth.Subject, need auth.Need) bool { return need.Resource.Namespace == "dev" }

// TestTheGuardLooksAtTheNamespaceThatCounts: a namespace may be given under three
// names. Whichever of them a request gives, and however they contradict each
// other, nobody gets at a namespace that the guard did not look at.
func TestTheGuardLooksAtTheNamespaceThatCounts(t *testing.T) {
	n := startNode(t, engines.New(t))
	api, err := nacosapi.New(nacosapi.Deps{Center: n.center, Guard: rest.NewGuard(devOnly{})})
	if err != nil {
		t.Fatal(err)
	}
	e, err := rest.NewEngine(rest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	api.Routes(e.Group("/nacos"))
	key := configcenter.MakeKey("", "g", "d")
	it, err := n.center.Publish(t.Context(), &configcenter.Publish{Key: key, Content: "top secret"})
	if err != nil {
		t.Fatal(err)
	}
	id := strconv.FormatUint(uint64(it.ID), 10)
	names := []string{"tenant", "namespaceId", "namespace"}
	values := []string{"", "public", "dev", "null"}
	reached := 0
	for _, route := range e.Routes() {
		path := strings.TrimSuffix(route.Path, "/")
		for i := range len(values) * len(values) * len(values) {
			q := url.Values{
				"dataId": {"d"}, "group": {"g"}, "groupName": {"g"}, "content": {"overwritten"}, "nid": {"1"}, "id": {"1"}, "ip": {"1.1.1.1"},
				"targetNamespaceId": {"dev"},
				"from":              {"1"}, "to": {"1"},
			}
			if i%2 == 0 {
				q.Set("search", "blur")
			}
			if route.Method == http.MethodDelete && i%2 == 0 {
				q.Set("delType", "ids")
				q.Set("ids", id)
			}
			var body io.Reader
			switch {
			case route.Method == http.MethodGet && i%3 == 0:
				q.Set([]string{"export", "exportV2"}[i%2], "true")
				q.Set("ids", id)
			case route.Method == http.MethodPost && i%3 == 0:
				q.Set("clone", "true")
				body = strings.NewReader(`[{"cfgId":` + id + `,"configId":` + id + `,"dataId":"copy","targetDataId":"copy"}]`)
			}
			for j, name := range names {
				if v := values[i/[]int{1, 4, 16}[j]%4]; v != "" {
					q.Set(name, v)
				}
			}
			r := httptest.NewRequest(route.Method, path+"?"+q.Encode(), body)
			if body != nil {
				r.Header.Set("Content-Type", "application/json")
			}
			w := httptest.NewRecorder()
			e.ServeHTTP(w, r)
			if strings.Contains(readable(w.Body.Bytes()), "top secret") {
				t.Errorf("%s %s?%s gives %q", route.Method, path, q.Encode(), w.Body)
			}
			if w.Code == http.StatusOK {
				reached++
			}
		}
	}
	if got, err := n.center.Get(t.Context(), key); err != nil || got.Content != "top secret" {
		t.Errorf("the config is %+v, %v", got, err)
	}
	if got, err := n.center.Get(t.Context(), configcenter.MakeKey("dev", "g", "copy")); err == nil {
		t.Errorf("a copy of it: %+v", got)
	}
	if reached == 0 {
		t.Error("no request was served at all")
	}
}

func TestALongPollMayNameOnlyWhatItsUserMayRead(t *testing.T) {
	n := startNode(t, engines.New(t))
	api, err := nacosapi.New(nacosapi.Deps{Center: n.center, Guard: rest.NewGuard(devOnly{})})
	if err != nil {
		t.Fatal(err)
	}
	e, err := rest.NewEngine(rest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	api.Routes(e.Group("/nacos"))
	for records, status := range map[string]int{
		"d\x02g\x02x\x02dev\x01":                      200,
		"d\x02g\x02x\x01":                             403,
		"d\x02g\x02x\x02dev\x01d\x02g\x02x\x02qa\x01": 403,
	} {
		body := url.Values{"Listening-Configs": {records}}.Encode()
		r := httptest.NewRequest(http.MethodPost, "/nacos/v1/cs/configs/listener", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		if w.Code != status {
			t.Errorf("%q: got %d %q, want %d", records, w.Code, w.Body, status)
		}
	}
}

// oneOnly lets everybody read one config, and what the guard asks for.
type oneOnly struct{ asked *auth.Need }

func (o oneOnly) Check(ctx context.Context, _ auth.Credentials, need auth.Need) (context.Context, error) {
	*o.asked = need
	return ctx, nil
}

func (oneOnly) Allow(_ auth.Subject, need auth.Need) bool {
	return need.Resource.String() == "dev:g:config/mine"
}

// TestANameThatARouteDoesNotUseIsNoNarrowerRight: who names the one config that he may read
// where the request is for those of a whole namespace.
func TestANameThatARouteDoesNotUseIsNoNarrowerRight(t *testing.T) {
	n := startNode(t, engines.New(t))
	asked := new(auth.Need)
	api, err := nacosapi.New(nacosapi.Deps{Center: n.center, Guard: rest.NewGuard(oneOnly{asked})})
	if err != nil {
		t.Fatal(err)
	}
	e, err := rest.NewEngine(rest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	api.Routes(e.Group("/nacos"))
	l := n.center.Listeners().Open("10.0.0.1", nil, func() {})
	defer l.Close()
	for _, name := range []string{"mine", "others"} {
		if _, err := l.Listen([]listen.Watched{{Key: configcenter.MakeKey("dev", "g", name), Tenant: "dev"}}); err != nil {
			t.Fatal(err)
		}
	}
	const names = "?namespaceId=dev&tenant=dev&group=g&groupName=g&dataId=mine&ip=10.0.0.1"
	get := func(path string) string {
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path+names, nil))
		if w.Code != http.StatusOK {
			t.Errorf("%s: got %d %q", path, w.Code, w.Body)
		}
		return w.Body.String()
	}
	for _, path := range []string{"/nacos/v1/cs/history/configs", "/nacos/v2/cs/history/configs", "/nacos/v3/admin/cs/history/configs", "/nacos/v3/console/cs/history/configs"} {
		get(path)
		if got, want := asked.Resource.String(), "dev:*:config/*"; got != want || asked.Action != auth.Read {
			t.Errorf("%s asks for %s %s, want %s", path, asked.Action, got, want)
		}
	}
	for _, path := range []string{"/nacos/v1/cs/listener", "/nacos/v3/admin/cs/listener", "/nacos/v3/console/cs/config/listener/ip"} {
		if got := get(path); !strings.Contains(got, "mine") || strings.Contains(got, "others") {
			t.Errorf("%s says %s", path, got)
		}
	}
}

// TestTheGuardAndTheConfigCenterReadANamespaceAlike: by whatever spelling.
func TestTheGuardAndTheConfigCenterReadANamespaceAlike(t *testing.T) {
	n := startNode(t, engines.New(t))
	asked := new(auth.Need)
	api, err := nacosapi.New(nacosapi.Deps{Center: n.center, Guard: rest.NewGuard(oneOnly{asked})})
	if err != nil {
		t.Fatal(err)
	}
	e, err := rest.NewEngine(rest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	api.Routes(e.Group("/nacos"))
	for i, tenant := range []string{"", " ", "null", " null ", "public", "\tpublic", "dev", " dev", "dev\n"} {
		content := strconv.Itoa(i)
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/nacos/v1/cs/configs?"+url.Values{
			"tenant": {tenant}, "group": {" g"}, "dataId": {"d "}, "content": {content},
		}.Encode(), nil))
		r := asked.Resource
		it, err := n.center.Get(t.Context(), configcenter.Key{Namespace: r.Namespace, Group: r.Group, DataID: r.Name})
		if err != nil || it.Content != content {
			t.Errorf("%q: %d %q, the guard asks for %s; there is %+v, %v", tenant, w.Code, w.Body, r, it, err)
		}
	}
}

// readable is an answer with what an archive in it holds.
func readable(b []byte) string {
	contents, err := archive.Read(b)
	if err != nil {
		return string(b)
	}
	var all strings.Builder
	for _, c := range contents.Configs {
		all.WriteString(c.Content)
	}
	return all.String()
}
