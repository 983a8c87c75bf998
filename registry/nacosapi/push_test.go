package nacosapi

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// publish makes instances on ports all that a client has registered, each with as many
// bytes of metadata.
func (c *client) publish(bytes int, ports ...int) {
	c.t.Helper()
	var all wire.Instances
	for _, port := range ports {
		i := instance("10.0.0.1", port)
		if bytes > 0 {
			i.Metadata = map[string]string{"ballast": strings.Repeat("x", bytes)}
		}
		all = append(all, i)
	}
	var out wire.BatchInstanceResponse
	c.call(&wire.BatchInstanceRequest{ServiceKey: shop, Type: wire.BatchRegisterInstance, Instances: all}, &out)
	require.True(c.t, out.OK(), out.Message)
}

func portsOf(info *wire.ServiceInfo) []int {
	ports := []int{}
	for n := range info.Hosts {
		ports = append(ports, info.Hosts[n].Port)
	}
	slices.Sort(ports)
	return ports
}

// holds waits until a client was pushed a list of these ports, and returns how many lists
// it was pushed until then.
func (c *client) holds(ports ...int) (lists int) {
	c.t.Helper()
	late := time.After(patience)
	for {
		select {
		case info := <-c.pushes:
			lists++
			if slices.Equal(portsOf(info), ports) {
				return lists
			}
		case <-late:
			c.t.Fatalf("no list of %v came", ports)
		}
	}
}

func TestASubscriberThatNeverReadsCostsOnlyItself(t *testing.T) {
	n := startNode(t, engines.New(t))
	silent, quick, provider := dialSilent(t, n.addr), dial(t, n.addr), dial(t, n.addr)
	silent.subscribe("")
	quick.subscribe("")
	quick.pushed(0)
	// Each list is more than the windows of a connection take.
	const ballast, rounds = 60_000, 30
	for round := 1; round <= rounds; round++ {
		provider.publish(ballast, round, 1000+round, 2000+round)
		quick.holds(round, 1000+round, 2000+round)
	}
	// When it reads again, it gets what was under way, and then the list of now: no queue
	// of old ones.
	silent.done.Go(silent.listen)
	require.Less(t, silent.holds(rounds, 1000+rounds, 2000+rounds), 6, "lists, of %d", rounds)
	require.Empty(t, silent.pushes)
}

func TestAPushThatIsNotAcknowledgedIsRepeatedWithTheListOfThatMoment(t *testing.T) {
	n := startNode(t, engines.New(t))
	c, provider := dial(t, n.addr), dial(t, n.addr)
	provider.publish(0, 1) // a service that is new is told of before its first instance
	c.subscribe("")
	c.pushed(1)
	c.mute.Store(true)
	provider.publish(0, 1, 2)
	require.Equal(t, 1, c.holds(1, 2))
	provider.publish(0, 1, 2, 3) // while the first one waits for its acknowledgement
	provider.publish(0, 1, 2, 3, 4)
	c.mute.Store(false)
	require.Equal(t, 1, c.holds(1, 2, 3, 4), "the next that it hears is the newest")
	time.Sleep(100 * time.Millisecond)
	require.Empty(t, c.pushes)
}

// consumer keeps up a subscription over connections that come and go, as Nacos's clients
// do: a list that is older than the one it has is dropped.
type consumer struct {
	t *testing.T
	*client
	ref   int64
	ports []int
}

func (c *consumer) take(info *wire.ServiceInfo) {
	if info.LastRefTime >= c.ref {
		c.ref, c.ports = info.LastRefTime, portsOf(info)
	}
}

// subscribed calls again and takes what is answered.
func (c *consumer) subscribed() { c.take(c.client.subscribe("")) }

// sees waits until the consumer has a list of these ports.
func (c *consumer) sees(when string, ports []int) {
	c.t.Helper()
	late := time.After(patience)
	for !slices.Equal(c.ports, ports) {
		select {
		case info := <-c.client.pushes:
			c.take(info)
		case <-late:
			c.t.Fatalf("%s: it has %v, and %v is so", when, c.ports, ports)
		}
	}
}

func TestASubscriberMissesNothingWheneverItReconnects(t *testing.T) {
	n := startNode(t, engines.New(t))
	provider := dial(t, n.addr)
	c := &consumer{t: t, client: dial(t, n.addr)}
	c.subscribed()
	acts := map[string][]int{"an instance registers": {1, 2}, "an instance deregisters": {1}, "the last one deregisters": {}}
	order := []string{"an instance deregisters", "an instance registers", "the last one deregisters", "an instance registers"}
	provider.publish(0, 1, 2)
	moments := []string{"before the end", "while it ends", "between", "while it is set up", "before it subscribes", "while it subscribes", "after the answer", "after the first push"}
	for round := range 3 {
		for _, moment := range moments {
			for _, act := range order {
				when := fmt.Sprintf("%s %s (%d)", act, moment, round)
				done := make(chan struct{})
				do := func(at string) {
					if at == moment {
						go func() {
							defer close(done)
							time.Sleep(time.Duration(round) * 300 * time.Microsecond)
							provider.publish(0, acts[act]...)
						}()
					}
				}
				settle := func(at string) {
					if at == moment {
						<-done
					}
				}
				do("before the end")
				settle("before the end")
				do("while it ends")
				c.client.close()
				do("between")
				settle("between")
				do("while it is set up")
				c.client = dial(t, n.addr)
				do("before it subscribes")
				settle("before it subscribes")
				do("while it subscribes")
				c.subscribed()
				do("after the answer")
				if moment == "after the first push" {
					c.take(<-c.client.pushes)
				}
				do("after the first push")
				<-done
				c.sees(when, acts[act])
			}
		}
	}
}

// A provider comes back on another connection before, while or after its old one ends.
func TestAProviderStaysRegisteredWheneverItReconnects(t *testing.T) {
	n := startNode(t, engines.New(t))
	watcher := dial(t, n.addr)
	old := dial(t, n.addr)
	old.publish(0, 1)
	for round := range 40 {
		next := dial(t, n.addr)
		pause := time.Duration(rand.IntN(3000)) * time.Microsecond
		ended := make(chan struct{})
		switch round % 3 {
		case 0: // after
			next.publish(0, 1)
			time.Sleep(pause)
			old.close()
			close(ended)
		case 1: // while
			go func() { defer close(ended); time.Sleep(pause); old.close() }()
			next.publish(0, 1)
		case 2: // before
			old.close()
			close(ended)
			time.Sleep(pause)
			next.publish(0, 1)
		}
		<-ended
		require.Equal(t, []int{1}, portsOf(watcher.query()), "round %d", round)
		time.Sleep(20 * time.Millisecond) // what the old connection leaves behind is cleared away
		require.Equal(t, []int{1}, portsOf(watcher.query()), "round %d, a while later", round)
		old = next
	}
	// Withdrawn on the last connection, it does not come back with an earlier one.
	old.publish(0)
	require.Empty(t, portsOf(watcher.query()))
	time.Sleep(3 * time.Second)
	require.Empty(t, portsOf(watcher.query()))
}
