package interop

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nacos-group/nacos-sdk-go/v2/clients"
	"github.com/nacos-group/nacos-sdk-go/v2/common/constant"
	"github.com/nacos-group/nacos-sdk-go/v2/model"
	"github.com/nacos-group/nacos-sdk-go/v2/vo"
	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

// The config that all watchers listen to.
const watchedDataID, watchedGroup = "watched.properties", "dubbo"

// rollingWait bounds how long a watcher may take to see what there is. The slowest finds out by
// a heartbeat, 5 s apart, that its server has gone, and tries each other for 5 s.
const rollingWait = 2 * time.Minute

// watcher is a client that says what it sees, in lines: "list NAMES" for each list of what it
// follows, "config CONTENT" for each content of the watched config, "a call failed: WHY".
type watcher struct {
	name string
	ip   string // of the instance of the service "watched" that it registers, or none
	full string // the list that it must see at last, if not that of the service "watched"
	out  *lines
	kill func()
}

// said are what follows a word in the lines that a client has printed.
func (w *watcher) said(word string) []string {
	var all []string
	for line := range strings.Lines(w.out.text()) {
		if rest, found := strings.CutPrefix(strings.TrimSpace(line), word+" "); found {
			all = append(all, rest)
		}
	}
	return all
}

// saidLast is the last of them.
func (w *watcher) saidLast(word string) string {
	all := w.said(word)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

// flapped says which list lacks a name that an earlier one had, or holds a call that failed.
func flapped(lists []string) string {
	var seen []string
	for i, list := range lists {
		names := strings.Split(list, ",")
		for _, name := range seen {
			if !slices.Contains(names, name) {
				return fmt.Sprintf("list %d of %d lacks %s: %s", i+1, len(lists), name, list)
			}
		}
		seen = names
	}
	return ""
}

// wentBack says which content was seen after a later one, or was never published. That the
// same comes twice is no harm.
func wentBack(seen, published []string) string {
	last := 0
	for _, content := range seen {
		at := slices.Index(published, content)
		if at < last {
			return fmt.Sprintf("%q after %q", content, published[last])
		}
		last = at
	}
	return ""
}

func TestWhatWatchersSayIsJudged(t *testing.T) {
	t.Parallel()
	require.Empty(t, flapped(nil))
	require.Empty(t, flapped([]string{"a", "a,b", "a,b", "a,b,c"}))
	require.NotEmpty(t, flapped([]string{"a,b", "a", "a,b"}))
	require.NotEmpty(t, flapped([]string{"a,b", ""}))
	require.Empty(t, wentBack([]string{"1", "1", "3"}, []string{"1", "2", "3"}))
	require.NotEmpty(t, wentBack([]string{"1", "2", "1"}, []string{"1", "2", "3"}))
	require.NotEmpty(t, wentBack([]string{"unset"}, []string{"1", "2", "3"}))
}

// watching is a crowd of one client of each kind, with all servers for them to choose from.
type watching struct {
	t      *testing.T
	addrs  string // HOST:PORT,HOST:PORT...
	all    []*watcher
	inJava *program // the provider of Dubbo
}

func (c *watching) add(name, ip, full string, p *program) {
	c.t.Helper()
	c.await(p, "ok watcher")
	c.all = append(c.all, &watcher{name: name, ip: ip, full: full, out: p.out, kill: p.kill})
}

// java starts a JVM that is one of many.
func (c *watching) java(path string, args ...string) *program {
	c.t.Helper()
	return startJava(c.t, rollingLimit, path, "-Xmx160m", append([]string{"-Duser.home=" + c.t.TempDir()}, args...)...)
}

// await waits for a line of a program, and not for ever: a JVM can outlive its failed main.
func (c *watching) await(p *program, line string) {
	c.t.Helper()
	eventually(c.t, rollingWait, line, func() bool { return p.out.count(line) > 0 })
}

// rollingLimit bounds the life of a watcher.
const rollingLimit = 20 * time.Minute

// start starts them, one after the other: the machine may be small.
func (c *watching) start() {
	t := c.t
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "no node")
	}
	if _, err := os.Stat(filepath.Join("node", "node_modules", "nacos", "package.json")); err != nil {
		missing(t, "the Node package nacos is not in node/node_modules")
	}
	javascript, err := filepath.Abs(filepath.Join("node", "nacos_watcher.js"))
	require.NoError(t, err)
	ip := func() string { return fmt.Sprintf("10.8.0.%d", len(c.all)+1) }

	for i, path := range []string{withoutNacos(t, "nacos1"), classpath(t), withoutNacos(t, "nacos3")} {
		c.add(fmt.Sprintf("nacos-client %d.x", i+1), ip(), "", c.java(path, javaPackage+"NacosWatcher", c.addrs, ip()))
	}
	c.add("nacos of Node", ip(), "", startProgram(t, rollingLimit, "env", nodePort(t), node, javascript, c.addrs, ip(), t.TempDir()))
	for _, kind := range []struct{ name, environment, protocol string }{
		{"nacos-sdk-python 2.x over HTTP", "venv", "http"},
		{"nacos-sdk-python 2.x", "venv", "grpc"},
		{"nacos-sdk-python 3.x", "venv3", "grpc"},
	} {
		p := startProgram(t, rollingLimit, pythonOf(t, kind.environment), "-u", script(t, "nacos_watcher.py"), kind.protocol, c.addrs, ip(), t.TempDir())
		c.add(kind.name, ip(), "", p)
	}
	c.all = append(c.all, goWatcher(t, c.addrs, ip()))
	c.spring()
	c.dubbo()
}

// spring starts an application that registers and calls itself, and looks at the others.
func (c *watching) spring() {
	t := c.t
	t.Helper()
	port := strconv.Itoa(testkit.FreePort(t))
	c.add("Spring Cloud Alibaba", "", "", c.java(modulePath(t, "spring"), javaPackage+"SpringApp",
		"--spring.application.name=spring", "--server.port="+port, "--server.address=127.0.0.1", "--spring.main.banner-mode=off",
		"--spring.config.import=nacos:"+watchedDataID+"?group="+watchedGroup, "--spring.cloud.nacos.server-addr="+c.addrs,
		"--spring.cloud.nacos.discovery.ip=127.0.0.1", "--logging.level.root=warn", "--spring.cloud.loadbalancer.cache.enabled=false",
		"--watch=watched"))
}

// dubbo starts providers and consumers in Java and in Go that all know each other. One provider
// comes last: of those that were there before it, dubbo-go deletes none until it has been told
// of a change.
func (c *watching) dubbo() {
	t := c.t
	t.Helper()
	first, others, _ := strings.Cut(c.addrs, ",")
	registry := "nacos://" + first + "?backup=" + others
	port := func() string { return strconv.Itoa(testkit.FreePort(t)) }
	inGo := startProgram(t, rollingLimit, dubboGo(t), "provider", c.addrs, "interface", "in-go", port())
	c.await(inGo, "ok provider in-go")
	all := map[string]*program{}
	hears := func(p *program, names string) {
		t.Helper()
		p.say(names)
		c.await(p, "ok "+names)
	}
	all["Dubbo"] = c.java(classpath(t), javaPackage+"DubboConsumer", registry, "FORCE_INTERFACE")
	c.await(all["Dubbo"], "ready")
	hears(all["Dubbo"], "in-go")
	all["dubbo-go"] = startProgram(t, rollingLimit, dubboGo(t), "consumer", c.addrs, "interface", "consumer-go", "0")
	c.await(all["dubbo-go"], "ready")
	hears(all["dubbo-go"], "in-go")
	c.inJava = c.java(classpath(t), javaPackage+"DubboProvider", registry, port(), "in-java")
	c.await(c.inJava, "ok provider in-java")
	for name, p := range all {
		hears(p, "in-go,in-java")
		p.say("watch")
		c.add(name, "", "in-go,in-java", p)
	}
}

// tellListeners says who listens to the watched config at which server, as these have it: a
// client that hears of nothing is there, or is not.
func (c *watching) tellListeners(servers []*testkit.Server, late string) {
	c.t.Helper()
	for i, s := range servers {
		text := "does not answer"
		if res, err := http.Get("http://" + s.HTTP + "/nacos/v1/cs/configs/listener?dataId=" + watchedDataID + "&group=" + watchedGroup); err == nil {
			b, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
			_ = res.Body.Close()
			text = string(b)
		}
		c.t.Logf("while %s is waited for: listeners at server %d: %s", late, i+1, text)
	}
}

// nacosParamOf has a client choose among servers, HOST:PORT,HOST:PORT...
func nacosParamOf(t *testing.T, addrs string) vo.NacosClientParam {
	t.Helper()
	p := nacosParam(t, &testkit.Server{}, "")
	p.ServerConfigs = nil
	for _, addr := range strings.Split(addrs, ",") {
		host, port, err := net.SplitHostPort(addr)
		require.NoError(t, err)
		number, err := strconv.ParseUint(port, 10, 16)
		require.NoError(t, err)
		p.ServerConfigs = append(p.ServerConfigs, constant.ServerConfig{IpAddr: host, Port: number})
	}
	return p
}

// deletedByDubboGo is in the log of dubbo-go when its directory loses a provider.
const deletedByDubboGo = "selector delete service url"

// goWatcher is nacos-sdk-go, in this process.
func goWatcher(t *testing.T, addrs, ip string) *watcher {
	t.Helper()
	w := &watcher{name: "nacos-sdk-go", ip: ip, out: &lines{changed: make(chan struct{}, 1)}}
	p := nacosParamOf(t, addrs)
	naming, err := clients.NewNamingClient(p)
	require.NoError(t, err)
	closeAtEnd(t, naming)
	configs, err := clients.NewConfigClient(p)
	require.NoError(t, err)
	closeAtEnd(t, configs)
	_, err = naming.RegisterInstance(vo.RegisterInstanceParam{Ip: ip, Port: 80, Weight: 1, Enable: true, Healthy: true, Ephemeral: true, ServiceName: "watched"})
	require.NoError(t, err)
	require.NoError(t, naming.Subscribe(&vo.SubscribeParam{ServiceName: "watched", SubscribeCallback: func(list []model.Instance, err error) {
		var ips []string
		for _, i := range list {
			ips = append(ips, i.Ip)
		}
		slices.Sort(ips)
		fmt.Fprintln(w.out, "list", strings.Join(ips, ","))
	}}))
	require.NoError(t, configs.ListenConfig(vo.ConfigParam{DataId: watchedDataID, Group: watchedGroup, OnChange: func(_, _, _, content string) {
		fmt.Fprintln(w.out, "config", content)
	}}))
	return w
}

// rollingRounds is how often each server is killed: ZENSUS_ROUNDS, or once where nobody asks: make compat-rolling does.
func rollingRounds(t *testing.T) int {
	t.Helper()
	text := os.Getenv("ZENSUS_ROUNDS")
	if text == "" {
		return 1
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// Whoever is connected while nodes are killed and started again, one after the other, sees
// every config, each once it is published and none that is older, and never a list that lacks
// an instance whose client lives. No call between a provider and a consumer fails, at no time:
// they know each other, and need no registry for it.
func TestNobodyMissesOrFlapsWhileNodesAreKilledInTurn(t *testing.T) {
	var servers []*testkit.Server
	// On an Apache ZooKeeper there is time between two kills for the slowest client, which needs
	// 10 s to connect again and looks every 30 s whether what it has registered is there.
	var calm time.Duration
	switch testkit.RoleAsked() {
	case "standalone":
		t.Parallel()
		servers = testkit.StartEnsemble(t, testkit.Options{Nacos: true}, 3, 0)
	case testkit.OnZooKeeper:
		t.Parallel()
		servers = testkit.StartOnApache(t, testkit.Options{Nacos: true}, 3)
		calm = 35 * time.Second
	default:
		t.Skip("it has an ensemble of its own")
	}
	c := &watching{t: t}
	for i, s := range servers {
		c.addrs += strings.Repeat(",", min(i, 1)) + s.HTTP
	}
	var published []string
	publish := func(through *testkit.Server, version string) {
		t.Helper()
		began := time.Now()
		published = append(published, "greeting.word="+version)
		writer := nacosConfig(t, through, "")
		eventually(t, rollingWait, "a publish of "+version, func() bool {
			done, err := writer.PublishConfig(vo.ConfigParam{DataId: watchedDataID, Group: watchedGroup, Content: "greeting.word=" + version})
			return err == nil && done
		})
		var slowest time.Duration
		last := "nobody"
		for _, w := range c.all {
			asked := time.Now()
			told := false
			eventually(t, rollingWait, w.name+" sees the config "+version, func() bool {
				if !told && time.Since(asked) > rollingWait/4 {
					told = true
					c.tellListeners(servers, w.name)
				}
				return w.saidLast("config") == published[len(published)-1]
			})
			if took := time.Since(asked); took > slowest {
				slowest, last = took, w.name
			}
		}
		t.Logf("%s: seen by all within %v, %s was waited for longest", version, time.Since(began).Round(time.Millisecond), last)
	}
	publish(servers[0], "at-first")
	c.start()
	lists := func(gone ...*watcher) {
		t.Helper()
		var ips []string
		for _, w := range c.all {
			if w.ip != "" && !slices.Contains(gone, w) {
				ips = append(ips, w.ip)
			}
		}
		slices.Sort(ips)
		for _, w := range c.all {
			want := w.full
			if want == "" {
				want = strings.Join(ips, ",")
			}
			if !slices.Contains(gone, w) {
				eventually(t, rollingWait, fmt.Sprintf("%s sees the list %s", w.name, want), func() bool { return w.saidLast("list") == want })
			}
		}
	}
	lists()
	publish(servers[0], "to-all")
	for round := range rollingRounds(t) {
		for i, s := range servers {
			s.Kill()
			publish(servers[(i+1)%len(servers)], fmt.Sprintf("%d-without-%d", round+1, i+1))
			s.Restart()
			publish(s, fmt.Sprintf("%d-with-%d-again", round+1, i+1))
			time.Sleep(calm)
		}
	}
	// Longer than it takes until an instance that nobody keeps is taken away.
	time.Sleep(35 * time.Second)
	lists()
	for _, w := range c.all {
		seen := w.said("list")
		t.Logf("%s saw %d lists and %d configs", w.name, len(seen), len(w.said("config")))
		require.Empty(t, flapped(seen), w.name)
		require.Empty(t, wentBack(w.said("config"), published), w.name)
		require.Empty(t, w.said("a call failed:"), w.name)
		require.NotContains(t, w.out.text(), deletedByDubboGo)
	}
	// They still listen: each sees an end that is one. Of a provider that dies while it is asked a call of
	// dubbo-go may never return, whatever its timeout: that it was told stands in its log.
	gone := []*watcher{c.all[1]}
	gone[0].kill()
	c.inJava.kill()
	for _, w := range c.all {
		switch w.name {
		case "Dubbo":
			w.full = "in-go"
		case "dubbo-go":
			gone = append(gone, w)
			eventually(t, rollingWait, "dubbo-go is told of the end of a provider", func() bool { return strings.Contains(w.out.text(), deletedByDubboGo) })
		}
	}
	lists(gone...)
}
