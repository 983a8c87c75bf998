package nacosapi

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/registry"
)

// fuzzyReply is the acknowledgement of a push of a fuzzy watch; nil for others.
func fuzzyReply(push string) wire.Reply {
	switch push {
	case "NamingFuzzyWatchSyncRequest":
		return new(wire.NamingFuzzyWatchSyncResponse)
	case "NamingFuzzyWatchChangeNotifyRequest":
		return new(wire.NamingFuzzyWatchChangeNotifyResponse)
	}
	return nil
}

// acknowledge reports whether the stream took the acknowledgement.
func (c *client) acknowledge(p *wire.Payload, reply wire.Reply) bool {
	ack, err := wire.DecodeAck(p)
	if err != nil {
		c.t.Error(err)
		return false
	}
	*reply.Base() = wire.Succeeded()
	reply.Base().RequestID = ack.RequestID
	out, err := wire.Encode(reply, nil)
	if err != nil {
		c.t.Error(err)
		return false
	}
	return c.stream.SendMsg(out) == nil
}

func (c *client) fuzzyWatch(watchType, pattern string, initial bool, received ...string) wire.NamingFuzzyWatchResponse {
	c.t.Helper()
	var out wire.NamingFuzzyWatchResponse
	c.call(&wire.NamingFuzzyWatchRequest{
		Namespace: "elsewhere", GroupKeyPattern: pattern, ReceivedGroupKeys: received, WatchType: watchType, Initializing: initial,
	}, &out)
	return out
}

// watch begins a watch and goes on only if that is answered well.
func (c *client) watch(pattern string, initial bool, received ...string) {
	c.t.Helper()
	out := c.fuzzyWatch(wire.FuzzyWatch, pattern, initial, received...)
	require.True(c.t, out.OK() && out.Success, out.Message)
}

// told is the next push of a fuzzy watch in short: "INIT n>>g>>* 1/2 ADD n@@g@@a".
func (c *client) told() string {
	c.t.Helper()
	select {
	case p := <-c.fuzzy:
		if p.GetMetadata().GetType() == "NamingFuzzyWatchChangeNotifyRequest" {
			var n wire.NamingFuzzyWatchChangeNotifyRequest
			require.NoError(c.t, wire.DecodeInto(p, &n))
			return n.SyncType + " " + n.ChangedType + " " + n.ServiceKey
		}
		var n wire.NamingFuzzyWatchSyncRequest
		require.NoError(c.t, wire.DecodeInto(p, &n))
		require.NotNil(c.t, n.Contexts)
		s := fmt.Sprintf("%s %s %d/%d", n.SyncType, n.GroupKeyPattern, n.CurrentBatch, n.TotalBatch)
		for _, item := range n.Contexts {
			s += " " + item.ChangedType + " " + item.ServiceKey
		}
		return s
	case <-time.After(patience):
		c.t.Fatal("nothing was pushed")
		return ""
	}
}

func (c *client) hears(want ...string) {
	c.t.Helper()
	for _, w := range want {
		require.Equal(c.t, w, c.told())
	}
}

func (c *client) quiet() {
	c.t.Helper()
	select {
	case p := <-c.fuzzy:
		c.t.Fatalf("pushed %s", p.GetBody().GetValue())
	case <-time.After(30 * time.Millisecond):
	}
}

func (c *client) provide(namespace, group, name string) {
	c.t.Helper()
	var out wire.InstanceResponse
	c.call(&wire.InstanceRequest{
		ServiceKey: wire.ServiceKey{Namespace: namespace, GroupName: group, ServiceName: name}, Type: wire.RegisterInstance, Instance: instance("10.0.0.1", 8080),
	}, &out)
	require.True(c.t, out.OK(), out.Message)
}

const (
	finish  = "FINISH_FUZZY_WATCH_INIT_NOTIFY "
	initial = "FUZZY_WATCH_INIT_NOTIFY "
	differs = "FUZZY_WATCH_DIFF_SYNC_NOTIFY "
	changed = "FUZZY_WATCH_RESOURCE_CHANGED "
)

// remove deletes a service of node n that has no instances.
func (n *node) remove(t *testing.T, namespace, group, name string) {
	t.Helper()
	k := registry.NewServiceKey(namespace, group, name)
	require.Eventually(t, func() bool { return n.svc.DeleteService(t.Context(), k) == nil }, patience, 5*time.Millisecond)
}

func (n *node) create(t *testing.T, namespace, group, name string) {
	t.Helper()
	require.NoError(t, n.svc.CreateService(t.Context(), registry.Service{Key: registry.NewServiceKey(namespace, group, name), Ephemeral: true}))
}

// TestServicesAreWatchedByAPattern follows what was recorded of Nacos 3.0.3.
func TestServicesAreWatchedByAPattern(t *testing.T) {
	n := startNode(t, engines.New(t))
	a, b := dial(t, n.addr), dial(t, n.addr)
	b.watch("n>>g>>order*", true)
	b.hears(finish + "n>>g>>order* 1/1")
	a.provide("n", "g", "stock")
	a.provide("n", "other", "order-1")
	a.provide("n", "g", "order-1")
	b.hears(changed + "ADD_SERVICE n@@g@@order-1")
	// A second instance of it is no news, another service is.
	second := dial(t, n.addr)
	second.provide("n", "g", "order-1")
	a.provide("n", "g", "order-2")
	b.hears(changed + "ADD_SERVICE n@@g@@order-2")

	c, d := dial(t, n.addr), dial(t, n.addr)
	c.watch("n>>g>>order*", true)
	c.hears(initial+"n>>g>>order* 1/1 ADD_SERVICE n@@g@@order-1 ADD_SERVICE n@@g@@order-2", finish+"n>>g>>order* 1/1")
	d.watch("n>>g>>order*", true, "n@@g@@order-1", "n@@g@@order-0")
	d.hears(initial+"n>>g>>order* 1/1 ADD_SERVICE n@@g@@order-2 DELETE_SERVICE n@@g@@order-0", finish+"n>>g>>order* 1/1")
	d.watch("n>>g>>order*", false, "n@@g@@order-1", "n@@g@@order-0")
	d.hears(differs + "n>>g>>order* 1/1 ADD_SERVICE n@@g@@order-2 DELETE_SERVICE n@@g@@order-0")
	d.watch("n>>g>>order*", false, "n@@g@@order-1", "n@@g@@order-2")
	d.watch("n>>*>>*-1", true)
	d.hears(initial+"n>>*>>*-1 1/1 ADD_SERVICE n@@g@@order-1 ADD_SERVICE n@@other@@order-1", finish+"n>>*>>*-1 1/1")
	d.watch("public>>g>>*", true)
	d.hears(finish + "public>>g>>* 1/1")
	a.provide("", "g", "x")
	d.hears(changed + "ADD_SERVICE public@@g@@x")

	// What several patterns match is told once to each who watches.
	a.provide("n", "g", "order-3-1")
	for _, w := range []*client{b, c, d} {
		w.hears(changed + "ADD_SERVICE n@@g@@order-3-1")
	}
	// No more watched; the next push is of another.
	for _, pattern := range []string{"n>>g>>order*", "n>>g>>never*"} {
		out := c.fuzzyWatch(wire.FuzzyCancelWatch, pattern, true)
		require.True(t, out.OK(), out.Message)
	}
	c.watch("n>>third>>*", true)
	c.hears(finish + "n>>third>>* 1/1")
	n.create(t, "n", "g", "order-4")
	b.hears(changed + "ADD_SERVICE n@@g@@order-4")
	a.provide("n", "third", "x")
	c.hears(changed + "ADD_SERVICE n@@third@@x")
	// A service without instances is there until it is deleted.
	n.remove(t, "n", "g", "order-4")
	b.hears(changed + "DELETE_SERVICE n@@g@@order-4")
	a.close()
	second.close()
	n.remove(t, "n", "g", "order-1")
	b.hears(changed + "DELETE_SERVICE n@@g@@order-1")
	c.quiet()

	// What is watched goes with its connection, and the client asks anew.
	for _, w := range []*client{b, c, d} {
		w.close()
	}
	require.Eventually(t, func() bool { return n.api.fuzzy.Watching() == 0 }, patience, time.Millisecond)
	again := dial(t, n.addr)
	again.watch("n>>g>>order*", false, "n@@g@@order-1", "n@@g@@order-2")
	again.hears(differs + "n>>g>>order* 1/1 ADD_SERVICE n@@g@@order-3-1 DELETE_SERVICE n@@g@@order-1")
}

func TestManyServicesThatMatchComeInParts(t *testing.T) {
	n := startNode(t, engines.New(t))
	for i := range 21 {
		n.create(t, "n", "parts", fmt.Sprintf("part-%02d", i))
	}
	c := dial(t, n.addr)
	c.watch("n>>parts>>*", true)
	for i, size := range []int{10, 10, 1} {
		got := c.told()
		require.True(t, strings.HasPrefix(got, fmt.Sprintf("%sn>>parts>>* %d/3 ADD_SERVICE n@@parts@@part-%02d", initial, i+1, 10*i)), got)
		require.Equal(t, size, strings.Count(got, "ADD_SERVICE"), got)
	}
	c.hears(finish + "n>>parts>>* 1/1")
}

func TestFuzzyWatchesOfServicesHaveLimits(t *testing.T) {
	n := startNode(t, engines.New(t))
	for i := range 500 {
		n.create(t, "n", "many", fmt.Sprintf("s%03d", i))
	}
	c := dial(t, n.addr)
	refused := func(code int, message string, out wire.NamingFuzzyWatchResponse) {
		t.Helper()
		require.Equal(t, 500, out.ResultCode)
		require.Equal(t, code, out.ErrorCode)
		require.Contains(t, out.Message, message)
	}
	for _, pattern := range []string{
		"", "n", "n>>g", "n>>g>>a>>b", "n>>>>a",
		strings.Repeat("n", registry.NamespaceMax+1) + ">>g>>a",
		"n>>" + strings.Repeat("g", registry.GroupMax+3) + ">>a",
		"n>>g>>" + strings.Repeat("a", registry.ServiceNameMax+3),
	} {
		refused(400, "groupKeyPattern: ", c.fuzzyWatch(wire.FuzzyWatch, pattern, true))
	}
	refused(400, "Unsupported request type LOOK", c.fuzzyWatch("LOOK", "n>>*>>*", true))
	for i := range 20 {
		c.watch(fmt.Sprintf("n>>more>>%d", i), false)
	}
	refused(50310, "fuzzy watch pattern over limit", c.fuzzyWatch(wire.FuzzyWatch, "n>>more>>20", false))
	c.watch("n>>more>>1", false)
	c.fuzzyWatch(wire.FuzzyCancelWatch, "n>>more>>1", false)
	refused(50311, "fuzzy watch pattern matched count over limit", c.fuzzyWatch(wire.FuzzyWatch, "n>>many>>*", false))
	for i := range 50 {
		require.True(t, strings.HasPrefix(c.told(), fmt.Sprintf("%sn>>many>>* %d/50 ", differs, i+1)))
	}
	c.quiet()
}

func TestAFuzzyWatchThatIsNotAcknowledgedIsToldAgain(t *testing.T) {
	t.Parallel()
	n := startNode(t, engines.New(t))
	n.create(t, "n", "g", "a")
	n.create(t, "n", "g", "b")
	c := dial(t, n.addr)
	c.mute.Store(true)
	c.watch("n>>g>>*", true)
	c.hears(initial + "n>>g>>* 1/1 ADD_SERVICE n@@g@@a ADD_SERVICE n@@g@@b")
	n.remove(t, "n", "g", "a")
	c.mute.Store(false)
	c.hears(initial+"n>>g>>* 1/1 ADD_SERVICE n@@g@@b", finish+"n>>g>>* 1/1", changed+"DELETE_SERVICE n@@g@@a")
}

// tom may read the service n/g/mine and, until they are taken from him, all of n/g.
type tom struct {
	mu    sync.Mutex
	group bool
}

func (*tom) Check(ctx context.Context, _ auth.Credentials, _ auth.Need) (context.Context, error) {
	return ctx, nil
}

func (w *tom) Allow(s auth.Subject, need auth.Need) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := need.Resource
	return s.Name == "tom" && need.Action == auth.Read && r.Namespace == "n" && r.Group == "g" && (w.group || r.Name == "mine")
}

// Authorize lets tom in. What a request needs is tested with internal/auth/nacosapi.
func (*tom) Authorize(ctx context.Context, _ *rpc.Conn, _ map[string]string, _ wire.Body) (context.Context, error) {
	return auth.WithSubject(ctx, auth.Subject{Name: "tom"}), nil
}

func (w *tom) may(group bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.group = group
}

func TestNobodyHearsOfServicesThatHeMayNotRead(t *testing.T) {
	who := &tom{group: true}
	n := startGuarded(t, engines.New(t), who)
	for _, group := range []string{"g", "secret"} {
		n.create(t, "n", group, "a")
		n.create(t, "n", group, "mine")
	}
	c := dial(t, n.addr)
	c.watch("n>>*>>*", true)
	c.hears(initial+"n>>*>>* 1/1 ADD_SERVICE n@@g@@a ADD_SERVICE n@@g@@mine", finish+"n>>*>>* 1/1")
	n.create(t, "n", "secret", "b")
	n.remove(t, "n", "secret", "a")
	n.create(t, "n", "g", "b")
	c.hears(changed + "ADD_SERVICE n@@g@@b")
	// Whether there is one shows as little when he names it.
	c.watch("n>>*>>*", false, "n@@g@@a", "n@@g@@b", "n@@g@@mine", "n@@secret@@mine", "n@@secret@@none")
	c.hears(differs + "n>>*>>* 1/1 DELETE_SERVICE n@@secret@@mine DELETE_SERVICE n@@secret@@none")
	who.may(false)
	n.create(t, "n", "g", "c")
	n.remove(t, "n", "g", "b")
	n.remove(t, "n", "g", "mine")
	c.hears(changed + "DELETE_SERVICE n@@g@@mine")
	c.quiet()
}
