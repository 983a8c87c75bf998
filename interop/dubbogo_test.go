package interop

import (
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

// dubboGo returns the program of dubbo-go, at a place of its own: it keeps its caches beside
// itself.
func dubboGo(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(".deps", "dubbogo"))
	require.NoError(t, err)
	if !runs(path, "version") {
		missing(t, "the program of dubbo-go is not in .deps")
	}
	own := filepath.Join(writtenBehindClose(t), "dubbogo")
	require.NoError(t, os.Symlink(path, own))
	return own
}

// dubbo plays applications of Dubbo and dubbo-go with one server.
type dubbo struct {
	t     *testing.T
	s     *testkit.Server
	level string // on which providers are found: interface or application
	ports map[string]int
}

func (d *dubbo) port(name string) int {
	d.ports[name] = testkit.FreePort(d.t)
	return d.ports[name]
}

func (d *dubbo) goProvider(name string) *program {
	d.t.Helper()
	p := startProgram(d.t, 4*time.Minute, dubboGo(d.t), "provider", d.s.HTTP, d.level, name, strconv.Itoa(d.port(name)))
	p.expect("ok provider " + name)
	return p
}

func (d *dubbo) javaProvider(name string) *program {
	d.t.Helper()
	p := startJava(d.t, 4*time.Minute, classpath(d.t), "-Duser.home="+d.t.TempDir(), javaPackage+"DubboProvider", "nacos://"+d.s.HTTP,
		strconv.Itoa(d.port(name)), name)
	p.expect("ok provider " + name)
	return p
}

func (d *dubbo) goConsumer() *program {
	d.t.Helper()
	p := startProgram(d.t, 4*time.Minute, dubboGo(d.t), "consumer", d.s.HTTP, d.level, "consumer-go", "0")
	p.expect("ready")
	return p
}

func (d *dubbo) javaConsumer() *program {
	d.t.Helper()
	p := startJava(d.t, 4*time.Minute, classpath(d.t), "-Duser.home="+d.t.TempDir(), javaPackage+"DubboConsumer", "nacos://"+d.s.HTTP, "FORCE_INTERFACE")
	p.expect("ready")
	return p
}

// hears has consumers hear answers of those names, and only those.
func (d *dubbo) hears(names string, consumers ...*program) {
	d.t.Helper()
	before := make([]int, len(consumers))
	for i, c := range consumers {
		before[i] = c.out.count("ok " + names)
		c.say(names)
	}
	for i, c := range consumers {
		c.expectTimes("ok "+names, before[i]+1)
	}
}

// route publishes the rule in the config center that calls go to those of the names only.
func (d *dubbo) route(names ...string) {
	d.t.Helper()
	var ports []string
	for _, name := range names {
		ports = append(ports, strconv.Itoa(d.ports[name]))
	}
	rule := "configVersion: v3.0\nscope: service\nforce: true\nruntime: true\nenabled: true\nkey: " + greeterInterface +
		"\nconditions:\n  - '=> port=" + strings.Join(ports, ",") + "'\n"
	require.Equal(d.t, "true", post(d.t, d.s, "/nacos/v1/cs/configs", url.Values{
		"dataId": {greeterInterface + "::.condition-router"}, "group": {"dubbo"}, "content": {rule},
	}))
}

// aDayOfDubbo has providers come, go and outlive a crash of the server, and routes calls by a
// rule of the config center; consumers follow it all. Found by interface, providers and
// consumers are in Go and in Java. Found by application they are in Go alone: the two do not
// always understand what the other one says of itself; what they do at a Nacos server was not looked at.
func aDayOfDubbo(t *testing.T, level string) {
	t.Helper()
	classpath(t)
	d := &dubbo{t: t, s: testkit.Start(t, testkit.Options{Nacos: true}), level: level, ports: map[string]int{}}
	one := d.goProvider("go-one")
	all := []*program{d.goConsumer()}
	if level == "interface" {
		all = append(all, d.javaConsumer())
	}
	d.hears("go-one", all...)
	const other = "other"
	if level == "interface" {
		d.javaProvider(other)
	} else {
		d.goProvider(other)
	}
	d.hears("go-one,other", all...)

	d.route(other)
	d.hears("other", all...)
	d.route("go-one")
	d.hears("go-one", all...)

	d.s.Kill()
	d.hears("go-one", all...) // who knows his provider needs no registry
	d.s.Restart()
	d.route("go-one", other)
	d.hears("go-one,other", all...)
	d.goProvider("go-two")
	d.route("go-one", "go-two", other)
	d.hears("go-one,go-two,other", all...)
	one.kill()
	d.hears("go-two,other", all...)
}

// greeterInterface is what the providers offer.
const greeterInterface = javaPackage + "Greeter"

func TestDubboInGoAndJavaFindEachOtherByInterfaceInNacos(t *testing.T) {
	t.Parallel()
	aDayOfDubbo(t, "interface")
}

func TestDubboInGoFindsItselfByApplicationInNacos(t *testing.T) {
	t.Parallel()
	aDayOfDubbo(t, "application")
}
