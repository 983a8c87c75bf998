package center_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/zensus-io/zensus/configcenter"
)

// BenchmarkPublish is one publish of 2 KiB on a real node, until the publisher
// reads his own write; /parallel is many publishers at once, each of his own config.
func BenchmarkPublish(b *testing.B) {
	content := strings.Repeat("key: value\n", 186)
	b.Run("one", func(b *testing.B) {
		engine, _ := runNode(b, b.TempDir())
		c := start(b, engine, configcenter.Limits{})
		b.ReportAllocs()
		for b.Loop() {
			publish(b, c, "a", content)
		}
	})
	b.Run("parallel", func(b *testing.B) {
		engine, _ := runNode(b, b.TempDir())
		c := start(b, engine, configcenter.Limits{})
		b.SetParallelism(32)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			k := configcenter.MakeKey("", "g", fmt.Sprintf("d%p", pb))
			for pb.Next() {
				if _, err := c.Publish(b.Context(), &configcenter.Publish{Key: k, Content: content}); err != nil {
					b.Error(err)
				}
			}
		})
	})
}

// BenchmarkFreshRead is one read that first makes sure that it is current.
func BenchmarkFreshRead(b *testing.B) {
	engine, _ := runNode(b, b.TempDir())
	c := start(b, engine, configcenter.Limits{})
	publish(b, c, "a", "x")
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if !c.Fresh(b.Context()) {
				b.Error("not fresh")
			}
			if _, err := c.Get(b.Context(), key("a")); err != nil {
				b.Error(err)
			}
		}
	})
}
