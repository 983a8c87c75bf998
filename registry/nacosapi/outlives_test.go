package nacosapi

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// noted is an engine that notes for how long the sessions of clients are opened.
type noted struct {
	coretest.Nodes
	mu       sync.Mutex
	timeouts []time.Duration
}

type notedSessions struct {
	core.Sessions
	noted *noted
}

func (n *noted) Node(t testing.TB) (core.Client, core.Sessions) {
	client, sessions := n.Nodes.Node(t)
	return client, notedSessions{sessions, n}
}

func (s notedSessions) Open(ctx context.Context, opt core.SessionOptions) (core.Client, error) {
	s.noted.mu.Lock()
	s.noted.timeouts = append(s.noted.timeouts, opt.Timeout)
	s.noted.mu.Unlock()
	return s.Sessions.Open(ctx, opt)
}

// The client in Python looks every 30 s whether it is registered where it is connected, and
// may do so in vain when servers are killed one after the other.
func TestWhatTheClientInPythonHasRegisteredOutlivesTwoOfItsAttempts(t *testing.T) {
	for version, want := range map[string]time.Duration{
		"Nacos-Python-Client:v2.0.0": 90 * time.Second, // so says nacos-sdk-python 2.0.11
		"Nacos-Python-Client:v3.2.0": 90 * time.Second,
		"Nacos-Java-Client:v3.0.3":   30 * time.Second,
		"":                           30 * time.Second,
	} {
		engine := &noted{Nodes: coretest.NewFake()}
		n := startNode(t, engine)
		c := dialSilentAs(t, n.addr, version)
		require.Eventually(t, func() bool {
			p, err := wire.Encode(&wire.InstanceRequest{ServiceKey: shop, Type: wire.RegisterInstance, Instance: instance("10.0.0.1", 80)}, nil)
			require.NoError(t, err)
			reply := new(wire.Payload)
			require.NoError(t, c.conn.Invoke(t.Context(), wire.RequestMethod, p, reply))
			return reply.GetMetadata().GetType() == "InstanceResponse" // and no refusal before the setup is read
		}, patience, 5*time.Millisecond)
		engine.mu.Lock()
		require.Equal(t, []time.Duration{want}, engine.timeouts, version)
		engine.mu.Unlock()
		n.stop()
	}
}
