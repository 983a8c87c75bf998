package rpc

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// Conn is a client's connection that has been set up. It is safe for concurrent
// use.
type Conn struct {
	id        string
	transport *transport
	setup     wire.ConnectionSetupRequest // not modified
	clientIP  string
	since     time.Time
	limiter   *rate.Limiter
	opened    chan struct{} // closed when the OnOpen hooks have returned; OnClose waits for it

	lastActive atomic.Int64 // nanoseconds since 1970
	detecting  atomic.Bool
	outbox     outbox
}

// ID is <milliseconds>_<ip>_<port>, as Nacos makes it.
func (c *Conn) ID() string { return c.id }

// ClientIP is the address that the client gave itself in its setup, or where it
// gave none the one it comes from.
func (c *Conn) ClientIP() string { return c.clientIP }

// RemoteIP is the address that the connection comes from.
func (c *Conn) RemoteIP() string { return c.transport.ip }

// RemoteAddr is that with the port.
func (c *Conn) RemoteAddr() string { return c.transport.addr.String() }

// Version is what the client calls itself, such as Nacos-Java-Client:v2.5.1.
func (c *Conn) Version() string { return c.setup.ClientVersion }

// Tenant is the namespace in the setup; requests carry their own.
func (c *Conn) Tenant() string { return c.setup.Tenant }

// Label is a label of the setup, "" where it is absent.
func (c *Conn) Label(key string) string { return c.setup.Labels[key] }

// Labels are all labels of the setup; the caller must not modify them.
func (c *Conn) Labels() map[string]string { return c.setup.Labels }

// Ability reports whether the client announced an ability.
func (c *Conn) Ability(name string) bool { return c.setup.AbilityTable[name] }

// Abilities are what the client announced; the caller must not modify them.
func (c *Conn) Abilities() map[string]bool { return c.setup.AbilityTable }

// AppName is the client's application, as far as it tells.
func (c *Conn) AppName() string { return c.setup.Labels["AppName"] }

// IsSDK reports whether an application is behind the connection, and not another
// server.
func (c *Conn) IsSDK() bool { return !strings.EqualFold(c.setup.Labels["source"], "cluster") }

// IsJava reports whether the client is the Java SDK.
func (c *Conn) IsJava() bool { return strings.HasPrefix(c.setup.ClientVersion, "Nacos-Java-Client") }

// IsPython reports whether the client is the Python SDK.
func (c *Conn) IsPython() bool {
	return strings.HasPrefix(c.setup.ClientVersion, "Nacos-Python-Client")
}

// Since is when the connection was set up.
func (c *Conn) Since() time.Time { return c.since }

// LastActive is when the last message was received.
func (c *Conn) LastActive() time.Time { return time.Unix(0, c.lastActive.Load()) }

// Done is closed when the connection is over. OnClose has been or is about to be
// called then.
func (c *Conn) Done() <-chan struct{} { return c.transport.closed }

// Closed reports whether the connection is over.
func (c *Conn) Closed() bool {
	select {
	case <-c.transport.closed:
		return true
	default:
		return false
	}
}

// Close cuts the connection because this server wants the client to reconnect.
// It counts as AskedToLeave.
func (c *Conn) Close() { c.transport.shut(AskedToLeave) }

// Leave asks the client to go to another server, to the one given if that is on
// its own list, and cuts the connection when it has not gone after three
// seconds. It blocks that long. The end counts as AskedToLeave, whoever closes.
func (c *Conn) Leave(serverIP, serverPort string) {
	c.transport.destine(AskedToLeave)
	c.askToLeave(3*time.Second, serverIP, serverPort)
	c.transport.shut(AskedToLeave)
}

// Target is another server, as clients know it, and how many of them are to go there.
type Target struct {
	IP, Port string // of HTTP; blank is any on the client's list
	Count    int
}

// Clients are asked to leave some at a time, every movePause: those to whom they go
// set them up, and are told anew of what they have.
const (
	moveAtOnce = 100
	movePause  = 50 * time.Millisecond
	// movePauses are the most of them: many clients go in larger groups.
	movePauses = 40
)

// Move sends clients of SDKs elsewhere, the idlest first: so many to each target, in
// turns. It says how many it will ask, and does not wait for them; see Conn.Leave.
func (s *Server) Move(targets ...Target) int {
	wanted := 0
	for _, t := range targets {
		wanted += max(0, t.Count)
	}
	idlest := s.sdk()
	idlest = idlest[:min(len(idlest), wanted)]
	s.send(idlest, targets)
	return len(idlest)
}

// Shed is Move of all but keep clients to one target.
func (s *Server) Shed(keep int, serverIP, serverPort string) int {
	sdk := s.sdk()
	surplus := sdk[:max(0, len(sdk)-max(0, keep))]
	s.send(surplus, []Target{{serverIP, serverPort, len(surplus)}})
	return len(surplus)
}

// sdk are the connections of SDKs, the idlest first.
func (s *Server) sdk() []*Conn {
	all := slices.DeleteFunc(s.Conns(), func(c *Conn) bool { return !c.IsSDK() })
	slices.SortFunc(all, func(a, b *Conn) int { return a.LastActive().Compare(b.LastActive()) })
	return all
}

// send asks conns to leave for the targets, of which there are as many as they count,
// in the background.
func (s *Server) send(conns []*Conn, targets []Target) {
	targets = slices.DeleteFunc(slices.Clone(targets), func(t Target) bool { return t.Count <= 0 })
	group := max(moveAtOnce, len(conns)/movePauses)
	s.tasks.Go(func() {
		next := 0
		for n, c := range conns {
			if n > 0 && n%group == 0 && !s.pause(movePause) {
				return
			}
			ip, port := targets[next].IP, targets[next].Port
			s.tasks.Go(func() { c.Leave(ip, port) })
			if targets[next].Count--; targets[next].Count == 0 {
				targets = slices.Delete(targets, next, next+1)
			} else {
				next++
			}
			if next >= len(targets) {
				next = 0
			}
		}
	})
}

// Drain sends all clients elsewhere, in equal shares to the targets, whose Count does
// not matter, and waits until none is left or ctx ends. New ones are for Config.Admits
// to keep out.
func (s *Server) Drain(ctx context.Context, targets ...Target) {
	if len(targets) == 0 {
		targets = []Target{{}}
	}
	look := time.NewTicker(movePause)
	defer look.Stop()
	asked := map[*Conn]bool{}
	for {
		conns := s.Conns()
		if len(conns) == 0 {
			return
		}
		// Some may have been admitted just before.
		if fresh := slices.DeleteFunc(conns, func(c *Conn) bool { return asked[c] }); len(fresh) > 0 {
			for i := range targets {
				targets[i].Count = (len(fresh) + len(targets) - 1) / len(targets)
			}
			s.send(fresh, targets)
			for _, c := range fresh {
				asked[c] = true
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

// pause waits, and reports whether the server goes on meanwhile.
func (s *Server) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.stopping:
		return false
	}
}

// alive notes a message from the client.
func (c *Conn) alive(now time.Time) {
	c.lastActive.Store(now.UnixNano())
	for _, f := range c.transport.server.onAlive {
		f(c)
	}
}

// finish runs once when the transport is over.
func (c *Conn) finish(reason Reason) {
	s := c.transport.server
	s.metrics.connections.Dec()
	s.metrics.closed.WithLabelValues(reason.String()).Inc()
	c.outbox.close()
	if s.log.IsDebug() {
		s.log.Debug("connection closed", "client", c.id, "reason", reason.String())
	}
	// On a goroutine of their own: whoever closes may hold up others meanwhile, and
	// the setup of the connection may still be under way.
	s.tasks.Go(func() {
		<-c.opened
		for _, f := range s.onClose {
			f(c, reason)
		}
	})
}

// newConn binds a setup to its transport. It returns nil when the transport is
// over or has a connection already.
func (t *transport) newConn(setup *wire.ConnectionSetupRequest, declaredIP string, stream grpc.ServerStream) *Conn {
	now := time.Now()
	perSecond := t.server.cfg.Limits.RequestsPerSecond
	c := &Conn{
		id: t.id, transport: t, setup: *setup, clientIP: declaredIP, since: now,
		limiter: rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond))),
		opened:  make(chan struct{}),
	}
	if c.clientIP == "" {
		c.clientIP = t.ip
	}
	c.lastActive.Store(now.UnixNano())
	c.outbox.open(c, stream)

	s := t.server
	s.mu.Lock()
	t.mu.Lock()
	defer s.mu.Unlock() // order: the server's lock before a transport's
	defer t.mu.Unlock()
	if t.mu.over || t.mu.conn != nil {
		return nil
	}
	for s.mu.conns[c.id] != nil { // one client port towards two of ours in one millisecond
		c.id += "0"
	}
	s.mu.conns[c.id] = c
	if c.IsSDK() {
		s.mu.sdk++
	}
	t.mu.conn = c
	s.metrics.connections.Inc()
	return c
}
