package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/zkclient"
	"github.com/zensus-io/zensus/internal/testkit"
)

func TestMain(m *testing.M) {
	code := m.Run()
	testkit.Cleanup()
	os.Exit(code)
}

// TestChaos runs three servers, or five where ZENSUS_CHAOS_SERVERS says so, for
// ZENSUS_CHAOS_TIME (20 s). ZENSUS_SEED repeats the faults, not what comes of them.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	length, err := time.ParseDuration(otherwise(os.Getenv("ZENSUS_CHAOS_TIME"), "20s"))
	require.NoError(t, err)
	servers, err := strconv.Atoi(otherwise(os.Getenv("ZENSUS_CHAOS_SERVERS"), "3"))
	require.NoError(t, err)
	seed, err := strconv.ParseUint(otherwise(os.Getenv("ZENSUS_SEED"), strconv.FormatInt(time.Now().UnixNano(), 10)), 10, 64)
	require.NoError(t, err)
	t.Logf("ZENSUS_SEED=%d, %d servers, %v", seed, servers, length)
	w := newWorld(t, servers, seed)
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	var clients sync.WaitGroup
	for i := range 6 {
		clients.Go(func() { w.register(ctx, i) })
	}
	for i := range 3 {
		clients.Go(func() { w.ephemeral(ctx, i) })
	}
	clients.Go(func() { w.watch(ctx) })
	w.faults(ctx)
	clients.Wait()
	w.heal()
	w.judge()
	t.Logf("%d operations, %d of unknown outcome, %d events, %d sessions; faults %v", w.ops.Load(), w.unknown.Load(), w.events.Load(), w.sessions.Load(), w.struck)
}

func otherwise(text, def string) string {
	if text == "" {
		return def
	}
	return text
}

// world is a run.
type world struct {
	t       *testing.T
	rng     *rand.Rand
	members []*testkit.Server
	between map[[2]int]*proxy // from the one who dials to the other
	struck  map[string]int
	history history

	ops, unknown, events, sessions atomic.Int64
}

func newWorld(t *testing.T, servers int, seed uint64) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 0)), between: map[[2]int]*proxy{}, struck: map[string]int{}}
	w.members = testkit.StartEnsemble(t, testkit.Options{
		Alone: true, Config: map[string]string{"snapCount": "2000", "syncLimit": "6"},
		Between: func(from, to int, addr string) string {
			p := newProxy(t, addr)
			w.between[[2]int{from, to}] = p
			return p.l.Addr().String()
		},
	}, servers, 0)
	return w
}

func (w *world) addresses() (list []string) {
	for _, s := range w.members {
		list = append(list, s.ZooKeeper)
	}
	return list
}

// session opens a session with any of the servers, again and again; nil when the time
// is over.
func (w *world) session(ctx context.Context) *zkclient.Client {
	for ctx.Err() == nil {
		try, cancel := context.WithTimeout(ctx, 5*time.Second)
		c, err := zkclient.Dial(try, w.addresses(), zkclient.Options{Timeout: 4 * time.Second})
		cancel()
		if err == nil {
			w.sessions.Add(1)
			return c
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

// faults lets things happen until ctx ends.
func (w *world) faults(ctx context.Context) {
	pause := func(d time.Duration) {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	}
	some := func(lo, hi time.Duration) time.Duration { return lo + time.Duration(w.rng.Int64N(int64(hi-lo))) }
	pause(time.Second)
	for ctx.Err() == nil {
		i := w.rng.IntN(len(w.members))
		s := w.members[i]
		kind := []string{"kill", "kill the leader", "stop", "pause", "isolate", "one way", "rolling restart", "kill all"}[w.rng.IntN(8)]
		w.struck[kind]++
		w.t.Logf("%s %s: server %d (%s)", time.Now().UTC().Format("15:04:05.000"), kind, i+1, s.Role())
		switch kind {
		case "kill the leader":
			for _, s := range w.members {
				if s.Role() == "leader" {
					s.Kill()
					pause(some(50*time.Millisecond, 3*time.Second))
					s.Launch()
				}
			}
		case "kill":
			s.Kill()
			pause(some(50*time.Millisecond, 3*time.Second))
			s.Launch()
		case "stop":
			s.Stop()
			pause(some(50*time.Millisecond, time.Second))
			s.Launch()
		case "pause":
			s.Signal(syscall.SIGSTOP)
			pause(some(100*time.Millisecond, 6*time.Second))
			s.Signal(syscall.SIGCONT)
		case "isolate":
			w.cut(i, true, [2]bool{})
			pause(some(200*time.Millisecond, 6*time.Second))
			w.cut(i, false, [2]bool{})
		case "one way":
			hole := [2]bool{true, false}
			if w.rng.IntN(2) == 0 {
				hole = [2]bool{false, true}
			}
			w.cut(i, false, hole)
			pause(some(time.Second, 8*time.Second))
			w.cut(i, false, [2]bool{})
		case "rolling restart":
			for _, s := range w.members {
				s.Stop()
				s.Launch()
				w.await(s)
			}
		case "kill all":
			for _, s := range w.members {
				s.Kill()
			}
			for _, s := range w.members {
				s.Launch()
			}
		}
		pause(some(200*time.Millisecond, 4*time.Second))
	}
}

// cut changes every link of a server.
func (w *world) cut(i int, cut bool, hole [2]bool) {
	for ends, p := range w.between {
		switch i + 1 {
		case ends[0]:
			p.set(cut, hole)
		case ends[1]:
			p.set(cut, [2]bool{hole[1], hole[0]})
		}
	}
}

// await waits, not for ever, until a server serves.
func (w *world) await(s *testkit.Server) {
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if s.Role() != "" {
			return
		}
	}
	w.t.Errorf("a server does not serve, when nothing stands in its way:\n%s", s.Log(20))
}

func (w *world) heal() {
	for _, p := range w.between {
		p.set(false, [2]bool{})
	}
	for _, s := range w.members {
		w.await(s)
	}
}

// unknownOutcome reports whether nobody can say what became of a request.
func unknownOutcome(err error) bool {
	var code core.Code
	return !errors.As(err, &code) || core.IsUnknownOutcome(err) || core.IsSessionOver(err)
}

// ephemeral owns a znode in each of its sessions, which must be there as long as the
// session is, and go with it.
func (w *world) ephemeral(ctx context.Context, n int) {
	for serial := 0; ctx.Err() == nil; serial++ {
		c := w.session(ctx)
		if c == nil {
			return
		}
		path := fmt.Sprintf("/eph-%d-%d", n, serial)
		_, _, err := c.Create(ctx, path, nil, core.CreateOptions{Mode: core.Ephemeral})
		there := err == nil
		for ctx.Err() == nil && !core.IsSessionOver(err) && (serial%3 > 0 || time.Now().UnixNano()%7 > 0) {
			var st core.Stat
			st, err = c.Exists(ctx, path)
			switch {
			case err == nil && st.EphemeralOwner != c.Session().ID:
				w.t.Errorf("%s is of session %v, not of %v", path, st.EphemeralOwner, c.Session().ID)
			case there && errors.Is(err, core.NoNode):
				w.t.Errorf("%s is gone, and its session %v lives", path, c.Session().ID)
				there = false
			}
			time.Sleep(50 * time.Millisecond)
		}
		_ = c.Close()
	}
}

// watch hears of every change of the registers while its session lives: in the order
// of their zxids, and none twice.
func (w *world) watch(ctx context.Context) {
	for ctx.Err() == nil {
		c := w.session(ctx)
		if c == nil {
			return
		}
		watch, err := c.Watch(ctx, "/reg", core.WatchTree)
		last := core.Zxid(0)
		for err == nil {
			var events []core.Event
			events, err = watch.Next(ctx)
			for _, e := range events {
				w.events.Add(1)
				if e.Zxid < last {
					w.t.Errorf("an event of %v behind one of %v", e.Zxid, last)
				}
				last = max(last, e.Zxid)
			}
		}
		_ = c.Close()
	}
}

// judge looks at what is left when everything is healed.
func (w *world) judge() {
	t := w.t
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := w.session(ctx)
	require.NotNil(t, c, "no session, and nothing stands in the way")
	defer c.Close()
	_, _, err := c.Create(ctx, "/last", nil, core.CreateOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		names, _, err := c.Children(ctx, "/")
		return err == nil && !slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "eph-") })
	}, 30*time.Second, 100*time.Millisecond, "ephemeral znodes outlive their sessions")
	require.Eventually(t, func() bool { return w.alike() }, 30*time.Second, 100*time.Millisecond, "the servers' trees differ")
	require.NoError(t, w.history.linearizable())
}

// alike reports whether all servers have applied the same, and have equal digests.
func (w *world) alike() bool {
	var first string
	for _, s := range w.members {
		word, err := testkit.FourLetterWord(s.ZooKeeper, "hash")
		if err != nil || word == "" {
			return false
		}
		srvr, _ := testkit.FourLetterWord(s.ZooKeeper, "srvr")
		_, zxid, _ := strings.Cut(srvr, "Zxid: ")
		zxid, _, _ = strings.Cut(zxid, "\n")
		lines := strings.Split(strings.TrimSpace(word), "\n")
		have := zxid + " " + lines[len(lines)-1]
		if first == "" {
			first = have
		}
		if have != first {
			return false
		}
	}
	return true
}

func isCode(err error, code core.Code) bool { return errors.Is(err, code) }
