package node_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/node"
	jute "github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/internal/testkit"
)

func TestTheLossOfTheQuorumIsAWarning(t *testing.T) {
	e := newEnsemble(t, 3)
	logs := map[core.PeerID]*testkit.Buffer{}
	e.configure = func(cfg *node.Config) {
		id := cfg.Replica.Zab.Self
		if logs[id] == nil {
			logs[id] = &testkit.Buffer{}
		}
		cfg.Logger = hclog.New(&hclog.LoggerOptions{Output: logs[id], Level: hclog.Info, JSONFormat: true})
	}
	e.startAll()
	lone := e.leader()
	warnings := func() (list []string) {
		for line := range strings.Lines(logs[lone].String()) {
			if strings.Contains(line, `"@message":"no quorum`) {
				list = append(list, line)
			}
		}
		return list
	}
	before := len(warnings()) // a start that takes long is told of, too
	for id := range e.addrs {
		if id != lone {
			e.stop(id)
		}
	}
	require.Eventually(t, func() bool { return len(warnings()) > before }, patience, 10*time.Millisecond)
	lost := warnings()[before]
	others := []string{`"unreached":[2,3]`, `"unreached":[1,3]`, `"unreached":[1,2]`}[lone-1]
	require.Contains(t, lost, others)
	require.Contains(t, lost, `"voters":[1,2,3]`)
	require.Contains(t, lost, `"for_ms":`)
	_, err := e.nodes[lone].Reconfigure(t.Context(), &jute.Reconfig{Leaving: []byte("3"), CurConfigID: -1})
	require.ErrorIs(t, err, node.ErrNoLeader)
	require.False(t, core.IsUnknownOutcome(err), "it was not asked for: %v", err)
	for id := range e.addrs {
		if id != lone {
			e.start(id)
		}
	}
	e.await(lone)
	require.Eventually(t, func() bool { return strings.Contains(logs[lone].String(), `"@message":"the quorum is back"`) }, patience, 10*time.Millisecond)
	require.Len(t, warnings(), before+1)
}
