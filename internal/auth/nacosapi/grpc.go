package nacosapi

import (
	"cmp"
	"context"
	"strings"

	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// Authorize is the check of requests over gRPC, for rpc.Config. Requests about
// the connection itself need no identity.
func Authorize(a *auth.Auth) func(ctx context.Context, c *rpc.Conn, headers map[string]string, request wire.Body) (context.Context, error) {
	return func(ctx context.Context, c *rpc.Conn, headers map[string]string, request wire.Body) (context.Context, error) {
		return authorize(ctx, a, c.RemoteIP(), headers, request)
	}
}

func authorize(ctx context.Context, a *auth.Auth, remoteIP string, headers map[string]string, request wire.Body) (context.Context, error) {
	if !a.Enabled() {
		return ctx, nil
	}
	needs, open := needsOf(request)
	if open {
		return ctx, nil
	}
	who := auth.Credentials{Token: cmp.Or(headers["accessToken"], bearer(headers["Authorization"])), Username: headers["username"], Password: headers["password"], RemoteIP: remoteIP}
	ctx, err := a.Check(ctx, who, needs[0])
	if err != nil {
		return ctx, err
	}
	subject := auth.SubjectOf(ctx)
	for _, need := range needs[1:] {
		if !a.Allow(subject, need) {
			return ctx, auth.ErrForbidden
		}
	}
	return ctx, nil
}

// bearer is the token of a header Authorization.
func bearer(header string) string {
	if scheme, token, ok := strings.Cut(header, " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return ""
}

// needsOf is what a request must be allowed to do, at least one; open says that
// it needs nothing. A type that is not known here needs a user who is.
func needsOf(request wire.Body) (needs []auth.Need, open bool) {
	one := func(action auth.Action, r auth.Resource) ([]auth.Need, bool) {
		return []auth.Need{{Action: action, Resource: r}}, false
	}
	switch r := request.(type) {
	case *wire.HealthCheckRequest, *wire.ServerCheckRequest, *wire.ConnectionSetupRequest:
		return nil, true
	case *wire.InstanceRequest:
		return one(auth.Write, service(&r.ServiceKey))
	case *wire.PersistentInstanceRequest:
		return one(auth.Write, service(&r.ServiceKey))
	case *wire.BatchInstanceRequest:
		return one(auth.Write, service(&r.ServiceKey))
	case *wire.ServiceQueryRequest:
		return one(auth.Read, service(&r.ServiceKey))
	case *wire.SubscribeServiceRequest:
		return one(auth.Read, service(&r.ServiceKey))
	case *wire.ServiceListRequest: // of all services of the group, whatever else it names
		return one(auth.Read, auth.ServiceResource(r.Namespace, cmp.Or(r.GroupName, "DEFAULT_GROUP"), ""))
	case *wire.ConfigQueryRequest:
		return one(auth.Read, config(&r.ConfigKey))
	case *wire.ConfigPublishRequest:
		return one(auth.Write, config(&r.ConfigKey))
	case *wire.ConfigRemoveRequest:
		return one(auth.Write, config(&r.ConfigKey))
	case *wire.ConfigBatchListenRequest:
		seen := map[auth.Resource]bool{}
		for _, c := range r.ConfigListenContexts {
			resource := auth.ConfigResource(c.Tenant, c.Group, c.DataID)
			if !seen[resource] {
				seen[resource] = true
				needs = append(needs, auth.Need{Action: auth.Read, Resource: resource})
			}
		}
	case *wire.NamingFuzzyWatchRequest: // the namespace beside the pattern does not count
		if namespace, group, name, ok := watched(r.GroupKeyPattern); ok {
			return one(auth.Read, auth.ServiceResource(namespace, group, name))
		}
	case *wire.ConfigFuzzyWatchRequest:
		if namespace, group, name, ok := watched(r.GroupKeyPattern); ok {
			return one(auth.Read, auth.ConfigResource(namespace, group, name))
		}
	}
	if len(needs) == 0 {
		needs = []auth.Need{{}}
	}
	return needs, false
}

// watched takes a pattern apart. As a resource it is covered by permissions that cover
// whatever it matches: only an asterisk of theirs covers one of the pattern. One that has
// not three parts is refused by whoever serves it.
func watched(pattern string) (namespace, group, name string, ok bool) {
	parts := strings.Split(pattern, ">>")
	if len(parts) != 3 {
		return "", "", "", false
	}
	return parts[0], parts[1], parts[2], true
}

func service(k *wire.ServiceKey) auth.Resource {
	group := k.GroupName
	if group == "" && k.ServiceName != "" {
		group = "DEFAULT_GROUP"
	}
	return auth.ServiceResource(k.Namespace, group, k.ServiceName)
}

func config(k *wire.ConfigKey) auth.Resource { return auth.ConfigResource(k.Tenant, k.Group, k.DataID) }
