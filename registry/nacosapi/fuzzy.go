package nacosapi

import (
	"context"
	"errors"

	"github.com/hashicorp/go-hclog"

	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/fuzzy"
	"github.com/zensus-io/zensus/internal/nacos/fuzzypush"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/naming"
)

// fuzzyBatch is how many services one message names.
const fuzzyBatch = 10

func newFuzzy(svc *naming.Service, log hclog.Logger) *fuzzypush.Hub[*rpc.Conn] {
	return fuzzypush.New[*rpc.Conn](fuzzypush.Kind{
		Form:    fuzzy.Services,
		Lengths: fuzzy.Lengths{Namespace: registry.NamespaceMax, Group: registry.GroupMax, Name: registry.ServiceNameMax},
		Batch:   fuzzyBatch,
		Body:    fuzzyBody,
		Find:    fuzzypush.Finding(svc.Matching, fuzzyKey),
	}, log)
}

func fuzzyKey(k registry.ServiceKey) fuzzy.Key { return fuzzy.Key(k) }

// fuzzyWatch begins or ends a watch on a pattern of services. The namespace is that of the
// pattern.
func (a *API) fuzzyWatch(ctx context.Context, c *rpc.Conn, in *wire.NamingFuzzyWatchRequest) (*wire.NamingFuzzyWatchResponse, error) {
	who := auth.SubjectOf(ctx)
	err := a.fuzzy.Serve(c, in.WatchType, fuzzypush.Watch{
		Pattern: in.GroupKeyPattern, Received: in.ReceivedGroupKeys, Initial: in.Initializing,
		Readable: func(k fuzzy.Key) bool {
			return a.guard.Allows(who, auth.Need{Action: auth.Read, Resource: auth.ServiceResource(k.Namespace, k.Group, k.Name)})
		},
	}, func() error {
		err := a.svc.Await(ctx)
		if err == nil {
			a.mark(ctx)
		}
		return err
	})
	if errors.Is(err, fuzzypush.ErrType) {
		return nil, unsupported(in.WatchType)
	}
	return nil, refusal(err)
}

// fuzzyBody is a message as Nacos sends it. That there were no more counts as the first
// part of one, without services.
func fuzzyBody(m fuzzy.Message) wire.Body {
	if m.Kind == fuzzy.Change {
		return &wire.NamingFuzzyWatchChangeNotifyRequest{
			SyncType: wire.FuzzyResourceChanged, ServiceKey: m.Keys[0].Text, ChangedType: changeOf(m.Keys[0]),
		}
	}
	body := &wire.NamingFuzzyWatchSyncRequest{FuzzyWatchSync: fuzzypush.SyncOf(m), Contexts: []wire.NamingFuzzyWatchItem{}}
	if m.Kind == fuzzy.Finish {
		body.TotalBatch, body.CurrentBatch = 1, 1
	}
	for _, d := range m.Keys {
		body.Contexts = append(body.Contexts, wire.NamingFuzzyWatchItem{ServiceKey: d.Text, ChangedType: changeOf(d)})
	}
	return body
}

func changeOf(d fuzzy.Difference) string {
	return fuzzypush.ChangeOf(d, wire.FuzzyAddService, wire.FuzzyDeleteService)
}
