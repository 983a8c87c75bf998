package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A node on an ensemble elsewhere died of a nil pointer when it was asked to end.
func TestNodeWithoutAnEngineHasNothingToHandOver(*testing.T) { new(instance).resign() }

// It was "No message available". A server of ours stands for Apache ZooKeeper's.
func TestTheEnsembleOfABackendIsNotManagedHere(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and runs the binary")
	}
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("a secret that the servers of a test have in common\n"), 0o600))
	engine, on := newProc(t, dir, 1), newProc(t, dir, 2)
	engine.configure(secret, engine)
	engine.start()
	engine.until("the engine", serving(1))
	text := fmt.Sprintf("data_dir: %s/data\nsecret_file: %s\nlisten: {http: %q}\nengine: {backend: 'zookeeper://%s/apps'}\n", on.dir, secret, on.http, engine.zookeeper)
	require.NoError(t, os.WriteFile(on.dir+"/zensus.yaml", []byte(text), 0o600))
	on.start()
	for _, args := range [][]string{{"status"}, {"add", "3=127.0.0.1:1"}, {"drain"}} {
		var out string
		require.Eventually(t, func() bool {
			var err error
			out, err = on.cluster(args...)
			return err != nil && strings.Contains(out, "it is not managed here")
		}, 20*time.Second, 100*time.Millisecond, "%v", args)
		require.Contains(t, out, engine.zookeeper)
		require.Contains(t, out, "Apache ZooKeeper")
	}
}
