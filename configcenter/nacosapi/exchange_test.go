package nacosapi_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/archive"
)

// send sends a body of a media type.
func (w *web) send(path, media string, body []byte) answer {
	w.t.Helper()
	res, err := http.Post(w.base+path, media, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

// upload sends an archive.
func (w *web) upload(path string, zip []byte) answer {
	w.t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	f, err := m.CreateFormFile("file", "configs.zip")
	if err == nil {
		_, err = f.Write(zip)
	}
	if err != nil || m.Close() != nil {
		w.t.Fatal(err)
	}
	return w.send(path, m.FormDataContentType(), b.Bytes())
}

func (w *web) publish(tenant, dataID, content string) *configcenter.Item {
	w.t.Helper()
	it, err := w.node.center.Publish(w.t.Context(), &configcenter.Publish{
		Key: configcenter.MakeKey(tenant, "g", dataID), Content: content,
		Attributes: configcenter.Attributes{Type: "yaml", AppName: "app", Desc: "d"},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return it
}

func (w *web) get(tenant, dataID string) string {
	w.t.Helper()
	it, err := w.node.center.Get(w.t.Context(), configcenter.MakeKey(tenant, "g", dataID))
	if err != nil {
		return ""
	}
	return it.Content + "|" + it.Type + "|" + it.AppName + "|" + it.Desc
}

func TestConfigsAreExportedAndImportedAgain(t *testing.T) {
	for _, newer := range []bool{false, true} {
		w := startWeb(t, engines.New(t))
		w.publish("", "a.yaml", "k: v")
		id := w.publish("", "b.yaml", "k: w").ID
		w.publish("dev", "c.yaml", "of another namespace")
		export := "/v1/cs/configs?export=true&tenant=&group=&appName="
		if newer {
			export = "/v1/cs/configs?exportV2=true&tenant=&group=&appName="
		}
		all := w.do("GET", export+"&ids=", nil)
		if all.status != 200 || !strings.HasPrefix(all.header.Get("Content-Disposition"), "attachment;filename=nacos_config_export_") {
			t.Fatalf("export: %d %v", all.status, all.header)
		}
		contents, err := archive.Read([]byte(all.body))
		if err != nil || len(contents.Configs) != 2 || contents.Newer != newer {
			t.Fatalf("exported %+v, %v", contents, err)
		}
		one, err := archive.Read([]byte(w.do("GET", fmt.Sprintf("%s&ids=%d", export, id), nil).body))
		if err != nil || len(one.Configs) != 1 || one.Configs[0].DataID != "b.yaml" {
			t.Errorf("one of them: %+v, %v", one, err)
		}
		got := w.tree(w.upload("/v1/cs/configs?import=true&namespace=copy", []byte(all.body)))
		if got["code"] != float64(200) || got["message"] != "import success" || fmt.Sprint(got["data"]) != "map[skipCount:0 succCount:2]" {
			t.Errorf("import: %v", got)
		}
		want := "k: v|yaml|app|"
		if newer {
			want += "d"
		}
		if got := w.get("copy", "a.yaml"); got != want {
			t.Errorf("imported %q", got)
		}
	}
}

func TestWhatIsThereAlreadyIsTreatedAsThePolicySays(t *testing.T) {
	w := startWeb(t, engines.New(t))
	var zip bytes.Buffer
	configs := []archive.Config{
		{Group: "g", DataID: "a", Content: "new", Type: "text"}, {Group: "g", DataID: "b", Content: "new", Type: "text"}, {Group: "g", DataID: "c", Content: "new", Type: "text"},
	}
	if err := archive.Write(&zip, configs, true); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ policy, a, c, data string }{
		{"ABORT", "new", "", `{"succCount":1,"skipCount":1,"failData":[{"dataId":"b","group":"g"}],"skipData":[{"dataId":"c","group":"g"}]}`},
		{"", "new", "", `{"succCount":1,"skipCount":1,"failData":[{"dataId":"b","group":"g"}],"skipData":[{"dataId":"c","group":"g"}]}`},
		{"SKIP", "new", "new", `{"succCount":2,"skipCount":1,"skipData":[{"dataId":"b","group":"g"}]}`},
		{"OVERWRITE", "new", "new", `{"succCount":3,"skipCount":0}`},
	} {
		ns := "ns" + c.policy
		w.publish(ns, "b", "old")
		a := w.upload("/v3/admin/cs/config/import?namespaceId="+ns+"&policy="+c.policy, zip.Bytes())
		var got struct {
			Code int
			Data json.RawMessage
		}
		if err := json.Unmarshal([]byte(a.body), &got); err != nil || got.Code != 0 || string(got.Data) != c.data {
			t.Errorf("%s: %s", c.policy, a.body)
		}
		have := func(id string) string { s, _, _ := strings.Cut(w.get(ns, id), "|"); return s }
		b := "old"
		if c.policy == "OVERWRITE" {
			b = "new"
		}
		if have("a") != c.a || have("b") != b || have("c") != c.c {
			t.Errorf("%s left %q %q %q", c.policy, have("a"), have("b"), have("c"))
		}
	}
}

func TestConfigsAreCloned(t *testing.T) {
	w := startWeb(t, engines.New(t))
	a, b := w.publish("", "a", "1").ID, w.publish("dev", "b", "2").ID
	got := w.tree(w.send("/v1/cs/configs?clone=true&tenant=copy", "application/json",
		fmt.Appendf(nil, `[{"cfgId":"00%d","dataId":"x","group":"g"},{"cfgId":%d},{"cfgId":7}]`, a, b)))
	if got["message"] != "Clone Completed Successfully" || fmt.Sprint(got["data"]) != "map[skipCount:0 succCount:2]" {
		t.Errorf("clone: %v", got)
	}
	if w.get("copy", "x") != "1|yaml|app|d" || w.get("copy", "b") != "2|yaml|app|d" || w.get("copy", "a") != "" {
		t.Errorf("cloned %q %q", w.get("copy", "x"), w.get("copy", "b"))
	}
	got = w.tree(w.send("/v3/admin/cs/config/clone?namespaceId=copy", "application/json",
		fmt.Appendf(nil, `[{"configId":%d,"targetDataId":"y"}]`, a)))
	if got["code"] != float64(0) || w.get("copy", "y") == "" {
		t.Errorf("clone: %v", got)
	}
}

// An export has the oldest config first, whatever its name or its id's place in the list,
// and each once.
func TestAnExportIsByAge(t *testing.T) {
	w := startWeb(t, engines.New(t))
	b, a := w.publish("dev", "b", "1").ID, w.publish("", "a", "2").ID
	w.publish("", "a.1", "3")
	exported := func(query string) (names string) {
		t.Helper()
		got := w.do("GET", "/v3/admin/cs/config/export"+query, nil)
		contents, err := archive.Read([]byte(got.body))
		if err != nil {
			t.Fatalf("%s: %d %q", query, got.status, got.body)
		}
		for _, c := range contents.Configs {
			names += c.DataID + " "
		}
		return names
	}
	for query, want := range map[string]string{
		fmt.Sprintf("?ids=%d,%d", a, b):           "b a ",
		fmt.Sprintf("?ids=%d&ids=%d&ids=7", b, b): "b ",
		"?ids=":           "a a.1 ",
		"?ids=,&dataId=a": "a ",
		"?ids=&groupName=g&appName=app&dataId=a.1": "a.1 ",
	} {
		if got := exported(query); got != want {
			t.Errorf("%s: %q", query, got)
		}
	}
	for query, status := range map[string]int{"": 400, "?ids=one": 400, "?ids=&dataId=a*": 400} {
		for _, path := range []string{"/v3/admin/cs/config/export", "/v3/console/cs/config/export2"} {
			if got := w.do("GET", path+query, nil); got.status != status {
				t.Errorf("%s%s: %d %q", path, query, got.status, got.body)
			}
		}
	}
	w.want(w.do("GET", "/v1/cs/configs?export=true&ids=&tenant=v1+cs", nil), 400,
		"Param 'namespaceId/tenant' is illegal, illegal characters should not appear in the param.\r\n")
}

func TestACloneNamesItsTarget(t *testing.T) {
	w := startWeb(t, engines.New(t))
	id := w.publish("dev", "a", "1").ID
	with := func(body string) []byte { return []byte(strings.ReplaceAll(body, "ID", fmt.Sprint(uint64(id)))) }
	clone := func(path, body string) map[string]any {
		return w.tree(w.send(path, "application/json", with(body)))
	}
	for path, body := range map[string]string{
		"/v1/cs/configs?clone=true":       `[{"cfgId":ID}]`,
		"/v3/admin/cs/config/clone":       `[{"configId":ID}]`,
		"/v3/console/cs/config/clone":     `[{"cfgId":ID}]`,
		"/v3/console/cs/config/clone?a=b": `[{"cfgId":ID}]`,
	} {
		if got := w.send(path, "application/json", with(body)); got.status != 400 || w.get("", "a") != "" {
			t.Errorf("%s: %d %q", path, got.status, got.body)
		}
	}
	if got := clone("/v3/admin/cs/config/clone?namespaceId=", `[{"configId":ID,"targetDataId":"x"},{"configId":ID,"targetDataId":"y"}]`); fmt.Sprint(got["data"]) != "map[skipCount:0 succCount:1]" {
		t.Errorf("one twice: %v", got)
	}
	if w.get("", "x") == "" || w.get("", "y") != "" {
		t.Error("of two names the first counts")
	}
	if got := clone("/v3/console/cs/config/clone?targetNamespaceId=copy", `[null,{"cfgId":ID,"dataId":"z"},{}]`); fmt.Sprint(got["data"]) != "map[skipCount:0 succCount:1]" || w.get("copy", "z") == "" {
		t.Errorf("by the console: %v", got)
	}
	if got := clone("/v3/console/cs/config/clone?targetNamespaceId=copy", `[null]`); got["code"] != float64(100006) {
		t.Errorf("nothing chosen: %v", got)
	}
	if got := clone("/v3/admin/cs/config/clone?namespaceId=copy", `[null]`); got["code"] != float64(100005) {
		t.Errorf("nothing found: %v", got)
	}
	w.want(w.send("/v3/admin/cs/config/clone?namespaceId=copy", "application/json", []byte(`{"configId":1}`)), 400,
		`{"code":10000,"message":"parameter missing","data":"JSON parse error: the body cannot be of type object"}`)
	w.want(w.send("/v3/admin/cs/config/clone?namespaceId=copy", "application/json", with(`[{"configId":ID,"targetDataId":"a b"}]`)), 400,
		`{"code":20002,"message":"parameter validate error","data":"invalid dataId : a b"}`)
}

// The console has other words than v3 for what an import leaves out. What is imported
// keeps the tags that the config has, of which an archive says nothing.
func TestWhatAnImportLeavesOut(t *testing.T) {
	w := startWeb(t, engines.New(t))
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range map[string]string{
		"g/a": "x", "g/extra": "y", ".metadata.yml": "metadata:\n- {group: g, dataId: a, type: text}\n- {group: g, dataId: c, type: text}\n",
	} {
		f, err := z.Create(name)
		if err == nil {
			_, err = f.Write([]byte(content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	w.do("POST", "/v1/cs/configs", nil, "dataId", "a", "group", "g", "content", "old", "config_tags", "x,y", "appName", "shop", "desc", "d")
	for path, want := range map[string]string{
		"/v3/admin/cs/config/import":   "[map[itemName:Item not found in metadata: g/extra] map[itemName:Item not found in file: g/c]]",
		"/v3/console/cs/config/import": "[map[itemName:未在元数据中找到: g/extra] map[itemName:未在文件中找到: g/c]]",
	} {
		data := w.tree(w.upload(path+"?policy=OVERWRITE", b.Bytes()))["data"].(map[string]any)
		if data["succCount"] != float64(1) || fmt.Sprint(data["unrecognizedData"]) != want {
			t.Errorf("%s: %v", path, data)
		}
	}
	it, err := w.node.center.Get(t.Context(), configcenter.MakeKey("", "g", "a"))
	if err != nil || it.Content != "x" || it.Tags != "x,y" || it.AppName != "shop" || it.Desc != "" {
		t.Errorf("imported %+v, %v", it, err)
	}
}

func TestImportsAndClonesOfNothing(t *testing.T) {
	w := startWeb(t, engines.New(t))
	zip := func(configs ...archive.Config) []byte {
		var b bytes.Buffer
		if err := archive.Write(&b, configs, true); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	bad := archive.Config{Group: "g", DataID: "a b", Content: "x", Type: "text"}
	good := archive.Config{Group: "g", DataID: "a", Content: "x", Type: "text"}
	for name, c := range map[string]struct {
		a      answer
		status int
		code   float64
	}{
		"no file":           {w.send("/v1/cs/configs?import=true", "application/x-www-form-urlencoded", nil), 200, 100005},
		"no zip":            {w.upload("/v1/cs/configs?import=true", []byte("nonsense")), 200, 100005},
		"no zip in v3":      {w.upload("/v3/admin/cs/config/import", []byte("nonsense")), 200, 100002},
		"nothing listed":    {w.upload("/v1/cs/configs?import=true", zip()), 200, 100002},
		"nothing chosen":    {w.send("/v1/cs/configs?clone=true&tenant=copy", "application/json", []byte("[]")), 200, 100006},
		"nothing found":     {w.send("/v3/admin/cs/config/clone?namespaceId=copy", "application/json", []byte(`[{"configId":7}]`)), 200, 100005},
		"an unknown policy": {w.upload("/v3/admin/cs/config/import?policy=MAYBE", zip(good)), 400, 20002},
	} {
		if got := w.tree(c.a); c.a.status != c.status || got["code"] != c.code {
			t.Errorf("%s: %d %v", name, c.a.status, got)
		}
	}
	// One bad name, and nothing is written at all.
	if a := w.upload("/v1/cs/configs?import=true", zip(good, bad)); a.status != 400 || w.get("", "a") != "" {
		t.Errorf("a bad name: %d %q, and wrote %q", a.status, a.body, w.get("", "a"))
	}
}

func TestNothingIsBroughtIntoANamespaceThatIsNotThere(t *testing.T) {
	n := startWebIn(t, engines.New(t), func(id string) bool { return slices.Contains([]string{"dev"}, id) })
	id := n.publish("", "a", "1").ID
	for ns, code := range map[string]float64{"dev": 0, "public": 0, "gone": 22001} {
		a := n.send("/v3/admin/cs/config/clone?namespaceId="+ns, "application/json", fmt.Appendf(nil, `[{"configId":%d,"targetDataId":"y"}]`, id))
		if got := n.tree(a); got["code"] != code {
			t.Errorf("%s: %v", ns, got)
		}
	}
	got := n.tree(n.send("/v1/cs/configs?clone=true&tenant=gone", "application/json", fmt.Appendf(nil, `[{"cfgId":%d}]`, id)))
	if got["code"] != float64(100001) || fmt.Sprint(got["data"]) != "map[succCount:0]" {
		t.Errorf("v1: %v", got)
	}
}
