package center

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/store"
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
)

func TestTheSweepLooksAtWhatHasNoHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, err := coretest.NewFake().Open(t.Context(), core.SessionOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		c, err := New(Config{Client: client})
		if err != nil {
			t.Fatal(err)
		}
		place := store.ItemPath(configcenter.MakeKey("dev", "g", "d"))
		for _, path := range []string{"/zensus", store.ConfigRoot, store.HistoryRoot, store.ConfigRoot + "/dev", store.ConfigRoot + "/dev/g", place, place + "/~0000000000000001.0"} {
			if _, _, err := client.Create(t.Context(), path, []byte{1, 0}, core.CreateOptions{}); err != nil && !errors.Is(err, core.NodeExists) {
				t.Fatal(err)
			}
		}
		for range 2 {
			time.Sleep(sweepEvery)
			if err := c.sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := client.Exists(t.Context(), place); !errors.Is(err, core.NoNode) {
			t.Errorf("it stays: %v", err)
		}
	})
}
