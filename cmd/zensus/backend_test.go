package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A node on an ensemble elsewhere died of a nil pointer when it was asked to end.
func TestNodeWithoutAnEngineHasNothingToHandOver(*testing.T) { new(instance).resign() }

// It was "No message available". A server of ours stands for Apache ZooKeeper's.
func TestTheEnsembleOfABackendIsNotManagedHere(t *testing.T) {
	all := newProcs(t, 1, 2)
	engine, on := all[0], all[1]
	engine.configure(engine)
	engine.start()
	engine.until("the engine", serving(1))
	text := fmt.Sprintf("data_dir: %s/data\nsecret_file: %s\nlisten: {http: %q}\nengine: {backend: 'zookeeper://%s/apps'}\n", on.dir, on.secret, on.http, engine.zookeeper)
	require.NoError(t, os.WriteFile(on.dir+"/zensus.yaml", []byte(text), 0o600))
	on.start()
	refused := func(why string, args ...string) string {
		var out string
		require.Eventually(t, func() bool {
			var err error
			out, err = on.cluster(args...)
			return err != nil && strings.Contains(out, why)
		}, 20*time.Second, 100*time.Millisecond, "%v", args)
		return out
	}
	for _, args := range [][]string{{"status"}, {"add", "3=127.0.0.1:1"}} {
		out := refused("it is not managed here", args...)
		require.Contains(t, out, engine.zookeeper)
		require.Contains(t, out, "Apache ZooKeeper")
	}
	refused("there is no other server to which its clients could go", "drain") // clients of Nacos it has itself
}
