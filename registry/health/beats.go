package health

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/lease"
)

const (
	// lookEvery is how often deadlines are looked at.
	lookEvery = 500 * time.Millisecond
	// stallAfter is the lateness of a look that counts as this node's own fault.
	stallAfter = time.Second
	// sessionExtra is how much longer than the delete timeout a session lasts, so
	// that a living node, which judges more closely, is the first to act.
	sessionExtra = 2 * time.Second
)

// Leases is what Beats needs of lease.Manager.
type Leases interface {
	Set(ctx context.Context, id string, opt lease.Options, k registry.ServiceKey, instances []registry.Instance) (core.Zxid, bool, error)
	Amend(id string, k registry.ServiceKey, instances []registry.Instance) error
	Alive(id string) bool
	Sustain(id string) bool
	Holds(id string, k registry.ServiceKey) bool
	End(id string)
}

// Beats holds the instances of this node that heartbeats keep alive. It is safe
// for concurrent use.
type Beats struct {
	leases Leases
	cfg    BeatsConfig
	log    hclog.Logger

	mu struct {
		sync.Mutex
		watched map[string]*watched // by client id
		// registering counts the registrations of a client that are under way: its
		// session must not be ended by who saw it silent before.
		registering map[string]int
	}
}

// watched is one instance. Guarded by the mutex of Beats.
type watched struct {
	id       string
	service  registry.ServiceKey
	instance registry.Instance // as registered: healthy
	last     time.Time
	sick     bool
	longer   bool // it may be silent for longer than its session lasts by itself, as far as is known
}

// BeatsConfig is what Beats need. Leases is required.
type BeatsConfig struct {
	Leases Leases
	// Stalled hears how long this node stood still; nil: nobody does.
	Stalled func(time.Duration)
	// Alone reports whether this node is out of contact with the others, so that beats may
	// go to them: nobody's silence counts meanwhile. Nil is never.
	Alone func() bool
	// Off reports that operators have switched off that silence counts. Nil is never.
	Off    func() bool
	Logger hclog.Logger // nil is silent
}

// New makes Beats; Run makes them watch.
func New(cfg BeatsConfig) *Beats {
	b := &Beats{leases: cfg.Leases, cfg: cfg, log: cfg.Logger}
	if b.log == nil {
		b.log = hclog.NewNullLogger()
	}
	if cfg.Stalled == nil {
		b.cfg.Stalled = func(time.Duration) {}
	}
	never := func() bool { return false }
	if cfg.Alone == nil {
		b.cfg.Alone = never
	}
	if cfg.Off == nil {
		b.cfg.Off = never
	}
	b.mu.watched = make(map[string]*watched)
	b.mu.registering = make(map[string]int)
	return b
}

// ClientName is how Nacos names an HTTP client: its address and port.
func ClientName(ip string, port int) string { return ip + ":" + strconv.Itoa(port) + "#true" }

// clientID names the client in registry/lease: one for each service, so that
// each instance has a session of its own. The cluster does not count: the same
// address in another cluster replaces the instance.
func clientID(k registry.ServiceKey, ip string, port int) string {
	var room [160]byte
	b := strconv.AppendInt(append(append(room[:0], ip...), ':'), int64(port), 10)
	b = append(append(append(b, "#true@"...), k.Namespace...), "@@"...)
	b = append(append(append(b, k.Group...), "@@"...), k.Name...)
	return string(b)
}

// own is a service and an instance that rest on the client's id, and not on the request in
// which their names came: that would be kept for as long as they are. name is that of the
// client.
func own(id string, k registry.ServiceKey, i registry.Instance) (own registry.ServiceKey, _ registry.Instance, name string) {
	at := len(id) - len(k.Name)
	own.Name = id[at:]
	at -= len("@@") + len(k.Group)
	own.Group = id[at:][:len(k.Group)]
	at -= len("@@") + len(k.Namespace)
	own.Namespace = id[at:][:len(k.Namespace)]
	name = id[:at-len("@")]
	i.IP = id[:len(i.IP)]
	if i.Cluster == registry.DefaultCluster {
		i.Cluster = registry.DefaultCluster
	} else {
		i.Cluster = strings.Clone(i.Cluster)
	}
	return own, i, name
}

// Register makes an instance known and begins to watch it.
func (b *Beats) Register(ctx context.Context, k registry.ServiceKey, i registry.Instance) (core.Zxid, bool, error) {
	id := clientID(k, i.IP, i.Port)
	k, i, name := own(id, k, i)
	opt := lease.Options{Name: name, Beat: true, Timeout: i.DeleteTimeout() + sessionExtra}
	b.mu.Lock()
	b.mu.registering[id]++
	b.mu.Unlock()
	zxid, pending, err := b.leases.Set(ctx, id, opt, k, []registry.Instance{i})
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.registering[id]--; b.mu.registering[id] == 0 {
		delete(b.mu.registering, id)
	}
	if err != nil {
		b.endUnwatchedLocked(id)
		return 0, false, err
	}
	b.mu.watched[id] = &watched{
		id: id, service: k, instance: i, last: time.Now(), sick: !i.Healthy, longer: b.leases.Sustain(id),
	}
	return zxid, pending, nil
}

// Deregister withdraws an instance that is watched here. known is false if it is
// not.
func (b *Beats) Deregister(ctx context.Context, k registry.ServiceKey, key registry.InstanceKey) (zxid core.Zxid, known bool, err error) {
	id := clientID(k, key.IP, key.Port)
	b.mu.Lock()
	w := b.mu.watched[id]
	if w == nil || w.instance.Cluster != key.Cluster {
		b.mu.Unlock()
		return 0, false, nil
	}
	delete(b.mu.watched, id)
	b.mu.Unlock()
	zxid, _, err = b.leases.Set(ctx, id, lease.Options{}, k, nil)
	b.mu.Lock()
	b.endUnwatchedLocked(id)
	b.mu.Unlock()
	if errors.Is(err, registry.ErrClientGone) {
		err = nil // that is what was wanted
	}
	return zxid, true, err
}

// endUnwatchedLocked ends the session of an instance of which nothing is registered any
// more, nor is being so.
func (b *Beats) endUnwatchedLocked(id string) {
	if b.mu.watched[id] == nil && b.mu.registering[id] == 0 {
		b.leases.End(id)
	}
}

// Beat takes a heartbeat. It reports whether the instance is watched here; if it
// is not, the caller registers it.
func (b *Beats) Beat(k registry.ServiceKey, key registry.InstanceKey) (known bool) {
	id := clientID(k, key.IP, key.Port)
	b.mu.Lock()
	w := b.mu.watched[id]
	if w == nil || w.instance.Cluster != key.Cluster {
		b.mu.Unlock()
		return false
	}
	w.last = time.Now()
	sick := w.sick
	b.mu.Unlock()
	if b.leases.Alive(id); !b.leases.Holds(id, k) {
		// Somebody deleted the instance. Its client is alive, as this beat shows.
		b.forget(id, w, 0)
		return false
	}
	if sick {
		b.mark(w, false)
	}
	return true
}

// Last is when a client's last heartbeat came here, the zero time if none did.
func (b *Beats) Last(client string) (last time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range b.mu.watched {
		if ClientName(w.instance.IP, w.instance.Port) == client && w.last.After(last) {
			last = w.last
		}
	}
	return last
}

// Watched is how many instances are watched here.
func (b *Beats) Watched() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.mu.watched)
}

// forget ends an instance, and reports whether it did: not one that has been heard of
// within the silence, nor one that has been registered again, or is being so.
func (b *Beats) forget(id string, w *watched, silence time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.watched[id] != w || b.mu.registering[id] > 0 || time.Since(w.last) < silence {
		return false
	}
	delete(b.mu.watched, id)
	b.leases.End(id) // under the lock: a registration that begins now finds it ended
	return true
}

// Run watches until ctx ends. Nothing is ended then: other nodes take over.
func (b *Beats) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		now := time.Now()
		late := now.Sub(last) - lookEvery
		switch {
		case b.cfg.Alone():
			b.forgive(now.Sub(last))
		case late > stallAfter:
			b.log.Warn("this node stood still, heartbeats may be waiting", "stalled_ms", late.Milliseconds())
			b.forgive(late)
			b.cfg.Stalled(late)
		default:
			b.look(now)
		}
		last = now
	}
}

// forgive gives every instance the time in which nobody listened.
func (b *Beats) forgive(late time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	for _, w := range b.mu.watched {
		if w.last = w.last.Add(late); w.last.After(now) {
			w.last = now
		}
	}
}

// look acts on the silence of instances.
func (b *Beats) look(now time.Time) {
	var sick, gone, silent []*watched
	var kept []string
	off := b.cfg.Off()
	b.mu.Lock()
	for _, w := range b.mu.watched {
		if off || w.instance.Metadata["enableClientBeat"] == "false" {
			w.last = now
			kept = append(kept, w.id)
			continue
		}
		switch silence := now.Sub(w.last); {
		case silence >= w.instance.DeleteTimeout():
			gone = append(gone, w)
			continue
		case silence >= w.instance.BeatTimeout() && !w.sick:
			sick = append(sick, w)
		}
		if w.longer {
			silent = append(silent, w)
		}
	}
	b.mu.Unlock()
	for _, id := range kept { // their sessions would end
		b.leases.Alive(id)
	}
	for _, w := range silent {
		if !b.leases.Sustain(w.id) {
			b.mu.Lock()
			w.longer = false // registering again makes another of it
			b.mu.Unlock()
		}
	}
	for _, w := range sick {
		b.mark(w, true)
	}
	for _, w := range gone {
		if b.forget(w.id, w, w.instance.DeleteTimeout()) {
			b.log.Info("instance without heartbeats removed", "service", w.service.String(), "instance", w.instance.Key().String())
		}
	}
}

// mark has a change of health written. It does not wait for it.
func (b *Beats) mark(w *watched, sick bool) {
	b.mu.Lock()
	if b.mu.watched[w.id] != w || w.sick == sick || sick && time.Since(w.last) < w.instance.BeatTimeout() {
		b.mu.Unlock()
		return
	}
	w.sick = sick
	i := w.instance
	i.Healthy = !sick
	b.mu.Unlock()
	if err := b.leases.Amend(w.id, w.service, []registry.Instance{i}); err != nil {
		b.log.Debug("health not noted", "service", w.service.String(), "instance", i.Key().String(), "err", err)
	}
}
