package nacosapi

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	grpcmeta "google.golang.org/grpc/metadata"

	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

func TestProviderRegistersAndConsumerIsPushedTheList(t *testing.T) {
	n := startNode(t, engines.New(t))
	consumer, provider := dial(t, n.addr), dial(t, n.addr)
	require.Empty(t, consumer.subscribe("").Hosts)
	require.Empty(t, consumer.pushed(0).Hosts, "one push follows the first subscription")

	out := provider.register("10.0.0.1", 8080)
	require.True(t, out.OK(), out.Message)
	require.Equal(t, wire.RegisterInstance, out.Type)

	info := consumer.pushed(1)
	require.Equal(t, "shop", info.Name, "gRPC clients want the bare name")
	require.Equal(t, "DEFAULT_GROUP", info.GroupName)
	require.Equal(t, int64(10_000), info.CacheMillis)
	host := info.Hosts[0]
	require.Equal(t, "10.0.0.1#8080##DEFAULT_GROUP@@shop", host.InstanceID)
	require.Equal(t, "DEFAULT", host.ClusterName)
	require.Equal(t, "DEFAULT_GROUP@@shop", host.ServiceName)
	require.True(t, host.Healthy && host.Enabled && host.Ephemeral && info.Valid)
	require.Equal(t, info.Hosts, provider.query().Hosts, "the writer reads its own write")

	provider.close()
	require.Greater(t, consumer.pushed(0).LastRefTime, info.LastRefTime, "a FIN ends the instance at once")
}

func TestRegisteringAgainReplacesWhatTheConnectionHad(t *testing.T) {
	n := startNode(t, engines.New(t))
	c := dial(t, n.addr)
	c.register("10.0.0.1", 1)
	c.register("10.0.0.2", 2)
	require.Len(t, c.query().Hosts, 1)

	var batch wire.BatchInstanceResponse
	c.call(&wire.BatchInstanceRequest{
		ServiceKey: shop, Type: wire.BatchRegisterInstance,
		Instances: wire.Instances{instance("10.0.0.3", 3), instance("10.0.0.4", 4)},
	}, &batch)
	require.True(t, batch.OK(), batch.Message)
	require.Len(t, c.query().Hosts, 2)

	// The address in a deregistration does not matter.
	var out wire.InstanceResponse
	c.call(&wire.InstanceRequest{ServiceKey: shop, Type: wire.DeregisterInstance, Instance: instance("1.1.1.1", 9)}, &out)
	require.True(t, out.OK(), out.Message)
	require.Empty(t, c.query().Hosts)
	c.call(&wire.InstanceRequest{ServiceKey: shop, Type: wire.DeregisterInstance, Instance: instance("1.1.1.1", 9)}, &out)
	require.True(t, out.OK(), "what is not there is no error")
}

func TestPushesCarryTheClustersAsAskedFor(t *testing.T) {
	n := startNode(t, engines.New(t))
	c := dial(t, n.addr)
	require.Equal(t, "A,B", c.subscribe("A,B").Clusters)
	require.Equal(t, "", c.subscribe("").Clusters)
	i := instance("10.0.0.1", 1)
	i.ClusterName = "A"
	var out wire.InstanceResponse
	c.call(&wire.InstanceRequest{ServiceKey: shop, Type: wire.RegisterInstance, Instance: i}, &out)
	require.True(t, out.OK(), out.Message)
	got := map[string]bool{c.pushed(1).Clusters: true, c.pushed(1).Clusters: true}
	require.Equal(t, map[string]bool{"": true, "A,B": true}, got)
}

// manyClusters is a list of so many bytes, in which each is another one.
func manyClusters(bytes int) string {
	var list strings.Builder
	for n := 0; list.Len() < bytes; n++ {
		fmt.Fprintf(&list, "c%d,", n)
	}
	return list.String()
}

// TestListsOfClustersAreBounded wherever they are named: what is done with one takes the
// square of its length.
func TestListsOfClustersAreBounded(t *testing.T) {
	n := startNode(t, engines.New(t))
	c := dial(t, n.addr)
	large := manyClusters(16 << 10)
	for _, subscribe := range []bool{true, false} {
		var out wire.SubscribeServiceResponse
		c.call(&wire.SubscribeServiceRequest{ServiceKey: shop, Subscribe: subscribe, Clusters: large}, &out)
		require.False(t, out.OK())
		require.Contains(t, out.Message, "'clusters'")
	}
	var out wire.QueryServiceResponse
	c.call(&wire.ServiceQueryRequest{ServiceKey: shop, Cluster: large}, &out)
	require.False(t, out.OK())
}

func TestRefusalsAreTypedFailures(t *testing.T) {
	n := startNode(t, engines.New(t))
	c := dial(t, n.addr)
	var out wire.InstanceResponse
	c.call(&wire.InstanceRequest{ServiceKey: shop, Type: "explode", Instance: instance("10.0.0.1", 1)}, &out)
	require.Equal(t, 500, out.ResultCode)
	require.Equal(t, 400, out.ErrorCode)
	require.Equal(t, "Unsupported request type explode", out.Message)

	c.call(&wire.InstanceRequest{ServiceKey: shop, Type: wire.RegisterInstance, Instance: instance("10.0.0.1", 70000)}, &out)
	require.Equal(t, 400, out.ErrorCode)

	c.call(&wire.PersistentInstanceRequest{ServiceKey: shop, Type: wire.RegisterInstance, Instance: instance("10.0.0.1", 1)}, &out)
	require.True(t, out.OK(), out.Message)
	out = c.register("10.0.0.2", 1)
	require.Equal(t, 400, out.ErrorCode)
	require.Equal(t, "Current service DEFAULT_GROUP@@shop is persistent service, can't register ephemeral instance.", out.Message)

	c.call(&wire.PersistentInstanceRequest{ServiceKey: shop, Type: wire.DeregisterInstance, Instance: instance("10.0.0.1", 1)}, &out)
	require.True(t, out.OK(), out.Message)
	require.Empty(t, c.query().Hosts)
}

func TestServiceListIsPagedAndStable(t *testing.T) {
	n := startNode(t, engines.New(t))
	c := dial(t, n.addr)
	for i := range 5 {
		k := wire.ServiceKey{ServiceName: fmt.Sprintf("s%d", i)}
		var out wire.InstanceResponse
		c.call(&wire.InstanceRequest{ServiceKey: k, Type: wire.RegisterInstance, Instance: instance("10.0.0.1", 1)}, &out)
		require.True(t, out.OK(), out.Message)
	}
	list := func(page, size int) wire.ServiceListResponse {
		var out wire.ServiceListResponse
		c.call(&wire.ServiceListRequest{PageNo: page, PageSize: size}, &out)
		require.Equal(t, 5, out.Count)
		return out
	}
	require.Equal(t, wire.Names{"s0", "s1"}, list(0, 2).ServiceNames)
	require.Equal(t, wire.Names{"s2", "s3"}, list(2, 2).ServiceNames)
	require.Equal(t, wire.Names{"s4"}, list(3, 2).ServiceNames)
	require.Empty(t, list(4, 2).ServiceNames)
	require.Len(t, list(1, 1<<31-1).ServiceNames, 5)
}

func TestOwnShutdownIsNotTheClientsEnd(t *testing.T) {
	engine := coretest.NewFake()
	n := startNode(t, engine)
	c := dial(t, n.addr)
	c.register("10.0.0.1", 1)
	before := len(engine.SessionIDs())
	n.stop()
	require.Len(t, engine.SessionIDs(), before, "the session is left to its timeout")

	// The next life of the node shows the instance, and the client that comes back
	// takes its place without a gap.
	n = startNode(t, engine)
	c = dial(t, n.addr)
	require.Len(t, c.query().Hosts, 1)
	c.register("10.0.0.1", 1)
	require.Len(t, c.query().Hosts, 1)
}

// BenchmarkPush measures from a registration to the moment at which a subscriber
// on the same node holds the list, over two gRPC connections: single changes,
// and changes each of which follows the push of the one before.
func BenchmarkPush(b *testing.B) {
	for name, pause := range map[string]time.Duration{"single": 600 * time.Millisecond, "sequence": 0} {
		b.Run(name, func(b *testing.B) {
			n := startNode(b, coretest.NewFake())
			consumer, provider := dial(b, n.addr), dial(b, n.addr)
			consumer.subscribe("")
			consumer.pushed(0)
			var took []time.Duration
			port := 0
			for b.Loop() {
				port = port%60000 + 1
				began := time.Now()
				provider.register("10.0.0.1", port)
				for consumer.pushed(1).Hosts[0].Port != port {
				}
				took = append(took, time.Since(began))
				b.StopTimer()
				time.Sleep(pause)
				b.StartTimer()
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}

// marked makes a call and reports whether its answer is marked.
func (c *client) marked(in wire.Body, out wire.Body) bool {
	c.t.Helper()
	p, err := wire.Encode(in, nil)
	require.NoError(c.t, err)
	var header grpcmeta.MD
	reply := new(wire.Payload)
	require.NoError(c.t, c.conn.Invoke(c.t.Context(), wire.RequestMethod, p, reply, grpc.Header(&header)))
	require.NoError(c.t, wire.DecodeInto(reply, out))
	return len(header.Get("zensus-stale")) > 0
}

func TestGRPCWithoutQuorum(t *testing.T) {
	n := startNode(t, coretest.NewFake())
	c := dial(t, n.addr)
	require.True(t, func() bool { out := c.register("10.0.0.1", 80); return out.OK() }())
	c.subscribe("")
	c.pushed(1)
	var list wire.QueryServiceResponse
	require.False(t, c.marked(&wire.ServiceQueryRequest{ServiceKey: shop}, &list))

	n.engine.(*coretest.Fake).Partition()
	require.True(t, c.marked(&wire.ServiceQueryRequest{ServiceKey: shop}, &list))
	require.Len(t, list.ServiceInfo.Hosts, 1)
	var done wire.InstanceResponse
	require.True(t, c.marked(&wire.InstanceRequest{ServiceKey: shop, Type: wire.RegisterInstance, Instance: instance("10.0.0.2", 80)}, &done))
	require.True(t, done.OK(), done.Message)
	require.Equal(t, "10.0.0.2", c.pushed(1).Hosts[0].IP, "in place of the former one")
	persistent := instance("10.0.0.3", 80)
	persistent.Ephemeral = false
	other := wire.ServiceKey{ServiceName: "cp", GroupName: "DEFAULT_GROUP"}
	require.True(t, c.marked(&wire.PersistentInstanceRequest{ServiceKey: other, Type: wire.RegisterInstance, Instance: persistent}, &done))
	require.False(t, done.OK())
	require.Equal(t, 500, done.ErrorCode)
	require.Contains(t, done.Message, "no quorum")

	n.engine.(*coretest.Fake).Heal()
	require.Eventually(t, func() bool {
		return !c.marked(&wire.ServiceQueryRequest{ServiceKey: shop}, &list) && list.ServiceInfo.Hosts[0].IP == "10.0.0.2"
	}, patience, 20*time.Millisecond)
}
