package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/cache"
	"github.com/zensus-io/zensus/configcenter/center"
	"github.com/zensus-io/zensus/console"
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/internal/audit"
	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/namespace"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
	"github.com/zensus-io/zensus/registry/naming"
)

// translate puts the console's error for a cause in front of it.
func translate(err error, table []struct{ from, to error }) error {
	for _, t := range table {
		if errors.Is(err, t.from) {
			return fmt.Errorf("%w: %w", t.to, err)
		}
	}
	return err
}

type errorTable = []struct{ from, to error }

// consoleServices shows the registry to the console.
type consoleServices struct{ naming *naming.Service }

var registryErrors = errorTable{
	{registry.ErrServiceNotFound, console.ErrNotFound},
	{registry.ErrInstanceNotFound, console.ErrNotFound},
	{registry.ErrInvalid, console.ErrInvalid},
	{registry.ErrLimit, console.ErrTooLarge},
	{registry.ErrQuota, console.ErrTooLarge},
	{registry.ErrNoQuorum, console.ErrNoQuorum},
	{registry.ErrNotReady, console.ErrStarting},
}

func (a consoleServices) List(ctx context.Context, q console.ServiceQuery) (console.ServicePage, error) {
	found, total, err := a.naming.Search(ctx, catalog.Query{
		Namespace: q.Namespace, Group: q.Group, Name: q.Name, WithInstances: q.HideEmpty,
	}, q.Page.Number, q.Page.Size)
	if err != nil {
		return console.ServicePage{}, translate(err, registryErrors)
	}
	page := console.ServicePage{Total: total, Stale: a.naming.Stale(), Items: make([]console.ServiceSummary, 0, len(found))}
	for _, s := range found {
		page.Items = append(page.Items, console.ServiceSummary{
			Group: s.Key.Group, Name: s.Key.Name, Clusters: s.Clusters,
			Instances: s.Instances, Healthy: s.Healthy, Protected: s.Protected,
		})
	}
	return page, nil
}

func serviceKey(k console.ServiceKey) registry.ServiceKey {
	return registry.ServiceKey{Namespace: k.Namespace, Group: k.Group, Name: k.Name}
}

func (a consoleServices) Get(ctx context.Context, key console.ServiceKey) (console.Service, error) {
	k := serviceKey(key)
	svc, err := a.naming.Describe(ctx, k)
	if err != nil {
		return console.Service{}, translate(err, registryErrors)
	}
	instances, err := a.naming.Instances(ctx, k)
	if err != nil {
		return console.Service{}, translate(err, registryErrors)
	}
	view, err := a.naming.Query(ctx, k, registry.Filter{})
	if err != nil {
		return console.Service{}, translate(err, registryErrors)
	}
	out := console.Service{
		ServiceKey: key, ProtectThreshold: svc.ProtectThreshold, Protected: view.Protected,
		Metadata: svc.Metadata, Stale: a.naming.Stale(),
	}
	for i := range instances {
		out.Instances = append(out.Instances, consoleInstance(&instances[i]))
	}
	return out, nil
}

func consoleInstance(i *registry.Instance) console.Instance {
	return console.Instance{
		IP: i.IP, Port: i.Port, Cluster: i.Cluster, Weight: i.Weight,
		Healthy: i.Healthy, Enabled: i.Enabled, Ephemeral: i.Ephemeral, Metadata: i.Metadata,
	}
}

func (a consoleServices) UpdateInstance(ctx context.Context, _ console.Actor, up console.InstanceUpdate) (console.Instance, error) {
	k, key := serviceKey(up.Service), registry.InstanceKey{Cluster: up.Cluster, IP: up.IP, Port: up.Port}
	if _, err := a.naming.Instance(ctx, k, key); err != nil {
		return console.Instance{}, translate(err, registryErrors)
	}
	err := a.naming.Override(ctx, k, key, func(o registry.Override) registry.Override {
		if up.Enabled != nil {
			o.Enabled = up.Enabled
		}
		if up.Weight != nil {
			o.Weight = up.Weight
		}
		return o
	})
	if err != nil {
		return console.Instance{}, translate(err, registryErrors)
	}
	i, err := a.naming.Instance(ctx, k, key)
	return consoleInstance(&i), translate(err, registryErrors)
}

// consoleConfigs shows the config center to the console.
type consoleConfigs struct{ center *center.Center }

var configErrors = errorTable{
	{configcenter.ErrNotFound, console.ErrNotFound},
	{configcenter.ErrCASMismatch, console.ErrConflict},
	{configcenter.ErrContended, console.ErrConflict},
	{configcenter.ErrTooLarge, console.ErrTooLarge},
	{configcenter.ErrQuota, console.ErrTooLarge},
	{configcenter.ErrInvalid, console.ErrInvalid},
	{configcenter.ErrNotReady, console.ErrStarting},
}

func (a consoleConfigs) List(ctx context.Context, q console.ConfigQuery) (console.ConfigPage, error) {
	contains := func(text string) string { return "*" + strings.ReplaceAll(text, "*", "") + "*" }
	found, err := a.center.Search(ctx, cache.Query{
		Namespace: configcenter.Namespace(q.Namespace), Group: contains(q.Group), DataID: contains(q.DataID),
		Blur: true, Page: q.Page.Number, PageSize: q.Page.Size,
	})
	if err != nil {
		return console.ConfigPage{}, translate(err, configErrors)
	}
	page := console.ConfigPage{Total: found.Total, Items: make([]console.ConfigSummary, 0, len(found.Items))}
	for _, item := range found.Items {
		page.Items = append(page.Items, configSummary(item))
	}
	return page, nil
}

func configSummary(i *configcenter.Item) console.ConfigSummary {
	by := i.ChangedBy.User
	if by == "" {
		by = i.ChangedBy.IP
	}
	var tags []string
	if i.Tags != "" {
		tags = strings.Split(i.Tags, ",")
	}
	return console.ConfigSummary{
		Group: i.Key.Group, DataID: i.Key.DataID, Type: i.Type, MD5: i.MD5, SizeBytes: len(i.Content),
		App: i.AppName, Description: i.Desc, Tags: tags, ModifiedMillis: i.Modified, ModifiedBy: by,
	}
}

func configKey(k console.ConfigKey) configcenter.Key {
	return configcenter.MakeKey(k.Namespace, k.Group, k.DataID)
}

func (a consoleConfigs) Get(ctx context.Context, key console.ConfigKey) (console.Config, error) {
	item, err := a.center.Get(ctx, configKey(key))
	if err != nil {
		return console.Config{}, translate(err, configErrors)
	}
	return console.Config{ConfigSummary: configSummary(item), Content: item.Content}, nil
}

func (a consoleConfigs) Publish(ctx context.Context, who console.Actor, p console.ConfigPublish) (console.Config, error) {
	publish := &configcenter.Publish{
		Key: configKey(p.Key), Content: p.Content,
		Attributes: configcenter.Attributes{Type: p.Type, AppName: p.App, Desc: p.Description, Tags: strings.Join(p.Tags, ",")},
		Origin:     configcenter.Origin{IP: who.Address, User: who.User.Name},
		MustCreate: p.ExpectMD5 == "", KeepSchema: true,
	}
	if p.ExpectMD5 != "" {
		// The md5 alone would create a config that is gone; the revision does not.
		now, err := a.center.Get(ctx, publish.Key)
		switch {
		case errors.Is(err, configcenter.ErrNotFound):
			return console.Config{}, console.ErrConflict
		case err != nil:
			return console.Config{}, translate(err, configErrors)
		case now.MD5 != p.ExpectMD5:
			return console.Config{}, console.ErrConflict
		}
		publish.CASMD5, publish.Revision = p.ExpectMD5, now.Revision
		// What the page does not show is not taken off by it: without its key, an encrypted
		// content that stays as it is could not be read any more.
		publish.Use, publish.Effect = now.Use, now.Effect
		if p.Content == now.Content {
			publish.EncryptedDataKey = now.EncryptedDataKey
		}
	}
	item, err := a.center.Publish(ctx, publish)
	if err != nil {
		if publish.MustCreate && errors.Is(err, configcenter.ErrCASMismatch) {
			return console.Config{}, fmt.Errorf("%w: %w", console.ErrExists, err)
		}
		return console.Config{}, translate(err, configErrors)
	}
	return console.Config{ConfigSummary: configSummary(item), Content: item.Content}, nil
}

func (a consoleConfigs) Delete(ctx context.Context, who console.Actor, key console.ConfigKey, md5 string) error {
	item, err := a.center.Get(ctx, configKey(key))
	if err != nil {
		return translate(err, configErrors)
	}
	if item.MD5 != md5 {
		return console.ErrConflict
	}
	_, err = a.center.Remove(ctx, &configcenter.Remove{
		Key: configKey(key), Origin: configcenter.Origin{IP: who.Address, User: who.User.Name}, Revision: item.Revision,
	})
	return translate(err, configErrors)
}

// consoleNamespaces shows the namespaces to the console.
type consoleNamespaces struct{ namespaces *namespace.Namespaces }

func (a consoleNamespaces) List(ctx context.Context) ([]console.Namespace, error) {
	all, err := a.namespaces.List(ctx)
	list := make([]console.Namespace, len(all))
	for i, n := range all {
		list[i] = console.Namespace{ID: n.ID, Name: n.Name, Description: n.Description}
	}
	return list, translate(err, errorTable{{namespace.ErrStarting, console.ErrStarting}})
}

// consoleZnodes puts on record what the console writes in the tree.
type consoleZnodes struct {
	core.Client
	raw console.Znodes
}

func (a consoleZnodes) ACL(ctx context.Context, path string) ([]core.ACL, core.Stat, error) {
	return a.raw.ACL(ctx, path)
}

// consoleAuth shows users and rights to the console.
type consoleAuth struct{ auth *auth.Auth }

var authErrors = errorTable{
	{auth.ErrUnauthenticated, console.ErrUnauthenticated},
	{auth.ErrUnknownUser, console.ErrUnauthenticated},
	{auth.ErrForbidden, console.ErrForbidden},
	{auth.ErrThrottled, console.ErrThrottled},
	{auth.ErrStarting, console.ErrStarting},
	{auth.ErrExists, console.ErrExists},
	{auth.ErrInvalid, console.ErrInvalid},
	{auth.ErrNotFound, console.ErrNotFound},
}

var consoleKinds = map[console.AccessKind]audit.Kind{
	console.AccessService: audit.KindNaming, console.AccessConfig: audit.KindConfig, console.AccessZnode: audit.KindZnode,
}

func (a consoleAuth) Enabled() bool { return a.auth.Enabled() }

func (a consoleAuth) HasUsers(ctx context.Context) (bool, error) {
	has, err := a.auth.HasUsers(ctx)
	return has, translate(err, authErrors)
}

func consoleSession(s auth.Session, err error) (console.Session, error) {
	if err != nil {
		return console.Session{}, translate(err, authErrors)
	}
	return console.Session{Token: s.Token, Expires: s.Expires, User: console.User{Name: s.Subject.Name, Admin: s.Subject.Admin}}, nil
}

func (a consoleAuth) Login(ctx context.Context, address, name, password string) (console.Session, error) {
	return consoleSession(a.auth.Login(ctx, address, name, password))
}

func (a consoleAuth) Bootstrap(ctx context.Context, address, token, name, password string) (console.Session, error) {
	return consoleSession(a.auth.Bootstrap(ctx, address, token, name, password))
}

func (a consoleAuth) Verify(ctx context.Context, token string) (console.User, error) {
	s, err := a.auth.Verify(ctx, token)
	audit.By(ctx, s.Name)
	return console.User{Name: s.Name, Admin: s.Admin}, translate(err, authErrors)
}

func (a consoleAuth) Allow(ctx context.Context, user console.User, want console.Access) error {
	audit.On(ctx, audit.Target{Kind: consoleKinds[want.Kind], Namespace: want.Namespace, Group: want.Group, Name: want.Name})
	action := auth.Read
	if want.Write {
		action = auth.Write
	}
	need := auth.Need{Action: action}
	switch want.Kind {
	case console.AccessService:
		need.Resource = auth.ServiceResource(want.Namespace, want.Group, want.Name)
	case console.AccessConfig:
		need.Resource = auth.ConfigResource(want.Namespace, want.Group, want.Name)
	default: // znodes are the administrators'
		need = auth.Need{Admin: true}
	}
	if !a.auth.Allow(auth.Subject{Name: user.Name}, need) { // which looks at the rights of now
		return console.ErrForbidden
	}
	return nil
}
