package console

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/zensus-io/zensus/core"
)

// world is everything behind a console, filled with what the tests look at.
type world struct {
	auth     *fakeAuth // nil: authentication is off
	services *fakeServices
	configs  *fakeConfigs
	znodes   *fakeZnodes
}

const samplePolicy = `# Who may call whom.
checkout:
  timeout: 2s
  retries: 3
  targets: [payment, inventory]
inventory:
  timeout: 500ms
`

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{services: &fakeServices{}, configs: &fakeConfigs{}, znodes: newFakeZnodes()}
	w.seedServices()
	w.seedConfigs(t)
	w.seedZnodes(t)
	return w
}

func (w *world) seedServices() {
	key := func(name string) ServiceKey {
		return ServiceKey{Namespace: "public", Group: "DEFAULT_GROUP", Name: name}
	}
	checkout := Service{
		ServiceKey: key("checkout"), ProtectThreshold: 0.5,
		Metadata: map[string]string{"owner": "team-shop", "tier": "1"},
	}
	for i := range 45 {
		checkout.Instances = append(checkout.Instances, Instance{
			IP: fmt.Sprintf("10.2.0.%d", i+1), Port: 8080, Cluster: []string{"hangzhou", "shanghai"}[i%2],
			Weight: 1, Healthy: i%9 != 4, Enabled: i%11 != 7, Ephemeral: true,
			Metadata: map[string]string{
				"version": fmt.Sprintf("2.%d.0", i%3), "zone": fmt.Sprintf("z%d", i%4), "protocol": "grpc",
			},
		})
	}
	w.services.put(checkout)
	w.services.put(Service{ServiceKey: key("payment"), ProtectThreshold: 0.8, Protected: true, Instances: []Instance{
		{IP: "10.3.0.1", Port: 9000, Cluster: "DEFAULT", Weight: 100, Healthy: true, Enabled: true},
		{IP: "10.3.0.2", Port: 9000, Cluster: "DEFAULT", Weight: 1, Enabled: true},
		{IP: "fd00::7", Port: 9000, Cluster: "DEFAULT", Weight: 0.5, Enabled: false, Ephemeral: true},
	}})
	w.services.put(Service{ServiceKey: key("empty-service")})
	w.services.put(Service{ServiceKey: key("search-down"), Instances: []Instance{
		{IP: "10.4.0.1", Port: 7000, Cluster: "DEFAULT", Weight: 1, Enabled: true, Ephemeral: true},
	}})
	for i := range 25 {
		w.services.put(Service{
			ServiceKey: ServiceKey{Namespace: "public", Group: "batch", Name: fmt.Sprintf("worker-%02d", i)},
			Instances: []Instance{{
				IP: "10.5.0.1", Port: 7000 + i, Cluster: "DEFAULT", Weight: 1,
				Healthy: true, Enabled: true, Ephemeral: true,
			}},
		})
	}
	for _, name := range nasty {
		w.services.put(Service{
			ServiceKey: ServiceKey{Namespace: "strange", Group: name, Name: name},
			Metadata:   map[string]string{name: name},
			Instances: []Instance{{
				IP: "10.6.0.1", Port: 80, Cluster: name, Weight: 1, Healthy: true, Enabled: true,
				Metadata: map[string]string{name: name},
			}},
		})
	}
}

func (w *world) seedConfigs(t testing.TB) {
	t.Helper()
	put := func(namespace, group, dataID, kind, content, description string) {
		_, err := w.configs.Publish(context.Background(), Actor{User: User{Name: "lin"}}, ConfigPublish{
			Key:     ConfigKey{Namespace: namespace, Group: group, DataID: dataID},
			Content: content, Type: kind, Description: description, Tags: []string{"seed"},
		})
		if err != nil {
			t.Fatalf("seed %s: %v", dataID, err)
		}
	}
	put("public", "DEFAULT_GROUP", "policy.yaml", "yaml", samplePolicy, "timeouts and retries")
	put("public", "DEFAULT_GROUP", "feature-flags.json", "json", "{\n  \"newCart\": true,\n  \"darkMode\": false\n}\n", "")
	put("public", "DEFAULT_GROUP", "application.properties", "properties", "server.port=8080\r\nspring.application.name=shop\r\n", "")
	put("public", "DEFAULT_GROUP", "logback.xml", "xml", "<configuration>\n  <root level=\"INFO\"/>\n</configuration>\n", "logging of all services")
	put("public", "gateway", "routes.toml", "toml", "[route.shop]\nprefix = \"/shop\"\n", "")
	put("public", "gateway", "blob.bin", "text", "\xff\xfe\x00binary", "not text")
	for _, name := range nasty {
		put("strange", name, name, "text", "content of "+name+"\n", name)
	}
}

func (w *world) seedZnodes(t testing.TB) {
	t.Helper()
	put := func(path string, data []byte, opt core.CreateOptions) {
		if _, _, err := w.znodes.Create(context.Background(), path, data, opt); err != nil {
			t.Fatalf("seed: %v", err)
		}
	}
	put("/dubbo", nil, core.CreateOptions{})
	put("/dubbo/org.example.Greeter", []byte{}, core.CreateOptions{})
	put("/dubbo/org.example.Greeter/providers", nil, core.CreateOptions{})
	put("/dubbo/org.example.Greeter/providers/dubbo%3A%2F%2F10.0.0.1%3A20880", []byte("x"),
		core.CreateOptions{Mode: core.Ephemeral})
	put("/app", []byte("{\n  \"leader\": \"node-1\",\n  \"term\": 7\n}\n"), core.CreateOptions{})
	put("/app/binary", bytes.Repeat([]byte{0, 1, 0xfe, 'z', 'k'}, 2000), core.CreateOptions{})
	put("/app/guarded", []byte("s3"), core.CreateOptions{ACL: []core.ACL{
		{Perms: core.PermRead, Scheme: "world", ID: "anyone"},
		{Perms: core.PermAll, Scheme: "digest", ID: "ann:aGFzaG9mcGFzc3dvcmQ="},
	}})
	put("/many", nil, core.CreateOptions{})
	for i := range 250 {
		put(fmt.Sprintf("/many/item-%04d", i), []byte("v"), core.CreateOptions{})
	}
	put("/strange", nil, core.CreateOptions{})
	for _, name := range []string{"100%", "<script>alert(1)<script>", `quo"te's`, "名称", "שלום", "a?b=c&d#e", "a+b"} {
		put("/strange/"+name, []byte(name), core.CreateOptions{})
	}
	put("/zensus", nil, core.CreateOptions{})
	put("/zensus/access", nil, core.CreateOptions{})
	put("/zensus/access/users", []byte("hashes"), core.CreateOptions{})
}

// console is a console over this world.
func (w *world) console(t testing.TB) *Console {
	t.Helper()
	opt := Options{
		Version: "v0.1.0-test", Log: hclog.NewNullLogger(),
		Namespaces: fakeNamespaces{
			{ID: "public", Name: "public"},
			{ID: "strange", Name: "<b>strange</b>", Description: "names that trip pages over"},
			{ID: "empty", Name: "empty"},
		},
		Services: w.services, Configs: w.configs, Znodes: w.znodes,
	}
	if w.auth != nil {
		opt.Auth = w.auth
	}
	c, err := New(opt)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
