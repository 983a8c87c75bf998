package nacosapi

import (
	"context"
	"errors"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/listen"
	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// RegisterRPC makes the API serve the config requests of s. Call it once, before
// s serves and the center runs. The server should announce the ability fuzzyWatch.
func (a *API) RegisterRPC(s *rpc.Server) {
	a.rpc = s
	rpc.Register(s, a.query)
	rpc.Register(s, a.publish)
	rpc.Register(s, a.remove)
	rpc.Register(s, a.listen)
	rpc.Register(s, a.fuzzyWatch)
	a.center.OnNamed(func(k configcenter.Key, there bool) { a.fuzzy.Changed(fuzzyKey(k), there) })
	s.OnClose(func(c *rpc.Conn, _ rpc.Reason) {
		a.forget(c)
		a.fuzzy.Drop(c)
	})
}

func keyOf(k wire.ConfigKey) configcenter.Key {
	return configcenter.MakeKey(k.Tenant, k.Group, k.DataID)
}

// codeNotFoundRPC is 300, not 404: it is what clients look for, with the text.
const codeNotFoundRPC = 300

func (a *API) query(ctx context.Context, c *rpc.Conn, in *wire.ConfigQueryRequest) (*wire.ConfigQueryResponse, error) {
	a.freshenFor(ctx, c)
	k := keyOf(in.ConfigKey)
	it, g, err := a.serve(ctx, k, readerRPC(c, in.Tag))
	switch {
	case errors.Is(err, configcenter.ErrNotFound):
		return &wire.ConfigQueryResponse{Response: wire.Failed(codeNotFoundRPC, textNotFound)}, nil
	case err != nil:
		return nil, err
	case !configcenter.ValidText(it.Content):
		return nil, wire.Refuse(wire.DataAccess, "the content is no UTF-8 text and can be read over HTTP only")
	}
	return &wire.ConfigQueryResponse{
		Content: it.Content, ContentType: it.Type, MD5: it.MD5,
		EncryptedDataKey: it.EncryptedDataKey, LastModified: it.Modified, Beta: isBeta(g),
	}, nil
}

func (a *API) publish(ctx context.Context, c *rpc.Conn, in *wire.ConfigPublishRequest) (*wire.ConfigPublishResponse, error) {
	m := in.AdditionMap
	a.markStale(ctx, a.center.Stale())
	_, err := a.set(ctx, &configcenter.Publish{
		Key: keyOf(in.ConfigKey), Content: in.Content, CASMD5: in.CASMD5,
		KeepAppName: m[wire.AdditionAppName] == "", KeepTags: m[wire.AdditionConfigTags] == "",
		KeepSchema: m[wire.AdditionSchema] == "",
		Attributes: configcenter.Attributes{
			Type: m[wire.AdditionType], AppName: m[wire.AdditionAppName], Tags: m[wire.AdditionConfigTags],
			Desc: m[wire.AdditionDesc], Use: m[wire.AdditionUse], Effect: m[wire.AdditionEffect],
			Schema: m[wire.AdditionSchema], EncryptedDataKey: m[wire.AdditionEncryptedDataKey],
		},
		Origin: origin(ctx, c.ClientIP(), m[wire.AdditionSrcUser]),
	}, m[wire.AdditionBetaIPs], m[wire.AdditionTag])
	return nil, err
}

func (a *API) remove(ctx context.Context, c *rpc.Conn, in *wire.ConfigRemoveRequest) (*wire.ConfigRemoveResponse, error) {
	k := keyOf(in.ConfigKey)
	if in.Tag != "" {
		return nil, a.withdraw(ctx, k, in.Tag, origin(ctx, c.ClientIP(), ""))
	}
	_, err := a.center.Remove(ctx, &configcenter.Remove{Key: k, Origin: origin(ctx, c.ClientIP(), "")})
	return nil, refusal(err)
}

func (a *API) listen(ctx context.Context, c *rpc.Conn, in *wire.ConfigBatchListenRequest) (*wire.ConfigChangeBatchListenResponse, error) {
	watched := make([]listen.Watched, len(in.ConfigListenContexts))
	for i, lc := range in.ConfigListenContexts {
		w := listen.Watched{Key: configcenter.MakeKey(lc.Tenant, lc.Group, lc.DataID), Tenant: lc.Tenant, Unknown: lc.MD5 == nil}
		if err := w.Key.Validate(); err != nil {
			return nil, refusal(err)
		}
		w.MD5 = wire.Text(lc.MD5)
		watched[i] = w
	}
	if !in.Listen {
		if s := a.subscriber(c, false); s != nil {
			s.listener.Unlisten(watched)
			s.heard(watched)
		}
		return nil, nil
	}
	a.settle(ctx, c)
	a.markStale(ctx, a.center.Stale())
	s := a.subscriber(c, true)
	if s == nil {
		return nil, wire.Refuse(wire.Released, "Connection is unregistered.")
	}
	if err := a.ready(ctx); err != nil {
		return nil, err
	}
	who := auth.SubjectOf(ctx)
	s.who.Store(&who)
	s.heard(watched)
	changed, err := s.listener.Listen(watched)
	if err != nil {
		return nil, refusal(err)
	}
	if len(changed) == 0 {
		a.comeOfAge(ctx, c)
	}
	out := &wire.ConfigChangeBatchListenResponse{}
	for _, w := range changed {
		out.ChangedConfigs = append(out.ChangedConfigs, wire.ConfigContext{Group: w.Key.Group, DataID: w.Key.DataID, Tenant: w.Tenant})
	}
	return out, nil
}

// ready waits while the server starts: compared with a picture that is not
// complete, everything would seem deleted.
func (a *API) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	select {
	case <-a.center.Ready():
		return nil
	case <-ctx.Done():
		return readRefusal(context.Cause(ctx))
	}
}
