package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// watcher is a client that has registered one instance and says what it hears.
type watcher struct {
	name, ip string
	out      *lines
	kill     func()
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

// watchers starts one of each client, with all servers for it to choose from.
func watchers(t *testing.T, servers []*testkit.Server) []*watcher {
	t.Helper()
	var addrs []string
	for _, s := range servers {
		addrs = append(addrs, s.HTTP)
	}
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "no node")
	}
	if _, err := os.Stat(filepath.Join("node", "node_modules", "nacos", "package.json")); err != nil {
		missing(t, "the Node package nacos is not in node/node_modules")
	}
	script, err := filepath.Abs(filepath.Join("node", "nacos_watcher.js"))
	require.NoError(t, err)
	all := strings.Join(addrs, ",")
	var found []*watcher
	start := func(name, ip, command string, args ...string) {
		t.Helper()
		p := startProgram(t, 6*time.Minute, command, args...)
		p.expect("ok watcher")
		found = append(found, &watcher{name, ip, p.out, p.kill})
	}
	for i, path := range []string{withoutNacos(t, "nacos1"), classpath(t), withoutNacos(t, "nacos3")} {
		ip := fmt.Sprintf("10.8.0.%d", i+1)
		args := append(slices.Clone(javaFlags), "-cp", path, "-Duser.home="+t.TempDir(), javaPackage+"NacosWatcher", all, ip)
		start(fmt.Sprintf("nacos-client %d.x", i+1), ip, javaCommand(t), args...)
	}
	start("nacos of Node", "10.8.0.4", "env", nodePort(t), node, script, all, "10.8.0.4", t.TempDir())
	return append(found, goWatcher(t, servers, "10.8.0.5"))
}

// goWatcher is nacos-sdk-go, in this process.
func goWatcher(t *testing.T, servers []*testkit.Server, ip string) *watcher {
	t.Helper()
	w := &watcher{name: "nacos-sdk-go", ip: ip, out: &lines{changed: make(chan struct{}, 1)}}
	p := nacosParam(t, servers[0], "")
	for _, s := range servers[1:] {
		p.ServerConfigs = append(p.ServerConfigs, constant.ServerConfig{IpAddr: "127.0.0.1", Port: uint64(s.HTTPPort), GrpcPort: uint64(s.GRPCPort)})
	}
	naming, err := clients.NewNamingClient(p)
	require.NoError(t, err)
	t.Cleanup(naming.CloseClient)
	configs, err := clients.NewConfigClient(p)
	require.NoError(t, err)
	t.Cleanup(configs.CloseClient)
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
	require.NoError(t, configs.ListenConfig(vo.ConfigParam{DataId: "watched", Group: "shop", OnChange: func(_, _, _, content string) {
		fmt.Fprintln(w.out, "config", content)
	}}))
	return w
}

// Whoever is connected while nodes are killed and started again, one after the other, hears
// of every config at last, and never of a list that lacks an instance whose client lives.
func TestNobodyMissesOrFlapsWhileNodesAreKilledInTurn(t *testing.T) {
	if testkit.RoleAsked() != "standalone" {
		t.Skip("it has an ensemble of its own")
	}
	t.Parallel()
	servers := testkit.StartEnsemble(t, testkit.Options{Nacos: true}, 3, 0)
	publish := func(through *testkit.Server, content string) {
		t.Helper()
		writer := nacosConfig(t, through, "")
		eventually(t, 30*time.Second, "a publish of "+content, func() bool {
			done, err := writer.PublishConfig(vo.ConfigParam{DataId: "watched", Group: "shop", Content: content})
			return err == nil && done
		})
	}
	publish(servers[0], "at first")
	all := watchers(t, servers)
	var ips []string
	for _, w := range all {
		ips = append(ips, w.ip)
	}
	full := strings.Join(ips, ",")
	settled := map[string]int{}
	for _, w := range all {
		eventually(t, time.Minute, w.name+" hears of all instances", func() bool {
			lists := w.said("list")
			settled[w.name] = len(lists)
			return len(lists) > 0 && lists[len(lists)-1] == full
		})
	}
	heard := func(content string) {
		t.Helper()
		for _, w := range all {
			eventually(t, time.Minute, w.name+" hears of the config "+content, func() bool {
				configs := w.said("config")
				return len(configs) > 0 && configs[len(configs)-1] == content
			})
		}
	}
	heard("at first")
	for i, s := range servers {
		alive := servers[(i+1)%len(servers)]
		s.Kill()
		publish(alive, fmt.Sprintf("without %d", i+1))
		heard(fmt.Sprintf("without %d", i+1))
		s.Restart()
		publish(s, fmt.Sprintf("with %d again", i+1))
		heard(fmt.Sprintf("with %d again", i+1))
	}
	// Longer than it takes until an instance that nobody keeps is taken away.
	time.Sleep(35 * time.Second)
	for _, w := range all {
		for _, list := range w.said("list")[settled[w.name]-1:] {
			require.Equal(t, full, list, "what %s heard", w.name)
		}
	}
	// They still listen: each hears of an end that is one.
	gone := all[1]
	gone.kill()
	left := strings.Join(slices.DeleteFunc(ips, func(ip string) bool { return ip == gone.ip }), ",")
	for _, w := range slices.DeleteFunc(all, func(w *watcher) bool { return w == gone }) {
		eventually(t, time.Minute, w.name+" hears of the end of "+gone.name, func() bool {
			lists := w.said("list")
			return lists[len(lists)-1] == left
		})
	}
}
