package fuzzypush

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/zensus-io/zensus/internal/nacos/fuzzy"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// body is a message, in short.
type body string

func (body) PayloadType() string { return "test" }

// conn is a client that acknowledges when its test lets it.
type conn struct {
	done chan struct{}

	mu struct {
		sync.Mutex
		heard  []string
		refuse int // so many pushes are not acknowledged
		closed bool
	}
}

func newConn() *conn { return &conn{done: make(chan struct{})} }

func (*conn) ID() string              { return "c" }
func (c *conn) Done() <-chan struct{} { return c.done }

func (c *conn) Closed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.closed
}

func (c *conn) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.mu.closed {
		c.mu.closed = true
		close(c.done)
	}
}

// Push takes five seconds when nobody acknowledges it.
func (c *conn) Push(_ context.Context, b wire.Body) error {
	c.mu.Lock()
	c.mu.heard = append(c.mu.heard, string(b.(body)))
	refused := c.mu.refuse > 0
	if refused {
		c.mu.refuse--
	}
	c.mu.Unlock()
	if !refused {
		return nil
	}
	select {
	case <-time.After(5 * time.Second):
	case <-c.done:
	}
	return errors.New("no acknowledgement")
}

func (c *conn) refuse(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.refuse = n
}

// hears what was pushed since it was last asked.
func (c *conn) hears(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Equal(c.mu.heard, want) {
		t.Errorf("heard %q, want %q", c.mu.heard, want)
	}
	c.mu.heard = nil
}

// world is a hub and the keys that there are.
type world struct {
	*Hub[*conn]
	t     *testing.T
	keys  map[string]bool
	scans int
}

func newWorld(t *testing.T, names ...string) *world {
	w := &world{t: t, keys: map[string]bool{}}
	for _, n := range names {
		w.keys[n] = true
	}
	w.Hub = New[*conn](Kind{
		Form: fuzzy.Services, Lengths: fuzzy.Lengths{Namespace: 9, Group: 9, Name: 9}, Batch: 2,
		Body: func(m fuzzy.Message) wire.Body {
			s := [...]string{"init", "finish", "diff", "change"}[m.Kind]
			for _, d := range m.Keys {
				s += map[bool]string{false: " +", true: " -"}[d.Gone] + d.Text
			}
			return body(s)
		},
		Find: func(p fuzzy.Pattern, limit int) (found []fuzzy.Key) {
			w.scans++
			for n := range w.keys {
				if k := key(n); p.Matches(k) && len(found) < limit {
					found = append(found, k)
				}
			}
			return found
		},
	}, nil)
	return w
}

func key(name string) fuzzy.Key { return fuzzy.Key{Namespace: "n", Group: "g", Name: name} }

func (w *world) change(name string, there bool) {
	if delete(w.keys, name); there {
		w.keys[name] = true
	}
	w.Changed(key(name), there)
}

func (w *world) watch(c *conn, pattern string, received ...string) {
	w.t.Helper()
	err := w.Watch(c, Watch{Pattern: pattern, Received: received, Initial: true, Readable: func(fuzzy.Key) bool { return true }})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) end(conns ...*conn) {
	for _, c := range conns {
		c.Close()
		w.Drop(c)
	}
	w.Wait()
	if n := w.Watching(); n != 0 {
		w.t.Errorf("%d watch still", n)
	}
}

func TestSeveralWhoWatchTheSameAreFoundTheKeysOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "a", "b", "c")
		one, other := newConn(), newConn()
		w.watch(one, "n>>g>>*")
		w.watch(other, "n>>g>>*")
		one.hears(t, "init +n@@g@@a +n@@g@@b", "init +n@@g@@c", "finish")
		other.hears(t, "init +n@@g@@a +n@@g@@b", "init +n@@g@@c", "finish")
		if w.scans != 1 {
			t.Errorf("looked for %d times", w.scans)
		}
		w.change("d", true)
		one.hears(t, "change +n@@g@@d")
		w.Cancel(other, "n>>g>>*")
		w.change("d", false)
		one.hears(t, "change -n@@g@@d")
		other.hears(t, "change +n@@g@@d")
		w.end(one, other)
		w.Cancel(one, "n>>g>>*")
		w.change("d", true)
		if err := w.Watch(one, Watch{Pattern: "n>>g>>*"}); err != nil || w.Watching() != 0 {
			t.Errorf("a connection that is over watches: %v", err)
		}
	})
}

func TestASlowClientCostsOnlyItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		slow, quick := newConn(), newConn()
		w.watch(slow, "n>>g>>*")
		w.watch(quick, "n>>g>>*")
		slow.hears(t, "finish")
		quick.hears(t, "finish")
		slow.refuse(2)
		for i := range 100 {
			name := fmt.Sprint("a", i)
			w.change(name, true)
			synctest.Wait()
			w.change(name, false)
			quick.hears(t, "change +n@@g@@"+name, "change -n@@g@@"+name)
		}
		slow.hears(t, "change +n@@g@@a0")
		w.change("z", true)
		time.Sleep(6 * time.Second) // no acknowledgement, a second's rest
		// What is so by now: nobody tells it of the ninety-nine, nor again that a0 came.
		slow.hears(t, "change +n@@g@@z")
		time.Sleep(6 * time.Second)
		slow.hears(t, "change -n@@g@@a0", "change +n@@g@@z")
		w.end(slow, quick)
	})
}

func TestAClientThatTakesNothingIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "a")
		c := newConn()
		c.refuse(1000)
		w.watch(c, "n>>g>>*")
		began := time.Now()
		<-c.Done()
		if took := time.Since(began); took < 4*time.Minute || took > 6*time.Minute {
			t.Errorf("after %v", took)
		}
		synctest.Wait()
		if len(c.mu.heard) != attemptsMax {
			t.Errorf("after %d attempts", len(c.mu.heard))
		}
		w.end(c)
	})
}

func TestAConnectionThatEndsEndsItsDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "a")
		for _, after := range []time.Duration{time.Second, 5500 * time.Millisecond} {
			c := newConn()
			c.refuse(1000)
			w.watch(c, "n>>g>>*")
			time.Sleep(after) // while it waits for the acknowledgement; while it rests
			w.end(c)
		}
	})
}

func TestRightsAreThoseOfTheMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "a", "b")
		var mu sync.Mutex
		may := map[string]bool{"a": true}
		readable := func(k fuzzy.Key) bool {
			mu.Lock()
			defer mu.Unlock()
			return may[k.Name]
		}
		c := newConn()
		watch := func(received ...string) {
			if err := w.Watch(c, Watch{Pattern: "n>>g>>*", Received: received, Readable: readable}); err != nil {
				t.Fatal(err)
			}
		}
		watch("n@@g@@b", "n@@g@@x")
		c.hears(t, "diff +n@@g@@a -n@@g@@b", "diff -n@@g@@x")
		w.change("b", false)
		w.change("c", true)
		c.hears(t)
		mu.Lock()
		may["a"], may["c"] = false, true
		mu.Unlock()
		w.change("a", false)
		c.hears(t)
		watch("n@@g@@a")
		c.hears(t, "diff +n@@g@@c -n@@g@@a")
		w.end(c)
	})
}

func TestAWatchBeginsWhenWhatThereIsIsKnownAndEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := newWorld(t, "a"), newConn()
		wish := Watch{Pattern: "n>>g>>*", Readable: func(fuzzy.Key) bool { return true }}
		asked := 0
		ready := func() error { asked++; return nil }
		errUnknown := errors.New("not known yet")
		if err := w.Serve(c, wire.FuzzyWatch, wish, func() error { return errUnknown }); !errors.Is(err, errUnknown) {
			t.Errorf("too early: %v", err)
		}
		if err := w.Serve(c, "LOOK", wish, ready); !errors.Is(err, ErrType) || asked != 0 {
			t.Errorf("no type of watch: %v, asked %d times", err, asked)
		}
		c.hears(t)
		if err := w.Serve(c, wire.FuzzyWatch, wish, ready); err != nil || asked != 1 {
			t.Errorf("a watch: %v, asked %d times", err, asked)
		}
		c.hears(t, "diff +n@@g@@a")
		if err := w.Serve(c, wire.FuzzyCancelWatch, wish, ready); err != nil || asked != 1 {
			t.Errorf("its end: %v, asked %d times", err, asked)
		}
		w.change("b", true)
		c.hears(t)
		w.end(c)
	})
}
