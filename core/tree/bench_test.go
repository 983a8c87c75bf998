package tree

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/zensus-io/zensus/core"
)

const million = 1_000_000

// grown returns a tree with n znodes of 100 bytes of data in directories of 1,000,
// and their paths.
func grown(n int) (*Tree, []string) {
	t := New()
	paths := make([]string, n)
	for i := range paths {
		paths[i] = fmt.Sprintf("/load/%04d/n%07d", i/1000, i)
	}
	fill(t, paths)
	return t, paths
}

func fill(t *Tree, paths []string) {
	data := make([]byte, 100)
	t.Create(&Creation{Path: "/load", ParentCreates: -1, Zxid: 1, Time: 1})
	for i, path := range paths {
		z := core.Zxid(i + 2)
		if i%1000 == 0 {
			t.Create(&Creation{Path: core.ParentPath(path), ParentCreates: -1, Zxid: z, Time: 1_700_000_000_000})
		}
		t.Create(&Creation{Path: path, Data: data, ParentCreates: -1, Zxid: z, Time: 1_700_000_000_000 + int64(i)})
	}
}

// shared is one large tree for all benchmarks that only read it or leave it as
// large as it was.
var shared = sync.OnceValues(func() (*Tree, []string) { return grown(million) })

// scattered visits all indices of n in an order that no cache foresees.
func scattered(i, n int) int { return i * 7_368_787 % n }

// hotPath writes the path of znode i where the last one was, as a request's bytes
// are in the cache when they are looked up.
func hotPath(buf []byte, i int) []byte {
	buf = append(buf[:0], "/load/0000/n0000000"...)
	for at, v := 9, i/1000; v > 0; at, v = at-1, v/10 {
		buf[at] += byte(v % 10)
	}
	for at, v := 18, i; v > 0; at, v = at-1, v/10 {
		buf[at] += byte(v % 10)
	}
	return buf
}

func BenchmarkFind(b *testing.B) {
	for _, n := range []int{1000, million} {
		b.Run(fmt.Sprintf("znodes=%d", n), func(b *testing.B) {
			t, _ := shared()
			buf := make([]byte, 0, 32)
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				buf = hotPath(buf, scattered(i, n))
				if t.FindBytes(buf) == None {
					b.Fatal("lost")
				}
				i++
			}
		})
	}
}

// BenchmarkFindInMap is what Find is to be compared with: a lookup costs three
// reads that no cache holds, and what these cost depends on the machine's hour.
func BenchmarkFindInMap(b *testing.B) {
	for _, n := range []int{1000, million} {
		b.Run(fmt.Sprintf("znodes=%d", n), func(b *testing.B) {
			_, paths := shared()
			m := make(map[string]*Creation, len(paths))
			for _, path := range paths {
				m[path] = &Creation{Path: path}
			}
			buf := make([]byte, 0, 32)
			i := 0
			for b.Loop() {
				buf = hotPath(buf, scattered(i, n))
				if m[string(buf)].Zxid != 0 { // reads the record, as Find does
					b.Fatal("lost")
				}
				i++
			}
		})
	}
}

func BenchmarkStatAndData(b *testing.B) {
	t, paths := shared()
	i, sum := 0, 0
	b.ReportAllocs()
	for b.Loop() {
		r := t.Find(paths[scattered(i, million)])
		sum += len(t.Data(r)) + int(t.Stat(r).Version)
		i++
	}
}

// BenchmarkCreate loads a million znodes from nothing, and says what they take.
func BenchmarkCreate(b *testing.B) {
	_, paths := grown(0)
	for i := range million {
		paths = append(paths, fmt.Sprintf("/load/%04d/n%07d", i/1000, i))
	}
	for b.Loop() {
		b.StopTimer()
		before := heap()
		b.StartTimer()
		t := New()
		fill(t, paths)
		b.StopTimer()
		b.ReportMetric(float64(heap()-before)/million, "bytes/znode")
		b.StartTimer()
		runtime.KeepAlive(t)
	}
}

func heap() uint64 {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkSetData(b *testing.B) {
	for _, view := range []bool{false, true} {
		b.Run(fmt.Sprintf("view=%v", view), func(b *testing.B) {
			t, paths := shared()
			if view {
				defer t.View().Close()
			}
			data := make([]byte, 100)
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				t.SetData(t.Find(paths[scattered(i, million)]), data, int32(i), core.Zxid(million+i), int64(i))
				t.Maintain(1)
				i++
			}
		})
	}
}

func BenchmarkCreateDelete(b *testing.B) {
	t, _ := shared()
	data := make([]byte, 100)
	z := core.Zxid(10 * million)
	b.ReportAllocs()
	for b.Loop() {
		z++
		t.Create(&Creation{Path: "/load/0500/instance", Data: data, Owner: 77, ParentCreates: -1, Zxid: z, Time: 5})
		t.Delete("/load/0500/instance", z)
		t.Maintain(1)
	}
}

func BenchmarkAppendChildren(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprintf("children=%d", n), func(b *testing.B) {
			t, _ := grown(n)
			r := t.Find("/load/0000")
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				dst = t.AppendChildren(dst[:0], r)
			}
		})
	}
}

func BenchmarkView(b *testing.B) {
	t, _ := shared()
	b.ReportAllocs()
	for b.Loop() {
		t.View().Close()
	}
}

func BenchmarkEncode(b *testing.B) {
	t, _ := shared()
	v := t.View()
	defer v.Close()
	size := 0
	for b.Loop() {
		size = 0
		if err := v.Encode(func(c []byte) error { size += len(c); return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(size)/million, "bytes/znode")
}

func BenchmarkLoad(b *testing.B) {
	t, _ := shared()
	v := t.View()
	chunks, err := encode(v)
	v.Close()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := load(chunks); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMaintain measures the steps in which a tree full of garbage is tidied:
// a step of 100 units should take no more than about 100 microseconds.
func BenchmarkMaintain(b *testing.B) {
	const n = 100_000
	t, paths := grown(n)
	longest := time.Duration(0)
	steps := 0
	for b.Loop() {
		b.StopTimer()
		for i, path := range paths {
			t.SetData(t.Find(path), make([]byte, 100+i*97%200), 1, 1, 1)
		}
		b.StartTimer()
		for more := true; more; steps++ {
			start := time.Now()
			more = t.Maintain(100)
			longest = max(longest, time.Since(start))
		}
	}
	b.ReportMetric(float64(longest.Microseconds()), "longest-us")
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(steps), "us/step")
}
