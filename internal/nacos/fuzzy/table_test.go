package fuzzy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// world is a table and all the keys that there are.
type world struct {
	t     *testing.T
	table *Table
	keys  map[Key]bool
}

func newWorld(t *testing.T, limits Limits, names ...string) *world {
	w := &world{t: t, table: NewTable(limits), keys: map[Key]bool{}}
	for _, n := range names {
		w.keys[Key{"n", "g", n}] = true
	}
	return w
}

var small = Limits{Patterns: 3, Matches: 5, Batch: 2}

func pattern(t *testing.T, text string) Pattern {
	t.Helper()
	p, err := Parse(text, Lengths{100, 100, 100})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (w *world) find(p Pattern) (found []Key) {
	for k := range w.keys {
		if p.Matches(k) {
			found = append(found, k)
		}
	}
	slices.SortFunc(found, Key.Compare)
	return found[:min(len(found), w.table.ScanMax())]
}

func all(Key) bool { return true }

// watch is what fuzzypush does, in one go.
func (w *world) watch(c *Client, text string, initial bool, received ...string) error {
	w.t.Helper()
	p := pattern(w.t, text)
	scan, err := c.Watch(p)
	if err != nil {
		return err
	}
	if scan != nil {
		w.table.Fill(scan, w.find(p))
	}
	keys, complete, over := c.Matches(p)
	c.Begin(p, Compare(Services, keys, complete, received, all, 100), initial)
	return over
}

func (w *world) change(name string, there bool) []*Client {
	k := Key{"n", "g", name}
	if delete(w.keys, k); there {
		w.keys[k] = true
	}
	return w.table.Changed(k, there)
}

// said is a message in short: "init n>>g>>* 1/2 +a -b", "+a".
func said(m Message) string {
	var b strings.Builder
	if m.Kind != Change {
		fmt.Fprintf(&b, "%s %s %d/%d", [...]string{"init", "finish", "diff"}[m.Kind], m.Pattern, m.Batch, m.Batches)
	}
	for _, d := range m.Keys {
		if d.Gone {
			b.WriteString(" -")
		} else {
			b.WriteString(" +")
		}
		if b.WriteString(d.Key.Name); d.Key.Name == "" {
			b.WriteString(d.Text)
		}
	}
	return strings.TrimSpace(b.String())
}

// hears takes what the client is owed, all of which arrives.
func (w *world) hears(c *Client, want ...string) {
	w.t.Helper()
	var got []string
	for m, ok := c.Take(); ok; m, ok = c.Take() {
		got = append(got, said(m))
		c.Done(m, true)
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("heard %q, want %q", got, want)
	}
	if c.Owes() {
		w.t.Error("and is owed more")
	}
}

func TestFirstAllThatMatchesThenTheEnd(t *testing.T) {
	w := newWorld(t, small, "a1", "a2", "a3", "b1")
	c := w.table.Open()
	if err := w.watch(c, "n>>g>>a*", true); err != nil {
		t.Fatal(err)
	}
	w.hears(c, "init n>>g>>a* 1/2 +a1 +a2", "init n>>g>>a* 2/2 +a3", "finish n>>g>>a* 3/2")
	if err := w.watch(c, "n>>g>>c*", true); err != nil {
		t.Fatal(err)
	}
	w.hears(c, "finish n>>g>>c* 1/0")
}

func TestOnlyWhatDiffersFromWhatItHas(t *testing.T) {
	w := newWorld(t, small, "a1", "a2")
	c := w.table.Open()
	for _, initial := range []bool{true, false} {
		if err := w.watch(c, "n>>g>>a*", initial, "n@@g@@a1", "n@@g@@a0", "nonsense", "n@@g@@a0"); err != nil {
			t.Fatal(err)
		}
		if initial {
			w.hears(c, "init n>>g>>a* 1/2 +a2 -a0", "init n>>g>>a* 2/2 -nonsense", "finish n>>g>>a* 3/2")
		} else {
			w.hears(c, "diff n>>g>>a* 1/2 +a2 -a0", "diff n>>g>>a* 2/2 -nonsense")
		}
	}
	if err := w.watch(c, "n>>g>>a*", false, "n@@g@@a1", "n@@g@@a2"); err != nil {
		t.Fatal(err)
	}
	w.hears(c)
}

func TestWhatComesAndGoesIsToldOnceToEachWhoWatches(t *testing.T) {
	w := newWorld(t, small)
	c, d, e := w.table.Open(), w.table.Open(), w.table.Open()
	for _, p := range []string{"n>>g>>a*", "n>>*>>*", "n>>g>>a1"} {
		_ = w.watch(c, p, false)
	}
	_ = w.watch(d, "n>>g>>a*", false)
	_ = w.watch(e, "m>>g>>a*", false)
	if owed := w.change("a1", true); len(owed) != 2 {
		t.Errorf("%d are owed something", len(owed))
	}
	w.hears(c, "+a1")
	w.hears(d, "+a1")
	w.hears(e)
	if owed := w.change("a1", true); owed != nil {
		t.Error("another content is no news")
	}
	w.change("b", true)
	w.hears(c, "+b")
	w.hears(d)
	w.change("a1", false)
	w.hears(c, "-a1")
	w.hears(d, "-a1")
	d.Cancel("n>>g>>a*")
	d.Cancel("n>>g>>never")
	w.change("a1", true)
	w.hears(d)
	w.hears(c, "+a1")
	c.Close()
	d.Close()
	e.Close()
	if len(w.table.topics) != 0 {
		t.Errorf("left behind: %v", w.table.topics)
	}
	if w.change("a2", true) != nil {
		t.Error("nobody is left to be told")
	}
}

func TestWhatComesToNothingIsNotTold(t *testing.T) {
	w := newWorld(t, small, "a0")
	c := w.table.Open()
	_ = w.watch(c, "n>>g>>a*", false, "n@@g@@a0")
	for i := range 1000 {
		w.change(fmt.Sprint("a", i+1), true)
		w.change(fmt.Sprint("a", i+1), false)
	}
	if c.queue.Len() != 0 || len(c.news) != 0 {
		t.Errorf("owed %d", c.queue.Len())
	}
	w.change("a0", false)
	w.change("a0", true)
	w.hears(c)
}

func TestWhatDidNotArriveIsToldAsItIsThen(t *testing.T) {
	w := newWorld(t, small, "a1", "a2", "a3")
	c := w.table.Open()
	_ = w.watch(c, "n>>g>>a*", true)
	m, _ := c.Take()
	c.Done(m, false)
	w.change("a1", false)
	m, _ = c.Take()
	if said(m) != "init n>>g>>a* 1/2 +a2" {
		t.Errorf("again: %s", said(m))
	}
	c.Done(m, true)
	// It may have had a1 by the first attempt.
	w.hears(c, "init n>>g>>a* 2/2 +a3", "finish n>>g>>a* 3/2", "-a1")

	w.change("a4", true)
	m, _ = c.Take()
	w.change("a4", false) // while it is under way
	c.Done(m, false)
	w.hears(c, "-a4")
	w.change("a4", true)
	m, _ = c.Take()
	w.change("a4", false)
	c.Done(m, true)
	w.hears(c, "-a4")
}

func TestANewComparisonTakesThePlaceOfAnOldOne(t *testing.T) {
	w := newWorld(t, small, "a1", "a2", "a3")
	c := w.table.Open()
	_ = w.watch(c, "n>>g>>a*", true)
	m, _ := c.Take()
	_ = w.watch(c, "n>>g>>a*", true, "n@@g@@a1", "n@@g@@a2")
	c.Done(m, true)
	w.hears(c, "init n>>g>>a* 1/1 +a3", "finish n>>g>>a* 2/1")
	_ = w.watch(c, "n>>g>>a*", true)
	m, _ = c.Take()
	c.Cancel("n>>g>>a*")
	c.Done(m, false)
	w.hears(c)
}

func TestThereAreLimits(t *testing.T) {
	w := newWorld(t, small, "a1", "a2", "a3", "a4", "a5", "a6")
	c := w.table.Open()
	if err := w.watch(c, "n>>g>>a*", true, "n@@g@@gone"); !errors.Is(err, ErrTooManyMatches) {
		t.Errorf("six match: %v", err)
	}
	// What is not known to be gone is left to it.
	w.hears(c, "init n>>g>>a* 1/3 +a1 +a2", "init n>>g>>a* 2/3 +a3 +a4", "init n>>g>>a* 3/3 +a5", "finish n>>g>>a* 4/3")
	w.change("a7", true)
	w.change("a7", false)
	w.hears(c)
	w.change("a2", false)
	w.change("a1", false)
	w.hears(c, "-a2", "-a1")
	// The one that was not kept comes with the next comparison, to all who watch.
	d := w.table.Open()
	if err := w.watch(d, "n>>g>>a*", false); err != nil {
		t.Error(err)
	}
	w.hears(d, "diff n>>g>>a* 1/2 +a3 +a4", "diff n>>g>>a* 2/2 +a5 +a6")
	w.hears(c, "+a6")
	for i := range 3 {
		err := w.watch(c, fmt.Sprint("n>>g>>", i), false)
		if (i == 2) != errors.Is(err, ErrTooManyPatterns) {
			t.Errorf("pattern %d: %v", i+2, err)
		}
	}
	if err := w.watch(c, "n>>g>>0", false); err != nil || c.Watching() != 3 {
		t.Errorf("one of them again: %v, %d", err, c.Watching())
	}
	if err := w.watch(d, "n>>g>>2", false); err != nil {
		t.Errorf("another client: %v", err)
	}
}

func TestWhoTakesNothingIsOwedNoMoreThanSoMuch(t *testing.T) {
	w := newWorld(t, small)
	c := w.table.Open()
	for i := range 1000 {
		name := fmt.Sprint("a", i)
		w.change(name, true)
		for _, p := range []string{"n>>g>>*", "n>>g>>a*"} {
			_ = w.watch(c, p, false, "n@@g@@"+name)
		}
		w.change(name, false)
	}
	if n := c.queue.Len(); n > small.Patterns*small.Matches || n != len(c.news) {
		t.Errorf("owed %d", n)
	}
}

func TestWhatMayNotBeReadIsNotThere(t *testing.T) {
	keys := []Key{{"n", "g", "a"}, {"n", "g", "b"}, {"n", "g", "c"}}
	notB := func(k Key) bool { return k.Name != "b" }
	diff := Compare(Services, keys, true, []string{"n@@g@@b", "n@@g@@c", "n@@g@@d"}, notB, 100)
	// Whether b is there shows as little as whether d is.
	if got := said(Message{Kind: Change, Keys: diff}); got != "+a -b -d" {
		t.Errorf("compared: %s", got)
	}
	if got := said(Message{Kind: Change, Keys: Compare(Services, nil, true, []string{"x", strings.Repeat("y", 1<<20), "z"}, all, 1)}); got != "-x" {
		t.Errorf("bounded: %s", got)
	}
}

// TestChangesDuringAScanAreSeen: what is found may be older or newer than what was heard.
func TestChangesDuringAScanAreSeen(t *testing.T) {
	w := newWorld(t, small, "a1", "a2")
	c := w.table.Open()
	p := pattern(t, "n>>g>>a*")
	scan, _ := c.Watch(p)
	found := w.find(p)
	w.change("a1", false)
	w.change("a3", true)
	w.table.Fill(scan, found)
	keys, complete, err := c.Matches(p)
	if want := []Key{{"n", "g", "a2"}, {"n", "g", "a3"}}; !slices.Equal(keys, want) || !complete || err != nil {
		t.Errorf("%v, %v, %v", keys, complete, err)
	}
	w.hears(c)
}

// holder is a client as Nacos's is: sets of keys, by pattern.
type holder struct {
	state    *Client
	has      map[string]map[Key]bool
	finished map[string]bool
}

func (h *holder) hear(t *testing.T, m Message) {
	for _, d := range m.Keys {
		for text, set := range h.has {
			if m.Kind == Change && pattern(t, text).Matches(d.Key) || m.Kind != Change && m.Pattern == text {
				if delete(set, d.Key); !d.Gone {
					set[d.Key] = true
				}
			}
		}
	}
	if m.Kind == Finish && h.has[m.Pattern] != nil {
		h.finished[m.Pattern] = true
	}
}

// TestAllClientsEndUpWithWhatThereIs lets clients watch, cancel, come back and lose
// messages and acknowledgements, while keys come and go.
func TestAllClientsEndUpWithWhatThereIs(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(t, Limits{Patterns: 3, Matches: 1000, Batch: 1 + r.IntN(4)})
		patterns := []string{"n>>g>>*", "n>>g>>a*", "n>>*>>*1", "n>>g>>a1", "n>>h>>*"}
		holders := make([]*holder, 3)
		for i := range holders {
			holders[i] = &holder{state: w.table.Open(), has: map[string]map[Key]bool{}, finished: map[string]bool{}}
		}
		watch := func(h *holder, text string) {
			if h.has[text] == nil && len(h.has) == 3 {
				return
			}
			if h.has[text] == nil {
				h.has[text] = map[Key]bool{}
			}
			var received []string
			for k := range h.has[text] {
				received = append(received, Services.Write(k))
			}
			if err := w.watch(h.state, text, !h.finished[text], received...); err != nil {
				t.Fatal(err)
			}
		}
		for range 300 {
			h := holders[r.IntN(len(holders))]
			switch text := patterns[r.IntN(len(patterns))]; r.IntN(12) {
			case 0:
				watch(h, text)
			case 1:
				delete(h.has, text)
				delete(h.finished, text)
				h.state.Cancel(text)
			case 2: // a new connection
				h.state.Close()
				h.state = w.table.Open()
				for _, text := range patterns {
					if h.has[text] != nil {
						watch(h, text)
					}
				}
			case 3, 4, 5, 6:
				w.change(fmt.Sprint(string(rune('a'+r.IntN(2))), r.IntN(3)), r.IntN(2) == 0)
			default:
				m, ok := h.state.Take()
				if !ok {
					continue
				}
				if r.IntN(3) > 0 {
					w.change(fmt.Sprint("a", r.IntN(3)), r.IntN(2) == 0)
				}
				arrived := r.IntN(3) > 0
				if arrived || r.IntN(2) == 0 {
					h.hear(t, m)
				}
				h.state.Done(m, arrived)
			}
		}
		for i, h := range holders {
			for m, ok := h.state.Take(); ok; m, ok = h.state.Take() {
				h.hear(t, m)
				h.state.Done(m, true)
			}
			for text, set := range h.has {
				var has []Key
				for k := range set {
					has = append(has, k)
				}
				slices.SortFunc(has, Key.Compare)
				if want := w.find(pattern(t, text)); !slices.Equal(has, want) || !h.finished[text] {
					t.Fatalf("seed %d: client %d has of %s %v (finished %v), there are %v", seed, i, text, has, h.finished[text], want)
				}
			}
		}
	}
}

// TestManyPatternsOfTheSameKeysTakeLittle: each keeps which keys it matches, and not the
// keys, also for those who have yet to be told of them.
func TestManyPatternsOfTheSameKeysTakeLittle(t *testing.T) {
	const patterns, matches, bytesMax = 1_000, 500, 12 << 10
	names := make([]string, 2*matches)
	for i := range names {
		names[i] = fmt.Sprintf("%d-config-%d", i%2, i)
	}
	w := newWorld(t, Limits{Patterns: 20, Matches: matches, Batch: 10}, names...)
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	var clients []*Client
	before := heap()
	for i := range patterns {
		if i%20 == 0 {
			clients = append(clients, w.table.Open())
		}
		c := clients[len(clients)-1]
		p := pattern(t, fmt.Sprintf("n>>%s>>%d*", strings.Repeat("*", 1+i/100)+"g"[:i/50%2], i%2)+strings.Repeat("*", i/2%25))
		scan, err := c.Watch(p)
		if err != nil {
			t.Fatal(err)
		}
		if scan != nil {
			w.table.Fill(scan, w.find(p))
		}
		keys, complete, _ := c.Matches(p)
		c.Begin(p, Compare(Services, keys, complete, nil, all, matches), true)
	}
	if each := (heap() - before) / patterns; each > bytesMax {
		t.Errorf("a pattern takes %d bytes", each)
	}
	w.change("0-config-0", false)
	w.change("0-config-new", true)
	if n := len(w.table.kept); n != len(names) {
		t.Errorf("%d keys are kept, there are %d", n, len(names))
	}
	for _, c := range clients {
		c.Close()
	}
	if len(w.table.kept) > 0 || len(w.table.topics) > 0 {
		t.Errorf("%d keys and %d topics are kept for nobody", len(w.table.kept), len(w.table.topics))
	}
}

// TestWhatAClientIsToForgetIsBounded: it names the keys itself, as long as it likes.
func TestWhatAClientIsToForgetIsBounded(t *testing.T) {
	w := newWorld(t, Limits{Patterns: 20, Matches: 500, Batch: 10}, "a")
	c := w.table.Open()
	received := []string{"n@@g@@a"}
	for i := range 500 {
		received = append(received, fmt.Sprintf("g@@%d%s", i, strings.Repeat("x", 2_000)))
	}
	for i := range 20 {
		if err := w.watch(c, "n>>g>>*"+strings.Repeat("*", i), true, received...); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.watch(c, "n>>g>>*"+strings.Repeat("*", 19), false, received...); err != nil {
		t.Fatal(err)
	}
	gone, bytes, finished := 0, 0, 0
	for m, ok := c.Take(); ok; m, ok = c.Take() {
		for _, d := range m.Keys {
			if d.Gone {
				gone, bytes = gone+1, bytes+len(d.Text)
			}
		}
		if m.Kind == Finish {
			finished++
		}
		c.Done(m, true)
	}
	if finished != 19 {
		t.Errorf("%d patterns are said to be done with, 19 were new", finished)
	}
	if gone == 0 || bytes > goneBytesMax {
		t.Errorf("%d keys of %d bytes are kept for one client", gone, bytes)
	}
	if err := w.watch(c, "n>>g>>*", false, received...); err != nil {
		t.Fatal(err)
	}
	if m, ok := c.Take(); !ok || len(m.Keys) == 0 {
		t.Error("and the rest is told later")
	}
}
