package watch

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/zensus-io/zensus/core"
)

// model is the rules of the protocol, said as plainly as possible: a sequence of
// registrations, looked through from the start for every question.
type model struct{ regs []registration }

type registration struct {
	conn                               ConnID
	path                               string
	child                              bool // the child table, else the data table
	oneShot, persistent, recursivePart bool
}

func (m *model) add(path string, c ConnID, child, oneShot, persistent, recursive bool) {
	for i := range m.regs {
		if r := &m.regs[i]; r.conn == c && r.path == path && r.child == child && r.recursivePart == recursive {
			r.oneShot = r.oneShot || oneShot
			r.persistent = r.persistent || persistent
			return
		}
	}
	m.regs = append(m.regs, registration{c, path, child, oneShot, persistent, recursive})
}

// table fires one table and returns who hears, in the order of depth of the
// registration that matched and then of registration.
func (m *model) table(path string, child bool, skip map[ConnID]bool) []ConnID {
	var told []ConnID
	seen := map[ConnID]bool{}
	tell := func(c ConnID) {
		if !seen[c] && !skip[c] {
			told = append(told, c)
		}
		seen[c] = true
	}
	for _, r := range m.regs {
		if r.child == child && r.path == path && !r.recursivePart {
			tell(r.conn)
		}
	}
	if !child {
		for at := path; at != ""; at = core.ParentPath(at) {
			for _, r := range m.regs {
				if r.recursivePart && r.path == at {
					tell(r.conn)
				}
			}
		}
	}
	for i := range m.regs {
		if r := &m.regs[i]; r.child == child && r.path == path && !r.recursivePart {
			r.oneShot = false
		}
	}
	m.sweep()
	return told
}

func (m *model) sweep() {
	m.regs = slices.DeleteFunc(m.regs, func(r registration) bool { return !r.oneShot && !r.persistent })
}

func (m *model) fire(what core.EventType, path string) []Hit {
	var hits []Hit
	told := map[ConnID]bool{}
	for _, c := range m.table(path, false, nil) {
		told[c] = true
		hits = append(hits, Hit{c, what, path})
	}
	if what == core.NodeDataChanged {
		return hits
	}
	if what == core.NodeDeleted {
		for _, c := range m.table(path, true, told) {
			hits = append(hits, Hit{c, what, path})
		}
	}
	if parent := core.ParentPath(path); parent != "" {
		for _, c := range m.table(parent, true, nil) {
			hits = append(hits, Hit{c, core.NodeChildrenChanged, parent})
		}
	}
	return hits
}

func (m *model) remove(path string, c ConnID, typ int32, really bool) bool {
	found := false
	for i := range m.regs {
		r := &m.regs[i]
		if r.conn != c || r.path != path {
			continue
		}
		oneShot := r.oneShot && (typ == TypeAny || typ == TypeChildren && r.child || typ == TypeData && !r.child)
		lasting := r.persistent && (typ == TypeAny || typ == TypePersistent && !r.recursivePart || typ == TypePersistentRecursive && r.recursivePart)
		found = found || oneShot || lasting
		if really {
			r.oneShot = r.oneShot && !oneShot
			r.persistent = r.persistent && !lasting
		}
	}
	m.sweep()
	return found
}

func (m *model) count() (conns, paths, total int) {
	c, p, pairs := map[ConnID]bool{}, map[string]bool{}, map[string]bool{}
	for _, r := range m.regs {
		if !r.child {
			c[r.conn], p[r.path], pairs[fmt.Sprint(r.conn, r.path)] = true, true, true
		}
	}
	return len(c), len(p), len(pairs)
}

// FuzzTable plays calls against the table and the model; they must never differ.
func FuzzTable(f *testing.F) {
	f.Add([]byte{0, 0, 0, 7, 0, 0})
	f.Add([]byte{3, 0, 1, 1, 1, 1, 2, 1, 2, 4, 2, 0, 5, 2, 0, 6, 1, 0, 8, 1, 0})
	f.Add([]byte("recursive and persistent watches of many connections, dropped and told and told again"))
	var many []byte
	for c := range 60 { // enough of one path for an index, then few again
		many = append(many, byte(c%4), 1, byte(c))
	}
	many = append(many, 5, 1, 0, 4, 1, 0)
	for c := range 60 {
		many = append(many, 8, 0, byte(c))
	}
	f.Add(many)
	f.Fuzz(play)
}

func TestTableFollowsTheModelOnRandomWalks(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		script := make([]byte, 900)
		for i := range script {
			script[i] = byte(r.Uint32())
		}
		play(t, script)
	}
}

func play(t *testing.T, script []byte) {
	paths := []string{"/", "/a", "/a/b", "/a/b/c", "/ab", "/a/c"}
	if len(script) > 3000 {
		return
	}
	table, m := New(), &model{}
	for ; len(script) >= 3; script = script[3:] {
		path, c := paths[int(script[1])%len(paths)], ConnID(script[2]%64)
		typ := int32(script[1])/int32(len(paths))%5 + 1
		var got, want []Hit
		switch script[0] % 10 {
		case 0:
			table.AddData(path, c)
			m.add(path, c, false, true, false, false)
		case 1:
			table.AddChild(path, c)
			m.add(path, c, true, true, false, false)
		case 2:
			table.AddPersistent(path, c)
			m.add(path, c, false, false, true, false)
			m.add(path, c, true, false, true, false)
		case 3:
			table.AddRecursive(path, c)
			m.add(path, c, false, false, true, true)
		case 4:
			got, want = table.Created(path, nil), m.fire(core.NodeCreated, path)
		case 5:
			got, want = table.Deleted(path, nil), m.fire(core.NodeDeleted, path)
		case 6:
			got, want = table.DataChanged(path, nil), m.fire(core.NodeDataChanged, path)
		case 7:
			if got, want := table.Remove(path, c, typ), m.remove(path, c, typ, true); got != want {
				t.Fatalf("remove %s %d type %d: got %v, want %v", path, c, typ, got, want)
			}
		case 8:
			table.Drop(c)
			m.regs = slices.DeleteFunc(m.regs, func(r registration) bool { return r.conn == c })
		case 9:
			if got, want := table.Has(path, c, typ), m.remove(path, c, typ, false); got != want {
				t.Fatalf("has %s %d type %d: got %v, want %v", path, c, typ, got, want)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got  %s\nwant %s", show(got), show(want))
		}
		verify(t, table, m)
	}
}

// verify compares what the table keeps with the model, and that nothing leaks.
func verify(t *testing.T, table *Table, m *model) {
	t.Helper()
	c1, p1, n1 := table.Count()
	if c2, p2, n2 := m.count(); c1 != c2 || p1 != p2 || n1 != n2 {
		t.Fatalf("count: got %d %d %d, want %d %d %d", c1, p1, n1, c2, p2, n2)
	}
	if table.entries.live() != len(m.regs) {
		t.Fatalf("%d entries, want %d", table.entries.live(), len(m.regs))
	}
	conns, paths := map[ConnID]int{}, map[string]int{}
	for _, r := range m.regs {
		conns[r.conn]++
		paths[r.path]++
	}
	if table.connRec.live() != len(conns) || len(table.conns) != len(conns) ||
		table.pathRec.live() != len(paths) || len(table.paths) != len(paths) {
		t.Fatalf("%d and %d connections, %d and %d paths; want %d and %d", table.connRec.live(), len(table.conns),
			table.pathRec.live(), len(table.paths), len(conns), len(paths))
	}
	for c, n := range conns {
		if table.Of(c) != n {
			t.Fatalf("connection %d has %d entries, want %d", c, table.Of(c), n)
		}
	}
	for _, i := range table.paths {
		p := table.pathRec.at(i)
		if p.index != nil && len(p.index) != int(p.n) {
			t.Fatalf("the index of %s holds %d of %d", p.text, len(p.index), p.n)
		}
	}
}

func TestAHugeTableLetsGoOfItsMemoryWhenItIsEmpty(t *testing.T) {
	table := New()
	for i := range keepMax + 1 {
		table.AddData(fmt.Sprintf("/n/%d", i), ConnID(i%100+1))
	}
	for c := range ConnID(101) {
		table.Drop(c)
	}
	if table.entries.used != 0 || table.Len() != 0 {
		t.Errorf("it keeps %d slots", table.entries.used)
	}
	table.AddData("/n/1", 1)
	if got := show(table.DataChanged("/n/1", nil)); got != "1:DataChanged(/n/1)" {
		t.Errorf("afterwards: got %q", got)
	}
}

// BenchmarkMemory measures what a watch keeps, its path's text included where
// the path is not shared.
func BenchmarkMemory(b *testing.B) {
	const n = 200_000
	for name, path := range map[string]func(i int) string{
		"own-path":      func(i int) string { return fmt.Sprintf("/dubbo/com.example.Service%06d/providers", i) },
		"1000-per-path": func(i int) string { return fmt.Sprintf("/dubbo/com.example.Service%06d/providers", i/1000) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				table := New()
				for i := range n {
					table.AddChild(path(i), ConnID(i%1000+1))
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(table.Len()), "bytes/watch")
				runtime.KeepAlive(table)
			}
		})
	}
}

func BenchmarkTrigger(b *testing.B) {
	const path = "/dubbo/com.example.OrderService/providers"
	b.Run("unwatched", func(b *testing.B) {
		table := New()
		table.AddData("/other", 1)
		b.ReportAllocs()
		for b.Loop() {
			table.Created(path, nil)
		}
	})
	b.Run("unwatched/recursive-elsewhere", func(b *testing.B) {
		table := New()
		table.AddRecursive("/other", 1)
		b.ReportAllocs()
		for b.Loop() {
			table.Created(path, nil)
		}
	})
	for _, conns := range []int{1, 1000} {
		b.Run(fmt.Sprintf("rearm-and-fire/conns=%d", conns), func(b *testing.B) {
			table := New()
			hits := make([]Hit, 0, conns)
			b.ReportAllocs()
			for b.Loop() {
				for c := range conns {
					table.AddChild(path, ConnID(c+1))
				}
				hits = table.Created(path+"/x", hits[:0])
			}
			if len(hits) != conns {
				b.Fatal(len(hits))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(conns), "ns/watch")
		})
		b.Run(fmt.Sprintf("persistent/conns=%d", conns), func(b *testing.B) {
			table := New()
			for c := range conns {
				table.AddPersistent(path, ConnID(c+1))
			}
			hits := make([]Hit, 0, conns)
			b.ReportAllocs()
			for b.Loop() {
				hits = table.Created(path+"/x", hits[:0])
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(conns), "ns/watch")
		})
	}
}
