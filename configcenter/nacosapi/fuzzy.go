package nacosapi

import (
	"context"
	"errors"

	"github.com/hashicorp/go-hclog"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/center"
	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/fuzzy"
	"github.com/zensus-io/zensus/internal/nacos/fuzzypush"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// fuzzyBatch is how many configs one message names.
const fuzzyBatch = 20

func newFuzzy(c *center.Center, log hclog.Logger) *fuzzypush.Hub[*rpc.Conn] {
	return fuzzypush.New[*rpc.Conn](fuzzypush.Kind{
		Form: fuzzy.Configs,
		Lengths: fuzzy.Lengths{
			Namespace: configcenter.NamespaceBytesMax, Group: configcenter.GroupBytesMax, Name: configcenter.DataIDBytesMax,
		},
		Batch: fuzzyBatch,
		Body:  fuzzyBody,
		Find:  fuzzypush.Finding(c.Matching, fuzzyKey),
	}, log)
}

func fuzzyKey(k configcenter.Key) fuzzy.Key {
	return fuzzy.Key{Namespace: k.Namespace, Group: k.Group, Name: k.DataID}
}

// fuzzyWatch begins or ends a watch on a pattern of configs. Another type of watch is
// passed over, as Nacos does.
func (a *API) fuzzyWatch(ctx context.Context, c *rpc.Conn, in *wire.ConfigFuzzyWatchRequest) (*wire.ConfigFuzzyWatchResponse, error) {
	who := auth.SubjectOf(ctx)
	err := a.fuzzy.Serve(c, in.WatchType, fuzzypush.Watch{
		Pattern: in.GroupKeyPattern, Received: in.ReceivedGroupKeys, Initial: in.Initializing,
		Readable: func(k fuzzy.Key) bool {
			return a.guard.Allows(who, auth.Need{Action: auth.Read, Resource: auth.ConfigResource(k.Namespace, k.Group, k.Name)})
		},
	}, func() error {
		a.settle(ctx, c)
		a.markStale(ctx, a.center.Stale())
		return a.ready(ctx)
	})
	if errors.Is(err, fuzzypush.ErrType) {
		return nil, nil
	}
	return nil, refusal(err)
}

// fuzzyBody is a message as Nacos sends it. That there were no more has no numbers. A config
// that comes is one that changed, unless it is told among several.
func fuzzyBody(m fuzzy.Message) wire.Body {
	if m.Kind == fuzzy.Change {
		return &wire.ConfigFuzzyWatchChangeNotifyRequest{
			GroupKey: m.Keys[0].Text, ChangeType: fuzzypush.ChangeOf(m.Keys[0], wire.FuzzyConfigChanged, wire.FuzzyDeleteConfig),
		}
	}
	body := &wire.ConfigFuzzyWatchSyncRequest{FuzzyWatchSync: fuzzypush.SyncOf(m)}
	for _, d := range m.Keys {
		body.Contexts = append(body.Contexts, wire.ConfigFuzzyWatchItem{
			GroupKey: d.Text, ChangedType: fuzzypush.ChangeOf(d, wire.FuzzyAddConfig, wire.FuzzyDeleteConfig),
		})
	}
	return body
}
