package durability

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

func TestMain(m *testing.M) {
	code := m.Run()
	testkit.Cleanup()
	os.Exit(code)
}

const (
	lanes = 16
	conns = 4 // that the lanes share, so that requests are pipelined
)

type quiet struct{}

func (quiet) Printf(string, ...any) {}

func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err, name)
	return n
}

// dial connects and waits for the session.
func dial(t *testing.T, addr string) *zk.Conn {
	t.Helper()
	c, events, err := zk.Connect([]string{addr}, 30*time.Second, zk.WithLogger(quiet{}))
	require.NoError(t, err)
	limit := time.After(20 * time.Second)
	for {
		select {
		case e := <-events:
			if e.State == zk.StateHasSession {
				return c
			}
		case <-limit:
			t.Fatal("no session within 20s")
		}
	}
}

func TestNothingAcknowledgedIsLostOrTornByKills(t *testing.T) {
	kills := int(number(t, "ZENSUS_KILLS", 10))
	seed := number(t, "ZENSUS_SEED", uint64(time.Now().UnixNano()))
	t.Logf("ZENSUS_SEED=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	// Snapshots and new segments often enough to be met by the kills.
	s := testkit.Start(t, testkit.Options{Config: map[string]string{"snapCount": "500"}})

	var all []*lane
	c := dial(t, s.ZooKeeper)
	for n := range lanes {
		l := newLane(n, seed)
		require.NoError(t, l.make(c))
		all = append(all, l)
	}
	// Its session and its ephemeral znode outlive every kill.
	holder, _, err := zk.Connect([]string{s.ZooKeeper}, time.Minute, zk.WithLogger(quiet{}))
	require.NoError(t, err)
	defer holder.Close()
	_, err = holder.Create("/held", nil, zk.FlagEphemeral, open)
	require.NoError(t, err)
	session := holder.SessionID()
	c.Close()

	began := time.Now()
	inRecovery := 0
	for killed := 0; killed < kills; killed++ {
		c := dial(t, s.ZooKeeper)
		audit(t, c, all)
		_, stat, err := c.Get("/held")
		require.NoError(t, err, "an ephemeral znode of a session that lives")
		require.Equal(t, session, stat.EphemeralOwner)
		writeUntilKilled(t, s, c, all, time.Duration(rng.IntN(250)+1)*time.Millisecond)
		// Now and then a server is killed before it has recovered.
		for killed+1 < kills && rng.IntN(4) == 0 {
			s.Launch()
			time.Sleep(time.Duration(rng.IntN(60)) * time.Millisecond)
			s.Kill()
			killed++
			inRecovery++
		}
		s.Restart()
	}
	c = dial(t, s.ZooKeeper)
	audit(t, c, all)
	c.Close()
	waitForHolder(t, holder)
	require.Equal(t, session, holder.SessionID())
	s.Stop()
	out, err := s.Run("data", "verify", s.DataDir())
	require.NoError(t, err, out)

	var acked, changes, applied, dropped int
	for _, l := range all {
		acked, changes = acked+l.acked, changes+l.kinds
		applied, dropped = applied+l.applied, dropped+l.dropped
	}
	require.Positive(t, acked)
	fmt.Printf("durability: %d kill -9 (%d of them during recovery) in %v: %d acknowledged requests with %d changes, 0 lost, 0 torn; "+
		"of %d requests without an answer %d were done whole and %d not at all; seed %d\n",
		kills, inRecovery, time.Since(began).Round(time.Second), acked, changes, applied+dropped, applied, dropped, seed)
}

func audit(t *testing.T, c *zk.Conn, all []*lane) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, len(all))
	for i, l := range all {
		wg.Go(func() { errs[i] = l.audit(c) })
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
}

// writeUntilKilled has every lane write until the server is killed, which is after
// the time given. c is one of the connections used.
func writeUntilKilled(t *testing.T, s *testkit.Server, c *zk.Conn, all []*lane, after time.Duration) {
	t.Helper()
	pool := []*zk.Conn{c}
	for len(pool) < conns {
		pool = append(pool, dial(t, s.ZooKeeper))
	}
	var wg sync.WaitGroup
	errs := make([]error, len(all))
	for i, l := range all {
		wg.Go(func() {
			for {
				if err := l.write(pool[i%conns]); err != nil {
					errs[i] = err
					return
				}
			}
		})
	}
	time.Sleep(after)
	s.Kill()
	for _, c := range pool {
		c.Close()
	}
	wg.Wait()
	for _, err := range errs {
		require.NotErrorIs(t, err, errAnswer)
	}
}

func waitForHolder(t *testing.T, holder *zk.Conn) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		exists, _, err := holder.Exists("/held")
		if err == nil && exists {
			return
		}
		require.True(t, time.Now().Before(deadline), "the session's znode: %v, %v", exists, err)
	}
}
