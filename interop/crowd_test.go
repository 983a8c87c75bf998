package interop

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nacos-group/nacos-sdk-go/v2/clients"
	"github.com/nacos-group/nacos-sdk-go/v2/clients/naming_client"
	"github.com/nacos-group/nacos-sdk-go/v2/common/constant"
	"github.com/nacos-group/nacos-sdk-go/v2/model"
	"github.com/nacos-group/nacos-sdk-go/v2/vo"
	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

// crowdSize is how many clients a crowd has: ZENSUS_CROWD, which is 1000 for the
// acceptance, and few where nobody asks.
func crowdSize(t *testing.T) int {
	t.Helper()
	text := os.Getenv("ZENSUS_CROWD")
	if text == "" {
		return 60
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// crowdLook is how long the lists are watched after a server's death: longer than the
// sessions live that clients of it had.
const crowdLook = 40 * time.Second

// nacosOf is a client that begins at one of several servers and goes to others when
// that is gone.
func nacosOf(t *testing.T, all []*testkit.Server, first int) naming_client.INamingClient {
	t.Helper()
	param := nacosParam(t, all[first], "")
	param.ServerConfigs = nil
	for i := range all {
		s := all[(first+i)%len(all)]
		param.ServerConfigs = append(param.ServerConfigs, constant.ServerConfig{IpAddr: "127.0.0.1", Port: uint64(s.HTTPPort), GrpcPort: uint64(s.GRPCPort)})
	}
	c, err := clients.NewNamingClient(param)
	require.NoError(t, err)
	closeAtEnd(t, c)
	return c
}

// onlooker is a subscriber that notes what it misses in the lists that it is told.
type onlooker struct {
	mu     sync.Mutex
	last   int
	lists  int
	living []string // that must be in every list from now on
	missed []string
}

func (o *onlooker) told(services []model.Instance, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil {
		services = nil // an empty list comes as an error
	}
	have := map[string]bool{}
	for _, i := range services {
		have[fmt.Sprintf("%s:%d", i.Ip, i.Port)] = true
	}
	o.last, o.lists = len(have), o.lists+1
	for _, want := range o.living {
		if !have[want] {
			o.missed = append(o.missed, fmt.Sprintf("%s in a list of %d at %s", want, len(have), time.Now().Format("15:04:05.000")))
		}
	}
}

func (o *onlooker) sees(n int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last == n
}

// TestACrowdOutlivesTheDeathOfAServer has a crowd of stock clients on three servers, of
// which the leader is killed: no subscriber, on whichever server, may ever miss an
// instance whose client lives.
func TestACrowdOutlivesTheDeathOfAServer(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it looks on for longer than a session lives")
	}
	size := crowdSize(t)
	all := testkit.StartEnsemble(t, testkit.Options{Nacos: true, Alone: true, Config: map[string]string{"tickTime": "2000"}}, 3, 0)
	onlookers := make([]*onlooker, len(all))
	for i := range all {
		onlookers[i] = &onlooker{}
		require.NoError(t, nacosOf(t, all, i).Subscribe(&vo.SubscribeParam{ServiceName: "crowd", SubscribeCallback: onlookers[i].told}))
	}
	var living []string
	var wg sync.WaitGroup
	room := make(chan struct{}, 16)
	for i := range size {
		ip, port := fmt.Sprintf("10.0.%d.%d", i/250, i%250+1), uint64(8000+i%50)
		living = append(living, fmt.Sprintf("%s:%d", ip, port))
		wg.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			done, err := nacosOf(t, all, i%len(all)).RegisterInstance(vo.RegisterInstanceParam{
				ServiceName: "crowd", Ip: ip, Port: port, Weight: 1, Enable: true, Healthy: true, Ephemeral: true,
			})
			if err != nil || !done {
				t.Errorf("client %d: %v %v", i, done, err)
			}
		})
	}
	wg.Wait()
	for i, o := range onlookers {
		eventually(t, time.Minute, fmt.Sprintf("onlooker %d sees all %d", i, size), func() bool { return o.sees(size) })
		o.mu.Lock()
		o.living = living
		o.mu.Unlock()
	}
	leader := slices.IndexFunc(all, func(s *testkit.Server) bool { return s.Role() == "leader" })
	require.GreaterOrEqual(t, leader, 0)
	all[leader].Kill()
	time.Sleep(crowdLook)
	for i, o := range onlookers {
		o.mu.Lock()
		require.Empty(t, o.missed, "onlooker %d missed instances whose clients live", i)
		require.Equal(t, size, o.last, "onlooker %d", i)
		t.Logf("onlooker %d was told %d lists", i, o.lists)
		o.mu.Unlock()
	}
}

// TestDubboCallsGoOnWhenAServerOfTheRegistryDies has a consumer call its providers all
// the time, through a registry of three servers of which one is killed.
func TestDubboCallsGoOnWhenAServerOfTheRegistryDies(t *testing.T) {
	t.Parallel()
	classpath(t)
	all := testkit.StartEnsemble(t, testkit.Options{Alone: true, Config: map[string]string{"tickTime": "2000"}}, 3, 0)
	var others []string
	for _, s := range all[1:] {
		others = append(others, s.ZooKeeper)
	}
	registry := "zookeeper://" + all[0].ZooKeeper + "?backup=" + strings.Join(others, ",")
	startDubboProvider(t, registry, "one")
	startDubboProvider(t, registry, "two")
	consumer := startJava(t, 3*time.Minute, classpath(t), "-Duser.home="+t.TempDir(), javaPackage+"DubboConsumer", registry, "FORCE_INTERFACE")
	consumer.expect("ready")
	consumer.say("one,two")
	consumer.expect("ok one,two")
	consumer.say("call 40")
	time.Sleep(2 * time.Second)
	victim := slices.IndexFunc(all, func(s *testkit.Server) bool { return s.Role() == "leader" })
	require.GreaterOrEqual(t, victim, 0)
	all[victim].Kill()
	consumer.expect("ok calls")
	consumer.say("one,two")
	consumer.expectTimes("ok one,two", 2)
}
