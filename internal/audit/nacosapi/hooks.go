package nacosapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/zensus-io/zensus/internal/audit"
	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/internal/refusal"
)

// contextPath is that of Nacos. The lists below leave it out.
const contextPath = "/nacos"

// unrecorded are the routes that take other methods than GET and are not on record, and
// why.
var unrecorded = map[string]string{
	"/v1/auth/login":                login,
	"/v1/auth/users/login":          login,
	"/v3/auth/user/login":           login,
	"/console/api/login":            login,
	"/console/api/logout":           login,
	"/v1/cs/configs/listener":       read,
	"/v3/admin/cs/config/validate":  read,
	"/v2/ns/catalog/instances":      read,
	"/v2/ns/instance/statuses/:key": read,
	"/v3/console/ns/instance/list":  read,
	"/v1/ns/instance/beat":          clients,
	"/v2/ns/instance/beat":          clients,
	"POST /v1/ns/instance":          clients,
	"DELETE /v1/ns/instance":        clients,
	"POST /v2/ns/instance":          clients,
	"DELETE /v2/ns/instance":        clients,
	"POST /v3/client/ns/instance":   clients,
	"DELETE /v3/client/ns/instance": clients,
}

const (
	login   = "a login writes nothing; zensus_auth_logins_total counts them"
	read    = "it reads, whatever its method"
	clients = "clients do it for themselves"
)

// recordedGets are the routes that do something when they are asked by GET.
var recordedGets = map[string]bool{
	"/v2/core/loader/reloadClient":       true,
	"/v2/core/loader/reloadCurrent":      true,
	"/v2/core/loader/smartReloadCluster": true,
}

// Recorded reports whether requests for a route are on record.
func Recorded(method, route string) bool {
	path := strings.TrimPrefix(route, contextPath)
	switch method {
	case http.MethodGet:
		return recordedGets[path]
	case http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodConnect:
		return false
	}
	return unrecorded[path] == "" && unrecorded[method+" "+path] == ""
}

// HTTP is what rest.Config.Begin is to be.
func HTTP(l *audit.Log) func(context.Context, rest.Asked) (context.Context, func(context.Context, rest.Outcome)) {
	return func(ctx context.Context, r rest.Asked) (context.Context, func(context.Context, rest.Outcome)) {
		if !l.Enabled() || !Recorded(r.Method, r.Route) {
			return ctx, nil
		}
		ctx, act := l.Begin(ctx, audit.Record{
			From: r.ClientIP, Remote: r.RemoteIP, Via: "http", Action: r.Method + " " + strings.TrimPrefix(r.Route, contextPath),
			Target: audit.Target{Kind: kindOf(r.Route)},
		})
		return ctx, func(ctx context.Context, out rest.Outcome) {
			if out.Need != nil && out.Need.Action != "" {
				audit.On(ctx, targetOf(out.Need.Resource))
			}
			err := cause(&out)
			act.End(ctx, resultOf(out.Done, err), why(err))
		}
	}
}

// kindOf is the kind of what is an administrator's and writes nothing, as when it is
// refused; blank is for the audit to say. Where something is written, that says it.
func kindOf(route string) audit.Kind {
	switch {
	case strings.Contains(route, "/auth/"):
		return audit.KindAccess
	case strings.HasSuffix(route, "/switches"):
		return audit.KindSwitches
	case strings.HasSuffix(route, "/quota"), strings.HasSuffix(route, "/capacity"):
		return audit.KindQuota
	case strings.HasSuffix(route, "/namespace"), strings.HasSuffix(route, "/namespaces"):
		return audit.KindNamespace
	}
	return ""
}

// cause is why a request was not done; where only its status tells, that.
func cause(out *rest.Outcome) error {
	switch {
	case out.Err != nil || out.Done:
		return out.Err
	case out.Status == http.StatusUnauthorized:
		return auth.ErrUnauthenticated
	case out.Status == http.StatusForbidden:
		return auth.ErrForbidden
	case out.Status >= http.StatusInternalServerError:
		return wire.Refuse(wire.ServerError, http.StatusText(out.Status))
	}
	return nil
}

// resultOf is what became of a request: done is false where the answer says without an
// error that nothing was.
func resultOf(done bool, err error) audit.Result {
	switch {
	case err == nil && done:
		return audit.OK
	case err == nil:
		return audit.Refused
	case wire.UnknownOutcome(err):
		return audit.Failed
	}
	switch kind := wire.AsError(err).Kind; {
	case kind == wire.AccessDenied, kind == wire.TokenInvalid:
		return audit.Denied
	case kind == wire.ServerError, kind.Status() >= http.StatusInternalServerError:
		return audit.Failed
	}
	return audit.Refused
}

// why is what is on record of an error: of a refusal the words of the answer.
func why(err error) string {
	if err == nil {
		return ""
	}
	if _, ok := err.(*refusal.Error); ok { //nolint:errorlint // one that is wrapped was answered in other words
		return wire.AsError(err).Text
	}
	return err.Error()
}

// targetOf is what a guard was asked about.
func targetOf(r auth.Resource) audit.Target {
	t := audit.Target{Namespace: r.Namespace, Group: r.Group, Name: r.Name}
	if t.Namespace == "" {
		t.Namespace = "public"
	}
	switch r.Type {
	case "config":
		t.Kind = audit.KindConfig
	case "naming":
		t.Kind = audit.KindNaming
	default:
		t.Kind = audit.KindNamespace
	}
	return t
}

// RPC is what rpc.Config.Begin is to be.
func RPC(l *audit.Log) func(context.Context, *rpc.Conn, wire.Body) (context.Context, func(context.Context, error)) {
	return func(ctx context.Context, c *rpc.Conn, request wire.Body) (context.Context, func(context.Context, error)) {
		var k *wire.ConfigKey
		switch r := request.(type) {
		case *wire.ConfigPublishRequest:
			k = &r.ConfigKey
		case *wire.ConfigRemoveRequest:
			k = &r.ConfigKey
		}
		if k == nil || !l.Enabled() {
			return ctx, nil
		}
		ctx, act := l.Begin(ctx, audit.Record{
			From: c.ClientIP(), Remote: c.RemoteIP(), Via: "grpc", Action: request.PayloadType(),
			Target: targetOf(auth.ConfigResource(k.Tenant, k.Group, k.DataID)),
		})
		return ctx, func(ctx context.Context, err error) { act.End(ctx, resultOf(true, err), why(err)) }
	}
}
