package security

import (
	"encoding/json"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// record is a line of the audit.
type record struct {
	User, Via, Action, Operation, Type, NamespaceID, GroupName, Name, Detail, Result, Message, SrcIP string
	Time                                                                                             int64
}

func (s *site) audit(query string) []record {
	s.t.Helper()
	a := s.asRoot("GET", "/nacos/v3/admin/core/audit?pageSize=500&"+query)
	var out struct {
		Data struct {
			TotalCount int
			PageItems  []record
		}
	}
	require.NoError(s.t, json.Unmarshal([]byte(a.Body), &out))
	require.Len(s.t, out.Data.PageItems, min(500, out.Data.TotalCount))
	return out.Data.PageItems
}

// TestWritesAreOnRecordThroughAKill: who wrote what, from where and with what result, by
// every way in; and once a write was answered nothing makes its record go away.
func TestWritesAreOnRecordThroughAKill(t *testing.T) {
	s := start(t)
	tom := s.addUser("tom", "dev:*:*", "rw")
	s.asRoot("POST", "/nacos/v3/admin/core/namespace", "customNamespaceId", "dev", "namespaceName", "dev")
	for _, c := range []struct {
		call
		want record
	}{
		{
			call{method: "POST", target: "/nacos/v1/cs/configs", form: values("dataId", "a", "group", "G", "tenant", "dev", "content", "x")},
			record{Operation: "create", Type: "config", NamespaceID: "dev", GroupName: "G", Name: "a", Result: "ok"},
		},
		{
			call{method: "POST", target: "/nacos/v3/admin/cs/config", form: values("dataId", "a", "groupName", "G", "namespaceId", "dev", "content", "y")},
			record{Operation: "update", Type: "config", NamespaceID: "dev", GroupName: "G", Name: "a", Result: "ok"},
		},
		{
			call{method: "POST", target: "/nacos/v1/cs/configs", form: values("dataId", "a", "group", "G", "tenant", "dev", "content", "z"), header: map[string]string{"betaIps": "1.2.3.4"}},
			record{Type: "config", NamespaceID: "dev", GroupName: "G", Name: "a", Detail: "gray-beta", Result: "ok"},
		},
		{
			call{method: "POST", target: "/nacos/v2/cs/config", form: values("dataId", "a", "group", "G", "namespaceId", "prod", "content", "x")},
			record{Type: "config", NamespaceID: "prod", GroupName: "G", Name: "a", Result: "denied"},
		},
		{
			call{method: "POST", target: "/nacos/v1/cs/configs", form: values("dataId", "b", "group", "G", "tenant", "dev")},
			record{Type: "config", NamespaceID: "dev", GroupName: "G", Name: "b", Result: "refused"},
		},
		{
			call{method: "DELETE", target: "/nacos/v1/cs/configs?dataId=a&group=G&tenant=dev"},
			record{Operation: "delete", Type: "config", NamespaceID: "dev", GroupName: "G", Name: "a", Result: "ok"},
		},
		{
			call{method: "POST", target: "/nacos/v2/ns/service", form: values("serviceName", "s", "namespaceId", "dev")},
			record{Operation: "create", Type: "naming", NamespaceID: "dev", GroupName: "DEFAULT_GROUP", Name: "s", Result: "ok"},
		},
		{
			call{method: "POST", target: "/nacos/v3/admin/core/namespace", form: values("customNamespaceId", "evil", "namespaceName", "evil")},
			record{Result: "denied"},
		},
	} {
		c.token = tom
		a := s.do(c.call)
		if c.want.Result == "refused" || c.want.Result == "denied" {
			require.NotEqual(t, 200, a.Status, "%s %s: %s", c.method, c.target, a.Body)
		} else {
			require.Equal(t, 200, a.Status, "%s %s: %s", c.method, c.target, a.Body)
		}
		u, err := url.Parse(c.target)
		require.NoError(t, err)
		var got record
		find := func() bool {
			for _, r := range s.audit("user=tom&action=" + url.QueryEscape("*"+u.Path[len("/nacos"):])) {
				r.Action, r.User, r.Via, r.SrcIP, r.Time, r.Message = "", "", "", "", 0, ""
				w := c.want
				if w.Operation == "" {
					w.Operation = r.Operation
				}
				if w.Type == "" {
					w.Type = r.Type
				}
				if r == w {
					got = r
					return true
				}
			}
			return false
		}
		if c.want.Result == "ok" {
			require.True(t, find(), "%s %s is not on record: %+v", c.method, c.target, s.audit("user=tom"))
			continue
		}
		require.Eventually(t, find, 20*time.Second, 20*time.Millisecond, "%s %s is not on record: %+v", c.method, c.target, s.audit("user=tom"))
		_ = got
	}
	// Users and rights, by root; the console; gRPC is in TestGRPC....
	names := map[string]bool{}
	for _, r := range s.audit("type=access&result=ok") {
		names[r.Operation+" "+r.Name] = true
		require.Equal(t, "127.0.0.1", r.SrcIP)
		require.Equal(t, "http", r.Via)
	}
	require.Contains(t, names, "create users/tom")
	require.Contains(t, names, "create roles/tom/tom")
	require.Contains(t, names, "create permissions/tom/dev:*:*~rw")
	cookie := s.do(call{method: "POST", target: "/console/api/login", json: `{"name":"tom","password":"password of tom"}`, header: map[string]string{"X-Zensus-Console": "1"}})
	require.Equal(t, 200, cookie.Status)
	a := s.do(call{method: "POST", target: "/console/api/config", cookie: tom, json: `{"namespace":"dev","group":"G","dataId":"c","content":"x","type":"text"}`})
	require.Equal(t, 200, a.Status, a.Body)
	a = s.do(call{method: "POST", target: "/console/api/znode", cookie: tom, json: `{"path":"/x","data":""}`})
	require.Equal(t, 403, a.Status, a.Body)
	require.Len(t, s.audit("user=tom&type=config&name=c&result=ok"), 1)
	require.Eventually(t, func() bool { return len(s.audit("user=tom&type=znode&result=denied")) == 1 }, 20*time.Second, 20*time.Millisecond)

	// What is not a write of an operator is not there.
	before := len(s.audit(""))
	s.asRoot("POST", "/nacos/v1/ns/instance", "serviceName", "t", "ip", "1.2.3.4", "port", "80", "namespaceId", "dev")
	s.asRoot("PUT", "/nacos/v1/ns/instance/beat", "serviceName", "t", "ip", "1.2.3.4", "port", "80", "namespaceId", "dev")
	s.asRoot("GET", "/nacos/v1/cs/configs?dataId=c&group=G&tenant=dev")
	require.Len(t, s.audit(""), before)
	// Nor does everybody read it.
	require.Equal(t, 403, s.do(call{method: "GET", target: "/nacos/v3/admin/core/audit", token: tom}).Status)
	require.Equal(t, 403, s.do(call{method: "GET", target: "/nacos/v3/admin/core/audit"}).Status)

	s.asRoot("PUT", "/nacos/v1/ns/instance", "serviceName", "t", "ip", "1.2.3.4", "port", "80", "namespaceId", "dev", "weight", "7")
	s.asRoot("GET", "/nacos/v2/core/loader/reloadCurrent?count=1000")
	for _, n := range []string{"1", "2", "3"} {
		s.asRoot("POST", "/nacos/v1/cs/configs", "dataId", "last"+n, "group", "G", "content", n)
	}
	kept := s.audit("result=ok")
	s.Kill()
	s.Restart()
	require.Equal(t, kept, s.audit("result=ok"))
	require.Len(t, s.audit("name=last*"), 3)
	require.Len(t, s.audit("action="+url.QueryEscape("GET /v2/core/loader/reloadCurrent")), 1)
	overridden := s.audit("type=naming&operation=&action=" + url.QueryEscape("PUT /v1/ns/instance"))
	require.Len(t, overridden, 1)
	require.Equal(t, "t", overridden[0].Name)
}
