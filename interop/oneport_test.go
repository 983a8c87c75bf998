package interop

import (
	"net/http"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/nacos-group/nacos-sdk-go/v2/clients"
	"github.com/nacos-group/nacos-sdk-go/v2/vo"
	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

func TestOnePortSpeaksZooKeeperNacosAndHTTPAndStopsAmongItsClients(t *testing.T) {
	t.Parallel()
	if testkit.RoleAsked() == testkit.OnZooKeeper {
		t.Skip("a server on an Apache ZooKeeper does not speak ZooKeeper")
	}
	s := testkit.Start(t, testkit.Options{Nacos: true})
	c, events := dialZK(t, s.HTTP, 10*time.Second)
	_, err := c.Create("/one", []byte("port"), 0, open)
	require.NoError(t, err)
	other, otherEvents := dialZK(t, s.ZooKeeper, 10*time.Second)
	data, _, err := other.Get("/one")
	require.NoError(t, err)
	require.Equal(t, "port", string(data))

	p := nacosParam(t, s, "")
	p.ServerConfigs[0].GrpcPort = uint64(s.HTTPPort)
	naming, err := clients.NewNamingClient(p)
	require.NoError(t, err)
	closeAtEnd(t, naming)
	heard := make(list, 16)
	require.NoError(t, naming.Subscribe(&vo.SubscribeParam{ServiceName: "one", SubscribeCallback: heard.told}))
	done, err := naming.RegisterInstance(vo.RegisterInstanceParam{
		Ip: "10.0.0.1", Port: 1, Weight: 1, Enable: true, Healthy: true, Ephemeral: true, ServiceName: "one",
	})
	require.NoError(t, err)
	require.True(t, done)
	heard.await(t, "10.0.0.1:1")
	// What Nacos's clients register is in the tree, and not for ZooKeeper's clients to read.
	_, _, err = other.Children("/zensus")
	require.ErrorIs(t, err, zk.ErrNoAuth)
	word, err := testkit.FourLetterWord(s.HTTP, "ruok")
	require.NoError(t, err)
	require.Equal(t, "imok", word)
	res, err := http.Get("http://" + s.HTTP + "/")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)

	s.Stop()
	awaitState(t, events, zk.StateDisconnected)
	awaitState(t, otherEvents, zk.StateDisconnected)
	s.Restart()
	awaitState(t, events, zk.StateHasSession)
	data, _, err = c.Get("/one")
	require.NoError(t, err)
	require.Equal(t, "port", string(data))
}
