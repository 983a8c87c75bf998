package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/node"
	"github.com/zensus-io/zensus/core/peer"
	"github.com/zensus-io/zensus/core/pool"
	"github.com/zensus-io/zensus/core/server"
	"github.com/zensus-io/zensus/core/zab"
	"github.com/zensus-io/zensus/internal/settings"
)

// instance is a server that was assembled: its ports are open, and it runs until
// Run's context ends.
type instance struct {
	plan     *plan
	log      hclog.Logger
	registry *prometheus.Registry

	node    *node.Node     // nil on an ensemble elsewhere
	client  *server.Server // likewise
	members *reconfigured  // likewise
	pool    *pool.Pool     // nil on an engine in this process
	stack   *stack

	warned atomic.Int64 // of too many connections
	nodes  []byte       // what the nodes prove to one another that they know
	certs  *peer.Certificates

	// ports says what was opened, for the log and for tests.
	ports []openPort
}

type openPort struct {
	key    string // the setting that named it
	addr   net.Addr
	speaks string
}

// assemble opens the data directory and the ports that the plan names, and wires
// everything. It answers nobody yet. If it fails, nothing stays open.
func assemble(p *plan, log hclog.Logger, registry *prometheus.Registry) (*instance, error) {
	in := &instance{plan: p, log: log, registry: registry, stack: newStack()}
	ports, err := in.listen()
	if err != nil {
		return nil, err
	}
	closeAll := func() {
		for _, l := range ports {
			_ = l.Close()
		}
	}
	secret, err := p.secret()
	if err != nil {
		closeAll()
		return nil, inWords(p.names, err)
	}
	if p.backend != nil {
		err = in.backend(secret)
	} else {
		err = in.ownEngine(secret)
	}
	if err != nil {
		closeAll()
		return nil, err
	}
	in.start(ports, secret)
	return in, nil
}

// ownEngine makes the engine of this process, for the members that the data directory
// allows.
func (in *instance) ownEngine(secret settings.Secret) error {
	in.members = newReconfigured(in)
	if err := in.plan.checkClaim(); err != nil {
		return err
	}
	isNew, err := in.plan.newDirectory()
	if err == nil && isNew {
		err = in.plan.checkMembers(true) // and noted before there is anything else
	}
	if err == nil {
		err = in.engine(secret)
	}
	if err != nil {
		return err
	}
	if err := in.members.recover(); err != nil {
		return errors.Join(err, in.node.Abandon())
	}
	return nil
}

// listeners by the setting that names them.
type listeners map[string]net.Listener

func (in *instance) listen() (listeners, error) {
	open := listeners{}
	var errs []error
	everything := "HTTP, console, gRPC and ZooKeeper"
	if in.plan.zookeeper == "" {
		everything = "HTTP, console and gRPC"
	}
	for _, want := range []struct{ key, addr, speaks string }{
		{"listen.http", in.plan.http, everything},
		{"listen.grpc", in.plan.grpc, "Nacos gRPC"},
		{"listen.zookeeper", in.plan.zookeeper, "ZooKeeper"},
		{"listen.peer", in.plan.peer(), "the other nodes"},
		{"admin", in.plan.admin, "ZooKeeper's admin commands"},
		{"metrics", in.plan.metrics, "Prometheus metrics"},
	} {
		if want.addr == "" {
			continue
		}
		l, err := net.Listen("tcp", want.addr)
		if err != nil {
			errs = append(errs, in.plan.refused(want.key, err))
			continue
		}
		open[want.key] = l
		if want.key != "listen.peer" { // whom no client must keep out
			open[want.key] = spare(l, in.log, &in.warned)
		}
		in.ports = append(in.ports, openPort{want.key, l.Addr(), want.speaks})
	}
	if len(open) == 0 && len(errs) == 0 {
		errs = append(errs, errNoPort)
	}
	if len(errs) > 0 {
		for _, o := range open {
			_ = o.Close()
		}
		return nil, errors.Join(errs...)
	}
	return open, nil
}

// refused says which setting names a port that could not be opened, and how to
// name another.
func (p *plan) refused(key string, err error) error {
	name, move := key, "the file names another"
	if zoo, ok := p.names[key]; ok {
		name = zoo
	} else if flag := settings.FlagOf(key); flag != "" {
		move = flag + " names another"
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s: %w", name, err)
	}
	return fmt.Errorf("%s: %w (%s)", name, err, move)
}

// engine opens the data directory and makes the node and its client port.
func (in *instance) engine(secret settings.Secret) (err error) {
	cfg := in.plan.replica
	cfg.Zab = zab.Config{Self: in.plan.id, Voters: []core.PeerID{in.plan.id}, TickMillis: int64(cfg.TickMillis)}
	if e := in.plan.ensemble; e != nil {
		cfg.Zab.Voters, cfg.Zab.InitTicks, cfg.Zab.SyncTicks, cfg.Zab.Several = e.voters, e.initTicks, e.syncTicks, true
		if e.tls.Mode != peer.TLSOff {
			if in.certs, err = peer.OpenCertificates(e.tls, in.log.Named("peer")); err != nil {
				return inWords(in.plan.names, fmt.Errorf("peer.tls: %w", err))
			}
			in.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "zensus_peer_certificate_end_seconds",
				Help: "When the certificate ends that this member shows to others, in seconds since 1970.",
			}, func() float64 { return float64(in.certs.GoodUntil().Unix()) }))
		}
	}
	if cfg.Secret, err = secret.Derive(settings.PurposeSessions); err != nil {
		return err
	}
	was, err := in.plan.noted()
	if err != nil {
		return err
	}
	since := core.Zxid(0)
	if was != nil {
		since = was.version
	}
	in.node, err = node.New(node.Config{
		Replica: cfg, Storage: in.plan.storage, Members: in.members.tell, MembersSince: since,
		Logger: in.log.Named("node"), Registerer: in.registry,
	})
	if err != nil {
		return err
	}
	client := in.plan.client
	client.Logger = in.log.Named("server")
	client.About.Version, client.About.Built = asZooKeeper()
	client.About.InitialConfig = in.plan.configText
	in.client = server.New(client, in.node)
	if in.plan.ensemble != nil {
		if in.nodes, err = secret.Derive(settings.PurposeNodes); err != nil {
			return err
		}
	}
	in.registry.MustRegister(in.client.Collector())
	return nil
}

// start runs everything, from the bottom up.
func (in *instance) start(ports listeners, secret settings.Secret) {
	s := in.stack
	s.start("memory", tuneGC)
	if in.pool != nil {
		s.start("engine.backend", in.runPool)
	} else {
		in.startEngine(ports)
	}
	if l := ports["metrics"]; l != nil {
		h := http.NewServeMux()
		h.Handle("/metrics", in.metricsHandler())
		in.serveHTTP("metrics", l, h)
	}
	if ports["listen.http"] != nil || ports["listen.grpc"] != nil {
		s.start("nacos", func(ctx context.Context) error { return in.runNacos(ctx, ports, secret) })
	}
}

// startEngine runs the engine and its ports.
func (in *instance) startEngine(ports listeners) {
	s := in.stack
	if l := ports["listen.peer"]; l != nil {
		t := peer.New(peer.Config{
			Self: in.plan.id, Listener: l, Peers: in.plan.ensemble.others, Secret: in.nodes, Certificates: in.certs,
			Handler: in.node, Logger: in.log.Named("peer"),
			Alone: in.members.alone, Claimed: in.members.claimed, Claim: in.members.claim,
		})
		in.node.Link(t)
		in.members.links = t
		s.start("members", in.members.run)
		s.start("node", in.members.runNode)
		s.start("peers", t.Run)
	} else {
		s.start("node", in.node.Run)
	}
	s.start("client port", func(ctx context.Context) error {
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return in.client.Close(stop)
	})
	if l := ports["listen.zookeeper"]; l != nil {
		s.start("listen.zookeeper", func(ctx context.Context) error {
			context.AfterFunc(ctx, func() { _ = l.Close() })
			return in.client.Serve(l)
		})
	}
	if l := ports["admin"]; l != nil {
		in.serveHTTP("admin", l, in.client.Admin(strings.TrimSuffix(in.plan.adminPath, "/"), server.Strangers))
	}
}

func (in *instance) metricsHandler() http.Handler {
	return promhttp.HandlerFor(in.registry, promhttp.HandlerOpts{})
}

// httpServer has the limits that every HTTP port here has.
func (in *instance) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: patient(h), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: in.log.Named("http").StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
	}
}

func (in *instance) serveHTTP(name string, l net.Listener, h http.Handler) {
	in.stack.start(name, func(ctx context.Context) error { return runHTTP(ctx, in.httpServer(h), l) })
}

// stopPatience is how long requests may take to finish when a server of HTTP stops.
const stopPatience = time.Second

// runHTTP serves until ctx ends, then lets requests finish for a moment.
func runHTTP(ctx context.Context, srv *http.Server, l net.Listener) error {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopPatience)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			_ = srv.Close()
		}
	})
	err := srv.Serve(patientListener{l})
	if !stop() {
		<-done
	}
	if errors.Is(err, http.ErrServerClosed) || ctx.Err() != nil {
		return nil
	}
	return err
}

// Run waits until ctx ends or something fails, and ends everything.
func (in *instance) Run(ctx context.Context) error {
	for _, w := range in.plan.warnings {
		in.log.Warn("configuration", "warning", w)
	}
	select {
	case <-in.serving():
	case <-time.After(waitTold):
		in.tellWait()
	case p := <-in.stack.ended:
		in.stack.ended <- p
	case <-ctx.Done():
	}
	select {
	case <-in.serving():
		if in.node != nil {
			if err := in.noteMembers(); err != nil {
				in.stack.stop()
				return err
			}
		}
		in.announce()
	case p := <-in.stack.ended:
		in.stack.ended <- p
	case <-ctx.Done():
	}
	err := in.stack.wait(ctx)
	if err == nil {
		in.resign()
	}
	in.stack.stop()
	return err
}

// resignTime is how long the end of a server waits for another to lead in its place.
const resignTime = time.Second

// resign hands the leadership over before the server ends, so that the others need not
// find out that it has gone. One whose engine is elsewhere has nothing to hand over.
func (in *instance) resign() {
	if in.node == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), resignTime)
	defer cancel()
	if err := in.node.Resign(ctx); err != nil {
		in.log.Debug("the leadership is not handed over", "err", err)
	}
}

// noteMembers notes who votes by the configuration, if nothing else says it.
func (in *instance) noteMembers() error {
	if in.client.Members().Version > 0 {
		return nil
	}
	return in.members.write(in.plan.members())
}

// announce tells what is open.
func (in *instance) announce() {
	about := []any{"version", Version, "data_dir", in.plan.dataDir, "server", int(in.plan.id)}
	if in.pool != nil {
		about = append(about, "backend", strings.Join(in.plan.backend, ","))
	}
	in.log.Info("started", about...)
	for _, p := range in.ports {
		in.log.Info("listening", "setting", p.key, "addr", p.addr.String(), "speaks", p.speaks)
	}
}

// waitTold is how long a member may wait for the others before that is told.
const waitTold = time.Second

// tellWait tells that a member has not come to a quorum yet, and whom it has for members.
func (in *instance) tellWait() {
	if in.node == nil || in.plan.ensemble == nil || in.members.alone() {
		return
	}
	in.log.Info("waits for a quorum, at the first start of an ensemble for all voters, and serves nobody yet",
		"server", int(in.plan.id), "members", memberList(in.client.Members()))
}

// adminTokenFile is where the text of the admin token is written.
func (p *plan) adminTokenFile() string { return filepath.Join(p.dataDir, "admin-token") }
