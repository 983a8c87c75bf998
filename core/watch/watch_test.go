package watch

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// show is hits as text: "1:NodeDeleted(/a) 2:..."
func show(hits []Hit) string {
	var out []string
	for _, h := range hits {
		out = append(out, fmt.Sprintf("%d:%s(%s)", h.Conn, strings.TrimPrefix(h.Type.String(), "Node"), h.Path))
	}
	return strings.Join(out, " ")
}

func TestTriggers(t *testing.T) {
	tests := []struct {
		name  string
		arm   func(*Table)
		fire  func(*Table) []Hit
		want  string
		again string // what the same trigger tells the second time
	}{
		{
			"a one-shot data watch hears of a change once",
			func(t *Table) { t.AddData("/a", 1) },
			func(t *Table) []Hit { return t.DataChanged("/a", nil) },
			"1:DataChanged(/a)", "",
		},
		{
			"a data watch on an absent node hears of its creation",
			func(t *Table) { t.AddData("/a", 1) },
			func(t *Table) []Hit { return t.Created("/a", nil) },
			"1:Created(/a)", "",
		},
		{
			"a child watch hears nothing of data",
			func(t *Table) { t.AddChild("/a", 1) },
			func(t *Table) []Hit { return t.DataChanged("/a", nil) },
			"", "",
		},
		{
			"a child watch hears of a child that comes",
			func(t *Table) { t.AddChild("/a", 1) },
			func(t *Table) []Hit { return t.Created("/a/b", nil) },
			"1:ChildrenChanged(/a)", "",
		},
		{
			"a data watch hears nothing of children",
			func(t *Table) { t.AddData("/a", 1) },
			func(t *Table) []Hit { return t.Created("/a/b", nil) },
			"", "",
		},
		{
			"the root hears of its children",
			func(t *Table) { t.AddChild("/", 1) },
			func(t *Table) []Hit { return t.Deleted("/a", nil) },
			"1:ChildrenChanged(/)", "",
		},
		{
			"a delete tells data watchers, then child watchers, then the parent's",
			func(t *Table) {
				t.AddChild("/a", 5)
				t.AddChild("/a/b", 4)
				t.AddData("/a/b", 3)
			},
			func(t *Table) []Hit { return t.Deleted("/a/b", nil) },
			"3:Deleted(/a/b) 4:Deleted(/a/b) 5:ChildrenChanged(/a)", "",
		},
		{
			"a connection with both watches hears of a delete once, and both are used up",
			func(t *Table) { t.AddData("/a", 1); t.AddChild("/a", 1); t.AddChild("/a", 2) },
			func(t *Table) []Hit { return t.Deleted("/a", nil) },
			"1:Deleted(/a) 2:Deleted(/a)", "",
		},
		{
			"a connection hears of the parent's children although it heard of the delete",
			func(t *Table) { t.AddData("/a/b", 1); t.AddChild("/a", 1) },
			func(t *Table) []Hit { return t.Deleted("/a/b", nil) },
			"1:Deleted(/a/b) 1:ChildrenChanged(/a)", "",
		},
		{
			"a persistent watch stays across deletion and hears of it once",
			func(t *Table) { t.AddPersistent("/a", 1) },
			func(t *Table) []Hit { return t.Deleted("/a", nil) },
			"1:Deleted(/a)", "1:Deleted(/a)",
		},
		{
			"a persistent watch hears of children",
			func(t *Table) { t.AddPersistent("/a", 1) },
			func(t *Table) []Hit { return t.Created("/a/b", nil) },
			"1:ChildrenChanged(/a)", "1:ChildrenChanged(/a)",
		},
		{
			"a one-shot beside a persistent watch adds no second event and leaves it",
			func(t *Table) { t.AddData("/a", 1); t.AddPersistent("/a", 1); t.AddData("/a", 1) },
			func(t *Table) []Hit { return t.DataChanged("/a", nil) },
			"1:DataChanged(/a)", "1:DataChanged(/a)",
		},
		{
			"a recursive watch hears of descendants by their own path",
			func(t *Table) { t.AddRecursive("/a", 1) },
			func(t *Table) []Hit { return t.Created("/a/b/c", nil) },
			"1:Created(/a/b/c)", "1:Created(/a/b/c)",
		},
		{
			"a recursive watch hears of its own node and never of a list of children",
			func(t *Table) { t.AddRecursive("/a", 1) },
			func(t *Table) []Hit { return t.Deleted("/a", t.Created("/a/b", nil)) },
			"1:Created(/a/b) 1:Deleted(/a)", "1:Created(/a/b) 1:Deleted(/a)",
		},
		{
			"a recursive watch of the root hears of everything",
			func(t *Table) { t.AddRecursive("/", 1) },
			func(t *Table) []Hit { return t.DataChanged("/a/b", nil) },
			"1:DataChanged(/a/b)", "1:DataChanged(/a/b)",
		},
		{
			"a recursive watch covers no sibling that begins like it",
			func(t *Table) { t.AddRecursive("/a", 1) },
			func(t *Table) []Hit { return t.DataChanged("/ab", nil) },
			"", "",
		},
		{
			"several recursive ancestors tell a connection once",
			func(t *Table) {
				t.AddRecursive("/", 1)
				t.AddRecursive("/a", 1)
				t.AddRecursive("/a/b", 1)
				t.AddData("/a/b", 1)
			},
			func(t *Table) []Hit { return t.DataChanged("/a/b", nil) },
			"1:DataChanged(/a/b)", "1:DataChanged(/a/b)",
		},
		{
			"a recursive and a one-shot child watch on one node give both events",
			func(t *Table) { t.AddRecursive("/a", 1); t.AddChild("/a", 1) },
			func(t *Table) []Hit { return t.Created("/a/b", nil) },
			"1:Created(/a/b) 1:ChildrenChanged(/a)", "1:Created(/a/b)",
		},
		{
			"a recursive watcher of an ancestor is not told again by its child watch on the deleted node",
			func(t *Table) { t.AddRecursive("/", 1); t.AddChild("/a", 1) },
			func(t *Table) []Hit { return t.Deleted("/a", nil) },
			"1:Deleted(/a)", "1:Deleted(/a)",
		},
		{
			"connections are told in the order in which they registered",
			func(t *Table) {
				for _, c := range []ConnID{7, 3, 9, 1} {
					t.AddData("/a", c)
				}
				t.AddData("/a", 3)
			},
			func(t *Table) []Hit { return t.DataChanged("/a", nil) },
			"7:DataChanged(/a) 3:DataChanged(/a) 9:DataChanged(/a) 1:DataChanged(/a)", "",
		},
		{
			"hits are appended to what is there",
			func(t *Table) { t.AddPersistent("/a", 1) },
			func(t *Table) []Hit { return t.DataChanged("/a", []Hit{{9, core.NodeCreated, "/z"}}) },
			"9:Created(/z) 1:DataChanged(/a)", "9:Created(/z) 1:DataChanged(/a)",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			table := New()
			tt.arm(table)
			if got := show(tt.fire(table)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if got := show(tt.fire(table)); got != tt.again {
				t.Errorf("second time: got %q, want %q", got, tt.again)
			}
		})
	}
}

func TestRemoveTakesOnlyWhatItNames(t *testing.T) {
	all := []int32{TypeChildren, TypeData, TypePersistent, TypePersistentRecursive}
	tests := []struct {
		name  string
		typ   int32
		stays []int32
	}{
		{"children", TypeChildren, []int32{TypeData, TypePersistent, TypePersistentRecursive}},
		{"data", TypeData, []int32{TypeChildren, TypePersistent, TypePersistentRecursive}},
		{"any", TypeAny, nil},
		{"persistent", TypePersistent, []int32{TypeChildren, TypeData, TypePersistentRecursive}},
		{"recursive", TypePersistentRecursive, []int32{TypeChildren, TypeData, TypePersistent}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			table := New()
			for _, c := range []ConnID{1, 2} {
				table.AddData("/a", c)
				table.AddChild("/a", c)
				table.AddPersistent("/a", c)
				table.AddRecursive("/a", c)
			}
			if !table.Has("/a", 1, tt.typ) || !table.Remove("/a", 1, tt.typ) {
				t.Fatal("there was nothing to remove")
			}
			if table.Has("/a", 1, tt.typ) || table.Remove("/a", 1, tt.typ) {
				t.Error("it is still there")
			}
			for _, typ := range all {
				want := false
				for _, s := range tt.stays {
					want = want || s == typ
				}
				if got := table.Has("/a", 1, typ); got != want {
					t.Errorf("type %d: got %v, want %v", typ, got, want)
				}
				if !table.Has("/a", 2, typ) {
					t.Errorf("type %d of another connection went too", typ)
				}
			}
		})
	}
}

func TestRemoveOfNothing(t *testing.T) {
	table := New()
	table.AddData("/a", 1)
	for _, typ := range []int32{-1, 0, 6, 1 << 30} {
		if table.Remove("/a", 1, typ) || table.Has("/a", 1, typ) || ValidType(typ) {
			t.Errorf("type %d is known", typ)
		}
	}
	if table.Remove("/b", 1, TypeAny) || table.Remove("/a", 2, TypeAny) || table.Remove("/a", 1, TypeChildren) {
		t.Error("removed what was not there")
	}
	if !table.Has("/a", 1, TypeData) || !table.Has("/a", 1, TypeAny) {
		t.Error("the watch is gone")
	}
}

func TestAConnectionThatDropsIsNotToldAnyMore(t *testing.T) {
	table := New()
	for _, c := range []ConnID{1, 2} {
		table.AddData("/a", c)
		table.AddPersistent("/a", c)
		table.AddRecursive("/", c)
		table.AddChild("/", c)
	}
	table.Drop(1)
	table.Drop(77)
	if got := show(table.Deleted("/a", nil)); got != "2:Deleted(/a) 2:ChildrenChanged(/)" {
		t.Errorf("got %q", got)
	}
	if table.Of(1) != 0 || table.Of(2) != 3 {
		t.Errorf("entries: %d and %d, want 0 and 3", table.Of(1), table.Of(2))
	}
}

func TestReportsShowTheDataTable(t *testing.T) {
	table := New()
	table.AddChild("/child", 3)
	table.AddData("/b", 2)
	table.AddRecursive("/b", 2)
	table.AddData("/b", 1)
	table.AddPersistent("/a", 2)
	conns, paths, total := table.Count()
	if conns != 2 || paths != 2 || total != 3 {
		t.Errorf("count: %d connections, %d paths, %d watches; want 2, 2, 3", conns, paths, total)
	}
	if table.Len() != 5 { // /child and /a of the child table too
		t.Errorf("len %d, want 5", table.Len())
	}
	var got []string
	table.Pairs(func(c ConnID, path string) bool {
		got = append(got, fmt.Sprint(c, path))
		return true
	})
	slices.Sort(got)
	if want := "1/b 2/a 2/b 2/b"; strings.Join(got, " ") != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestReportsStopWhenTold(t *testing.T) {
	table := New()
	table.AddData("/a", 1)
	table.AddData("/b", 2)
	n := 0
	table.Pairs(func(ConnID, string) bool { n++; return false })
	if n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
}

func TestTheTableKeepsNoMemoryOfTheRequest(t *testing.T) {
	table := New()
	frame := []byte("/v")
	table.AddData(wire.View(frame), 1)
	frame[1] = 'w'
	if !table.Has("/v", 1, TypeData) || table.Has("/w", 1, TypeData) {
		t.Error("the watched path changed with the request")
	}
}

func TestATriggerThatNobodyWatchesDoesNotAllocate(t *testing.T) {
	for _, recursive := range []bool{false, true} {
		table := New()
		table.AddData("/other", 1)
		if recursive {
			table.AddRecursive("/elsewhere", 1)
		}
		if n := testing.AllocsPerRun(100, func() {
			if len(table.Deleted("/services/orders/one", table.Created("/services/orders/one", nil))) != 0 {
				t.Fatal("somebody heard")
			}
		}); n != 0 {
			t.Errorf("recursive watches %v: %v allocations", recursive, n)
		}
	}
}
