package zkclient_test

import (
	"flag"
	"testing"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
)

var (
	playSeed  = flag.Uint64("play.seed", 1, "first seed of the plays that compare engines")
	playCount = flag.Uint64("play.count", 2, "number of plays")
)

// What the fake does is what ZooKeeper does: everything that is tested against
// the fake stands on that.
func TestFakeAgreesWithApache(t *testing.T) {
	for seed := *playSeed; seed < *playSeed+*playCount; seed++ {
		a := coretest.NewApache(t) // a fresh one: counters and zxids are compared
		f := coretest.NewFake()
		fake := coretest.Harness{Open: func(t testing.TB, timeout time.Duration) core.Client {
			c, err := f.Open(t.Context(), core.SessionOptions{Timeout: timeout})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			return c
		}}
		coretest.Compare(t, fake, harness(a.Addr, coretest.ApacheFeatures), seed, 500)
		a.Stop()
	}
}
