package nacosapi_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/listen"
	"github.com/zensus-io/zensus/core/coretest"
)

// BenchmarkChangeReachesLongPolls is one publish until every held long-poll has
// its answer; the time is for all of them.
func BenchmarkChangeReachesLongPolls(b *testing.B) {
	for _, n := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("polls=%d", n), func(b *testing.B) {
			c := startNode(b, coretest.NewFake()).center
			k := configcenter.MakeKey("", "g", "d")
			publish := func(content string) string {
				it, err := c.Publish(b.Context(), &configcenter.Publish{Key: k, Content: content})
				if err != nil {
					b.Fatal(err)
				}
				return it.MD5
			}
			md5 := publish("0")
			for i := 1; b.Loop(); i++ {
				b.StopTimer()
				var polls sync.WaitGroup
				for range n {
					polls.Go(func() {
						changed, err := c.Listeners().Poll(b.Context(), "c", nil, []listen.Watched{{Key: k, MD5: md5}}, time.Minute)
						if err != nil || len(changed) != 1 {
							b.Errorf("%v, %v", changed, err)
						}
					})
				}
				for c.Listeners().Stats().Keys != n {
					time.Sleep(time.Millisecond)
				}
				b.StartTimer()
				next := publish(fmt.Sprint(i))
				polls.Wait()
				md5 = next
			}
		})
	}
}

// BenchmarkQuery is a config of 2 KiB read over gRPC on one connection.
func BenchmarkQuery(b *testing.B) {
	c := dial(b, startNode(b, coretest.NewFake()).addr, nil, false)
	content := make([]byte, 2048)
	for i := range content {
		content[i] = 'x'
	}
	c.publish("d", string(content), "")
	b.ReportAllocs()
	for b.Loop() {
		if r := c.query("d"); !r.OK() {
			b.Fatal(r)
		}
	}
}
