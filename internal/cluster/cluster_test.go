package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/internal/testkit"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		testkit.Cleanup()
		os.Exit(code)
	}))
}

var key = []byte("a key that only the nodes of a test know")

// word is what the calls of the tests carry.
type word struct{ Text string }

// node is a Cluster that runs and can be called.
type node struct {
	*Cluster
	session core.Client
	stop    func()
	heard   atomic.Pointer[wire.Payload] // the last call that came, as it was on the wire
}

func start(t *testing.T, engine coretest.Nodes, id string, tune ...func(*Config)) *node {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	n := &node{}
	n.session, _ = engine.Node(t)
	cfg := Config{
		Client: n.session, Self: About{ID: id, HTTP: l.Addr().String(), Version: "1"}, Key: key,
		Role: func() string { return "follower" }, Load: func() Load { return Load{Connections: len(id)} },
		pingEvery: 50 * time.Millisecond,
	}
	for _, f := range tune {
		f(&cfg)
	}
	n.Cluster, err = New(cfg)
	require.NoError(t, err)
	Handle(n.Cluster, "echo", func(_ context.Context, from string, in *word) (*word, error) {
		if in.Text == "" {
			return nil, errors.New("nothing to say")
		}
		return &word{from + " says " + in.Text}, nil
	})
	Handle(n.Cluster, "panic", func(context.Context, string, *word) (*word, error) { panic("no") })
	s := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, in any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		if p := in.(*wire.Payload); p.GetMetadata().GetType() != "ping" {
			n.heard.Store(proto.Clone(p).(*wire.Payload))
		}
		return next(ctx, in)
	}))
	n.Register(s)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Serve(l) })
	wg.Go(func() { _ = n.Run(ctx) })
	n.stop = sync.OnceFunc(func() { cancel(); s.Stop(); wg.Wait() })
	t.Cleanup(n.stop)
	return n
}

// patience is how long the tests wait for what comes at once where the machine has the time.
const patience = 20 * time.Second

// shows waits until a node sees the others so, as in "a=UP b=DOWN".
func (n *node) shows(t *testing.T, want string) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		var got []string
		for _, m := range n.Nodes() {
			got = append(got, m.ID+"="+m.State.String())
		}
		require.Equal(c, want, strings.Join(got, " "))
	}, patience, 5*time.Millisecond)
}

func TestNodesSeeOneAnother(t *testing.T) {
	engine := coretest.NewFake()
	a, b, c := start(t, engine, "a"), start(t, engine, "b"), start(t, engine, "c")
	for _, n := range []*node{a, b, c} {
		n.shows(t, "a=UP b=UP c=UP")
	}
	require.Equal(t, []string{"a", "b", "c"}, a.Live())
	require.Eventually(t, func() bool { m, _ := a.Node("b"); return m.Role == "follower" && m.Load.Connections == 1 }, patience, time.Millisecond)
	m, ok := a.Node("b")
	require.True(t, ok)
	require.Equal(t, b.cfg.Self, m.About)
	require.True(t, m.Usable())

	c.stop()
	require.NoError(t, c.session.Close())
	for _, n := range []*node{a, b} {
		n.shows(t, "a=UP b=UP c=DOWN")
	}
	require.Equal(t, []string{"a", "b"}, a.Live())
	require.ErrorIs(t, b.Forget(t.Context(), "a"), ErrLive)
	require.ErrorIs(t, b.Forget(t.Context(), "x"), ErrUnknown)
	require.NoError(t, b.Forget(t.Context(), "c"))
	a.shows(t, "a=UP b=UP")
}

// A tree in which there is no node yet tells of no change: the first nodes of a cluster were
// not noted before they looked again, five seconds after they had started.
func TestTheFirstNodeIsNotedAtOnce(t *testing.T) {
	a := start(t, coretest.NewFake(), "a", func(cfg *Config) { cfg.pingEvery = time.Hour })
	require.Eventually(t, func() bool {
		_, err := a.session.Exists(t.Context(), core.JoinPath(live, "a"))
		return err == nil
	}, 20*time.Second, time.Millisecond)
}

func TestANodeThatDiesAsSoonAsItIsSeenIsRemembered(t *testing.T) {
	engine := coretest.NewFake()
	a := start(t, engine, "a")
	session, _ := engine.Node(t)
	start(t, engine, "b", func(cfg *Config) { cfg.Client = mayfly{session} })
	a.shows(t, "a=UP b=DOWN")
}

// mayfly is a client that ends with the write that makes its node live.
type mayfly struct{ core.Client }

func (m mayfly) ends(path string) {
	if core.ParentPath(path) == live {
		_ = m.Close()
	}
}

func (m mayfly) Multi(ctx context.Context, ops ...core.Op) ([]core.OpResult, core.Zxid, error) {
	results, zxid, err := m.Client.Multi(ctx, ops...)
	for _, op := range ops {
		if op, ok := op.(core.CreateOp); ok && err == nil {
			m.ends(op.Path)
		}
	}
	return results, zxid, err
}

func (m mayfly) Create(ctx context.Context, path string, data []byte, opt core.CreateOptions) (string, core.Stat, error) {
	path, st, err := m.Client.Create(ctx, path, data, opt)
	if err == nil {
		m.ends(path)
	}
	return path, st, err
}

// watched has a node note how it sees another one before each ping of that: whoever looks
// now and then may miss a state.
func watched(other string) (tune func(*Config), by func(*node), seen func() []string) {
	var watcher atomic.Pointer[node]
	var mu sync.Mutex
	var states []string
	note := func(ctx context.Context, method string, in, out any, c *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if n := watcher.Load(); n != nil {
			m, _ := n.Node(other)
			mu.Lock()
			states = append(states, m.State.String())
			mu.Unlock()
		}
		return invoke(ctx, method, in, out, c, opts...)
	}
	tune = func(cfg *Config) { cfg.Options = append(cfg.Options, grpc.WithUnaryInterceptor(note)) }
	return tune, func(n *node) { watcher.Store(n) }, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Compact(slices.Clone(states))
	}
}

func TestANodeThatDoesNotAnswerIsSuspiciousThenDown(t *testing.T) {
	engine := coretest.NewFake()
	tune, by, seen := watched("b")
	a, b := start(t, engine, "a", tune), start(t, engine, "b")
	a.shows(t, "a=UP b=UP")
	by(a)
	b.stop() // its session lives on
	a.shows(t, "a=UP b=DOWN")
	require.Eventually(t, func() bool { return strings.HasSuffix(strings.Join(seen(), " "), "SUSPICIOUS DOWN") }, patience, 5*time.Millisecond)
	m, _ := a.Node("b")
	require.True(t, m.Live)
	require.False(t, m.Usable())
	require.Equal(t, []string{"a", "b"}, a.Live())

	again := start(t, engine, "b")
	a.shows(t, "a=UP b=UP")
	require.NotEqual(t, b.cfg.Self.Life, again.cfg.Self.Life)
}

func TestALostSessionIsFollowedByAnother(t *testing.T) {
	engine := coretest.NewFake()
	a := start(t, engine, "a")
	first, _ := engine.Node(t)
	second, _ := engine.Node(t)
	client := &changing{Client: first}
	b := start(t, engine, "b", func(cfg *Config) { cfg.Client = client })
	a.shows(t, "a=UP b=UP")
	var went atomic.Bool
	a.mu.Lock()
	a.mu.watch = append(a.mu.watch, func() {
		if m, ok := a.Node("b"); !ok || !m.Live {
			went.Store(true)
		}
	})
	a.mu.Unlock()
	client.owner.Store(&second)
	owner := func() core.SessionID {
		_, st, err := first.Get(t.Context(), "/zensus/cluster/nodes/b")
		require.NoError(t, err)
		return st.EphemeralOwner
	}
	require.Eventually(t, func() bool { return owner() == second.Session().ID }, patience, 5*time.Millisecond)
	b.shows(t, "a=UP b=UP")
	require.False(t, went.Load(), "nobody saw it go")
}

// changing is a client whose writes and session are another's once that is set.
type changing struct {
	core.Client
	owner atomic.Pointer[core.Client]
}

func (c *changing) now() core.Client {
	if o := c.owner.Load(); o != nil {
		return *o
	}
	return c.Client
}

func (c *changing) Session() core.SessionInfo { return c.now().Session() }

func (c *changing) Multi(ctx context.Context, ops ...core.Op) ([]core.OpResult, core.Zxid, error) {
	return c.now().Multi(ctx, ops...)
}

func (c *changing) Create(ctx context.Context, path string, data []byte, opt core.CreateOptions) (string, core.Stat, error) {
	return c.now().Create(ctx, path, data, opt)
}

func TestNodesOfOtherMachinesThatListenOnLoopbackAreNotCalled(t *testing.T) {
	engine := coretest.NewFake()
	a := start(t, engine, "a")
	b := start(t, engine, "b", func(cfg *Config) { cfg.Self.HTTP = a.cfg.Self.HTTP })
	for _, n := range []*node{a, b} {
		n.shows(t, "a=UP b=UP")
		time.Sleep(200 * time.Millisecond) // for pings
		n.shows(t, "a=UP b=UP")
	}
	m, _ := a.Node("b")
	require.False(t, m.Usable())
	_, err := Call[word, word](t.Context(), a.Cluster, "b", "echo", &word{"hello"})
	require.ErrorIs(t, err, ErrUnreachable)
}

func TestANodeThatHasMovedIsNotRememberedWhereItWas(t *testing.T) {
	engine := coretest.NewFake()
	a, was := start(t, engine, "a"), start(t, engine, "2@b")
	a.shows(t, "2@b=UP a=UP")
	was.stop()
	require.NoError(t, was.session.Close())
	a.shows(t, "2@b=DOWN a=UP")
	start(t, engine, "2@c", func(cfg *Config) {
		cfg.Former = func(id string) bool { return strings.HasPrefix(id, "2@") }
	})
	a.shows(t, "2@c=UP a=UP")
}

func TestDrainingIsTold(t *testing.T) {
	engine := coretest.NewFake()
	a, b := start(t, engine, "a"), start(t, engine, "b")
	a.shows(t, "a=UP b=UP")
	b.Drain(true)
	require.Eventually(t, func() bool { m, _ := a.Node("b"); return m.Draining && !m.Usable() }, patience, time.Millisecond)
	require.False(t, func() bool { n := b.Self(); return n.Usable() }())
	b.shows(t, "a=UP b=UP")
	b.Drain(false)
	require.Eventually(t, func() bool { m, _ := a.Node("b"); return m.Usable() }, patience, time.Millisecond)
}

func TestCalls(t *testing.T) {
	engine := coretest.NewFake()
	a, b := start(t, engine, "a"), start(t, engine, "b")
	a.shows(t, "a=UP b=UP")
	b.shows(t, "a=UP b=UP")
	answer, err := Call[word, word](t.Context(), a.Cluster, "b", "echo", &word{"hello"})
	require.NoError(t, err)
	require.Equal(t, "a says hello", answer.Text)

	var remote *RemoteError
	_, err = Call[word, word](t.Context(), a.Cluster, "b", "echo", &word{})
	require.ErrorAs(t, err, &remote)
	require.Equal(t, RemoteError{"b", "nothing to say"}, *remote)
	_, err = Call[word, word](t.Context(), a.Cluster, "b", "panic", &word{})
	require.ErrorAs(t, err, &remote)
	_, err = Call[word, word](t.Context(), a.Cluster, "b", "never heard of", &word{})
	require.ErrorAs(t, err, &remote)
	for _, id := range []string{"a", "x"} {
		_, err = Call[word, word](t.Context(), a.Cluster, id, "echo", &word{"hello"})
		require.ErrorIs(t, err, ErrUnknown)
	}
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			answer, err := Call[word, word](t.Context(), a.Cluster, "b", "echo", &word{fmt.Sprint(i)})
			if err != nil || answer.Text != fmt.Sprint("a says ", i) {
				t.Errorf("%v %v", answer, err)
			}
		})
	}
	wg.Wait()
	here := func(_ context.Context, in *word) *word { return &word{"here: " + in.Text} }
	all, complete := Gather(t.Context(), a.Cluster, "echo", &word{"hello"}, here)
	require.Equal(t, []*word{{"here: hello"}, {"a says hello"}}, all)
	require.True(t, complete)
	all, complete = Gather(t.Context(), nil, "echo", &word{"hello"}, here)
	require.Equal(t, []*word{{"here: hello"}}, all)
	require.True(t, complete)
	b.stop()
	_, err = Call[word, word](t.Context(), a.Cluster, "b", "echo", &word{"hello"})
	require.ErrorIs(t, err, ErrUnreachable)
	all, complete = Gather(t.Context(), a.Cluster, "echo", &word{"hello"}, here)
	require.Equal(t, []*word{{"here: hello"}}, all)
	require.False(t, complete)
}

func TestOthersCannotCall(t *testing.T) {
	engine := coretest.NewFake()
	a, b, c := start(t, engine, "a"), start(t, engine, "b"), start(t, engine, "c")
	for _, n := range []*node{a, b, c} {
		n.shows(t, "a=UP b=UP c=UP")
	}
	_, err := Call[word, word](t.Context(), a.Cluster, "b", "echo", &word{"hello"})
	require.NoError(t, err)
	recorded := b.heard.Load()

	send := func(to *node, p *wire.Payload) error {
		conn, err := grpc.NewClient("passthrough:///"+to.cfg.Self.HTTP, grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err)
		defer conn.Close()
		return conn.Invoke(t.Context(), callMethod, p, new(wire.Payload))
	}
	forged := func(change func(p *wire.Payload, h map[string]string)) *wire.Payload {
		p := proto.Clone(recorded).(*wire.Payload)
		h := p.GetMetadata().GetHeaders()
		h[headerNumber] = "100000" // not used yet
		change(p, h)
		return p
	}
	sign := func(p *wire.Payload, key string) {
		h := p.GetMetadata().GetHeaders()
		attacker := &Cluster{cfg: Config{Key: []byte(key)}}
		h[headerMAC] = attacker.mac("call", "b", b.cfg.Self.Life, h[headerFrom], h[headerLife], h[headerNumber], p.GetMetadata().GetType(), string(p.GetBody().GetValue()))
	}
	for _, test := range []struct {
		name string
		to   *node
		p    *wire.Payload
	}{
		{"nothing proves it", b, &wire.Payload{Metadata: &wire.Metadata{Type: "echo"}, Body: &anypb.Any{Value: []byte(`{"Text":"x"}`)}}},
		{"nothing at all", b, &wire.Payload{}},
		{"a recorded call once more", b, recorded},
		{"a recorded call at another node", c, recorded},
		{"a number of its own", b, forged(func(*wire.Payload, map[string]string) {})},
		{"another body", b, forged(func(p *wire.Payload, h map[string]string) {
			h[headerNumber] = recorded.GetMetadata().GetHeaders()[headerNumber]
			p.Body.Value = []byte(`{"Text":"y"}`)
		})},
		{"another act", b, forged(func(p *wire.Payload, h map[string]string) {
			h[headerNumber] = recorded.GetMetadata().GetHeaders()[headerNumber]
			p.Metadata.Type = "panic"
		})},
		{"another secret", b, forged(func(p *wire.Payload, _ map[string]string) { sign(p, "a guess of somebody who is no node here") })},
		{"no secret", b, forged(func(p *wire.Payload, _ map[string]string) { sign(p, "") })},
		{"the node itself", b, forged(func(p *wire.Payload, h map[string]string) {
			h[headerFrom], h[headerLife] = "b", b.cfg.Self.Life
			sign(p, string(key))
		})},
		{"an earlier life", b, forged(func(p *wire.Payload, h map[string]string) {
			h[headerLife] = "00"
			sign(p, string(key))
		})},
		{"a node that is not there", b, forged(func(p *wire.Payload, h map[string]string) {
			h[headerFrom] = "x"
			sign(p, string(key))
		})},
		{"no number", b, forged(func(p *wire.Payload, h map[string]string) {
			h[headerNumber] = "-1"
			sign(p, string(key))
		})},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, codes.PermissionDenied, status.Code(send(test.to, test.p)))
		})
	}
	good := forged(func(p *wire.Payload, _ map[string]string) { sign(p, string(key)) })
	require.NoError(t, send(b, good), "the forgeries differ from this in what they are named for")
	require.Error(t, send(b, good))
}

func TestForgedCallsDoNotFloodTheLog(t *testing.T) {
	engine := coretest.NewFake()
	var out testkit.Buffer
	a := start(t, engine, "a")
	b := start(t, engine, "b", func(cfg *Config) { cfg.Logger = slog.New(slog.NewTextHandler(&out, nil)) })
	b.shows(t, "a=UP b=UP")
	began := time.Now()
	for range 1000 {
		_, err := b.serve(t.Context(), &wire.Payload{Metadata: &wire.Metadata{Type: "echo", Headers: map[string]string{
			headerFrom: "a", headerLife: a.cfg.Self.Life, headerNumber: "1", headerMAC: "x",
		}}})
		require.Equal(t, codes.PermissionDenied, status.Code(err))
	}
	told := strings.Count(out.String(), "refused a call")
	require.NotZero(t, told)
	require.LessOrEqual(t, told, 1+int(time.Since(began)/time.Second))
}

func TestAnAnswerOfAnotherIsRefused(t *testing.T) {
	engine := coretest.NewFake()
	a := start(t, engine, "a")
	b := start(t, engine, "b", func(cfg *Config) { cfg.Key = []byte("a key of somebody who is no node of these") })
	b.shows(t, "a=DOWN b=UP")
	_, err := Call[word, word](t.Context(), b.Cluster, "a", "echo", &word{"hello"})
	require.Equal(t, codes.PermissionDenied, status.Code(errors.Unwrap(err)), "%v", err)

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	imposter := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		in := new(wire.Payload)
		if err := s.RecvMsg(in); err != nil {
			return err
		}
		return s.SendMsg(&wire.Payload{Metadata: &wire.Metadata{Headers: map[string]string{headerMAC: in.GetMetadata().GetHeaders()[headerMAC]}}, Body: &anypb.Any{Value: []byte(`{"Text":"yes"}`)}})
	}))
	var wg sync.WaitGroup
	wg.Go(func() { _ = imposter.Serve(l) })
	defer func() { imposter.Stop(); wg.Wait() }()
	start(t, engine, "c", func(cfg *Config) { cfg.Self.HTTP = l.Addr().String() })
	require.Eventually(t, func() bool { _, ok := a.Node("c"); return ok }, patience, time.Millisecond)
	_, err = Call[word, word](t.Context(), a.Cluster, "c", "echo", &word{"hello"})
	require.ErrorIs(t, err, ErrForged)
}

func TestAServerAlone(t *testing.T) {
	c, err := New(Config{Self: About{ID: "1", HTTP: "127.0.0.1:8848"}, Load: func() Load { return Load{SDK: 7} }})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, c.Run(ctx), context.Canceled)
	nodes := c.Nodes()
	require.Len(t, nodes, 1)
	require.True(t, nodes[0].Self && nodes[0].Usable())
	require.Equal(t, 7, nodes[0].Load.SDK)
	require.Equal(t, []string{"1"}, c.Live())
	p, err := c.serve(t.Context(), &wire.Payload{})
	require.Nil(t, p)
	require.Equal(t, codes.PermissionDenied, status.Code(err))
}

func TestWindow(t *testing.T) {
	var w window
	for _, step := range []struct {
		n     uint64
		first bool
	}{{1, true}, {1, false}, {3, true}, {2, true}, {2, false}, {0, false}, {4000, true}, {10, true}, {4200, true}, {11, false}, {10, false}, {100, false}, {105, true}, {1 << 40, true}, {4200, false}, {1<<40 - 1, true}, {1<<40 - 1, false}} {
		require.Equal(t, step.first, w.first(step.n), step.n)
	}
}

func TestNodesOnAnApacheZooKeeper(t *testing.T) {
	near := testkit.NewApacheNodes(t)
	near.Timeout = 3 * time.Second // or a busy machine ends the session of who is not cut off
	proxy := coretest.StartProxy(t, near.Addr)
	far := near
	far.Addr = proxy.Addr
	a, b := start(t, far, "a"), start(t, near, "b")
	a.shows(t, "a=UP b=UP")
	b.shows(t, "a=UP b=UP")
	answer, err := Call[word, word](t.Context(), b.Cluster, "a", "echo", &word{"hello"})
	require.NoError(t, err)
	require.Equal(t, "b says hello", answer.Text)

	proxy.Down()
	b.shows(t, "a=DOWN b=UP")
	// a knows no better. That b refuses who is not listed says nothing of b.
	require.Never(t, func() bool { n, _ := a.Node("b"); return n.State != Up }, 3*(downAfter+1)*a.cfg.pingEvery, 5*time.Millisecond)
	require.Equal(t, []string{"a", "b"}, a.Live())
	proxy.Up()
	b.shows(t, "a=UP b=UP")
}
