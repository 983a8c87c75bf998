package security

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// pushed counts what comes over a connection's stream, each acknowledged, by its type.
type pushed struct {
	mu  sync.Mutex
	all map[string]int
}

func (c *client) receive() *pushed {
	p := &pushed{all: map[string]int{}}
	go func() {
		for {
			in := new(wire.Payload)
			if c.stream.RecvMsg(in) != nil {
				return
			}
			body, err := wire.Decode(in)
			if err != nil {
				continue
			}
			p.mu.Lock()
			p.all[body.PayloadType()]++
			p.mu.Unlock()
			var ack wire.Body
			switch body := body.(type) {
			case *wire.NotifySubscriberRequest:
				ack = &wire.NotifySubscriberResponse{Response: wire.Response{ResultCode: 200, RequestID: body.RequestID}}
			case *wire.ConfigChangeNotifyRequest:
				ack = &wire.ConfigChangeNotifyResponse{Response: wire.Response{ResultCode: 200, RequestID: body.RequestID}}
			default:
				continue
			}
			if out, err := wire.Encode(ack, nil); err == nil {
				_ = c.stream.SendMsg(out)
			}
		}
	}()
	return p
}

func (p *pushed) count(kind string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all[kind]
}

// TestNobodyIsToldOfWhatHeMayNotReadAnyMore: a connection outlives the rights of who has it.
func TestNobodyIsToldOfWhatHeMayNotReadAnyMore(t *testing.T) {
	s := start(t)
	token := s.machine("watcher", "watching")
	require.Equal(t, http.StatusOK, s.asRoot("POST", "/nacos/v3/auth/permission", "role", "watching", "resource", "public:G:*", "action", "r").Status)
	const list, change = "NotifySubscriberRequest", "ConfigChangeNotifyRequest"
	watch := func(token string) *pushed {
		c := s.connect()
		got := c.receive()
		subscribe := &wire.SubscribeServiceRequest{ServiceKey: wire.ServiceKey{Namespace: "public", GroupName: "G", ServiceName: "s"}, Subscribe: true}
		require.Eventually(t, func() bool { return c.refused(subscribe, token) == 0 }, 20*time.Second, 20*time.Millisecond)
		none := ""
		require.Zero(t, c.refused(&wire.ConfigBatchListenRequest{Listen: true, ConfigListenContexts: wire.ListenContexts{{Group: "G", DataID: "d", MD5: &none}}}, token))
		return got
	}
	revoked, other := watch(token), watch(s.root)
	write := func(port string) {
		require.Equal(t, http.StatusOK, s.asRoot("POST", "/nacos/v1/ns/instance", "groupName", "G", "serviceName", "s", "ip", "10.0.0.1", "port", port, "ephemeral", "false").Status)
		require.Equal(t, http.StatusOK, s.asRoot("POST", "/nacos/v1/cs/configs", "group", "G", "dataId", "d", "content", port).Status)
	}
	write("1")
	for _, p := range []*pushed{revoked, other} {
		require.Eventually(t, func() bool { return p.count(list) > 0 && p.count(change) > 0 }, 20*time.Second, 20*time.Millisecond)
	}
	require.Equal(t, http.StatusOK, s.asRoot("DELETE", "/nacos/v3/auth/token?name=watcher").Status)
	time.Sleep(2 * time.Second) // what was under way has come
	lists, changes := revoked.count(list), revoked.count(change)
	before, beforeChange := other.count(list), other.count(change)
	write("2")
	require.Eventually(t, func() bool { return other.count(list) > before && other.count(change) > beforeChange }, 20*time.Second, 20*time.Millisecond)
	time.Sleep(time.Second)
	require.Equal(t, lists, revoked.count(list), "lists of a service that it may not read")
	require.Equal(t, changes, revoked.count(change), "changes of a config that it may not read")

	s.machine("watcher", "watching")
	require.Eventually(t, func() bool { return revoked.count(list) > lists && revoked.count(change) > changes }, 20*time.Second, 20*time.Millisecond,
		"what changed meanwhile, though nothing does any more")
}
