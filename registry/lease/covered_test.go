package lease_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/lease"
)

// claims is how long others have to claim, and a little more.
const claims = 2500 * time.Millisecond

// settles is how long a client that has moved may be on its way, and a little more.
const settles = 11 * time.Second

// begin begins to look for lists that are shorter than this.
func (n *node) begin(length int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.shortest = length
}

// least is the length of the shortest since.
func (n *node) least() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.shortest
}

// die is what kill -9 of a node does: its sessions are left to their timeout.
func (n *node) die() { n.stop() }

func TestInstanceOfAClientThatMovedAndDiedDoesNotShowAgain(t *testing.T) {
	for _, c := range []struct {
		name string
		ends func(t *testing.T, b *node)
	}{
		{"its connection ends", func(_ *testing.T, b *node) { b.End("new") }},
		{"it deregisters", func(t *testing.T, b *node) { b.set(t, "new") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &engine{Fake: coretest.NewFake(), founds: true}
				a, b, other := start(t, e, "a"), start(t, e, "b"), start(t, e, "c")
				a.set(t, "old", at("10.0.0.1"), at("10.0.0.2"))
				left := e.opened()
				a.die()
				b.set(t, "new", at("10.0.0.1"))
				for _, n := range []*node{b, other} {
					n.begin(2)
				}
				time.Sleep(claims)
				require.Equal(t, []string{"10.0.0.1", "10.0.0.2"}, b.znodes(), "what is registered anew is removed of the old")
				require.Equal(t, 2, b.least(), "no list in between is shorter")
				require.Equal(t, 2, other.least())
				time.Sleep(settles)
				c.ends(t, b)
				synctest.Wait()
				for _, n := range []*node{b, other} {
					require.Equal(t, []string{"10.0.0.2"}, n.shown(), "what was not registered anew has its time")
				}
				require.True(t, e.Alive(left))
			})
		})
	}
}

// Whether it has died or goes on to another node nobody can tell.
func TestInstanceOfAClientThatMovedAndDiedAtOnceIsGoneWithItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{Fake: coretest.NewFake(), founds: true}
		a, b := start(t, e, "a"), start(t, e, "b")
		a.set(t, "old", at("10.0.0.1"))
		a.die()
		b.set(t, "new", at("10.0.0.1"))
		session := e.opened()
		b.End("new")
		time.Sleep(claims)
		require.Equal(t, []string{"10.0.0.1"}, b.znodes(), "that of the old session is removed")
		require.Equal(t, []string{"10.0.0.1"}, b.shown())
		e.Expire(session)
		synctest.Wait()
		require.Empty(t, b.shown())
	})
}

func TestInstanceOfAClientThatMovedIsRemovedWhenThereIsAQuorum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{Fake: coretest.NewFake()}
		a, b := start(t, e, "a"), start(t, e, "b")
		a.set(t, "old", at("10.0.0.1"))
		a.die()
		b.set(t, "new", at("10.0.0.1"))
		time.Sleep(time.Second)
		e.Partition()
		time.Sleep(time.Minute)
		b.End("new")
		time.Sleep(time.Minute)
		require.Len(t, b.znodes(), 2, "the tree stands still")
		e.Heal()
		time.Sleep(10 * time.Second)
		require.Empty(t, b.znodes())
		require.Empty(t, b.shown())
	})
}

// Two clients have registered the same address, or one has two connections: while both
// are there each stands for itself.
func TestInstanceOfAClientThatIsStillThereIsKept(t *testing.T) {
	for _, life := range []time.Duration{0, claims, time.Minute} {
		t.Run(life.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &engine{Fake: coretest.NewFake(), founds: true}
				a, b, other := start(t, e, "a"), start(t, e, "b"), start(t, e, "c")
				a.set(t, "x", at("10.0.0.1"))
				b.set(t, "y", at("10.0.0.1"))
				synctest.Wait()
				for _, n := range []*node{a, b, other} {
					n.begin(1)
				}
				time.Sleep(life)
				b.End("y")
				time.Sleep(claims)
				for _, n := range []*node{a, b, other} {
					require.Equal(t, []string{"10.0.0.1"}, n.shown())
					require.Equal(t, 1, n.least(), "it was there all the time")
				}
				a.End("x")
				synctest.Wait()
				if life > 0 { // else b did not know yet that a had not died
					require.Empty(t, other.shown())
				}
			})
		})
	}
}

func TestClientThatMovesBackIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{Fake: coretest.NewFake()}
		a, b := start(t, e, "a"), start(t, e, "b")
		a.set(t, "first", at("10.0.0.1"))
		b.set(t, "second", at("10.0.0.1"))
		synctest.Wait()
		a.begin(1)
		b.begin(1)
		a.Release("first")
		a.set(t, "third", at("10.0.0.1"))
		b.End("second")
		time.Sleep(claims)
		require.Equal(t, []string{"10.0.0.1"}, b.znodes(), "of the three one is left")
		require.Equal(t, []string{"10.0.0.1"}, b.shown())
		require.Equal(t, 1, a.least())
		require.Equal(t, 1, b.least())
		time.Sleep(settles)
		a.End("third")
		synctest.Wait()
		require.Empty(t, b.shown())
	})
}

// A node that has not noticed yet that its client is gone claims the session. When it
// notices, what the client has moved goes, and the rest has its time.
func TestNodeThatNoticesLateThatItsClientHasMovedRemovesWhatMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{Fake: coretest.NewFake()}
		a, b := start(t, e, "a"), start(t, e, "b")
		a.set(t, "old", at("10.0.0.1"), at("10.0.0.2"))
		b.set(t, "new", at("10.0.0.1"))
		time.Sleep(settles)
		require.Equal(t, []string{"10.0.0.1", "10.0.0.1", "10.0.0.2"}, b.znodes(), "a says that it is there")
		b.End("new")
		synctest.Wait()
		require.Len(t, b.shown(), 2, "who could know")
		a.Release("old") // it was silent
		time.Sleep(time.Second)
		require.Equal(t, []string{"10.0.0.2"}, b.shown())
		require.Equal(t, []string{"10.0.0.2"}, b.znodes())

		// What is registered at another node only now is not claimed any more.
		b.set(t, "newer", at("10.0.0.2"))
		time.Sleep(settles)
		b.End("newer")
		synctest.Wait()
		require.Empty(t, b.shown())
	})
}

// A client that is heard of by both nodes without a connection, in turns, has a znode of
// each, and its heartbeats write nothing.
func TestBeatsAtTwoNodesInTurnsWriteNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{Fake: coretest.NewFake()}
		a, b := start(t, e, "a"), start(t, e, "b")
		beats := lease.Options{Timeout: 32 * time.Second, Beat: true}
		for _, n := range []*node{a, b} {
			_, _, err := n.Set(t.Context(), "10.0.0.1:80#true", beats, shop, []registry.Instance{at("10.0.0.1")})
			require.NoError(t, err)
			synctest.Wait()
			time.Sleep(5 * time.Second)
		}
		var zxid core.Zxid
		for round := range 6 {
			for _, n := range []*node{a, b} {
				require.True(t, n.Alive("10.0.0.1:80#true"))
				time.Sleep(5 * time.Second)
				require.True(t, slices.Equal([]string{"10.0.0.1"}, n.shown()))
			}
			if round == 1 {
				zxid = e.Zxid()
			}
		}
		require.Equal(t, zxid, e.Zxid())
	})
}

// A node knows of a client without a connection only what it has heard: until it hears of
// it again, it may have gone to the node of the newer znode.
func TestClientWithoutAConnectionIsNotClaimedUntilItIsHeardOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{Fake: coretest.NewFake()}
		a, b := start(t, e, "a"), start(t, e, "b")
		beats := lease.Options{Timeout: 32 * time.Second, Beat: true}
		for _, n := range []*node{a, b} {
			_, _, err := n.Set(t.Context(), "10.0.0.1:80#true", beats, shop, []registry.Instance{at("10.0.0.1")})
			require.NoError(t, err)
			synctest.Wait()
		}
		time.Sleep(claims)
		require.Len(t, b.znodes(), 1)
		time.Sleep(13 * time.Second)
		sick := at("10.0.0.1")
		sick.Healthy = false
		require.NoError(t, a.Amend("10.0.0.1:80#true", shop, []registry.Instance{sick}), "a finds it silent")
		synctest.Wait()
		require.Len(t, b.znodes(), 1)
		require.True(t, b.catalog.Instances(shop)[0].Healthy, "b does not")
		b.End("10.0.0.1:80#true")
		synctest.Wait()
		require.Empty(t, b.shown())
		require.Empty(t, a.shown())
	})
}

// A client that finds its node gone may connect to another one, register there, and go on
// to the next: it registers there some seconds later, and is shown meanwhile.
func TestWhoTakesASecondStepIsShownOnTheWay(t *testing.T) {
	for name, quick := range map[string]bool{"at once": true, "when the node before is forgotten": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &engine{Fake: coretest.NewFake()}
				dies, b, c := start(t, e, "dies"), start(t, e, "b"), start(t, e, "c")
				dies.set(t, "first", at("10.0.0.1"))
				dies.stop()
				b.set(t, "second", at("10.0.0.1"))
				if !quick {
					time.Sleep(claims)
					require.Len(t, b.znodes(), 1)
				}
				b.End("second")
				for range 5 {
					time.Sleep(time.Second)
					require.Equal(t, []string{"10.0.0.1"}, b.shown())
					require.Equal(t, []string{"10.0.0.1"}, c.shown())
				}
				c.set(t, "third", at("10.0.0.1"))
				time.Sleep(claims)
				require.Len(t, c.znodes(), 1)
				time.Sleep(settles)
				c.End("third")
				synctest.Wait()
				require.Empty(t, c.shown(), "who closes his connection later is gone at once")
				require.Empty(t, b.shown())
			})
		})
	}
}
