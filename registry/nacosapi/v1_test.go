package nacosapi

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMetadataAreReadAsNacosReadsThem(t *testing.T) {
	for text, want := range map[string]metadata{
		`{"a":"1","n":1.50,"t":true,"none":null}`: {"a": "1", "n": "1.50", "t": "true"},
		`{}`:            {},
		"a=1, b = 2":    {"a": "1", " b ": " 2"},
		"a=1,b=2,":      {"a": "1", "b": "2"},
		"=c":            {"": "c"},
		"nonsense":      nil,
		"a=1=2":         nil,
		"b=":            nil,
		"a=1,,b=2":      nil,
		`{"k":{"l":1}}`: nil,
		`{"a":`:         nil,
	} {
		var m metadata
		err := m.UnmarshalText([]byte(text))
		if want == nil {
			require.Error(t, err, text)
			continue
		}
		require.NoError(t, err, text)
		require.Equal(t, want, m, text)
	}
}

func TestHTTPv1FindsNamesInAllNamespaces(t *testing.T) {
	w := startWeb(t)
	w.ok("POST", "/v1/ns/service", "serviceName=order.a")
	w.ok("POST", "/v1/ns/service", "serviceName=b&groupName=g1")
	w.ok("POST", "/v1/ns/service", "serviceName=order.a&namespaceId=dev")
	names := func(form string) any { return w.json("GET", "/v1/ns/service/names", form)["META-INF/services"] }
	require.Equal(t, map[string]any{"public": []any{"DEFAULT_GROUP@@order.a", "g1@@b"}, "dev": []any{"DEFAULT_GROUP@@order.a"}}, names(""))
	require.Equal(t, map[string]any{"dev": []any{}}, names("namespaceId=dev&expr=g1"))
	require.Equal(t, map[string]any{"public": []any{"g1@@b"}}, names("namespaceId=public&expr="+url.QueryEscape("^g1.*[ab]$")))
	for _, costly := range []string{strings.Repeat("a", exprBytesMax+1), "(ab){900}"} {
		status, body := w.do("GET", "/v1/ns/service/names", "expr="+costly)
		require.Equal(t, 400, status, body)
	}
	status, body := w.do("GET", "/v1/ns/service/names", "expr=%5B")
	require.Equal(t, 400, status, body)
}

func TestHTTPv1Refuses(t *testing.T) {
	w := startWeb(t)
	w.ok("POST", "/v1/ns/instance", "serviceName=shop&ip=10.0.0.1&port=80")
	for _, c := range []struct {
		name, method, path, form string
		status                   int
		body                     string
	}{
		{"a service that is not named", "GET", "/v1/ns/service", "", 400, "Parameter 'serviceName' is missing"},
		{"an unknown service in the catalog", "GET", "/v1/ns/catalog/service", "serviceName=no", 404, "service DEFAULT_GROUP@@no is not found!"},
		{"a cluster without instances", "GET", "/v1/ns/catalog/instances", "serviceName=shop&clusterName=C9&pageNo=1&pageSize=9", 404, "cluster C9 is not found!"},
		{"a cluster of an unknown service", "PUT", "/v1/ns/cluster", "serviceName=no&clusterName=C1&checkPort=80&useInstancePort4Check=true&healthChecker=%7B%22type%22%3A%22TCP%22%7D", 400, "service not found:DEFAULT_GROUP@@no"},
		{"a beat from no port", "PUT", "/v1/ns/instance/beat", "serviceName=shop&beat=" + url.QueryEscape(`{"ip":"10.0.0.1","port":80800}`), 400, "Param 'port' is illegal, the value should be between 0 and 65535.\r\n"},
		{"metadata of no port", "PUT", "/v1/ns/instance/metadata/batch", "serviceName=shop&metadata=a=1&instances=" + url.QueryEscape(`[{"ip":"10.0.0.1","port":80800}]`), 400, "Param 'port' is illegal, the value should be between 0 and 65535.\r\n"},
		{"health of what is checked", "PUT", "/v1/ns/health", "serviceName=no&ip=10.0.0.1&port=80&healthy=true", 400, "health check is still working, service: DEFAULT_GROUP@@no, cluster: DEFAULT"},
	} {
		status, body := w.do(c.method, c.path, c.form)
		require.Equal(t, c.status, status, c.name)
		require.Equal(t, c.body, body, c.name)
	}
	full := "serviceName=shop&clusterName=C1&beat=" + url.QueryEscape(`{"ip":"10.0.0.2","port":80,"weight":1}`)
	require.InDelta(t, 10200, w.json("PUT", "/v1/ns/instance/beat", full)["code"], 0)
	require.Contains(t, w.ok("GET", "/v1/ns/instance/list", "serviceName=shop&clusters=C1"), "10.0.0.2", "the cluster of the parameter, where the beat names none")
	require.InDelta(t, 20404, w.json("PUT", "/v1/ns/instance/beat", "serviceName=shop")["code"], 0)
}
