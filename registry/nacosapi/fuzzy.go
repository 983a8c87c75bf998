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
		body := &wire.NamingFuzzyWatchChangeNotifyRequest{
			SyncType: wire.FuzzyResourceChanged, ServiceKey: m.Keys[0].Text, ChangedType: wire.FuzzyAddService,
		}
		if m.Keys[0].Gone {
			body.ChangedType = wire.FuzzyDeleteService
		}
		return body
	}
	body := &wire.NamingFuzzyWatchSyncRequest{
		GroupKeyPattern: m.Pattern, Contexts: []wire.NamingFuzzyWatchItem{}, TotalBatch: m.Batches, CurrentBatch: m.Batch,
	}
	switch m.Kind {
	case fuzzy.Finish:
		body.SyncType, body.TotalBatch, body.CurrentBatch = wire.FuzzyFinishInitNotify, 1, 1
	case fuzzy.Initial:
		body.SyncType = wire.FuzzyInitNotify
	default:
		body.SyncType = wire.FuzzyDiffSyncNotify
	}
	for _, d := range m.Keys {
		item := wire.NamingFuzzyWatchItem{ServiceKey: d.Text, ChangedType: wire.FuzzyAddService}
		if d.Gone {
			item.ChangedType = wire.FuzzyDeleteService
		}
		body.Contexts = append(body.Contexts, item)
	}
	return body
}
