package naming

import (
	"context"
	"iter"
	"strings"

	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/sdk"
	"github.com/zensus-io/zensus/sdk/internal/desired"
	"github.com/zensus-io/zensus/sdk/internal/link"
)

// following is a service that somebody subscribed to.
type following struct {
	said     uint64 // the connection on which the server was told of it
	gen      uint64 // the connection from which hosts came
	refTime  int64  // the server's time of hosts
	hosts    hosts  // nil before the first answer
	refused  error
	watchers map[*watcher]struct{}
}

// watcher is one subscriber.
type watcher struct {
	wake chan struct{} // capacity 1; a slow reader is woken once for many changes
}

func (w *watcher) stir() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Subscribe yields the instances of a service as they are, and again whenever
// they have changed, until ctx ends, the client is closed (ErrClosed is yielded),
// or the server refuses (its error is yielded). Who reads slowly gets one
// Snapshot for many changes. While there is no connection, nothing is yielded:
// the last Snapshot is what is known.
func (n *Naming) Subscribe(ctx context.Context, s Service) iter.Seq2[Snapshot, error] {
	s = s.canonical()
	return func(yield func(Snapshot, error) bool) {
		if s.Name == "" {
			yield(Snapshot{}, ErrInvalid)
			return
		}
		w := n.follow(s)
		defer n.unfollow(s, w)
		var seen hosts
		for {
			now, refused := n.state(s)
			if refused != nil {
				yield(Snapshot{}, refused)
				return
			}
			if now != nil {
				snapshot := diff(s, seen, now)
				first := seen == nil
				seen = now
				if (first || !snapshot.nothingNew()) && !yield(snapshot, nil) {
					return
				}
			}
			select {
			case <-w.wake:
			case <-ctx.Done():
				return
			case <-n.client.Done():
				yield(Snapshot{}, sdk.ErrClosed)
				return
			}
		}
	}
}

func (n *Naming) state(s Service) (hosts, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f := n.mu.followed[s]
	return f.hosts, f.refused
}

func (n *Naming) follow(s Service) *watcher {
	w := &watcher{wake: make(chan struct{}, 1)}
	n.mu.Lock()
	defer n.mu.Unlock()
	f := n.mu.followed[s]
	if f == nil {
		f = &following{watchers: make(map[*watcher]struct{})}
		n.mu.followed[s] = f
	}
	f.watchers[w] = struct{}{}
	if len(f.watchers) == 1 {
		f.refused = nil // a new subscriber may try again
		n.subscriptions.Want(s)
	}
	return w
}

func (n *Naming) unfollow(s Service, w *watcher) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f := n.mu.followed[s]
	delete(f.watchers, w)
	if len(f.watchers) == 0 {
		f.hosts, f.gen, f.refTime = nil, 0, 0 // nobody keeps it up from now on
		n.subscriptions.Want(s)
	}
}

func (n *Naming) applySubscriptions(ctx context.Context, c *link.Conn, services []Service, report func(Service, desired.Outcome)) {
	desired.Each(services, report, func(s Service) desired.Outcome { return n.applySubscription(ctx, c, s) })
}

func (n *Naming) applySubscription(ctx context.Context, c *link.Conn, s Service) desired.Outcome {
	n.mu.Lock()
	f := n.mu.followed[s]
	if f == nil {
		n.mu.Unlock()
		return desired.Outcome{Forget: true}
	}
	wanted := len(f.watchers) > 0
	if !wanted && f.said != c.Gen { // this server never heard of it
		delete(n.mu.followed, s)
		n.mu.Unlock()
		return desired.Outcome{Forget: true}
	}
	f.said = c.Gen
	n.mu.Unlock()

	var reply wire.SubscribeServiceResponse
	err := c.Call(ctx, &wire.SubscribeServiceRequest{ServiceKey: s.key(n.client.Namespace()), Subscribe: wanted}, &reply)
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case err != nil:
		if link.Refused(err) && wanted {
			f.refused = err
			f.stir()
		}
	case !wanted:
		if len(f.watchers) == 0 {
			delete(n.mu.followed, s)
		}
		return desired.Outcome{Forget: true}
	case reply.ServiceInfo != nil:
		f.take(c.Gen, reply.ServiceInfo)
	}
	return desired.Outcome{Err: err}
}

// take notes what a server says of the service. On one connection older news are
// dropped; another server's clock is not compared.
func (f *following) take(gen uint64, info *wire.ServiceInfo) {
	if len(f.watchers) == 0 || gen < f.gen || gen == f.gen && info.LastRefTime < f.refTime {
		return
	}
	f.gen, f.refTime, f.hosts, f.refused = gen, info.LastRefTime, hostsOf(info), nil
	f.stir()
}

func (f *following) stir() {
	for w := range f.watchers {
		w.stir()
	}
}

// pushed is given the server's pushes.
func (n *Naming) pushed(c *link.Conn, body wire.Body) (wire.Reply, string) {
	push, ok := body.(*wire.NotifySubscriberRequest)
	if !ok {
		return nil, ""
	}
	if info := push.ServiceInfo; info != nil {
		s := Service{Group: info.GroupName, Name: info.Name}
		if group, name, grouped := strings.Cut(info.Name, "@@"); grouped {
			s = Service{Group: group, Name: name}
		}
		n.mu.Lock()
		if f := n.mu.followed[s.canonical()]; f != nil {
			f.take(c.Gen, info)
		}
		n.mu.Unlock()
	}
	return &wire.NotifySubscriberResponse{Response: wire.Succeeded()}, push.RequestID
}
