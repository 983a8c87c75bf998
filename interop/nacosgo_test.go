package interop

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nacos-group/nacos-sdk-go/v2/clients"
	"github.com/nacos-group/nacos-sdk-go/v2/clients/config_client"
	"github.com/nacos-group/nacos-sdk-go/v2/clients/naming_client"
	"github.com/nacos-group/nacos-sdk-go/v2/common/constant"
	"github.com/nacos-group/nacos-sdk-go/v2/model"
	"github.com/nacos-group/nacos-sdk-go/v2/vo"
	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

// closeAtEnd closes a client of nacos-sdk-go when the test is over. One whose connection broke
// just when it was told of it waits for itself for ever: the goroutine that tells and the one
// that connects again wait for each other to read. It is left then.
func closeAtEnd(t *testing.T, c interface{ CloseClient() }) {
	t.Helper()
	t.Cleanup(func() {
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			c.CloseClient()
		}()
		select {
		case <-closed:
		case <-time.After(20 * time.Second):
			t.Log("a client of nacos-sdk-go waits for itself, and is left")
		}
	})
}

func nacosParam(t *testing.T, s *testkit.Server, namespace string) vo.NacosClientParam {
	t.Helper()
	dir := writtenBehindClose(t)
	return vo.NacosClientParam{
		ClientConfig: &constant.ClientConfig{
			NamespaceId: namespace, TimeoutMs: 5000, LogLevel: "error", NotLoadCacheAtStart: true, UpdateCacheWhenEmpty: true,
			LogDir: dir, CacheDir: dir, DisableUseSnapShot: true,
			LogRollingConfig: &constant.ClientLogRollingConfig{MaxSize: 1},
		},
		ServerConfigs: []constant.ServerConfig{{IpAddr: "127.0.0.1", Port: uint64(s.HTTPPort), GrpcPort: uint64(s.GRPCPort)}},
	}
}

// writtenBehindClose is a directory for a client that may write into it for a moment when it
// is closed already: it goes when that has ended.
func writtenBehindClose(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "zensus-interop-")
	require.NoError(t, err)
	t.Cleanup(func() {
		require.Eventually(t, func() bool { return os.RemoveAll(dir) == nil }, 5*time.Second, 50*time.Millisecond)
	})
	return dir
}

func nacosNaming(t *testing.T, s *testkit.Server, namespace string) naming_client.INamingClient {
	t.Helper()
	c, err := clients.NewNamingClient(nacosParam(t, s, namespace))
	require.NoError(t, err)
	closeAtEnd(t, c)
	return c
}

func nacosConfig(t *testing.T, s *testkit.Server, namespace string) config_client.IConfigClient {
	t.Helper()
	c, err := clients.NewConfigClient(nacosParam(t, s, namespace))
	require.NoError(t, err)
	closeAtEnd(t, c)
	return c
}

// list is what a subscriber was told last, as sorted ip:port.
type list chan []string

func (l list) told(services []model.Instance, err error) {
	if err != nil {
		return // an empty list comes as an error; the query shows it
	}
	var all []string
	for _, i := range services {
		all = append(all, fmt.Sprintf("%s:%d", i.Ip, i.Port))
	}
	slices.Sort(all)
	l <- all
}

// await reads until the list is as wanted.
func (l list) await(t *testing.T, want ...string) {
	t.Helper()
	for {
		if slices.Equal(receive(t, l, fmt.Sprint(want)), want) {
			return
		}
	}
}

func post(t *testing.T, s *testkit.Server, path string, form url.Values) string {
	t.Helper()
	res, err := http.PostForm("http://"+s.HTTP+path, form)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode, "%s: %s", path, body)
	return string(body)
}

func TestNacosGoRegistersSubscribesAndDeregisters(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{Nacos: true})
	provider, consumer := nacosNaming(t, s, ""), nacosNaming(t, s, "")
	require.Eventually(t, consumer.ServerHealthy, 10*time.Second, 20*time.Millisecond)

	heard := make(list, 64)
	sub := &vo.SubscribeParam{ServiceName: "orders", GroupName: "shop", SubscribeCallback: heard.told}
	require.NoError(t, consumer.Subscribe(sub))
	register := func(port uint64) {
		t.Helper()
		done, err := provider.RegisterInstance(vo.RegisterInstanceParam{
			Ip: "10.0.0.7", Port: port, Weight: 2.5, Enable: true, Healthy: true, Ephemeral: true,
			ServiceName: "orders", GroupName: "shop", ClusterName: "east", Metadata: map[string]string{"zone": "a", "é": "中"},
		})
		require.NoError(t, err)
		require.True(t, done)
	}
	register(20880)
	heard.await(t, "10.0.0.7:20880")
	second := nacosNaming(t, s, "")
	done, err := second.RegisterInstance(vo.RegisterInstanceParam{
		Ip: "10.0.0.8", Port: 20880, Weight: 1, Enable: true, Healthy: true, Ephemeral: true, ServiceName: "orders", GroupName: "shop",
	})
	require.NoError(t, err)
	require.True(t, done)
	heard.await(t, "10.0.0.7:20880", "10.0.0.8:20880")

	all, err := consumer.SelectAllInstances(vo.SelectAllInstancesParam{ServiceName: "orders", GroupName: "shop"})
	require.NoError(t, err)
	at := slices.IndexFunc(all, func(i model.Instance) bool { return i.Ip == "10.0.0.7" })
	require.GreaterOrEqual(t, at, 0)
	require.Equal(t, map[string]string{"zone": "a", "é": "中"}, all[at].Metadata)
	require.InDelta(t, 2.5, all[at].Weight, 0)
	require.Equal(t, "east", all[at].ClusterName)
	require.Equal(t, "shop@@orders", all[at].ServiceName)
	east, err := consumer.SelectInstances(vo.SelectInstancesParam{ServiceName: "orders", GroupName: "shop", Clusters: []string{"east"}, HealthyOnly: true})
	require.NoError(t, err)
	require.Len(t, east, 1)
	one, err := consumer.SelectOneHealthyInstance(vo.SelectOneHealthInstanceParam{ServiceName: "orders", GroupName: "shop"})
	require.NoError(t, err)
	require.True(t, one.Healthy)
	services, err := consumer.GetAllServicesInfo(vo.GetAllServiceInfoParam{GroupName: "shop", PageNo: 1, PageSize: 10})
	require.NoError(t, err)
	require.Equal(t, []string{"orders"}, services.Doms)

	done, err = provider.DeregisterInstance(vo.DeregisterInstanceParam{
		Ip: "10.0.0.7", Port: 20880, Cluster: "east", ServiceName: "orders", GroupName: "shop", Ephemeral: true,
	})
	require.NoError(t, err)
	require.True(t, done)
	heard.await(t, "10.0.0.8:20880")
	register(20881)
	heard.await(t, "10.0.0.7:20881", "10.0.0.8:20880")

	// A client that is gone is a provider lost.
	second.CloseClient()
	heard.await(t, "10.0.0.7:20881")
	require.NoError(t, consumer.Unsubscribe(sub))
}

func TestNacosGoRegistersABatchAndPersistentInstances(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{Nacos: true})
	provider, consumer := nacosNaming(t, s, ""), nacosNaming(t, s, "")
	heard := make(list, 64)
	require.NoError(t, consumer.Subscribe(&vo.SubscribeParam{ServiceName: "batch", SubscribeCallback: heard.told}))
	var batch []vo.RegisterInstanceParam
	for port := range uint64(3) {
		batch = append(batch, vo.RegisterInstanceParam{Ip: "10.1.0.1", Port: 9000 + port, Weight: 1, Enable: true, Healthy: true, Ephemeral: true})
	}
	done, err := provider.BatchRegisterInstance(vo.BatchRegisterInstanceParam{ServiceName: "batch", Instances: batch})
	require.NoError(t, err)
	require.True(t, done)
	heard.await(t, "10.1.0.1:9000", "10.1.0.1:9001", "10.1.0.1:9002")
	// A connection has one publication for a service: a batch replaces it.
	done, err = provider.BatchRegisterInstance(vo.BatchRegisterInstanceParam{ServiceName: "batch", Instances: batch[1:]})
	require.NoError(t, err)
	require.True(t, done)
	heard.await(t, "10.1.0.1:9001", "10.1.0.1:9002")
	done, err = provider.DeregisterInstance(vo.DeregisterInstanceParam{Ip: "10.1.0.1", Port: 9001, ServiceName: "batch", Ephemeral: true})
	require.NoError(t, err)
	require.True(t, done)
	eventually(t, 10*time.Second, "the end of the batch", func() bool {
		found, _ := consumer.SelectAllInstances(vo.SelectAllInstancesParam{ServiceName: "batch"})
		return len(found) == 0
	})

	done, err = provider.RegisterInstance(vo.RegisterInstanceParam{
		Ip: "10.1.0.2", Port: 80, Weight: 1, Enable: true, Healthy: true, ServiceName: "persistent", Ephemeral: false,
	})
	require.NoError(t, err)
	require.True(t, done)
	provider.CloseClient()
	found, err := consumer.SelectAllInstances(vo.SelectAllInstancesParam{ServiceName: "persistent"})
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.False(t, found[0].Ephemeral)
}

func TestNacosGoPublishesListensAndDeletesConfigs(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{Nacos: true})
	require.Equal(t, "true", post(t, s, "/nacos/v1/console/namespaces", url.Values{
		"customNamespaceId": {"dev"}, "namespaceName": {"dev"}, "namespaceDesc": {"for tests"},
	}))
	for _, namespace := range []string{"", "dev"} {
		writer, reader := nacosConfig(t, s, namespace), nacosConfig(t, s, namespace)
		item := vo.ConfigParam{DataId: "app.yaml", Group: "shop", Type: "yaml"}
		got, err := reader.GetConfig(item)
		require.NoError(t, err, "this version tells a config that is not there by no content")
		require.Empty(t, got)

		heard := make(chan string, 16)
		listen := item
		listen.OnChange = func(_, _, _, data string) { heard <- data }
		require.NoError(t, reader.ListenConfig(listen))
		publish := func(content, casMD5 string) (bool, error) {
			p := item
			p.Content, p.CasMd5 = content, casMD5
			return writer.PublishConfig(p)
		}
		text := "greeting: 你好\nnamespace: " + namespace + "\n"
		done, err := publish(text, "")
		require.NoError(t, err)
		require.True(t, done)
		require.Equal(t, text, receive(t, heard, "the first content"))
		got, err = reader.GetConfig(item)
		require.NoError(t, err)
		require.Equal(t, text, got)

		done, err = publish("lost", strings.Repeat("0", 32))
		require.Error(t, err, "a publish on another md5 than the stored one")
		require.False(t, done)
		long := strings.Repeat("0123456789", 50_000)
		done, err = publish(long, md5Hex(text))
		require.NoError(t, err)
		require.True(t, done)
		require.Equal(t, long, receive(t, heard, "the second content"))

		page, err := reader.SearchConfig(vo.SearchConfigParam{Search: "blur", DataId: "app*", Group: "", PageNo: 1, PageSize: 10})
		require.NoError(t, err)
		require.Len(t, page.PageItems, 1)
		require.Equal(t, "shop", page.PageItems[0].Group)

		done, err = writer.DeleteConfig(item)
		require.NoError(t, err)
		require.True(t, done)
		eventually(t, 10*time.Second, "the deletion", func() bool {
			got, err := reader.GetConfig(item)
			return err == nil && got == ""
		})
		require.NoError(t, reader.CancelListenConfig(item))
	}
}

func TestNacosGoRedoesEverythingAfterAKill(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{Nacos: true})
	provider, consumer := nacosNaming(t, s, ""), nacosNaming(t, s, "")
	configs := nacosConfig(t, s, "")
	heard := make(list, 256)
	require.NoError(t, consumer.Subscribe(&vo.SubscribeParam{ServiceName: "redo", SubscribeCallback: heard.told}))
	register := func(c naming_client.INamingClient, ip string) {
		t.Helper()
		done, err := c.RegisterInstance(vo.RegisterInstanceParam{
			Ip: ip, Port: 1, Weight: 1, Enable: true, Healthy: true, Ephemeral: true, ServiceName: "redo",
		})
		require.NoError(t, err)
		require.True(t, done)
	}
	register(provider, "10.2.0.1")
	heard.await(t, "10.2.0.1:1")
	changes := make(chan string, 16)
	item := vo.ConfigParam{DataId: "kept", Group: "g", Content: "before"}
	_, err := configs.PublishConfig(item)
	require.NoError(t, err)
	listen := item
	listen.OnChange = func(_, _, _, data string) { changes <- data }
	require.NoError(t, configs.ListenConfig(listen))

	s.Kill()
	s.Restart()
	// Config and instance are there, the latter without a gap or by the redo.
	fresh := nacosNaming(t, s, "")
	eventually(t, 30*time.Second, "the instance after the restart", func() bool {
		found, err := fresh.SelectInstances(vo.SelectInstancesParam{ServiceName: "redo", HealthyOnly: true})
		return err == nil && len(found) == 1 && found[0].Ip == "10.2.0.1"
	})
	var got string
	eventually(t, 30*time.Second, "the config after the restart", func() bool {
		got, err = configs.GetConfig(vo.ConfigParam{DataId: "kept", Group: "g"})
		return err == nil
	})
	require.Equal(t, "before", got)
	// Subscription and listener work on the new connection.
	register(fresh, "10.2.0.2")
	heard.await(t, "10.2.0.1:1", "10.2.0.2:1")
	item.Content = "after"
	_, err = configs.PublishConfig(item)
	require.NoError(t, err)
	for receive(t, changes, "the content after the restart") != "after" {
	}
	// It is the provider's new connection that holds the instance.
	eventually(t, 30*time.Second, "the provider's connection", func() bool {
		_, err := provider.GetAllServicesInfo(vo.GetAllServiceInfoParam{PageNo: 1, PageSize: 1})
		return err == nil
	})
	provider.CloseClient()
	// What its connection from before the kill left ends with that one's session,
	// in 30 seconds.
	eventually(t, time.Minute, "the end of the provider", func() bool {
		found, err := fresh.SelectAllInstances(vo.SelectAllInstancesParam{ServiceName: "redo"})
		return err == nil && len(found) == 1 && found[0].Ip == "10.2.0.2"
	})
	heard.await(t, "10.2.0.2:1")
}

func TestNacosGoNeedsALoginWhereTheServerDoes(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{Nacos: true, Auth: true})
	s.AddAdmin(adminName, adminPassword)
	login := func(password string) (config_client.IConfigClient, naming_client.INamingClient) {
		t.Helper()
		p := nacosParam(t, s, "")
		p.ClientConfig.Username, p.ClientConfig.Password = adminName, password
		configs, err := clients.NewConfigClient(p)
		require.NoError(t, err)
		closeAtEnd(t, configs)
		naming, err := clients.NewNamingClient(p)
		require.NoError(t, err)
		closeAtEnd(t, naming)
		return configs, naming
	}
	item := vo.ConfigParam{DataId: "guarded", Group: "g", Content: "v"}
	instance := vo.RegisterInstanceParam{Ip: "10.0.0.1", Port: 1, Weight: 1, Enable: true, Healthy: true, Ephemeral: true, ServiceName: "guarded"}

	configs, naming := login(adminPassword)
	done, err := configs.PublishConfig(item)
	require.NoError(t, err)
	require.True(t, done)
	done, err = naming.RegisterInstance(instance)
	require.NoError(t, err)
	require.True(t, done)
	found, err := naming.SelectInstances(vo.SelectInstancesParam{ServiceName: "guarded", HealthyOnly: true})
	require.NoError(t, err)
	require.Len(t, found, 1)

	configs, naming = login("wrong")
	done, err = configs.PublishConfig(item)
	require.False(t, done, "%v", err) // this version may say no without an error
	got, err := configs.GetConfig(item)
	require.False(t, err == nil && got != "", "%q, %v", got, err)
	done, err = naming.RegisterInstance(instance)
	require.False(t, done, "%v", err)
}
