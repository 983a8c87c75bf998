package listen

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/core"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// contents is what a cache is to a Table: it changes first and tells then.
type contents struct {
	mu   sync.Mutex
	md5  map[configcenter.Key]string
	zxid core.Zxid
	// between is called in the middle of a comparison.
	between func(configcenter.Key)
}

func (c *contents) current(k configcenter.Key, _ *configcenter.Reader) string {
	if c.between != nil {
		c.between(k)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.md5[k]
}

func (c *contents) set(t *Table, k configcenter.Key, md5 string) {
	c.mu.Lock()
	c.md5[k] = md5
	c.zxid++
	zxid := c.zxid
	c.mu.Unlock()
	var cfg *configcenter.Config
	if md5 != "" {
		cfg = &configcenter.Config{Formal: &configcenter.Item{Key: k, MD5: md5}}
	}
	t.Changed(k, cfg, zxid)
}

func newTable(limits Limits) (*Table, *contents) {
	c := &contents{md5: make(map[configcenter.Key]string)}
	return New(c.current, limits), c
}

func k(n int) configcenter.Key { return configcenter.MakeKey("", "g", fmt.Sprintf("d%d", n)) }

func w(n int, md5 string) Watched { return Watched{Key: k(n), MD5: md5} }

func nothing() {}

func TestWhatDiffersNowIsAnsweredAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		stored  string
		watched Watched
		changed bool
	}{
		"equal":                         {"A", w(1, "A"), false},
		"other":                         {"B", w(1, "A"), true},
		"missing and the client has it": {"", w(1, "A"), true},
		"missing and the client knows":  {"", w(1, ""), false},
		"new to the client":             {"A", w(1, ""), true},
		"null md5, config there":        {"A", Watched{Key: k(1), Unknown: true}, true},
		"null md5, config missing":      {"", Watched{Key: k(1), Unknown: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			table, contents := newTable(DefaultLimits())
			contents.md5[k(1)] = c.stored
			changed, err := table.Open("c", nil, nothing).Listen([]Watched{c.watched})
			if err != nil || (len(changed) == 1) != c.changed {
				t.Errorf("listen: %v, %v", changed, err)
			}
			changed, err = table.Poll(t.Context(), "c", nil, []Watched{c.watched}, 0)
			if err != nil || (len(changed) == 1) != c.changed {
				t.Errorf("short poll: %v, %v", changed, err)
			}
		})
	}
}

func TestAChangeBetweenRegistrationAndComparisonIsNotLost(t *testing.T) {
	for name, before := range map[string]bool{"before the comparison": true, "after it": false} {
		t.Run(name, func(t *testing.T) {
			table, c := newTable(DefaultLimits())
			c.md5[k(1)] = "A"
			woken := false
			l := table.Open("c", nil, func() { woken = true })
			if before {
				c.between = func(key configcenter.Key) { c.between = nil; c.set(table, key, "B") }
			}
			changed, err := l.Listen([]Watched{w(1, "A")})
			if err != nil {
				t.Fatal(err)
			}
			if !before {
				c.set(table, k(1), "B")
			}
			if told := len(changed) > 0 || woken && len(l.Take(10)) > 0; !told {
				t.Error("the client was never told")
			}
		})
	}
}

func TestAChangeBackIsToldToo(t *testing.T) {
	table, c := newTable(DefaultLimits())
	c.md5[k(1)] = "A"
	l := table.Open("c", nil, nothing)
	if changed, _ := l.Listen([]Watched{w(1, "A")}); len(changed) > 0 {
		t.Fatal("equal, but answered")
	}
	c.set(table, k(1), "B")
	if got := l.Take(10); len(got) != 1 {
		t.Fatalf("took %v", got)
	}
	// The client reads B; before it listens again, A is back.
	c.set(table, k(1), "A")
	if got := l.Take(10); len(got) != 1 || got[0].Zxid != 2 {
		t.Fatalf("took %v, want the change back to A", got)
	}
	// Now it says that it has A: nothing more is owed.
	if changed, _ := l.Listen([]Watched{w(1, "A")}); len(changed) > 0 {
		t.Fatalf("answered %v", changed)
	}
	c.set(table, k(1), "A")
	if got := l.Take(10); len(got) != 0 {
		t.Fatalf("took %v", got)
	}
}

func TestWhatWasNotDeliveredIsOwedUntilTheClientSpeaks(t *testing.T) {
	table, c := newTable(DefaultLimits())
	c.md5[k(1)] = "A"
	l := table.Open("c", nil, nothing)
	l.Listen([]Watched{w(1, "A")})
	c.set(table, k(1), "B")
	change := l.Take(10)[0]
	if !l.Again(change) || len(l.Take(10)) != 1 {
		t.Fatal("a failed delivery was forgotten")
	}
	l.Listen([]Watched{w(1, "B")})
	if l.Again(change) || len(l.Take(10)) != 0 {
		t.Fatal("told again of what the client has said it has")
	}
	l.Unlisten([]Watched{w(1, "")})
	if l.Again(change) || len(l.Take(10)) != 0 || table.Stats().Keys != 0 {
		t.Fatal("told of a key that it does not listen to")
	}
}

func TestOneNamespaceWrittenInTwoWaysIsAnsweredInBoth(t *testing.T) {
	table, c := newTable(DefaultLimits())
	l := table.Open("c", nil, nothing)
	blank, public := w(1, ""), w(1, "")
	public.Tenant = "public"
	l.Listen([]Watched{blank, public})
	c.set(table, k(1), "A")
	if got := l.Take(10); len(got) != 2 || got[0].Tenant != "" || got[1].Tenant != "public" {
		t.Fatalf("took %v", got)
	}
}

func TestWhoListensToWhatIsFoundByConfigAndByClient(t *testing.T) {
	table, _ := newTable(DefaultLimits())
	show := func(found []Subscription) string {
		text := ""
		for _, s := range found {
			text += fmt.Sprintf("%s %s %s%s; ", s.Client, s.Key.DataID, s.Tenant, s.MD5)
		}
		return text
	}
	first, again, other := table.Open("a", nil, nothing), table.Open("a", nil, nothing), table.Open("b", nil, nothing)
	for l, watched := range map[*Listener][]Watched{first: {w(2, "X"), w(1, "A")}, again: {w(3, "C")}, other: {w(1, "B")}} {
		if _, err := l.Listen(watched); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		found []Subscription
		want  string
	}{
		{table.ListenersOf(k(1)), "a d1 A; b d1 B; "},
		{table.ListenersOf(k(9)), ""},
		{table.ListenedBy("a"), "a d1 A; a d2 X; a d3 C; "},
		{table.ListenedBy("c"), ""},
	} {
		if got := show(c.found); got != c.want {
			t.Errorf("found %q, want %q", got, c.want)
		}
	}
	first.Unlisten([]Watched{w(1, ""), w(2, "")})
	again.Close()
	if got := show(table.ListenedBy("a")) + show(table.ListenersOf(k(1))); got != "b d1 B; " {
		t.Errorf("after a left: %q", got)
	}
	if _, err := first.Listen([]Watched{w(5, "E")}); err != nil || show(table.ListenedBy("a")) != "a d5 E; " {
		t.Errorf("after it came back: %q, %v", show(table.ListenedBy("a")), err)
	}
	first.Close()
	other.Close()
	if len(table.mu.keys) != 0 || len(table.mu.clients) != 0 {
		t.Errorf("kept of nobody: %v, %v", table.mu.keys, table.mu.clients)
	}
}

func TestLimitsHold(t *testing.T) {
	table, _ := newTable(Limits{PerListener: 3, Total: 5, Polls: 1})
	a, b := table.Open("a", nil, nothing), table.Open("b", nil, nothing)
	if _, err := a.Listen([]Watched{w(1, ""), w(2, ""), w(3, ""), w(4, "")}); !errors.Is(err, ErrTooMany) || a.Len() != 0 {
		t.Errorf("per listener: %v, %d keys", err, a.Len())
	}
	if _, err := a.Listen([]Watched{w(1, ""), w(2, ""), w(3, "")}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Listen([]Watched{w(1, ""), w(2, ""), w(3, "")}); err != nil {
		t.Errorf("the same keys again: %v", err)
	}
	if _, err := b.Listen([]Watched{w(1, ""), w(2, ""), w(3, "")}); !errors.Is(err, ErrTooMany) {
		t.Errorf("total: %v", err)
	}
	a.Close()
	a.Close()
	if _, err := b.Listen([]Watched{w(1, ""), w(2, ""), w(3, "")}); err != nil {
		t.Errorf("after a Close: %v", err)
	}
	if _, err := a.Listen([]Watched{w(1, "")}); err != nil || a.Len() != 0 {
		t.Errorf("a closed listener took a key: %v", err)
	}
}

func TestAPollIsHeldUntilTheFirstChangeOrItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, c := newTable(Limits{PerListener: 10, Total: 100, Polls: 1})
		type answer struct {
			changed []Watched
			err     error
			after   time.Duration
		}
		poll := func(ctx context.Context) chan answer {
			done := make(chan answer, 1)
			begun := time.Now()
			go func() {
				changed, err := table.Poll(ctx, "c", nil, []Watched{w(1, ""), w(2, "")}, 29500*time.Millisecond)
				done <- answer{changed, err, time.Since(begun)}
			}()
			synctest.Wait()
			return done
		}
		done := poll(t.Context())
		if _, err := table.Poll(t.Context(), "c", nil, []Watched{w(1, "")}, time.Second); !errors.Is(err, ErrTooMany) {
			t.Errorf("one poll above the limit: %v", err)
		}
		time.Sleep(10 * time.Second)
		c.set(table, k(3), "X") // not watched
		c.set(table, k(2), "B")
		if a := <-done; a.err != nil || len(a.changed) != 1 || a.changed[0].Key != k(2) || a.after != 10*time.Second {
			t.Errorf("got %+v", a)
		}
		c.set(table, k(2), "")

		if a := <-poll(t.Context()); a.err != nil || len(a.changed) != 0 || a.after != 29500*time.Millisecond {
			t.Errorf("got %+v", a)
		}

		ctx, cancel := context.WithCancel(t.Context())
		done = poll(ctx)
		cancel()
		if a := <-done; !errors.Is(a.err, context.Canceled) {
			t.Errorf("got %+v", a)
		}

		done = poll(t.Context())
		table.Drain()
		if a := <-done; a.err != nil || len(a.changed) != 0 || a.after != 0 {
			t.Errorf("drained: %+v", a)
		}
		if a := <-poll(t.Context()); a.err != nil || a.after != 0 {
			t.Errorf("after draining: %+v", a)
		}
		if s := table.Stats(); s != (Stats{}) {
			t.Errorf("left behind: %+v", s)
		}
	})
}

// TestNoClientIsLeftWithOldContent is the promise that counts: clients that do
// what SDKs do (listen, read what they are told of, listen again) end with what
// is stored, whatever the interleaving.
func TestNoClientIsLeftWithOldContent(t *testing.T) {
	const keys, clients, changes = 5, 8, 400
	for seed := range uint64(20) {
		table, c := newTable(DefaultLimits())
		var clientsDone, writersDone sync.WaitGroup
		settled := make(chan struct{}) // no more changes
		for id := range clients {
			clientsDone.Go(func() {
				rnd := rand.New(rand.NewPCG(seed, uint64(id)))
				wake := make(chan struct{}, 1)
				l := table.Open(fmt.Sprint(id), nil, func() {
					select {
					case wake <- struct{}{}:
					default:
					}
				})
				defer l.Close()
				has := make([]string, keys)
				listen := func(ns ...int) {
					for len(ns) > 0 {
						ws := make([]Watched, len(ns))
						for i, n := range ns {
							ws[i] = w(n, has[n])
						}
						changed, err := l.Listen(ws)
						if err != nil {
							t.Error(err)
							return
						}
						ns = ns[:0]
						for _, ch := range changed {
							var n int
							fmt.Sscanf(ch.Key.DataID, "d%d", &n)
							has[n] = c.current(ch.Key, nil)
							ns = append(ns, n)
						}
					}
				}
				all := make([]int, keys)
				for n := range all {
					all[n] = n
				}
				listen(all...)
				final := false
				for {
					select {
					case <-wake:
					case <-settled:
						final = true
					}
					for {
						took := l.Take(1 + rnd.IntN(3))
						if len(took) == 0 {
							break
						}
						for _, ch := range took {
							if rnd.IntN(4) == 0 && l.Again(ch) {
								continue // not delivered
							}
							var n int
							fmt.Sscanf(ch.Key.DataID, "d%d", &n)
							has[n] = c.current(ch.Key, nil)
							if rnd.IntN(2) == 0 {
								listen(n) // Java listens again after each push, others need not
							}
						}
					}
					if final {
						break
					}
				}
				for n, md5 := range has {
					if want := c.current(k(n), nil); md5 != want {
						t.Errorf("seed %d: client %d has %q of d%d, stored is %q", seed, id, md5, n, want)
					}
				}
			})
		}
		var writing sync.Mutex // the cache feeds the table from one goroutine
		for id := range 2 {
			writersDone.Go(func() {
				rnd := rand.New(rand.NewPCG(seed, 100+uint64(id)))
				for range changes {
					writing.Lock()
					c.set(table, k(rnd.IntN(keys)), []string{"", "A", "B"}[rnd.IntN(3)])
					writing.Unlock()
				}
			})
		}
		writersDone.Wait()
		close(settled)
		clientsDone.Wait()
		if s := table.Stats(); s.Keys != 0 || len(table.mu.keys) != 0 {
			t.Fatalf("left behind: %+v", s)
		}
	}
}

func BenchmarkChanged(b *testing.B) {
	for _, n := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("listeners=%d", n), func(b *testing.B) {
			table, _ := newTable(DefaultLimits())
			for i := range n {
				l := table.Open(fmt.Sprint(i), nil, nothing)
				if _, err := l.Listen([]Watched{w(1, "")}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				table.Changed(k(1), &configcenter.Config{Formal: &configcenter.Item{MD5: "x"}}, 1)
			}
		})
	}
}

// A gray version is told to those who read it, and to nobody else.
func TestAGrayVersionIsToldToItsReadersOnly(t *testing.T) {
	formal := &configcenter.Item{Key: k(1), MD5: "F"}
	table := New(func(configcenter.Key, *configcenter.Reader) string { return "F" }, DefaultLimits())
	woken := map[string]int{}
	open := func(ip string) *Listener {
		l := table.Open(ip, &configcenter.Reader{IP: ip}, func() { woken[ip]++ })
		if changed, err := l.Listen([]Watched{w(1, "F")}); err != nil || len(changed) != 0 {
			t.Fatalf("listen: %v, %v", changed, err)
		}
		return l
	}
	open("10.0.0.1")
	open("10.0.0.2")
	beta := &configcenter.Gray{Name: "beta", Rule: configcenter.BetaRule("10.0.0.1"), Item: &configcenter.Item{Key: k(1), MD5: "G"}}
	table.Changed(k(1), configcenter.NewConfig(formal, []*configcenter.Gray{beta}), 7)
	if woken["10.0.0.1"] != 1 || woken["10.0.0.2"] != 0 {
		t.Errorf("told: %v", woken)
	}
}

// TestWhatIsListenedToDoesNotKeepWhoAskedFirst: the names of a long-poll are parts of all
// that it says, and others listen to the same config when it is over.
func TestWhatIsListenedToDoesNotKeepWhoAskedFirst(t *testing.T) {
	const large = 1 << 20
	table, _ := newTable(DefaultLimits())
	stays := table.Open("stays", nil, nothing)
	inUse := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := inUse()
	for n := range 64 {
		name := fmt.Sprint("d", n)
		said := name + strings.Repeat("x", large)
		poll := table.Open("goes", nil, nothing)
		for _, l := range []struct {
			*Listener
			id string
		}{{poll, said[:len(name)]}, {stays, name}} {
			if _, err := l.Listen([]Watched{{Key: configcenter.MakeKey("", "g", l.id)}}); err != nil {
				t.Fatal(err)
			}
		}
		poll.Close()
	}
	if kept := inUse() - before; kept > 8*large || table.Stats().Keys != 64 {
		t.Errorf("%d keys are kept, and %d bytes", table.Stats().Keys, kept)
	}
}
