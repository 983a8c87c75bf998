package interop

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

type quiet struct{}

func (quiet) Printf(string, ...any) {}

var open = zk.WorldACL(zk.PermAll)

// dialZK connects go-zookeeper and waits for its session.
func dialZK(t *testing.T, addr string, timeout time.Duration) (*zk.Conn, <-chan zk.Event) {
	t.Helper()
	c, events, err := zk.Connect([]string{addr}, timeout, zk.WithLogger(quiet{}))
	require.NoError(t, err)
	t.Cleanup(c.Close)
	awaitState(t, events, zk.StateHasSession)
	return c, events
}

func awaitState(t *testing.T, events <-chan zk.Event, want zk.State) {
	t.Helper()
	for {
		if e := receive(t, events, "state "+want.String()); e.Type == zk.EventSession && e.State == want {
			return
		}
	}
}

func TestGoZooKeeperCreatesReadsChangesAndDeletes(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{})
	c, _ := dialZK(t, s.ZooKeeper, 10*time.Second)

	path, err := c.Create("/app", []byte("v0"), 0, open)
	require.NoError(t, err)
	require.Equal(t, "/app", path)
	_, err = c.Create("/app", nil, 0, open)
	require.ErrorIs(t, err, zk.ErrNodeExists)
	_, err = c.Create("/no/parent", nil, 0, open)
	require.ErrorIs(t, err, zk.ErrNoNode)

	data, stat, err := c.Get("/app")
	require.NoError(t, err)
	require.Equal(t, "v0", string(data))
	require.Equal(t, stat.Czxid, stat.Mzxid)
	require.EqualValues(t, 2, stat.DataLength)

	changed, err := c.Set("/app", []byte("v1"), stat.Version)
	require.NoError(t, err)
	require.EqualValues(t, 1, changed.Version)
	require.Greater(t, changed.Mzxid, changed.Czxid)
	_, err = c.Set("/app", []byte("lost"), stat.Version)
	require.ErrorIs(t, err, zk.ErrBadVersion)

	for _, name := range []string{"b", "a", "c"} {
		_, err = c.Create("/app/"+name, nil, 0, open)
		require.NoError(t, err)
	}
	children, stat, err := c.Children("/app")
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"a", "b", "c"}, children)
	require.EqualValues(t, 3, stat.NumChildren)
	require.EqualValues(t, 3, stat.Cversion)

	require.ErrorIs(t, c.Delete("/app", -1), zk.ErrNotEmpty)
	for _, name := range children {
		require.NoError(t, c.Delete("/app/"+name, 0))
	}
	require.NoError(t, c.Delete("/app", 1))
	exists, _, err := c.Exists("/app")
	require.NoError(t, err)
	require.False(t, exists)
	_, err = c.Sync("/app")
	require.NoError(t, err)

	container, err := c.CreateContainer("/jobs", nil, zk.FlagContainer, open)
	require.NoError(t, err)
	require.Equal(t, "/jobs", container)
	_, err = c.CreateTTL("/short", nil, zk.FlagTTL, open, time.Hour)
	require.NoError(t, err)
	_, err = c.IncrementalReconfig([]string{"server.2=127.0.0.1:1:2;3"}, nil, -1)
	require.Error(t, err, "a single server whose reconfiguration is not enabled")
}

func TestGoZooKeeperWatchesFireOnceAndInOrder(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{})
	watcher, _ := dialZK(t, s.ZooKeeper, 10*time.Second)
	writer, _ := dialZK(t, s.ZooKeeper, 10*time.Second)

	exists, _, created, err := watcher.ExistsW("/w")
	require.NoError(t, err)
	require.False(t, exists)
	_, err = writer.Create("/w", []byte("1"), 0, open)
	require.NoError(t, err)
	require.Equal(t, zk.EventNodeCreated, receive(t, created, "creation").Type)

	_, _, changed, err := watcher.GetW("/w")
	require.NoError(t, err)
	_, _, children, err := watcher.ChildrenW("/w")
	require.NoError(t, err)
	_, err = writer.Create("/w/child", nil, 0, open)
	require.NoError(t, err)
	require.Equal(t, zk.EventNodeChildrenChanged, receive(t, children, "children").Type)
	_, err = writer.Set("/w", []byte("2"), -1)
	require.NoError(t, err)
	require.Equal(t, zk.EventNodeDataChanged, receive(t, changed, "data").Type)
	data, _, err := watcher.Get("/w")
	require.NoError(t, err)
	require.Equal(t, "2", string(data), "who was told of a change reads it")
	_, open := <-changed
	require.False(t, open, "a watch fires once")

	_, _, deleted, err := watcher.GetW("/w/child")
	require.NoError(t, err)
	require.NoError(t, writer.Delete("/w/child", -1))
	require.Equal(t, zk.EventNodeDeleted, receive(t, deleted, "deletion").Type)
}

func TestGoZooKeeperEphemeralsEndWithTheirSession(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{})
	watcher, _ := dialZK(t, s.ZooKeeper, 10*time.Second)
	owner, _, err := zk.Connect([]string{s.ZooKeeper}, 10*time.Second, zk.WithLogger(quiet{}))
	require.NoError(t, err)
	_, err = owner.Create("/live", []byte("me"), zk.FlagEphemeral, open)
	require.NoError(t, err)

	_, stat, gone, err := watcher.GetW("/live")
	require.NoError(t, err)
	require.Equal(t, owner.SessionID(), stat.EphemeralOwner)
	_, err = watcher.Create("/live/child", nil, 0, open)
	require.ErrorIs(t, err, zk.ErrNoChildrenForEphemerals)
	owner.Close()
	require.Equal(t, zk.EventNodeDeleted, receive(t, gone, "the end of the session").Type)
}

func TestGoZooKeeperSequenceNumbersAreNeverGivenTwice(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{})
	a, _ := dialZK(t, s.ZooKeeper, 10*time.Second)
	_, err := a.Create("/queue", nil, 0, open)
	require.NoError(t, err)

	const writers, each = 4, 50
	var names [writers][]string
	var all sync.WaitGroup
	for w := range writers {
		c, _ := dialZK(t, s.ZooKeeper, 10*time.Second)
		all.Go(func() {
			for range each {
				path, err := c.Create("/queue/n-", nil, zk.FlagSequence, open)
				if err != nil {
					t.Error(err)
					return
				}
				names[w] = append(names[w], path)
			}
		})
	}
	all.Wait()
	var seen []string
	for _, n := range names {
		require.True(t, slices.IsSorted(n), "one writer's numbers rise")
		seen = append(seen, n...)
	}
	slices.Sort(seen)
	require.Len(t, slices.Compact(seen), writers*each)
	require.Equal(t, "/queue/n-0000000000", seen[0])

	// A number is not used again when its node is gone, not even after a crash.
	for _, name := range seen {
		require.NoError(t, a.Delete(name, -1))
	}
	s.Kill()
	s.Restart()
	var next string
	eventually(t, 20*time.Second, "a create after the restart", func() bool {
		next, err = a.Create("/queue/n-", nil, zk.FlagSequence|zk.FlagEphemeral, open)
		return err == nil
	})
	require.GreaterOrEqual(t, next, fmt.Sprintf("/queue/n-%010d", writers*each))
}

func TestGoZooKeeperMultiIsAllOrNothing(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{})
	c, _ := dialZK(t, s.ZooKeeper, 10*time.Second)
	res, err := c.Multi(
		&zk.CreateRequest{Path: "/m", Data: []byte("0"), Acl: open},
		&zk.CreateRequest{Path: "/m/a", Acl: open},
		&zk.SetDataRequest{Path: "/m", Data: []byte("1"), Version: 0},
		&zk.CheckVersionRequest{Path: "/m", Version: 1},
		&zk.DeleteRequest{Path: "/m/a", Version: 0},
	)
	require.NoError(t, err)
	require.Len(t, res, 5)
	require.Equal(t, "/m", res[0].String)
	require.EqualValues(t, 1, res[2].Stat.Version)

	res, err = c.Multi(
		&zk.CreateRequest{Path: "/m/b", Acl: open},
		&zk.CheckVersionRequest{Path: "/m", Version: 7},
		&zk.CreateRequest{Path: "/m/c", Acl: open},
	)
	require.ErrorIs(t, err, zk.ErrBadVersion)
	require.Len(t, res, 3)
	require.ErrorIs(t, res[1].Error, zk.ErrBadVersion)
	children, _, err := c.Children("/m")
	require.NoError(t, err)
	require.Empty(t, children)
}

func TestGoZooKeeperDigestACLKeepsStrangersOut(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{})
	owner, _ := dialZK(t, s.ZooKeeper, 10*time.Second)
	stranger, _ := dialZK(t, s.ZooKeeper, 10*time.Second)
	require.NoError(t, owner.AddAuth("digest", []byte("ann:secret")))
	_, err := owner.Create("/secret", []byte("x"), 0, zk.DigestACL(zk.PermAll, "ann", "secret"))
	require.NoError(t, err)

	_, _, err = stranger.Get("/secret")
	require.ErrorIs(t, err, zk.ErrNoAuth)
	_, err = stranger.Set("/secret", nil, -1)
	require.ErrorIs(t, err, zk.ErrNoAuth)
	data, _, err := owner.Get("/secret")
	require.NoError(t, err)
	require.Equal(t, "x", string(data))
	acl, stat, err := owner.GetACL("/secret")
	require.NoError(t, err)
	require.Equal(t, zk.DigestACL(zk.PermAll, "ann", "secret"), acl)

	_, err = owner.SetACL("/secret", append(acl, zk.WorldACL(zk.PermRead)...), stat.Aversion)
	require.NoError(t, err)
	data, _, err = stranger.Get("/secret")
	require.NoError(t, err)
	require.Equal(t, "x", string(data))
	_, err = owner.SetACL("/secret", zk.AuthACL(zk.PermAll), -1)
	require.NoError(t, err)
	require.NoError(t, stranger.AddAuth("digest", []byte("ann:secret")))
	_, err = stranger.Set("/secret", []byte("y"), -1)
	require.NoError(t, err, "who knows the password is no stranger")
	_, err = owner.SetACL("/secret", []zk.ACL{{Perms: zk.PermAll, Scheme: "nonsense", ID: "x"}}, -1)
	require.ErrorIs(t, err, zk.ErrInvalidACL)
}

func TestGoZooKeeperLockAdmitsOneAtATime(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{})
	var inside, entries int
	var guard sync.Mutex
	var all sync.WaitGroup
	for range 4 {
		c, _ := dialZK(t, s.ZooKeeper, 10*time.Second)
		all.Go(func() {
			lock := zk.NewLock(c, "/locks/one", open)
			for range 5 {
				if err := lock.Lock(); err != nil {
					t.Error(err)
					return
				}
				guard.Lock()
				inside++
				entries++
				if inside != 1 {
					t.Errorf("%d hold the lock", inside)
				}
				guard.Unlock()
				time.Sleep(2 * time.Millisecond)
				guard.Lock()
				inside--
				guard.Unlock()
				if err := lock.Unlock(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	require.Equal(t, 20, entries)
}

func TestGoZooKeeperSessionDataAndWatchesSurviveAKill(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{})
	c, events := dialZK(t, s.ZooKeeper, 20*time.Second)
	other, otherEvents := dialZK(t, s.ZooKeeper, 20*time.Second)
	_, err := c.Create("/kept", []byte("before"), 0, open)
	require.NoError(t, err)
	_, err = c.Create("/mine", nil, zk.FlagEphemeral, open)
	require.NoError(t, err)
	protected, err := c.CreateProtectedEphemeralSequential("/kept/p-", nil, open)
	require.NoError(t, err)
	require.Contains(t, protected, "_c_")
	_, _, data, err := c.GetW("/kept")
	require.NoError(t, err)
	_, _, children, err := c.ChildrenW("/kept")
	require.NoError(t, err)
	_, _, created, err := c.ExistsW("/later")
	require.NoError(t, err)
	session := c.SessionID()

	for range 2 {
		s.Kill()
		awaitState(t, events, zk.StateDisconnected)
		awaitState(t, otherEvents, zk.StateDisconnected)
		s.Restart()
		awaitState(t, events, zk.StateHasSession)
		awaitState(t, otherEvents, zk.StateHasSession)
		require.Equal(t, session, c.SessionID(), "the session is the one from before")
	}
	got, stat, err := c.Get("/kept")
	require.NoError(t, err)
	require.Equal(t, "before", string(got))
	require.EqualValues(t, 0, stat.Version)
	_, stat, err = c.Get("/mine")
	require.NoError(t, err)
	require.Equal(t, session, stat.EphemeralOwner)

	// Every watch was set again, and none had fired for what did not change.
	select {
	case e := <-data:
		t.Fatalf("a watch fired for nothing: %v", e)
	case e := <-children:
		t.Fatalf("a watch fired for nothing: %v", e)
	case <-time.After(50 * time.Millisecond):
	}
	_, err = other.Set("/kept", []byte("after"), 0)
	require.NoError(t, err)
	_, err = other.Create("/kept/x", nil, 0, open)
	require.NoError(t, err)
	_, err = other.Create("/later", nil, 0, open)
	require.NoError(t, err)
	require.Equal(t, zk.EventNodeDataChanged, receive(t, data, "data").Type)
	require.Equal(t, zk.EventNodeChildrenChanged, receive(t, children, "children").Type)
	require.Equal(t, zk.EventNodeCreated, receive(t, created, "creation").Type)
}

func TestGoZooKeeperHearsWhatChangedWhileItWasAway(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{})
	// The watcher's only way is cut, the writer's is not.
	gate := testkit.NewLink(t, s.ZooKeeper)
	c, events := dialZK(t, gate.Addr(), 30*time.Second)
	writer, _ := dialZK(t, s.ZooKeeper, 30*time.Second)
	for _, path := range []string{"/data", "/parent", "/goes"} {
		_, err := writer.Create(path, nil, 0, open)
		require.NoError(t, err)
	}
	_, _, data, err := c.GetW("/data")
	require.NoError(t, err)
	_, _, children, err := c.ChildrenW("/parent")
	require.NoError(t, err)
	_, _, goes, err := c.GetW("/goes")
	require.NoError(t, err)
	_, _, comes, err := c.ExistsW("/comes")
	require.NoError(t, err)

	gate.Cut()
	awaitState(t, events, zk.StateDisconnected)
	_, err = writer.Set("/data", []byte("new"), -1)
	require.NoError(t, err)
	_, err = writer.Create("/parent/child", nil, 0, open)
	require.NoError(t, err)
	require.NoError(t, writer.Delete("/goes", -1))
	_, err = writer.Create("/comes", nil, 0, open)
	require.NoError(t, err)
	gate.Mend()
	require.Equal(t, zk.EventNodeDataChanged, receive(t, data, "data").Type)
	require.Equal(t, zk.EventNodeChildrenChanged, receive(t, children, "children").Type)
	require.Equal(t, zk.EventNodeDeleted, receive(t, goes, "deletion").Type)
	require.Equal(t, zk.EventNodeCreated, receive(t, comes, "creation").Type)
}

func TestGoZooKeeperLearnsThatItsSessionExpired(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{})
	gate := testkit.NewLink(t, s.ZooKeeper)
	c, events := dialZK(t, gate.Addr(), 3*time.Second) // on a busy machine a shorter one ends by itself
	watcher, _ := dialZK(t, s.ZooKeeper, 10*time.Second)
	_, err := c.Create("/lease", nil, zk.FlagEphemeral, open)
	require.NoError(t, err)
	_, _, gone, err := watcher.ExistsW("/lease")
	require.NoError(t, err)
	first := c.SessionID()
	gate.Cut()
	require.Equal(t, zk.EventNodeDeleted, receive(t, gone, "expiry").Type)
	gate.Mend()
	awaitState(t, events, zk.StateExpired)
	awaitState(t, events, zk.StateHasSession)
	require.NotEqual(t, first, c.SessionID())
}

func TestGoZooKeeperReadsTheFourLetterWords(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, testkit.Options{})
	c, _ := dialZK(t, s.ZooKeeper, 10*time.Second)
	require.Equal(t, []bool{true}, zk.FLWRuok([]string{s.ZooKeeper}, 5*time.Second))
	// Its FLWSrvr knows only the form of date of ZooKeeper 3.4.
	srvr, err := testkit.FourLetterWord(s.ZooKeeper, "srvr")
	require.NoError(t, err)
	role := testkit.RoleAsked()
	require.Contains(t, srvr, "\nMode: "+role+"\n")
	_, _, err = c.Get("/") // before, cons has no lcxid, and the library wants one
	require.NoError(t, err)
	conns, _ := zk.FLWCons([]string{s.ZooKeeper}, 5*time.Second)
	require.True(t, slices.ContainsFunc(conns[0].Clients, func(sc *zk.ServerClient) bool { return sc.SessionID == c.SessionID() }))
	mntr, err := testkit.FourLetterWord(s.ZooKeeper, "mntr")
	require.NoError(t, err)
	require.Contains(t, mntr, "zk_server_state\t"+role)
	require.True(t, strings.HasPrefix(mntr, "zk_version\t"))
}
