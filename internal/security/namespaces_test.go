package security

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// The namespaces: one that the attacker has all rights to, one that he has none to, and
// the public one, to which he has none either.
const (
	own   = "own"
	other = "other"
)

// secret stands in everything that is in the namespaces of others, and hidden is the
// address of an instance of each of their services.
const (
	secret = "SECRET"
	hidden = "10.66.66.66"
)

// gives reports whether an answer tells what it must not. A refusal repeats the path.
func (a *answer) gives() bool {
	return (strings.Contains(a.Body, secret) || strings.Contains(a.Body, hidden)) && a.Status != http.StatusForbidden
}

// furnish puts the same names into all namespaces, and secrets into those of others.
func (s *site) furnish() (ids []string) {
	s.t.Helper()
	for _, ns := range []string{own, other} {
		s.asRoot("POST", "/nacos/v1/console/namespaces", "customNamespaceId", ns, "namespaceName", ns)
	}
	for _, ns := range []string{own, other, ""} {
		word := "plain"
		if ns != own {
			word = secret
		}
		for _, content := range []string{word + "-1", word + "-2"} {
			s.asRoot("POST", "/nacos/v1/cs/configs", "tenant", ns, "dataId", "shared", "group", "G", "content", content, "desc", word, "config_tags", word, "appName", word)
		}
		a := s.do(call{
			method: "POST", target: "/nacos/v1/cs/configs", token: s.root, header: map[string]string{"betaIps": "127.0.0.1"},
			form: values("tenant", ns, "dataId", "shared", "group", "G", "content", word+"-beta"),
		})
		require.Equal(s.t, http.StatusOK, a.Status, a.Body)
		s.asRoot("POST", "/nacos/v1/cs/configs", "tenant", ns, "dataId", word+".yaml", "group", word+"-group", "content", word+": 1")
		s.asRoot("POST", "/nacos/v2/ns/service", "namespaceId", ns, "serviceName", "shared", "groupName", "G", "ephemeral", "false", "metadata", `{"k":"`+word+`"}`)
		s.asRoot("POST", "/nacos/v2/ns/service", "namespaceId", ns, "serviceName", word+"-service", "groupName", "G", "ephemeral", "false")
		s.asRoot("POST", "/nacos/v1/ns/instance", "namespaceId", ns, "serviceName", "shared", "groupName", "G", "ip", "10.0.0.1", "port", "80", "ephemeral", "false", "metadata", `{"k":"`+word+`"}`)
		if ns != own {
			s.asRoot("POST", "/nacos/v1/ns/instance", "namespaceId", ns, "serviceName", "shared", "groupName", "G", "ip", hidden, "port", "80", "ephemeral", "false")
		}
		var detail struct{ Data struct{ ID string } }
		a = s.asRoot("GET", "/nacos/v3/admin/cs/config?namespaceId="+ns+"&dataId=shared&groupName=G")
		require.NoError(s.t, json.Unmarshal([]byte(a.Body), &detail))
		require.NotEmpty(s.t, detail.Data.ID)
		if ns != own {
			ids = append(ids, detail.Data.ID)
		}
	}
	return ids
}

// inventory is all that lies in a namespace, as far as it does not depend on the time.
func (s *site) inventory(ns string) string {
	s.t.Helper()
	var all []string
	for _, target := range []string{
		"/nacos/v3/admin/cs/config/list?pageNo=1&pageSize=500&namespaceId=",
		"/nacos/v3/admin/cs/history/list?dataId=shared&groupName=G&pageNo=1&pageSize=500&namespaceId=",
		"/nacos/v3/admin/cs/config/gray/list?dataId=shared&groupName=G&namespaceId=",
		"/nacos/v3/admin/ns/service/list?pageNo=1&pageSize=500&withInstances=false&namespaceId=",
		"/nacos/v3/admin/ns/service?serviceName=shared&groupName=G&namespaceId=",
		"/nacos/v1/ns/instance/list?serviceName=shared&groupName=G&healthyOnly=false&namespaceId=",
	} {
		var v any
		a := s.asRoot("GET", target+ns)
		require.NoError(s.t, json.Unmarshal([]byte(a.Body), &v))
		dropTimes(v)
		text, err := json.Marshal(v)
		require.NoError(s.t, err)
		all = append(all, target+" "+string(text))
	}
	return strings.Join(all, "\n")
}

// dropTimes leaves out what changes by itself.
func dropTimes(v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range []string{"lastRefTime", "cacheMillis", "checksum", "healthy", "valid", "healthyInstanceCount", "triggerFlag", "reachProtectionThreshold"} {
			delete(v, name)
		}
		for _, member := range v {
			dropTimes(member)
		}
	case []any:
		for _, member := range v {
			dropTimes(member)
		}
	}
}

// namespaceParams are the names under which requests name a namespace.
var namespaceParams = []string{"namespaceId", "tenant", "namespace"}

// all gives every such name the values.
func all(v url.Values, namespaces ...string) url.Values {
	out := url.Values{}
	for k, list := range v {
		out[k] = list
	}
	for _, name := range namespaceParams {
		delete(out, name)
		out[name] = append(out[name], namespaces...)
		if len(namespaces) == 0 {
			delete(out, name)
		}
	}
	return out
}

// tricks are the ways to name a namespace so that a guard might see another one than who
// serves the request. Each gives a query and a form.
func tricks(v url.Values) map[string][2]url.Values {
	bare := all(v)
	mixed := func(pairs ...string) url.Values {
		m := all(v)
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = append(m[pairs[i]], pairs[i+1])
		}
		return m
	}
	out := map[string][2]url.Values{
		"plainly":                        {all(v, other)},
		"his":                            {all(v, own)},
		"in the body":                    {nil, all(v, other)},
		"none":                           {bare},
		"none, in the body":              {nil, bare},
		"a blank one":                    {all(v, "")},
		"a blank":                        {all(v, " ")},
		"public":                         {all(v, "public")},
		"public in capitals":             {all(v, "PUBLIC")},
		"both, his first":                {all(v, own, other)},
		"both, his last":                 {all(v, other, own)},
		"blank and other":                {all(v, "", other)},
		"his in the query, not the body": {all(v, own), all(v, other)},
		"his in the body, not the query": {all(v, other), all(v, own)},
		"a query that says nothing":      {values("x", "y"), all(v, other)},
		"with a blank before":            {all(v, " "+other)},
		"with a blank behind":            {all(v, other+" ")},
		"a list":                         {all(v, own+","+other)},
		"everything":                     {all(v, "*")},
		"a prefix of everything":         {all(v, "o*")},
		"his, and a zero":                {all(v, own+"\x00"+other)},
		"a path":                         {all(v, own+"/../"+other)},
		"in capitals":                    {all(v, strings.ToUpper(other))},
		"other names for it":             {mixed("NamespaceId", other, "namespaceid", other, "TENANT", other, "nameSpaceId", other, "namespaceId", own, "tenant", own)},
		"a semicolon":                    {mixed("namespaceId", own+";namespaceId="+other)},
		"names with others before them": {func() url.Values {
			m := all(v, own)
			m.Set("groupName", other+"@@G")
			m.Set("serviceName", other+"@@G@@shared")
			m.Set("group", other+"+G")
			m.Set("dataId", "../"+other+"/G/shared")
			return m
		}()},
		"a service of all groups": {func() url.Values {
			m := all(v, other)
			m.Set("serviceName", "G@@shared")
			m.Del("groupName")
			return m
		}()},
	}
	for i, a := range namespaceParams {
		for j, b := range namespaceParams {
			if i != j {
				out["his as "+a+", the other as "+b] = [2]url.Values{mixed(a, own, b, other)}
				out["his as "+a+" in the query, the other as "+b+" in the body"] = [2]url.Values{mixed(a, own), mixed(b, other)}
			}
		}
	}
	return out
}

// telling are the tricks that are tried with further parameters too, when time is short.
var telling = map[string]bool{
	"plainly": true, "his": true, "in the body": true, "none": true, "his as tenant, the other as namespaceId": true, "his as namespaceId, the other as tenant": true,
}

// ways are requests for a route that try to get at what lies in another namespace.
func (r *route) ways(ids []string) map[string]call {
	v := plausible()
	for name, value := range map[string]string{
		"dataId": "shared", "serviceName": "shared", "group": "G", "groupName": "G", "ip": "10.0.0.1", "port": "80", "ephemeral": "false",
		"content": "overwritten", "metadata": `{"k":"overwritten"}`, "id": ids[0], "nid": "1", "grayName": "beta", "clusterName": "DEFAULT",
		"Listening-Configs": "shared\x02G\x02\x02" + other + "\x01", "instances": `[{"ip":"10.0.0.1","port":80}]`,
		"key": other + "##G@@shared",
	} {
		v.Set(name, value)
	}
	v.Set("ids", strings.Join(ids, ","))
	v.Del("username")
	out := map[string]call{}
	put := func(what string, c call) {
		c.method = r.method
		c.target = r.filled() + c.target
		out[what] = c
	}
	if strings.HasPrefix(r.path, "/console/") {
		for _, ns := range []string{own, other, "public", "", " ", own + "," + other, "*"} {
			q := url.Values{"namespace": {ns}, "group": {"G"}, "dataId": {"shared"}, "name": {"shared"}, "path": {"/zensus/config/" + other + "/G/shared"}, "md5": {"x"}, "version": {"-1"}}
			if r.method != http.MethodGet && r.method != http.MethodDelete {
				body := strings.ReplaceAll(consoleBodies[r.method+" "+r.path], `"dev"`, fmt.Sprintf("%q", ns))
				body = strings.NewReplacer(`"name":"s"`, `"name":"shared"`, `"dataId":"a"`, `"dataId":"shared"`, `"1.2.3.4"`, `"10.0.0.1"`, `"/x"`, `"/zensus/config/`+other+`/G/shared"`).Replace(body)
				put("console "+ns, call{json: body})
				continue
			}
			put("console "+ns, call{target: "?" + q.Encode()})
		}
		put("console "+own+", all of it", call{target: "?namespace=" + own})
		put("console, both", call{target: "?namespace=" + own + "&namespace=" + other + "&group=G&dataId=shared&name=shared"})
		return out
	}
	for what, t := range tricks(v) {
		// Parameters change what a route does.
		for more, extra := range map[string][]string{
			"": nil, " search": {"search", "blur", "dataId", "", "group", "", "groupName", "", "serviceName", ""},
			" whole": {"withInstances", "true"}, " of the clients here": {"ip", "127.0.0.1", "ids", ""}, " no ids": {"ids", ""},
			" all": {"show", "all"}, " export": {"export", "true"}, " export 2": {"exportV2", "true"}, " beta": {"beta", "true"},
			" ids": {"delType", "ids"}, " clone": {"clone", "true"}, " detail": {"config_detail", secret, "configDetail", secret, "dataId", "*", "group", "*", "groupName", "*", "search", "blur"},
		} {
			naming := more == " whole"
			if more != "" && more != " search" && naming == strings.Contains(r.path, "/cs/") || more != "" && !thorough && !telling[what] {
				continue
			}
			var c call
			if t[0] != nil {
				q := url.Values{}
				for k, list := range t[0] {
					q[k] = list
				}
				for i := 0; i < len(extra); i += 2 {
					q.Set(extra[i], extra[i+1])
				}
				if more == "" {
					q.Del("search")
				}
				c.target = "?" + q.Encode()
			}
			if t[1] != nil {
				f := url.Values{}
				for k, list := range t[1] {
					f[k] = list
				}
				for i := 0; i < len(extra); i += 2 {
					f.Set(extra[i], extra[i+1])
				}
				c.form = f
			}
			put(what+more, c)
		}
	}
	clone := fmt.Sprintf(`[{"cfgId":%q,"dataId":"stolen","group":"G","configId":%q,"targetDataId":"stolen","targetGroupName":"G","namespaceId":%q,"tenant":%q}]`, ids[0], ids[0], other, other)
	put("cloned from there", call{target: "?clone=true&namespaceId=" + own + "&tenant=" + own + "&policy=OVERWRITE", json: clone})
	put("cloned to there", call{target: "?clone=true&namespaceId=" + other + "&tenant=" + other + "&policy=OVERWRITE", json: clone})
	for _, ns := range []string{own, other} {
		for _, name := range []string{"shared", unseen} {
			if strings.Contains(r.path, ":key") {
				out["key of "+ns+" "+name] = call{method: r.method, target: strings.ReplaceAll(r.path, ":key", url.PathEscape(ns+"##G@@"+name))}
			} else {
				put("key of "+ns+" "+name, call{target: "?namespaceId=" + own + "&serviceName=shared&groupName=G&key=" + url.QueryEscape(ns+"##G@@"+name)})
			}
		}
	}
	put("in JSON", call{target: "?namespaceId=" + own, json: `{"namespaceId":"other","tenant":"other","dataId":"shared","group":"G","groupName":"G","serviceName":"shared","content":"overwritten"}`})
	if strings.Contains(r.path, ":namespace") {
		for _, ns := range []string{other, "public", own + "%2F..%2F" + other, "%2e%2e%2f" + other, "*"} {
			out["path "+ns] = call{method: r.method, target: strings.NewReplacer(":namespace", ns, ":service", "shared").Replace(r.path)}
		}
	}
	return out
}

// everything, reading and naming say which of the requests are made.
func everything(*route, string) bool { return true }

// reading are those that change nothing.
func reading(r *route, _ string) bool {
	return r.method == http.MethodGet && !strings.Contains(r.path, "/loader/")
}

// naming are those that are for this namespace first, or for nothing that has a name.
func naming(namespace string) func(*route, string) bool {
	return func(_ *route, what string) bool {
		for _, start := range []string{"his", "both, his first", "console " + namespace, "cloned", "key of", "in JSON", "none"} {
			if strings.HasPrefix(what, start) {
				return true
			}
		}
		return false
	}
}

// leaks are the routes that answer with a secret, by one request for each, and how many
// requests that took.
func (s *site) leaks(token string, ids []string, wanted func(r *route, what string) bool) (leaking []string, asked int) {
	s.t.Helper()
	seen := map[string]bool{}
	for _, r := range routes(s.t) {
		if r.method == "GRPC" || r.method == http.MethodConnect || strings.Contains(r.path, "/auth/") || strings.HasSuffix(r.path, "/bootstrap") {
			continue
		}
		for what, c := range r.ways(ids) {
			if !wanted(&r, what) {
				continue
			}
			c.token = token
			if strings.HasPrefix(r.path, "/console/") {
				c.cookie = token
			}
			a, err := s.try(c)
			require.NoError(s.t, err, "%s %s", c.method, c.target)
			asked++
			if a.gives() {
				name := r.method + " " + r.path
				if !seen[name] {
					seen[name] = true
					leaking = append(leaking, fmt.Sprintf("%s, %s (%s): %d %.200s", name, what, c.target, a.Status, a.Body))
				}
			}
		}
	}
	sort.Strings(leaking)
	return leaking, asked
}

// TestNobodyGetsFromOneNamespaceIntoAnother: who has all rights to one namespace and none
// to another reads nothing there and writes nothing there, by whatever route and however
// he names it.
func TestNobodyGetsFromOneNamespaceIntoAnother(t *testing.T) {
	s := start(t)
	ids := s.furnish()
	attacker := s.addUser("attacker", own+":*:*", "rw")
	before := s.inventory(other) + s.inventory("public")
	require.Contains(t, before, secret)

	leaking, asked := s.leaks(attacker, ids, everything)
	require.Empty(t, leaking, strings.Join(leaking, "\n"))
	t.Logf("%d requests over HTTP", asked)
	require.Equal(t, before, s.inventory(other)+s.inventory("public"))
	require.NotContains(t, s.inventory(own), secret)

	s.overGRPC(attacker)
	require.Equal(t, before, s.inventory(other)+s.inventory("public"))

	// The same requests show the secrets to whoever may see them: they would find a hole.
	found, _ := s.leaks(s.root, ids, reading)
	require.Greater(t, len(found), 35, strings.Join(found, "\n"))
}

// unseen is a config and a service in the namespace own: a right to others there is none to
// these.
const unseen = "unseen-" + secret

// hide puts them there, and somebody who listens to both.
func (s *site) hide() {
	s.t.Helper()
	s.asRoot("POST", "/nacos/v1/cs/configs", "tenant", own, "dataId", unseen, "group", "G", "content", secret)
	s.asRoot("POST", "/nacos/v2/ns/service", "namespaceId", own, "serviceName", unseen, "groupName", "G", "ephemeral", "false", "metadata", `{"k":"`+secret+`"}`)
	s.asRoot("POST", "/nacos/v1/ns/instance", "namespaceId", own, "serviceName", unseen, "groupName", "G", "ip", hidden, "port", "80", "ephemeral", "false", "metadata", `{"k":"`+secret+`"}`)
	c := s.connect()
	for _, body := range []wire.Body{
		&wire.ConfigBatchListenRequest{Listen: true, ConfigListenContexts: []wire.ListenContext{{Tenant: own, Group: "G", DataID: unseen}}},
		&wire.SubscribeServiceRequest{ServiceKey: wire.ServiceKey{Namespace: own, GroupName: "G", ServiceName: unseen}, Subscribe: true},
	} {
		require.Zero(s.t, c.refused(body, s.root))
	}
	over := make(chan struct{})
	var alive sync.WaitGroup
	alive.Go(func() {
		for {
			select {
			case <-over:
				return
			case <-time.After(5 * time.Second):
				_, _ = c.ask(&wire.HealthCheckRequest{}, "")
			}
		}
	})
	s.t.Cleanup(func() { close(over); alive.Wait() })
}

// kept is what became of them.
func (s *site) kept() string {
	s.t.Helper()
	var all []string
	for _, target := range []string{
		"/nacos/v3/admin/cs/config?groupName=G&dataId=" + unseen,
		"/nacos/v3/admin/cs/history/list?groupName=G&pageNo=1&pageSize=500&dataId=" + unseen,
		"/nacos/v3/admin/ns/service?groupName=G&serviceName=" + unseen,
		"/nacos/v1/ns/instance/list?groupName=G&healthyOnly=false&serviceName=" + unseen,
		"/nacos/v3/admin/ns/instance/override?groupName=G&serviceName=" + unseen,
	} {
		var v any
		a := s.asRoot("GET", target+"&namespaceId="+own)
		require.NoError(s.t, json.Unmarshal([]byte(a.Body), &v))
		dropTimes(v)
		text, err := json.Marshal(v)
		require.NoError(s.t, err)
		all = append(all, target+" "+string(text))
	}
	return strings.Join(all, "\n")
}

// TestARightToOneThingIsNoneToItsNeighbours: who may read and write one config and one
// service gets neither at the contents nor at the names of others beside them, by naming
// what he may where the request is for more.
func TestARightToOneThingIsNoneToItsNeighbours(t *testing.T) {
	s := start(t)
	ids := s.furnish()
	s.hide()
	narrow := s.addUser("narrow", own+":G:config/shared", "rw", own+":G:naming/shared", "rw")
	before := s.kept()
	require.Contains(t, before, secret)
	require.Contains(t, before, hidden)

	leaking, asked := s.leaks(narrow, ids, naming(own))
	require.Empty(t, leaking, strings.Join(leaking, "\n"))
	t.Logf("%d requests over HTTP", asked)

	c := s.connect()
	shared := wire.ServiceKey{Namespace: own, GroupName: "G", ServiceName: "shared"}
	requests := map[string][2]wire.Body{ // what he may, if anything, and what not
		"a list":                  {nil, &wire.ServiceListRequest{ServiceKey: shared, PageNo: 1, PageSize: 10}},
		"a list of a group":       {nil, &wire.ServiceListRequest{ServiceKey: wire.ServiceKey{Namespace: own, GroupName: "G"}, PageNo: 1, PageSize: 10}},
		"a list of another group": {nil, &wire.ServiceListRequest{ServiceKey: wire.ServiceKey{Namespace: own, GroupName: "H", ServiceName: "G@@shared"}, PageNo: 1, PageSize: 10}},
		"configs by a pattern": {
			&wire.ConfigFuzzyWatchRequest{GroupKeyPattern: own + ">>G>>shared", WatchType: wire.FuzzyWatch},
			&wire.ConfigFuzzyWatchRequest{GroupKeyPattern: own + ">>G>>*", WatchType: wire.FuzzyWatch},
		},
		"services by a pattern": {
			&wire.NamingFuzzyWatchRequest{GroupKeyPattern: own + ">>G>>shared", WatchType: wire.FuzzyWatch},
			&wire.NamingFuzzyWatchRequest{GroupKeyPattern: own + ">>G>>*", WatchType: wire.FuzzyWatch},
		},
	}
	listen := func(names ...string) wire.Body {
		body := &wire.ConfigBatchListenRequest{Listen: true}
		for _, name := range names {
			body.ConfigListenContexts = append(body.ConfigListenContexts, wire.ListenContext{Tenant: own, Group: "G", DataID: name})
		}
		return body
	}
	requests["listen"] = [2]wire.Body{listen("shared"), listen("shared", unseen)}
	instance := wire.Instance{IP: "6.6.6.6", Port: 66, Weight: 1, Healthy: true, Enabled: true, ServiceName: "G@@shared"}
	for what, make := range map[string]func(service wire.ServiceKey, config wire.ConfigKey) wire.Body{
		"query":     func(_ wire.ServiceKey, k wire.ConfigKey) wire.Body { return &wire.ConfigQueryRequest{ConfigKey: k} },
		"instances": func(k wire.ServiceKey, _ wire.ConfigKey) wire.Body { return &wire.ServiceQueryRequest{ServiceKey: k} },
		"subscribe": func(k wire.ServiceKey, _ wire.ConfigKey) wire.Body {
			return &wire.SubscribeServiceRequest{ServiceKey: k, Subscribe: true}
		},
		"publish": func(_ wire.ServiceKey, k wire.ConfigKey) wire.Body {
			return &wire.ConfigPublishRequest{ConfigKey: k, Content: "overwritten"}
		},
		"remove": func(_ wire.ServiceKey, k wire.ConfigKey) wire.Body { return &wire.ConfigRemoveRequest{ConfigKey: k} },
		"register": func(k wire.ServiceKey, _ wire.ConfigKey) wire.Body {
			return &wire.InstanceRequest{ServiceKey: k, Type: wire.RegisterInstance, Instance: instance}
		},
		"register for good": func(k wire.ServiceKey, _ wire.ConfigKey) wire.Body {
			return &wire.PersistentInstanceRequest{ServiceKey: k, Type: wire.RegisterInstance, Instance: instance}
		},
		"register some": func(k wire.ServiceKey, _ wire.ConfigKey) wire.Body {
			return &wire.BatchInstanceRequest{ServiceKey: k, Type: wire.BatchRegisterInstance, Instances: []wire.Instance{instance}}
		},
	} {
		key := func(name string) wire.Body {
			return make(wire.ServiceKey{Namespace: own, GroupName: "G", ServiceName: name}, wire.ConfigKey{Tenant: own, Group: "G", DataID: name})
		}
		requests[what] = [2]wire.Body{key("shared"), key(unseen)}
	}
	asking := map[string]bool{}
	for what, r := range requests {
		require.Equal(t, wire.AccessDenied.RPCCode(), c.refused(r[1], narrow), what)
		if r[0] != nil {
			require.NotEqual(t, wire.AccessDenied.RPCCode(), c.refused(r[0], narrow), what)
		}
		asking[r[1].PayloadType()] = true
	}
	for _, r := range routes(t) {
		if r.method == "GRPC" && r.who == rights {
			require.True(t, asking[r.path], "%s is asked for by nobody here", r.path)
		}
	}
	require.Equal(t, before, s.kept())

	// Who may read all of it finds it by the same requests.
	found, _ := s.leaks(s.addUser("wide", own+":*:*", "r"), ids, func(r *route, what string) bool {
		return reading(r, what) && naming(own)(r, what)
	})
	for _, path := range []string{
		"/nacos/v1/cs/configs", "/nacos/v1/cs/listener", "/nacos/v1/cs/history/configs", "/nacos/v1/ns/service/list", "/nacos/v1/ns/service/names",
		"/nacos/v1/ns/catalog/services", "/nacos/v1/ns/instance/statuses", "/nacos/v2/ns/service/list", "/nacos/v3/admin/ns/service/list",
		"/console/api/services", "/console/api/configs",
	} {
		require.True(t, slices.ContainsFunc(found, func(s string) bool { return strings.HasPrefix(s, "GET "+path+",") }), "%s in:\n%s", path, strings.Join(found, "\n"))
	}
}

// overGRPC tries every type of request for other namespaces.
func (s *site) overGRPC(token string) {
	t := s.t
	c := s.connect()
	service := func(ns string) wire.ServiceKey {
		return wire.ServiceKey{Namespace: ns, GroupName: "G", ServiceName: "shared"}
	}
	config := func(ns string) wire.ConfigKey {
		return wire.ConfigKey{Tenant: ns, Group: "G", DataID: "shared"}
	}
	instance := wire.Instance{IP: "6.6.6.6", Port: 66, Weight: 1, Healthy: true, Enabled: true, ServiceName: other + "@@G@@shared"}
	allowed := func(ns string) []wire.Body {
		return []wire.Body{
			&wire.ConfigQueryRequest{ConfigKey: config(ns)},
			&wire.ServiceQueryRequest{ServiceKey: service(ns)},
			&wire.SubscribeServiceRequest{ServiceKey: service(ns), Subscribe: true},
			&wire.ServiceListRequest{ServiceKey: wire.ServiceKey{Namespace: ns, GroupName: "G"}, PageNo: 1, PageSize: 10},
			&wire.ConfigBatchListenRequest{Listen: true, ConfigListenContexts: []wire.ListenContext{{Tenant: ns, Group: "G", DataID: "shared"}}},
			&wire.ConfigFuzzyWatchRequest{GroupKeyPattern: ns + ">>G>>*", WatchType: wire.FuzzyWatch, Initializing: true},
			&wire.NamingFuzzyWatchRequest{GroupKeyPattern: ns + ">>G>>*", WatchType: wire.FuzzyWatch, Initializing: true},
			&wire.ConfigPublishRequest{ConfigKey: config(ns), Content: "overwritten"},
			&wire.InstanceRequest{ServiceKey: service(ns), Type: "registerInstance", Instance: instance},
			&wire.PersistentInstanceRequest{ServiceKey: service(ns), Type: "registerInstance", Instance: instance},
			&wire.BatchInstanceRequest{ServiceKey: service(ns), Type: "batchRegisterInstance", Instances: []wire.Instance{instance}},
			&wire.ConfigRemoveRequest{ConfigKey: config(ns)},
		}
	}
	for _, ns := range []string{other, "", "public", " ", "*", other + " ", " " + other, own + "," + other, "o*"} {
		for _, body := range allowed(ns) {
			reply, err := c.ask(body, token)
			require.NoError(t, err)
			base := reply.(wire.Reply).Base()
			require.Equal(t, wire.AccessDenied.RPCCode(), base.ErrorCode, "%T in %q: %+v", body, ns, reply)
			text, err := json.Marshal(reply)
			require.NoError(t, err)
			require.NotContains(t, string(text), secret)
		}
	}
	for _, body := range []wire.Body{
		&wire.ConfigBatchListenRequest{Listen: true, ConfigListenContexts: []wire.ListenContext{{Tenant: own, Group: "G", DataID: "shared"}, {Tenant: other, Group: "G", DataID: "shared"}}},
		&wire.ConfigFuzzyWatchRequest{GroupKeyPattern: "*>>*>>*", WatchType: wire.FuzzyWatch},
		&wire.NamingFuzzyWatchRequest{Namespace: own, GroupKeyPattern: other + ">>*>>*", WatchType: wire.FuzzyWatch},
		&wire.ServiceQueryRequest{ServiceKey: wire.ServiceKey{Namespace: other, GroupName: own, ServiceName: "G@@shared"}},
	} {
		require.Equal(t, wire.AccessDenied.RPCCode(), c.refused(body, token), "%T", body)
	}
	// In his own namespace he may: it is the namespace that makes the difference.
	for _, body := range allowed(own) {
		require.NotEqual(t, wire.AccessDenied.RPCCode(), c.refused(body, token), "%T", body)
	}
}
