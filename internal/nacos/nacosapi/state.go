package nacosapi

import (
	"cmp"
	"context"
	"strconv"
	"strings"

	"github.com/zensus-io/zensus/internal/cluster"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// Config says where the answers come from. Functions must be safe for concurrent
// use and answer from memory.
type Config struct {
	Version    string
	Standalone bool
	Port       int // of HTTP
	// AuthEnabled reports whether logins are required, NeedsAdmin whether there is
	// no administrator yet.
	AuthEnabled, NeedsAdmin func() bool
	// NotReady says why the server cannot answer; "" when it can.
	NotReady func() string
	// Cluster is the servers, this one included; only the routes that tell of servers
	// and connections need it.
	Cluster *cluster.Cluster
	// RPC is asked for connections; nil where the gRPC port is closed.
	RPC      *rpc.Server
	GRPCPort int         // where they come in, for display
	Guard    *rest.Guard // nil lets everybody pass
	// HistoryDays is how long the history of configs is kept, for display.
	HistoryDays int
}

// API serves the routes.
type API struct{ cfg Config }

// New makes the API. It answers other nodes too: call it before the gRPC server serves.
func New(cfg Config) *API {
	if cfg.AuthEnabled == nil {
		cfg.AuthEnabled = func() bool { return false }
	}
	if cfg.NeedsAdmin == nil {
		cfg.NeedsAdmin = func() bool { return false }
	}
	if cfg.NotReady == nil {
		cfg.NotReady = func() string { return "" }
	}
	if cfg.Guard == nil {
		cfg.Guard = rest.NewGuard(nil)
	}
	if cfg.HistoryDays == 0 {
		cfg.HistoryDays = 30
	}
	a := &API{cfg}
	a.answerNodes()
	return a
}

// Routes adds all routes below g, which is /nacos on the main port and empty on
// the console's.
func (a *API) Routes(g *rest.Group) {
	g.GET("/v1/console/server/state", rest.With(rest.V1Config, a.state))
	g.GET("/v3/console/server/state", rest.With(rest.V2Bare, a.state))
	g.GET("/v3/admin/core/state", rest.Handle(a.state))
	for _, path := range []string{"/announcement", "/guide"} {
		g.GET("/v1/console/server"+path, rest.With(rest.V1Result, a.nothingToSay))
		g.GET("/v3/console/server"+path, rest.Handle(a.nothingToSay))
	}
	g.GET("/v1/console/health/liveness", rest.With(rest.V1, a.aliveV1))
	g.GET("/v1/console/health/readiness", rest.With(rest.V1, a.readyV1))
	for _, prefix := range []string{"/v2/console/health", "/v3/console/health"} {
		g.GET(prefix+"/liveness", rest.Handle(a.alive))
		g.GET(prefix+"/readiness", rest.Handle(a.ready))
	}
	g.GET("/v3/admin/core/state/liveness", rest.Handle(a.alive))
	g.GET("/v3/admin/core/state/readiness", rest.Handle(a.readyAdmin))
	g.GET("/actuator/health", rest.With(rest.V2Bare, a.actuator))
	g.GET("/serverlist", rest.With(rest.V1, a.serverList))
	a.clusterRoutes(g)
	a.loaderRoutes(g)
}

// state is a flat map of strings, but function_mode: null says all functions.
func (a *API) state(context.Context, rest.None) (map[string]any, error) {
	mode := "cluster"
	if a.cfg.Standalone {
		mode = "standalone"
	}
	enabled := strconv.FormatBool(a.cfg.AuthEnabled())
	return map[string]any{
		"version":                       a.cfg.Version,
		"startup_mode":                  mode,
		"function_mode":                 nil,
		"server_port":                   strconv.Itoa(a.cfg.Port),
		"auth_enabled":                  enabled,
		"login_page_enabled":            enabled,
		"auth_system_type":              "nacos",
		"auth_admin_request":            strconv.FormatBool(a.cfg.AuthEnabled() && a.cfg.NeedsAdmin()),
		"console_ui_enabled":            "true",
		"datasource_platform":           "",
		"config_retention_days":         strconv.Itoa(a.cfg.HistoryDays),
		"plugin_datasource_log_enabled": "false",
	}, nil
}

func (a *API) nothingToSay(context.Context, rest.None) (*string, error) { return nil, nil }

func (a *API) aliveV1(context.Context, rest.None) (string, error) { return "OK", nil }

func (a *API) readyV1(context.Context, rest.None) (any, error) {
	if why := a.cfg.NotReady(); why != "" {
		answer := rest.Text(why)
		answer.Status = wire.ServerError.Status()
		return answer, nil
	}
	return "OK", nil
}

func (a *API) alive(context.Context, rest.None) (string, error) { return "ok", nil }

func (a *API) ready(context.Context, rest.None) (string, error) {
	if why := a.cfg.NotReady(); why != "" {
		return "", wire.Refuse(wire.ServerError, why)
	}
	return "ok", nil
}

// readyAdmin fails with status 200; the maintainer's client looks at the code.
func (a *API) readyAdmin(context.Context, rest.None) (any, error) {
	if why := a.cfg.NotReady(); why != "" {
		return rest.Result{Code: wire.ServerError.Code(), Message: wire.ServerError.Summary(), Data: why}, nil
	}
	return "ok", nil
}

func (a *API) actuator(context.Context, rest.None) (any, error) {
	if a.cfg.NotReady() != "" {
		return &rest.Raw{Status: wire.Starting.Status(), ContentType: "application/json", Body: []byte(`{"status":"DOWN"}`)}, nil
	}
	return map[string]string{"status": "UP"}, nil
}

// serverList ends its lines with CRLF: the Node.js client splits at that only,
// the others take both. It names who can be used; while none can, everybody.
func (a *API) serverList(context.Context, rest.None) (string, error) {
	var all, usable strings.Builder
	for _, n := range a.nodes() {
		all.WriteString(n.HTTP + "\r\n")
		if n.Usable() {
			usable.WriteString(n.HTTP + "\r\n")
		}
	}
	return cmp.Or(usable.String(), all.String()), nil
}
