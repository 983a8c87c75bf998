package main

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/klauspost/compress/gzhttp"

	"github.com/zensus-io/zensus/configcenter/center"
	configapi "github.com/zensus-io/zensus/configcenter/nacosapi"
	configstore "github.com/zensus-io/zensus/configcenter/store"
	"github.com/zensus-io/zensus/console"
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/server"
	"github.com/zensus-io/zensus/internal/audit"
	auditapi "github.com/zensus-io/zensus/internal/audit/nacosapi"
	"github.com/zensus-io/zensus/internal/auth"
	authapi "github.com/zensus-io/zensus/internal/auth/nacosapi"
	"github.com/zensus-io/zensus/internal/backlog"
	"github.com/zensus-io/zensus/internal/cluster"
	"github.com/zensus-io/zensus/internal/lock"
	lockapi "github.com/zensus-io/zensus/internal/lock/nacosapi"
	"github.com/zensus-io/zensus/internal/nacos/meters"
	serverapi "github.com/zensus-io/zensus/internal/nacos/nacosapi"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/internal/namespace"
	namespaceapi "github.com/zensus-io/zensus/internal/namespace/nacosapi"
	"github.com/zensus-io/zensus/internal/quota"
	quotaapi "github.com/zensus-io/zensus/internal/quota/nacosapi"
	"github.com/zensus-io/zensus/internal/settings"
	"github.com/zensus-io/zensus/internal/telemetry"
	"github.com/zensus-io/zensus/registry"
	registryapi "github.com/zensus-io/zensus/registry/nacosapi"
	"github.com/zensus-io/zensus/registry/naming"
)

// nacosSide is everything that stands on the engine: registry, config center,
// users, the protocols of Nacos and the console.
type nacosSide struct {
	client      core.Client
	audit       *audit.Log
	writer      core.Client // client, for what requests write: it puts that on record
	auth        *auth.Auth
	namespaces  *namespace.Namespaces
	quotas      *quota.Quotas
	locks       *lock.Locks
	cluster     *cluster.Cluster
	machine     *telemetry.Machine
	requests    telemetry.Timers[rest.Answered]
	naming      *naming.Service
	configs     *center.Center
	rpc         *rpc.Server
	registryAPI *registryapi.API
	configAPI   *configapi.API
	engine      *gin.Engine // every route
	handler     http.Handler
	begun       atomic.Bool   // everything is ready
	draining    atomic.Bool   // clients are sent to other servers
	token       chan struct{} // closed when there is an admin token, where one is needed
}

// systemTimeout is the timeout of the process's own session. The process keeps
// it alive; after a crash its znodes stay that long.
const systemTimeout = 30 * time.Second

// runNacos opens the process's own session and runs what stands on it until ctx
// ends.
func (in *instance) runNacos(ctx context.Context, ports listeners, secret settings.Secret) error {
	s := newStack()
	front := in.openFront(ports["listen.http"], s)
	defer front.stop()
	if in.pool == nil { // what is elsewhere is waited for with the ports open
		select {
		case <-in.node.Serving():
		case <-ctx.Done():
			return nil
		}
	}
	var t troubles
	client, err := in.ownSession(ctx, &t)
	if client == nil || err != nil {
		return err
	}
	defer farewell(client)
	side, err := in.newNacosSide(ctx, client, secret)
	if err != nil {
		return err
	}
	t.tell(side.naming)
	s.start("session", ended(client.Run))
	if in.node != nil {
		s.start("contact", func(ctx context.Context) error { return t.watch(ctx, in.node) })
	}
	s.start("cluster", ended(side.cluster.Run))
	s.start("audit", ended(side.audit.Run))
	s.start("auth", side.auth.Run)
	s.start("namespaces", side.namespaces.Run)
	s.start("quotas", side.quotas.Run)
	s.start("locks", side.locks.Run)
	s.start("naming", side.naming.Run)
	s.start("config center", side.configs.Run)
	s.start("admin token", func(ctx context.Context) error {
		if err := side.adminToken(ctx, in); err != nil {
			return err
		}
		close(side.token)
		<-ctx.Done()
		return nil
	})
	s.start("gRPC", func(ctx context.Context) error {
		err := side.rpc.Run(ctx)
		side.configAPI.Wait()
		side.registryAPI.Wait()
		if ctx.Err() != nil {
			return nil
		}
		return err
	})
	serveGRPC := func(name string, l net.Listener) {
		s.start(name, func(ctx context.Context) error {
			// The protocol is ended after its ports, so it cannot close them.
			context.AfterFunc(ctx, func() { _ = l.Close() })
			err := side.rpc.Serve(l)
			if ctx.Err() != nil {
				return nil
			}
			return err
		})
	}
	if l := ports["listen.grpc"]; l != nil {
		serveGRPC("listen.grpc", l)
	}
	if front.mux != nil {
		serveGRPC("gRPC on listen.http", front.mux.grpc)
		front.open(side.handler)
	}
	if err = s.wait(ctx); err == nil {
		side.depart(in.plan.drainTime)
	}
	front.stop()
	s.stop()
	return err
}

// farewellTime is how long the end of the process's own session may take.
const farewellTime = time.Second

// farewell ends a session. Without a quorum nobody can say that it is over: then it
// is left to its timeout, and the call ends with the node.
func farewell(client core.Client) {
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = client.Close() // it never fails
	}()
	select {
	case <-gone:
	case <-time.After(farewellTime):
	}
}

func (in *instance) newNacosSide(ctx context.Context, client core.Client, secret settings.Secret) (*nacosSide, error) {
	if in.pool == nil { // which makes it itself
		err := insist(ctx, func() error {
			_, _, err := client.Create(ctx, root, nil, core.CreateOptions{})
			if core.CodeOf(err) == core.NodeExists {
				err = nil
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	log := in.log
	side := &nacosSide{client: client, machine: telemetry.NewMachine(), token: make(chan struct{})}
	key, err := secret.Derive(settings.PurposeTokens)
	if err != nil {
		return nil, err
	}
	side.audit, err = audit.New(audit.Config{
		Client: client, Limits: in.plan.audit, Log: telemetry.Slog(log.Named("audit")), Registerer: in.registry,
	})
	if err != nil {
		return nil, err
	}
	side.writer = side.audit.Client(client)
	side.auth, err = auth.New(auth.Config{
		Client: side.writer, Enabled: in.plan.auth, Key: key, TokenTTL: in.plan.tokenTTL,
		Log: telemetry.Slog(log.Named("auth")), Registerer: in.registry,
	})
	if err != nil {
		return nil, err
	}
	if side.namespaces, err = namespace.New(side.writer, telemetry.Slog(log.Named("namespace"))); err != nil {
		return nil, err
	}
	if side.quotas, err = quota.New(side.writer, telemetry.Slog(log.Named("quota"))); err != nil {
		return nil, err
	}
	side.locks = lock.New(client, telemetry.Slog(log.Named("lock")), nil)
	if side.cluster, err = in.newCluster(side, secret); err != nil {
		return nil, err
	}
	var others naming.Peers
	if side.cluster.Ready() != nil {
		others = newPeers(side.cluster)
	}
	side.naming, err = naming.New(naming.Config{
		Client: side.writer, Sessions: in.sessions(), Node: side.cluster.ID(), Peers: others, Form: registryapi.AppendInstance,
		Logger: log.Named("naming"), MirrorLog: telemetry.Slog(log.Named("naming")), Registerer: in.registry,
		Quota: func(ctx context.Context, namespace string) (services, instances int, err error) {
			limits, err := side.quotas.Get(ctx, quota.Scope{Namespace: namespace})
			if err != nil {
				return 0, 0, registry.Errorf(registry.ErrNotReady, "%v", err)
			}
			return limits.Services, limits.Instances, nil
		},
	})
	if err != nil {
		return nil, err
	}
	takeBeats(side.cluster, side.naming)
	side.configs, err = center.New(center.Config{
		Client: side.writer, Quotas: side.quotas, Shared: !in.alone(), Strictness: in.plan.strict,
		Marks:      configstore.Marks{OfParts: audit.OfParts, Creating: audit.Creating},
		Registerer: in.registry, Logger: telemetry.Slog(log.Named("config")),
	})
	if err != nil {
		return nil, err
	}
	if err := side.newProtocols(in); err != nil {
		return nil, err
	}
	return side, nil
}

// newProtocols puts the protocols of Nacos and the console in front.
func (side *nacosSide) newProtocols(in *instance) error {
	var err error
	answers := backlog.New(backlog.BytesMax)
	side.rpc, err = rpc.New(rpc.Config{
		Log: in.log.Named("grpc"), Registerer: in.registry, Backlog: answers,
		Abilities: wire.Abilities{wire.AbilityPersistentInstance: true, wire.AbilityFuzzyWatch: true, wire.AbilityLock: true},
		Ready:     side.ready,
		Admits:    func() bool { return !side.draining.Load() },
		Limits:    in.plan.limits,
		Authorize: authapi.Authorize(side.auth), Begin: auditapi.RPC(side.audit),
	})
	if err != nil {
		return err
	}
	side.cluster.Register(side.rpc.GRPC())
	guard := rest.NewGuard(side.auth)
	side.registryAPI, err = registryapi.New(registryapi.Deps{Service: side.naming, Guard: guard, Cluster: side.cluster, Log: in.log.Named("naming")})
	if err != nil {
		return err
	}
	side.configAPI, err = configapi.New(configapi.Deps{
		Center: side.configs, Cluster: side.cluster, Guard: guard, Log: in.log.Named("config"),
		Namespaces: side.namespaces.Has,
	})
	if err != nil {
		return err
	}
	side.registryAPI.RegisterRPC(side.rpc)
	side.configAPI.RegisterRPC(side.rpc)
	lockapi.Register(side.rpc, side.locks)

	engine, err := rest.NewEngine(rest.Config{Log: in.log.Named("http"), Registerer: in.registry, Requests: &side.requests, Backlog: answers, Begin: auditapi.HTTP(side.audit)})
	if err != nil {
		return err
	}
	nacos := engine.Group("/nacos")
	toConsole(nacos)
	side.registryAPI.Routes(nacos)
	side.configAPI.Routes(nacos)
	authapi.New(side.auth).Routes(nacos)
	auditapi.New(side.audit, guard).Routes(nacos)
	namespaceapi.New(namespaceapi.Config{
		Namespaces: side.namespaces, Counter: configCounter{side.configs}, Guard: guard,
		Quota: func(id string) int { return side.quotas.Shown(quota.Scope{Namespace: id}).Configs },
	}).Routes(nacos)
	quotaapi.New(quotaapi.Config{Quotas: side.quotas, Used: side.used, Guard: guard}).Routes(nacos)
	serverapi.New(serverapi.Config{
		Version: Version, Standalone: in.alone(), Port: in.portOf("listen.http"),
		AuthEnabled: side.auth.Enabled, NeedsAdmin: side.auth.NeedsAdmin,
		NotReady: side.notTaking, Cluster: side.cluster,
		RPC: side.rpc, GRPCPort: in.portOf("listen.grpc"), Guard: guard,
	}).Routes(nacos)
	if err := in.registry.Register(meters.New(side.meters(in))); err != nil {
		return err
	}
	for _, path := range []string{"/metrics", "/nacos/actuator/prometheus"} {
		engine.GET(path, gin.WrapH(in.metricsHandler()))
	}
	engine.GET("/healthz", func(c *gin.Context) { c.String(http.StatusOK, "ok\n") })
	engine.GET("/readyz", side.readyz)
	if in.client != nil {
		admin := gin.WrapH(in.client.Admin("/commands", server.Operators))
		engine.GET("/commands", guard.Admin(), admin)
		engine.GET("/commands/*name", guard.Admin(), admin)
		cluster := gin.WrapH(in.client.Cluster("/cluster"))
		engine.GET("/cluster", guard.Admin(), cluster)
		engine.POST("/cluster/:verb", guard.Admin(), side.drainToo(cluster))
	} else {
		engine.GET("/cluster", guard.Admin(), in.clusterElsewhere)
		engine.POST("/cluster/:verb", guard.Admin(), side.drainElsewhere(in.clusterElsewhere))
	}
	page, err := console.New(console.Options{
		Version: Version, Log: in.log.Named("console"),
		Auth: consoleAuth{side.auth}, Namespaces: consoleNamespaces{side.namespaces},
		Services: consoleServices{side.naming}, Configs: consoleConfigs{side.configs},
		Znodes: consoleZnodes{side.writer, side.client.(console.Znodes)},
	})
	if err != nil {
		return err
	}
	page.Routes(engine)
	handler, err := compressed(engine)
	if err != nil {
		return err
	}
	side.engine, side.handler = engine, handler
	return nil
}

// toConsole leads browsers on that look for the console where Nacos has it.
func toConsole(nacos gin.IRoutes) {
	for _, path := range []string{"", "/", "/index.html"} {
		nacos.GET(path, func(c *gin.Context) { c.Redirect(http.StatusFound, "/") })
	}
}

// compressed serves what h does to those who can read it compressed; the clients of Nacos
// do not ask for that, and get it without a detour.
func compressed(h http.Handler) (http.Handler, error) {
	compress, err := gzhttp.NewWrapper(gzhttp.MinSize(1024), gzhttp.ContentTypes(compressible))
	if err != nil {
		return nil, err
	}
	asked := compress(h)
	vary := []string{"Accept-Encoding"}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Header["Accept-Encoding"]) > 0 {
			asked.ServeHTTP(w, r)
			return
		}
		w.Header()["Vary"] = vary // whoever adds to it gets a copy
		h.ServeHTTP(w, r)
	}), nil
}

// compressible are the types that are sent compressed to those who can read it.
var compressible = []string{"text/html", "text/css", "text/javascript", "application/javascript", "application/json", "image/svg+xml"}

// configCounter counts for the list of namespaces.
type configCounter struct{ center *center.Center }

func (c configCounter) CountConfigs(namespace string) int { return c.center.Count(namespace) }

// used counts what is under a quota. Groups hold configs only.
func (side *nacosSide) used(s quota.Scope) quotaapi.Used {
	configs := side.configs.Usage(s.Namespace, s.Group)
	used := quotaapi.Used{Configs: configs.Configs, Bytes: configs.Bytes}
	if s.Group == "" {
		used.Services, used.Instances = side.naming.CountServices(s.Namespace), side.naming.CountInstances(s.Namespace)
	}
	return used
}

// parts are what must be ready, by name.
func (side *nacosSide) parts() []struct {
	name  string
	ready <-chan struct{}
} {
	return []struct {
		name  string
		ready <-chan struct{}
	}{
		{"audit", side.audit.Ready()},
		{"users", side.auth.Ready()},
		{"namespaces", side.namespaces.Ready()},
		{"quotas", side.quotas.Ready()},
		{"naming", side.naming.Ready()},
		{"config", side.configs.Ready()},
		{"admin token", side.token},
	}
}

// notReady names a part that is not ready; "" when all are.
func (side *nacosSide) notReady() string {
	for _, p := range side.parts() {
		select {
		case <-p.ready:
		default:
			return p.name + " not in readiness"
		}
	}
	return ""
}

// ready reports whether all is; every request asks. What is ready once stays so.
func (side *nacosSide) ready() bool {
	if side.begun.Load() {
		return true
	}
	ready := side.notReady() == ""
	if ready {
		side.begun.Store(true)
	}
	return ready
}

// notTaking says why no new clients are to come here; "" when they may.
func (side *nacosSide) notTaking() string {
	if why := side.notReady(); why != "" {
		return why
	}
	if side.draining.Load() {
		return "draining"
	}
	return ""
}

func (side *nacosSide) readyz(c *gin.Context) {
	switch {
	case !side.ready():
		c.String(http.StatusServiceUnavailable, "starting\n")
	case side.draining.Load():
		c.String(http.StatusServiceUnavailable, "draining\n")
	default:
		c.String(http.StatusOK, "ready\n")
	}
}

// adminToken makes the admin token at the first start with authentication on.
func (side *nacosSide) adminToken(ctx context.Context, in *instance) error {
	if !in.plan.auth {
		return nil
	}
	file := in.plan.adminTokenFile()
	var made bool
	err := insist(ctx, func() (err error) {
		made, err = side.auth.EnsureAdminToken(ctx, file)
		return err
	})
	if err != nil {
		return err
	}
	if made {
		in.log.Info("made the admin token: with it the first user is made", "file", strings.TrimSpace(file))
	}
	return nil
}
