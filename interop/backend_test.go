package interop

import (
	"slices"
	"testing"
	"time"

	"github.com/nacos-group/nacos-sdk-go/v2/clients"
	"github.com/nacos-group/nacos-sdk-go/v2/clients/naming_client"
	"github.com/nacos-group/nacos-sdk-go/v2/common/constant"
	"github.com/nacos-group/nacos-sdk-go/v2/vo"
	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

// What is registered and published at one node is seen at the other; the death of one
// ends what only it knew of, after the timeout, and nothing else.
func TestTwoNodesOnAnApacheZooKeeperAreOneRegistry(t *testing.T) {
	if testkit.RoleAsked() != testkit.OnZooKeeper {
		t.Skip("it belongs to the role " + testkit.OnZooKeeper)
	}
	t.Parallel()
	nodes := testkit.StartOnApache(t, testkit.Options{Nacos: true}, 2)
	a, b := nodes[0], nodes[1]
	register := func(c naming_client.INamingClient, ip string) {
		t.Helper()
		done, err := c.RegisterInstance(vo.RegisterInstanceParam{
			Ip: ip, Port: 1, Weight: 1, Enable: true, Healthy: true, Ephemeral: true, ServiceName: "both",
		})
		require.NoError(t, err)
		require.True(t, done)
	}
	atA, atB := nacosNaming(t, a, ""), nacosNaming(t, b, "")
	heard := make(list, 256)
	require.NoError(t, atB.Subscribe(&vo.SubscribeParam{ServiceName: "both", SubscribeCallback: heard.told}))
	register(atA, "10.3.0.1")
	heard.await(t, "10.3.0.1:1")
	register(atB, "10.3.0.2")
	both := nacosParam(t, a, "")
	both.ServerConfigs = append(both.ServerConfigs, constant.ServerConfig{IpAddr: "127.0.0.1", Port: uint64(b.HTTPPort), GrpcPort: uint64(b.GRPCPort)})
	moving, err := clients.NewNamingClient(both)
	require.NoError(t, err)
	closeAtEnd(t, moving)
	register(moving, "10.3.0.3")
	heard.await(t, "10.3.0.1:1", "10.3.0.2:1", "10.3.0.3:1")

	changes := make(chan string, 16)
	item := vo.ConfigParam{DataId: "shared", Group: "g", Content: "one"}
	writer, reader := nacosConfig(t, a, ""), nacosConfig(t, b, "")
	_, err = writer.PublishConfig(item)
	require.NoError(t, err)
	got, err := reader.GetConfig(vo.ConfigParam{DataId: "shared", Group: "g"})
	require.NoError(t, err)
	require.Equal(t, "one", got)
	listen := item
	listen.OnChange = func(_, _, _, data string) { changes <- data }
	require.NoError(t, reader.ListenConfig(listen))
	item.Content = "two"
	_, err = writer.PublishConfig(item)
	require.NoError(t, err)
	for receive(t, changes, "what was published at the other node") != "two" {
	}

	shown := func() []string {
		found, err := atB.SelectAllInstances(vo.SelectAllInstancesParam{ServiceName: "both"})
		require.NoError(t, err)
		var ips []string
		for _, i := range found {
			ips = append(ips, i.Ip)
		}
		slices.Sort(ips)
		return ips
	}
	a.Kill()
	killed := time.Now()
	eventually(t, time.Minute, "the end of what only the dead node knew of", func() bool {
		ips := shown()
		require.Contains(t, ips, "10.3.0.2", "registered at the other node")
		require.Contains(t, ips, "10.3.0.3", "its client went to the other node")
		return !slices.Contains(ips, "10.3.0.1")
	})
	require.Greater(t, time.Since(killed), 15*time.Second, "a node's death is not its clients'")
	a.Restart()
	eventually(t, time.Minute, "the return of the client", func() bool {
		return slices.Equal(shown(), []string{"10.3.0.1", "10.3.0.2", "10.3.0.3"})
	})
	got, err = nacosConfig(t, a, "").GetConfig(vo.ConfigParam{DataId: "shared", Group: "g"})
	require.NoError(t, err)
	require.Equal(t, "two", got)
}
