package mirror_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/core/mirror"
)

// benchTree is a fake engine with count znodes below /b.
func benchTree(b *testing.B, count int) (*coretest.Fake, core.Client) {
	b.Helper()
	f := coretest.NewFake()
	c, err := f.Open(context.Background(), core.SessionOptions{})
	if err != nil {
		b.Fatal(err)
	}
	ops := []core.Op{core.CreateOp{Path: "/b"}}
	for i := range count {
		ops = append(ops, core.CreateOp{Path: fmt.Sprintf("/b/n%06d", i), Data: []byte("data")})
	}
	if _, _, err := c.Multi(context.Background(), ops...); err != nil {
		b.Fatal(err)
	}
	return f, c
}

func benchMirror(b *testing.B, f *coretest.Fake) (*mirror.Mirror, func()) {
	b.Helper()
	c, err := f.Open(context.Background(), core.SessionOptions{})
	if err != nil {
		b.Fatal(err)
	}
	m, err := mirror.New(mirror.Config{Client: c, Root: "/b", OnChange: func([]mirror.Change, core.Zxid) {}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Run(ctx)
	}()
	<-m.Ready()
	return m, func() {
		cancel()
		<-done
		c.Close()
	}
}

func BenchmarkList10k(b *testing.B) {
	f, _ := benchTree(b, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		_, stop := benchMirror(b, f)
		stop()
	}
}

func BenchmarkSetAndWait(b *testing.B) {
	f, c := benchTree(b, 10_000)
	m, stop := benchMirror(b, f)
	defer stop()
	ctx := context.Background()
	data := []byte("data")
	b.ReportAllocs()
	for b.Loop() {
		st, err := c.Set(ctx, "/b/n000007", data, core.AnyVersion)
		if err != nil {
			b.Fatal(err)
		}
		if err := m.Wait(ctx, st.Mzxid); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	f, _ := benchTree(b, 10_000)
	m, stop := benchMirror(b, f)
	defer stop()
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, ok := m.Get("/b/n005000"); !ok {
				b.Fail()
			}
		}
	})
}
