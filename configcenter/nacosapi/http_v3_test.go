package nacosapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/nacosapi"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

func TestWhatIsWrongIsSaidInTheWordsOfTheVersion(t *testing.T) {
	w := startWeb(t, engines.New(t))
	missing := func(text string) string { return `{"code":10000,"message":"parameter missing","data":"` + text + `"}` }
	form := func(name string) string {
		return missing("Required parameter '" + name + "' type String is not present")
	}
	one := func(name, kind string) string {
		return missing("Required request parameter '" + name + "' for method parameter type " + kind + " is not present")
	}
	invalid := func(text string) string {
		return `{"code":20002,"message":"parameter validate error","data":"` + text + `"}`
	}
	w.want(w.do("GET", "/v1/cs/configs?group=g&dataId=a&tag=a%20b", nil), 400, "caused: invalid tag : a b;")
	w.want(w.do("GET", "/v2/cs/config?group=g&dataId=a&tag="+strings.Repeat("x", 17), nil), 400, invalid("too long tag, over 16"))
	w.want(w.do("POST", "/v3/admin/cs/config", nil, "groupName", "g", "dataId", "a", "content", "x", "tag", "a b"), 400, invalid("invalid tag : a b"))
	const noName = "Param 'dataId' is illegal, illegal characters should not appear in the param.\r\n"
	for _, c := range []struct{ method, target, want string }{
		{"POST", "/v3/admin/cs/config", form("groupName")},
		{"POST", "/v3/admin/cs/config?groupName=g", form("dataId")},
		{"POST", "/v3/admin/cs/config?groupName=g&dataId=a", form("content")},
		{"POST", "/v3/admin/cs/config?groupName=g&dataId=a&content=%20", form("content")},
		{"POST", "/v3/console/cs/config?groupName=g&dataId=a%20b", noName}, // before anything that is missing
		{"GET", "/v3/admin/cs/config?dataId=a%2Fb", noName},
		{"GET", "/v3/client/cs/config?dataId=a", "caused: Required parameter 'groupName' type String is not present;"},
		{"DELETE", "/v3/admin/cs/config/batch", one("ids", "List")},
		{"DELETE", "/v3/admin/cs/config/batch?ids=x", invalid("Param 'id' is illegal, it is no number")},
		{"GET", "/v3/admin/cs/config/list?pageNo=0", invalid("Required parameter 'pageNo' should be positive integer, current is 0")},
		{"GET", "/v3/console/cs/config/searchDetail?pageSize=-1", invalid("Required parameter 'pageSize' should be positive integer, current is -1")},
		{"GET", "/v3/admin/cs/listener", one("ip", "String")},
		{"GET", "/v3/admin/cs/metrics/ip?ip=10.0.0.1&dataId=a", invalid("invalid group : null")},
		{"GET", "/v3/admin/cs/history", one("nid", "Long")},
		{"GET", "/v3/console/cs/history/previous?groupName=g", one("id", "Long")},
		{"GET", "/v3/console/cs/history/configs", one("namespaceId", "String")},
		{"GET", "/v3/admin/cs/history/list?groupName=g&dataId=a&pageSize=0", invalid("Required parameter 'pageSize' should be positive integer, current is 0")},
	} {
		if a := w.do(c.method, c.target, nil); a.status != 400 || a.body != c.want {
			t.Errorf("%s %s: got %d %q, want %q", c.method, c.target, a.status, a.body, c.want)
		}
	}
	w.want(w.do("GET", "/v3/admin/cs/history/configs?namespaceId=", nil), 200, `{"code":0,"message":"success","data":[]}`)
	for _, target := range []string{"/v3/admin/cs/history?groupName=g&dataId=a&nid=7", "/v3/console/cs/history/previous?groupName=g&dataId=a&id=7"} {
		w.want(w.do("GET", target, nil), 404, `{"code":20004,"message":"resource not found","data":"the history of the config has no such change"}`)
	}
}

func TestTheConsoleReadsAndWritesAsTheAdministrator(t *testing.T) {
	w := startWeb(t, engines.New(t))
	const done = `{"code":0,"message":"success","data":true}`
	name := []string{"dataId", "a", "groupName", "g", "namespaceId", "dev"}
	data := func(a answer) map[string]any { return w.tree(a)["data"].(map[string]any) }
	w.want(w.do("GET", "/v3/console/cs/config", nil, name...), 200, `{"code":0,"message":"success","data":null}`)
	w.want(w.do("POST", "/v3/console/cs/config", nil, append(name, "content", "one", "configTags", "x")...), 200, done)
	w.want(w.do("POST", "/v3/console/cs/config", nil, append(name, "content", "two")...), 200, done)
	config := data(w.do("GET", "/v3/console/cs/config", nil, name...))
	if config["content"] != "two" || config["configTags"] != "x" || config["desc"] != nil {
		t.Errorf("config: %v", config)
	}
	for _, list := range []string{"list", "searchDetail"} {
		if d := data(w.do("GET", "/v3/console/cs/config/"+list, nil, "namespaceId", "dev", "config_detail", "*w*")); d["totalCount"] != 1.0 {
			t.Errorf("%s: %v", list, d)
		}
	}
	changes := data(w.do("GET", "/v3/console/cs/history/list", nil, name...))["pageItems"].([]any)
	if len(changes) != 2 {
		t.Fatalf("history: %v", changes)
	}
	latest := changes[0].(map[string]any)
	for path, id := range map[string][]string{"": {"nid", latest["id"].(string)}, "/previous": {"id", config["id"].(string)}} {
		if d := data(w.do("GET", "/v3/console/cs/history"+path, nil, append(name, id...)...)); d["content"] != "one" || d["md5"] != *sum("one") {
			t.Errorf("history%s: %v", path, d)
		}
	}
	w.want(w.do("DELETE", "/v3/console/cs/config", nil, name...), 200, done)
	if _, err := w.node.center.Get(t.Context(), configcenter.MakeKey("dev", "g", "a")); err == nil {
		t.Error("the config is still there")
	}
}

func TestListenersAreFoundByAddressInTheirNamespaces(t *testing.T) {
	w := startWeb(t, engines.New(t))
	c := dial(t, w.node.addr, nil, false)
	c.listen(true, "", "a", sum("one"))
	c.listen(true, "dev", "b", sum("two"))
	answer := func(keys ...string) string {
		return `{"code":0,"message":"success","data":{"queryType":"ip","listenersStatus":{` + strings.Join(keys, ",") + `}}}`
	}
	a, b := `"a+g+public":"`+*sum("one")+`"`, `"b+g+dev":"`+*sum("two")+`"`
	for query, want := range map[string]string{
		"ip=127.0.0.1": answer(a), "ip=127.0.0.1&namespaceId=public": answer(a), "ip=127.0.0.1&namespaceId=dev": answer(b),
		"ip=127.0.0.1&all=true": answer(a, b), "ip=10.0.0.1&all=true": answer(), "ip=": answer(),
	} {
		w.want(w.do("GET", "/v3/admin/cs/listener?"+query, nil), 200, want)
		w.want(w.do("GET", "/v3/console/cs/config/listener/ip?"+query, nil), 200, want)
	}
	w.want(w.do("GET", "/v3/console/cs/config/listener?groupName=g&dataId=b&namespaceId=dev", nil), 200,
		`{"code":0,"message":"success","data":{"queryType":"config","listenersStatus":{"127.0.0.1":"`+*sum("two")+`"}}}`)
}

func TestTheCacheIsBroughtUpWithTheStore(t *testing.T) {
	engine := coretest.NewFake()
	w := startWeb(t, engine)
	bringUp := func(path string) answer { return w.sure(func() answer { return w.do("POST", path, nil) }) }
	w.want(bringUp("/v3/admin/cs/ops/localCache"), 200, `{"code":0,"message":"success","data":"Local cache updated from store successfully!"}`)
	w.want(bringUp("/v1/cs/ops/localCache"), 200, "200")
	engine.Partition()
	for _, path := range []string{"/v3/admin/cs/ops/localCache", "/v1/cs/ops/localCache"} {
		if a := w.do("POST", path, nil); a.status != 503 {
			t.Errorf("without the engine: %+v", a)
		}
	}
}

// mayDelete is the right to delete the configs of one namespace.
type mayDelete string

func (mayDelete) Check(ctx context.Context, _ auth.Credentials, need auth.Need) (context.Context, error) {
	if need.Action != "" || need.Admin {
		return ctx, wire.Refuse(wire.AccessDenied, "authorization failed!")
	}
	return ctx, nil
}

func (ns mayDelete) Allow(_ auth.Subject, need auth.Need) bool {
	return need.Action == auth.Write && need.Resource.Namespace == string(ns)
}

func TestABatchIsDeletedByWhoMayDeleteAllOfIt(t *testing.T) {
	n := startNode(t, engines.New(t))
	api, err := nacosapi.New(nacosapi.Deps{Center: n.center, Guard: rest.NewGuard(mayDelete("dev"))})
	if err != nil {
		t.Fatal(err)
	}
	e, err := rest.NewEngine(rest.Config{})
	if err != nil {
		t.Fatal(err)
	}
	api.Routes(e.Group("/nacos"))
	made := map[string]string{} // ids
	for _, k := range []configcenter.Key{configcenter.MakeKey("dev", "g", "a"), configcenter.MakeKey("dev", "g", "b"), configcenter.MakeKey("qa", "g", "a")} {
		it, err := n.center.Publish(t.Context(), &configcenter.Publish{Key: k, Content: "x"})
		if err != nil {
			t.Fatal(err)
		}
		made[k.String()] = strconv.FormatUint(uint64(it.ID), 10)
	}
	remove := func(path string, ids ...string) int {
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest(http.MethodDelete, "/nacos/v3/"+path+"?namespaceId=dev&ids="+strings.Join(ids, "&ids="), nil))
		return w.Code
	}
	if code := remove("admin/cs/config/batch", made["dev/g/a"], made["qa/g/a"]); code != 403 || n.center.Len() != 3 {
		t.Errorf("one of another namespace: %d, and %d are left", code, n.center.Len())
	}
	if code := remove("console/cs/config/batchDelete", made["dev/g/a"], "999", made["dev/g/b"]+","); code != 200 || n.center.Len() != 1 {
		t.Errorf("all of them: %d, and %d are left", code, n.center.Len())
	}
	if code := remove("admin/cs/config/batch", ""); code != 200 {
		t.Errorf("none: %d", code)
	}
}
