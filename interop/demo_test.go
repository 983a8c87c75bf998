package interop

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nacos-group/nacos-sdk-go/v2/clients"
	"github.com/nacos-group/nacos-sdk-go/v2/vo"
	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

// demoServers are three, each of which is killed in turn.
const demoServers = 3

// Whoever joins the demo, which kills its servers in turn, sees what docs/cli.md says: every
// config and no list that lacks an instance that lives.
func TestEveryClientMayJoinTheDemo(t *testing.T) {
	if testkit.RoleAsked() != "standalone" {
		t.Skip("the demo has servers of its own")
	}
	if os.Getenv("ZENSUS_ROUNDS") == "" {
		t.Skip("it is long: make compat-rolling")
	}
	demo := startProgram(t, rollingLimit, testkit.Binary(t), "demo", "--kill-every", "20s")
	after := func(text string) (rest string) {
		t.Helper()
		eventually(t, rollingWait, "the demo says "+text, func() bool {
			_, rest, _ = strings.Cut(demo.out.text(), text)
			rest, _, _ = strings.Cut(rest, "\n")
			return rest != ""
		})
		return strings.TrimSpace(rest)
	}
	c := &watching{t: t, addrs: after("those of Nacos to ")}
	after("those of ZooKeeper to ")
	writing, err := clients.NewConfigClient(nacosParamOf(t, c.addrs))
	require.NoError(t, err)
	closeAtEnd(t, writing)
	var published []string
	publish := func(version string) {
		t.Helper()
		content := "greeting.word=" + version
		published = append(published, content)
		eventually(t, rollingWait, "a publish of "+version, func() bool {
			done, err := writing.PublishConfig(vo.ConfigParam{DataId: watchedDataID, Group: watchedGroup, Content: content})
			return err == nil && done
		})
		for _, w := range c.all {
			eventually(t, rollingWait, w.name+" sees the config "+version, func() bool { return w.saidLast("config") == content })
		}
	}
	publish("at-first")
	c.start()
	kills := func() int { return strings.Count(demo.out.text(), "started again as process") }
	for begun, version := kills(), 1; kills() < begun+demoServers*rollingRounds(t); version++ {
		publish(strconv.Itoa(version))
		time.Sleep(2 * time.Second)
	}
	for _, w := range c.all {
		seen := w.said("list")
		t.Logf("%s saw %d lists and %d configs of %d", w.name, len(seen), len(w.said("config")), len(published))
		require.Empty(t, flapped(seen), w.name)
		require.Empty(t, wentBack(w.said("config"), published), w.name)
		require.Empty(t, w.said("a call failed:"), w.name)
	}
	select {
	case err := <-demo.done:
		demo.done <- err
		t.Fatalf("the demo ended: %v", err)
	default:
	}
}
