package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
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

// TestChaos runs three servers that vote, or five where ZENSUS_CHAOS_SERVERS says so,
// and two observers (ZENSUS_CHAOS_OBSERVERS) for ZENSUS_CHAOS_TIME (20 s). ZENSUS_SEED
// repeats the faults, not what comes of them. With ZENSUS_CHAOS_DISKS, which is the
// mount namespace (/proc/self/ns/mnt) outside that of the test, each server gets a small
// disk of its own, which can be full.
// ZENSUS_CHAOS_LOG is a file to which the faults are appended, with their times.
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
	observers, err := strconv.Atoi(otherwise(os.Getenv("ZENSUS_CHAOS_OBSERVERS"), "2"))
	require.NoError(t, err)
	w := newWorld(t, servers, observers, seed)
	w.note("ZENSUS_SEED=%d, %d voters, %d observers, %v, commit %s", seed, servers, observers, length, commit())
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
	if len(w.disks.all) > 0 {
		clients.Go(func() { w.bulk(ctx) })
	}
	w.faults(ctx)
	clients.Wait()
	w.heal()
	w.judge()
	verdict := "it holds"
	if t.Failed() {
		verdict = "it does not hold"
	}
	w.note("%s: %d operations, %d of unknown outcome, %d events, %d sessions; faults %v; %d ended by themselves",
		verdict, w.ops.Load(), w.unknown.Load(), w.events.Load(), w.sessions.Load(), w.struck, w.ended.Load())
}

// commit is what is tested, as far as that is known.
func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
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
	members []*testkit.Server // voters, and then observers
	voters  int
	disks   *disks
	log     *os.File          // nil for none
	between map[[2]int]*proxy // from the one who dials to the other
	struck  map[string]int
	history history

	ops, unknown, events, sessions, ended atomic.Int64
}

func newWorld(t *testing.T, voters, observers int, seed uint64) *world {
	w := &world{
		t: t, voters: voters, rng: rand.New(rand.NewPCG(seed, 0)), between: map[[2]int]*proxy{}, struck: map[string]int{},
		disks: &disks{t: t, outside: os.Getenv("ZENSUS_CHAOS_DISKS"), all: map[int]*disk{}},
	}
	if name := os.Getenv("ZENSUS_CHAOS_LOG"); name != "" {
		var err error
		w.log, err = os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, w.log.Close()) })
	}
	o := testkit.Options{
		Alone: true,
		Between: func(from, to int, addr string) string {
			p := newProxy(t, addr)
			w.between[[2]int{from, to}] = p
			return p.l.Addr().String()
		},
		Settings: map[string]map[string]any{"engine": {
			"snapshot_txns": 2000, "snapshot_bytes": 8 << 20, "log_segment_bytes": 4 << 20, "disk_ballast_bytes": 8 << 20, "disk_low_water_bytes": lowWater,
		}},
	}
	if w.disks.outside != "" {
		o.Data = w.disks.make
	}
	w.members = testkit.StartEnsemble(t, o, voters, observers)
	if w.disks.none != nil {
		w.note("no disk can be full: %v", w.disks.none)
	}
	return w
}

// lowWater is the free space below which only deletions are accepted.
const lowWater = 8 << 20

// note tells the test's output and the log of faults.
func (w *world) note(format string, args ...any) {
	text := time.Now().UTC().Format("2006-01-02 15:04:05.000 ") + fmt.Sprintf(format, args...)
	w.t.Log(text)
	if w.log != nil {
		_, err := fmt.Fprintln(w.log, text)
		require.NoError(w.t, err)
	}
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
	kinds := []string{"kill", "kill the leader", "stop", "pause", "isolate", "one way", "rolling restart", "kill all"}
	if len(w.members) > w.voters {
		kinds = append(kinds, "kill all observers")
	}
	if len(w.disks.all) > 0 {
		kinds = append(kinds, "disk full", "disk full", "disk low")
	}
	pause(time.Second)
	for ctx.Err() == nil {
		i, kind := w.rng.IntN(len(w.members)), kinds[w.rng.IntN(len(kinds))]
		switch kind {
		case "kill the leader": // server 1 where nobody leads
			i = max(0, slices.IndexFunc(w.members, func(s *testkit.Server) bool { return s.Role() == "leader" }))
		case "disk full": // each in turn
			i = w.struck[kind] % len(w.members)
		}
		s := w.members[i]
		w.struck[kind]++
		switch kind {
		case "rolling restart", "kill all", "kill all observers":
			w.note("%s", kind)
		default:
			w.note("%s: server %d (%s)", kind, i+1, s.Role())
		}
		switch kind {
		case "kill", "kill the leader":
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
		case "kill all observers":
			for _, s := range w.members[w.voters:] {
				s.Kill()
			}
			pause(some(50*time.Millisecond, 3*time.Second))
			for _, s := range w.members[w.voters:] {
				s.Launch()
			}
		case "disk full":
			w.fill(i, 0, func() { pause(some(2*time.Second, 8*time.Second)) })
		case "disk low":
			w.fill(i, lowWater/2, func() { pause(some(time.Second, 4*time.Second)) })
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

// fill lets the disk of a server be full, but for some bytes, for a while. The server
// may end, and be started in vain; when there is room again it must serve.
func (w *world) fill(i int, leave int64, while func()) {
	s, d := w.members[i], w.disks.all[i+1]
	require.NoError(w.t, d.fill(leave))
	while()
	if s.Ended() {
		w.ended.Add(1)
		w.note("server %d has ended: %s", i+1, strings.TrimSpace(s.Log(1)))
		s.Launch()
		while()
	}
	require.NoError(w.t, d.free())
	if s.Ended() {
		s.Launch()
	}
	w.await(s)
}

// bulk writes much, so that a disk that is full is needed. A server whose disk is low
// refuses that: then it goes to another.
func (w *world) bulk(ctx context.Context) {
	data := make([]byte, 64<<10)
	for ctx.Err() == nil {
		c := w.session(ctx)
		if c == nil {
			return
		}
		_, _, err := c.Create(ctx, "/bulk", nil, core.CreateOptions{})
		if errors.Is(err, core.NodeExists) {
			err = nil
		}
		for ctx.Err() == nil && err == nil {
			_, err = c.Set(ctx, "/bulk", data, core.AnyVersion)
			time.Sleep(5 * time.Millisecond)
		}
		_ = c.Close()
		time.Sleep(50 * time.Millisecond)
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
	var c *zkclient.Client
	for err := error(core.ConnectionLoss); err != nil; { // one who led and stood still does not know yet that he does not
		if c != nil {
			_ = c.Close()
		}
		c = w.session(ctx)
		require.NotNil(t, c, "no session, and nothing stands in the way: %v", err)
		_, _, err = c.Create(ctx, "/last", nil, core.CreateOptions{})
		if errors.Is(err, core.NodeExists) {
			err = nil
		}
	}
	defer c.Close()
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
