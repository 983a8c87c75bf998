package naming

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/sdk"
	"github.com/zensus-io/zensus/sdk/internal/desired"
	"github.com/zensus-io/zensus/sdk/internal/link"
)

const (
	// confirmEvery is how often a subscription is said again. It is a safety net:
	// nothing should ever be found missing.
	confirmEvery = 3 * time.Minute
	// confirmNever: a registration said again would be pushed to every subscriber.
	confirmNever = 0
)

// Naming registers and finds services for a client. It is safe for concurrent use.
type Naming struct {
	client        *sdk.Client
	link          *link.Link
	registrations *desired.Table[Service]
	subscriptions *desired.Table[Service]

	mu struct {
		sync.Mutex
		published map[Service]*publication
		followed  map[Service]*following
	}
}

// publication is what this client publishes for one service.
type publication struct {
	instances map[place]Instance
	last      Instance // that was registered; a stock server wants to see one
	said      uint64   // the connection on which the server was told anything of it
}

// New makes the naming side of a client. One is enough for a program.
func New(client *sdk.Client) *Naming {
	n := &Naming{
		client: client,
		registrations: desired.New(confirmNever, func(s Service, failures int, err error) {
			client.Logger().Warn("registration is not accepted yet", "service", s.String(), "failures", failures, "err", err)
		}),
		subscriptions: desired.New(confirmEvery, func(s Service, failures int, err error) {
			client.Logger().Warn("subscription is not accepted yet", "service", s.String(), "failures", failures, "err", err)
		}),
	}
	n.mu.published = make(map[Service]*publication)
	n.mu.followed = make(map[Service]*following)
	client.Attach("naming", func(cfg link.Config) sdk.Part {
		cfg.OnPush = n.pushed
		l, err := link.New(cfg)
		if err != nil { // only without servers, which Dial has refused
			panic(err)
		}
		n.link = l
		return part{n}
	})
	return n
}

// part keeps what the client calls out of the API.
type part struct{ n *Naming }

// Run works until ctx ends.
func (p part) Run(ctx context.Context) {
	var tasks sync.WaitGroup
	tasks.Go(func() { p.n.link.Run(ctx) })
	tasks.Go(func() { p.n.registrations.Run(ctx, p.n.link, p.n.applyRegistrations) })
	tasks.Go(func() { p.n.subscriptions.Run(ctx, p.n.link, p.n.applySubscriptions) })
	tasks.Wait()
}

// Withdraw deregisters everything.
func (p part) Withdraw(ctx context.Context) {
	conn := p.n.link.Current()
	if conn == nil {
		return // the server has noticed, or will
	}
	ctx, cancel := context.WithCancel(ctx)
	var lost sync.WaitGroup
	lost.Go(func() {
		select {
		case <-conn.Over(): // what it had is gone with it
			cancel()
		case <-ctx.Done():
		}
	})
	defer lost.Wait()
	defer cancel()
	p.n.mu.Lock()
	waits := make(map[Service]uint64)
	for s, pub := range p.n.mu.published {
		if len(pub.instances) > 0 {
			clear(pub.instances)
			waits[s] = p.n.registrations.Want(s)
		}
	}
	p.n.mu.Unlock()
	for s, version := range waits {
		if p.n.registrations.Wait(ctx, s, version) != nil {
			return
		}
	}
}

// ErrInvalid is returned for a service without a name and an instance without an
// address.
var ErrInvalid = errors.New("zensus: service name, IP and port are required")

func valid(s Service, i *Instance) error {
	if s.Name == "" || i.IP == "" || i.Port < 0 || i.Port > 65535 {
		return ErrInvalid
	}
	return nil
}

// Register registers an instance and keeps it registered. It returns when the
// server has agreed. If ctx ends before, the wish stands and goes on being tried
// until Deregister; if the server refuses it, it is dropped and the refusal
// returned. An instance at the same address and cluster is replaced.
//
// A persistent instance is registered once and outlives the client.
func (n *Naming) Register(ctx context.Context, s Service, i Instance) error {
	if err := valid(s, &i); err != nil {
		return err
	}
	s = s.canonical()
	if i.Persistent {
		return n.persistent(ctx, s, &i, wire.RegisterInstance)
	}
	n.mu.Lock()
	pub := n.mu.published[s]
	if pub == nil {
		pub = &publication{instances: make(map[place]Instance)}
		n.mu.published[s] = pub
	}
	former, replaced := pub.instances[i.place()]
	pub.instances[i.place()], pub.last = i, i
	version := n.registrations.Want(s)
	n.mu.Unlock()
	err := n.registrations.Wait(ctx, s, version)
	if link.Refused(err) {
		n.mu.Lock()
		if now, ok := pub.instances[i.place()]; ok && now.equal(&i) {
			if replaced {
				pub.instances[i.place()] = former
			} else {
				delete(pub.instances, i.place())
			}
			n.registrations.Want(s)
		}
		n.mu.Unlock()
	}
	return err
}

// Deregister withdraws the instance at the address and cluster of i, and returns
// when the server has agreed. If ctx ends before, it goes on being tried. What is
// not registered is no error.
func (n *Naming) Deregister(ctx context.Context, s Service, i Instance) error {
	if err := valid(s, &i); err != nil {
		return err
	}
	s = s.canonical()
	if i.Persistent {
		return n.persistent(ctx, s, &i, wire.DeregisterInstance)
	}
	n.mu.Lock()
	pub := n.mu.published[s]
	if pub == nil {
		n.mu.Unlock()
		return nil
	}
	delete(pub.instances, i.place())
	version := n.registrations.Want(s)
	n.mu.Unlock()
	return n.registrations.Wait(ctx, s, version)
}

// persistent says something about a persistent instance. Saying it twice does no
// harm.
func (n *Naming) persistent(ctx context.Context, s Service, i *Instance, what string) error {
	request := &wire.PersistentInstanceRequest{ServiceKey: s.key(n.client.Namespace()), Type: what, Instance: i.toWire()}
	return n.link.Call(ctx, request, &wire.InstanceResponse{}, true)
}

func (n *Naming) applyRegistrations(ctx context.Context, c *link.Conn, services []Service, report func(Service, desired.Outcome)) {
	desired.Each(services, report, func(s Service) desired.Outcome { return n.applyRegistration(ctx, c, s) })
}

// applyRegistration makes the server have of s what is wanted: on a connection it
// keeps one instance, or one batch, of a service.
func (n *Naming) applyRegistration(ctx context.Context, c *link.Conn, s Service) desired.Outcome {
	n.mu.Lock()
	pub := n.mu.published[s]
	if pub == nil {
		n.mu.Unlock()
		return desired.Outcome{Forget: true}
	}
	wanted := hosts(pub.instances).sorted()
	silent := pub.said != c.Gen
	if len(wanted) == 0 && silent { // this server never heard of it
		delete(n.mu.published, s)
		n.mu.Unlock()
		return desired.Outcome{Forget: true}
	}
	pub.said = c.Gen
	last := pub.last.toWire()
	n.mu.Unlock()

	key := s.key(n.client.Namespace())
	switch len(wanted) {
	case 0:
		// Whichever instance is named, all of this connection go.
		err := c.Call(ctx, &wire.InstanceRequest{ServiceKey: key, Type: wire.DeregisterInstance, Instance: last}, &wire.InstanceResponse{})
		if err == nil {
			n.mu.Lock()
			if len(pub.instances) == 0 {
				delete(n.mu.published, s)
			}
			n.mu.Unlock()
		}
		return desired.Outcome{Forget: true, Err: err}
	case 1:
		return desired.Outcome{Err: c.Call(ctx,
			&wire.InstanceRequest{ServiceKey: key, Type: wire.RegisterInstance, Instance: wanted[0].toWire()}, &wire.InstanceResponse{})}
	default:
		batch := make(wire.Instances, len(wanted))
		for i := range wanted {
			batch[i] = wanted[i].toWire()
		}
		return desired.Outcome{Err: c.Call(ctx,
			&wire.BatchInstanceRequest{ServiceKey: key, Type: wire.BatchRegisterInstance, Instances: batch}, &wire.BatchInstanceResponse{})}
	}
}

// Instances asks the server for the instances of a service, all of them, also
// those that are not Usable. A service that does not exist has none.
func (n *Naming) Instances(ctx context.Context, s Service) ([]Instance, error) {
	if s.Name == "" {
		return nil, ErrInvalid
	}
	s = s.canonical()
	var reply wire.QueryServiceResponse
	if err := n.link.Call(ctx, &wire.ServiceQueryRequest{ServiceKey: s.key(n.client.Namespace())}, &reply, true); err != nil {
		return nil, err
	}
	if reply.ServiceInfo == nil {
		return nil, nil
	}
	return hostsOf(reply.ServiceInfo).sorted(), nil
}

// Connected reports whether there is a connection to a server.
func (n *Naming) Connected() bool { return n.link.Connected() }
