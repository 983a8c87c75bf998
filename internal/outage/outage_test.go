package outage

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
	"github.com/zensus-io/zensus/sdk"
	"github.com/zensus-io/zensus/sdk/config"
	"github.com/zensus-io/zensus/sdk/naming"
)

func TestMain(m *testing.M) {
	code := m.Run()
	testkit.Cleanup()
	os.Exit(code)
}

// outage is three servers, and clients of one of them, home, which does not lead at
// first and is never ended itself.
type outage struct {
	t       *testing.T // of the act
	whole   *testing.T
	all     []*testkit.Server
	links   apart
	home    int // index in all
	others  []int
	here    browser // at home
	witness *witness
	living  []int // instances that nobody withdraws
	reader  <-chan string
	poll    <-chan string // that home holds through the outage
}

// soon is by when a server answers at the latest that knows that it has no quorum: one that
// does not know it waits for longer.
const soon = 2 * time.Second

// TestBothKindsThroughOneOutage holds ephemeral instances and configs that are read, and
// persistent instances and configs that are written, against one outage after another: a
// leader that is killed, a quorum that is lost, a server that is alone. With
// ZENSUS_OUTAGE_LINGER=45s it looks on until the sessions have ended that clients left.
func TestBothKindsThroughOneOutage(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	o := begin(t)
	for _, act := range []struct {
		name string
		play func(*testing.T)
	}{
		{"a leader is killed", o.killLeader},
		{"the quorum is lost", o.loseQuorum},
		{"the quorum is back", o.regainQuorum},
		{"what is written at one node is read at another", o.readYourWrites},
		{"home is alone", o.cutOff},
	} {
		if !t.Run(act.name, func(t *testing.T) { o.t, o.here.t = t, t; act.play(t); o.witness.verdict(t) }) {
			return
		}
	}
	// The sessions of those who have moved end half a minute later.
	if linger, err := time.ParseDuration(os.Getenv("ZENSUS_OUTAGE_LINGER")); err == nil {
		o.witness.withdraw(8003, 8005, 8013, 8014) // they send no heartbeats
		time.Sleep(linger)
		o.t = t
		for _, s := range o.all {
			ports, _ := at(t, s).list(shop)
			require.Subset(t, ports, o.living)
		}
		o.witness.verdict(t)
	}
}

func begin(t *testing.T) *outage {
	o := &outage{t: t, whole: t, links: apart{}}
	o.all = testkit.StartEnsemble(t, testkit.Options{
		Nacos: true, Alone: true, Config: map[string]string{"syncLimit": "4"}, Between: o.links.between(t),
	}, 3, 0)
	eventually(t, func() bool { return o.leader() >= 0 }, func() string { return "nobody leads" })
	first := o.leader()
	o.home = (first + 1) % len(o.all)
	for i := range o.all {
		if i != o.home {
			o.others = append(o.others, i)
		}
	}
	o.here = at(t, o.all[o.home])
	for port := range 3 {
		start(t, o.all[o.home]).register(t, 9001+port)
		// And such as begin at the leader, and go where there is a server.
		start(t, o.all[first], append(o.servers(o.others), o.all[o.home])...).register(t, 9011+port)
		o.living = append(o.living, 9001+port, 9011+port)
	}
	subscriber := start(t, o.all[o.home])
	o.witness = subscriber.witness(t)
	o.witness.expect(t, o.living...)
	o.here.ok("POST", "/v1/cs/configs", "dataId", key, "group", "g", "content", "calm")
	o.reader = subscriber.reader(t)
	hears(t, o.reader, "calm")
	o.here.ok("POST", "/v1/ns/instance", instance(bank, 7001, "ephemeral", "false")...)
	o.agree(shop, o.and()...)
	o.agree(bank, 7001)
	return o
}

func (o *outage) servers(which []int) (list []*testkit.Server) {
	for _, i := range which {
		list = append(list, o.all[i])
	}
	return list
}

// and is who lives, and more, in order.
func (o *outage) and(ports ...int) []int {
	return slices.Sorted(slices.Values(append(ports, o.living...)))
}

// agree waits until all servers that answer show the same, and none marks it.
func (o *outage) agree(service string, want ...int) {
	o.t.Helper()
	for _, s := range o.all {
		var ports []int
		var a answer
		eventually(o.t, func() bool {
			ports, a = at(o.t, s).list(service)
			return slices.Equal(ports, want) && !a.stale
		}, func() string {
			return fmt.Sprintf("%s shows of %s %v, wanted %v, stale %v", s.HTTP, service, ports, want, a.stale)
		})
	}
}

func (o *outage) leader() int {
	for i, s := range o.all {
		if s.Role() == "leader" {
			return i
		}
	}
	return -1
}

// killLeader: who publishes meanwhile is told the truth, and discovery does not notice.
func (o *outage) killLeader(t *testing.T) {
	done := make(chan struct{})
	leader := o.leader()
	require.GreaterOrEqual(t, leader, 0)
	time.AfterFunc(100*time.Millisecond, func() {
		o.all[leader].Kill()
		close(done)
	})
	possible := map[string]bool{}
	began, led := time.Now(), false // again, in the end: the others take their time on a busy machine
	for i := 0; time.Since(began) < 2*time.Second || !led; i++ {
		require.Less(t, time.Since(began), 20*time.Second, "nobody leads after the leader")
		content := fmt.Sprintf("round %d", i)
		a := o.here.publish(content)
		led = a.status == 200
		switch {
		case a.status == 200:
			clear(possible)
			possible[content] = true
		case a.outcome == "unknown":
			possible[content] = true
		default:
			require.Equal(t, 503, a.status, a.body)
			require.Contains(t, a.body, "no quorum, nothing was done")
		}
		_, a = o.here.list(shop)
		require.Less(t, a.took, soon)
	}
	<-done
	got := o.certain(o.here)
	require.True(t, possible[got.body], "%q is there, of %v", got.body, possible)
	o.here.ok("POST", "/v1/cs/configs", "dataId", key, "group", "g", "content", "elected")
	hears(t, o.reader, "elected")
}

// refused requires that nothing was done for want of a quorum.
func (o *outage) refused(t *testing.T, a answer) {
	t.Helper()
	require.Equal(t, 503, a.status, a.body)
	require.Contains(t, a.body, "no quorum, nothing was done")
	require.Empty(t, a.outcome)
	require.Less(t, a.took, soon)
}

// local requires that something was answered from the picture of the server.
func (o *outage) local(t *testing.T, a answer, want string) {
	t.Helper()
	require.Equal(t, 200, a.status, a.body)
	require.Contains(t, a.body, want)
	require.True(t, a.stale, "it is not marked: %s", a.body)
	require.Less(t, a.took, soon)
}

// alone waits until home knows that it has no quorum.
func (o *outage) alone(t *testing.T) {
	t.Helper()
	eventually(t, func() bool {
		_, a := o.here.list(bank) // of its own clients nobody wants anything there
		return a.stale
	}, func() string { return "nothing is marked stale" })
	eventually(t, func() bool {
		return strings.Contains(o.here.publish("never").body, "nothing was done")
	}, func() string { return "it is not known that there is no quorum" })
}

func (o *outage) loseQuorum(t *testing.T) {
	// Of an instance that sends no heartbeats its server would have enough in a second.
	silent := `{"preserved.heart.beat.interval":"500","preserved.heart.beat.timeout":"1000","preserved.ip.delete.timeout":"1500"}`
	for _, i := range o.others {
		if s := o.all[i]; s.Role() != "" {
			at(t, s).ok("POST", "/v1/ns/instance", instance(shop, 8002)...)
			o.witness.expect(t, 8002)
			// Not before: as long as there is a quorum it may be found to be silent.
			o.here.ok("POST", "/v1/ns/instance", instance(shop, 8001, "metadata", silent)...)
			o.witness.expect(t, 8001)
			s.Signal(syscall.SIGSTOP)
		}
	}
	poll := o.here.poll(o.whole.Context(), "elected")
	o.alone(t)
	began := time.Now()

	for _, path := range []string{"/v1/ns/instance/list", "/v2/ns/instance/list", "/v3/client/ns/instance/list"} {
		o.local(t, o.here.do("GET", path, "serviceName", shop), `"port":9001`)
		o.local(t, o.here.do("GET", path, "serviceName", bank), `"port":7001`)
	}
	for _, path := range []string{"/v1/cs/configs", "/v2/cs/config", "/v3/client/cs/config", "/v3/admin/cs/config"} {
		o.local(t, o.here.do("GET", path, "dataId", key, "group", "g", "groupName", "g"), "elected")
	}
	o.local(t, o.here.do("GET", "/v1/cs/history", "dataId", key, "group", "g", "search", "accurate"), `"dataId":"`+key)

	program := start(o.whole, o.all[o.home]) // a client that comes only now
	list, err := program.naming.Instances(t.Context(), naming.Service{Name: shop})
	require.NoError(t, err)
	require.Len(t, list, len(o.and(8001, 8002)))
	item, err := program.config.Get(t.Context(), config.Key{DataID: key, Group: "g"})
	require.NoError(t, err)
	require.Equal(t, "elected", item.Content)
	program.register(t, 9004)
	o.witness.expect(t, 9004)
	o.living = append(o.living, 9004)

	o.local(t, o.here.do("POST", "/v1/ns/instance", instance(shop, 8003)...), "ok")
	o.local(t, o.here.do("POST", "/v2/ns/instance", instance(shop, 8004)...), "ok")
	o.local(t, o.here.do("POST", "/v3/client/ns/instance", instance(shop, 8005)...), "ok")
	o.witness.expect(t, 8003, 8004, 8005)
	o.local(t, o.here.do("PUT", "/v1/ns/instance/beat", instance(shop, 8003)...), "10200")
	// It was registered at a server that does not answer, and goes here.
	o.witness.withdraw(8002, 8004)
	o.local(t, o.here.do("DELETE", "/v1/ns/instance", instance(shop, 8002)...), "ok")
	o.local(t, o.here.do("DELETE", "/v1/ns/instance", instance(shop, 8004)...), "ok")

	o.refused(t, o.here.do("POST", "/v1/ns/instance", instance(bank, 7002, "ephemeral", "false")...))
	o.refused(t, o.here.do("POST", "/v2/ns/instance", instance(bank, 7002, "ephemeral", "false")...))
	o.refused(t, o.here.do("DELETE", "/v1/ns/instance", instance(bank, 7001, "ephemeral", "false")...))
	o.refused(t, o.here.do("POST", "/v1/ns/service", "serviceName", "made"))
	o.refused(t, o.here.publish("never"))
	o.refused(t, o.here.do("POST", "/v2/cs/config", "dataId", key, "group", "g", "content", "never"))
	o.refused(t, o.here.do("POST", "/v3/admin/cs/config", "dataId", key, "groupName", "g", "content", "never"))
	o.refused(t, o.here.do("DELETE", "/v1/cs/configs", "dataId", key, "group", "g"))
	o.refused(t, o.here.do("POST", "/v1/console/namespaces", "customNamespaceId", "n", "namespaceName", "n"))
	var refusal *sdk.Error
	err = program.config.Publish(t.Context(), config.Key{DataID: key, Group: "g"}, "never")
	require.ErrorAs(t, err, &refusal)
	require.NotErrorIs(t, err, sdk.ErrUnknownOutcome)
	require.Equal(t, 500, refusal.Code)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	err = program.naming.Register(ctx, naming.Service{Name: bank}, naming.Instance{IP: "10.0.0.1", Port: 7003, Persistent: true})
	require.Error(t, err)

	time.Sleep(time.Until(began.Add(5 * time.Second))) // for what might expire
	ports, a := o.here.list(shop)
	require.Equal(t, o.and(8001, 8003, 8005), ports)
	require.True(t, a.stale)
	ports, _ = o.here.list(bank)
	require.Equal(t, []int{7001}, ports)
	metrics := o.here
	metrics.base = strings.TrimSuffix(metrics.base, "/nacos")
	page := metrics.ok("GET", "/metrics").body
	require.Contains(t, page, "zensus_naming_stale 1")
	require.Contains(t, page, "zensus_config_stale 1")
	select {
	case said := <-poll:
		t.Errorf("a long poll ends with %q", said)
	default:
	}
	o.poll = poll
}

func (o *outage) regainQuorum(t *testing.T) {
	for _, i := range o.others {
		o.all[i].Signal(syscall.SIGCONT)
	}
	o.restartDead(t)
	// The one that is silent for good is found to be so now.
	o.witness.withdraw(8001)
	_ = o.here.do("PUT", "/v1/ns/instance/beat", instance(shop, 8003)...)
	_ = o.here.do("PUT", "/v1/ns/instance/beat", instance(shop, 8005)...)
	o.agree(shop, o.and(8003, 8005)...)
	o.agree(bank, 7001)
	for _, s := range o.all {
		require.Equal(t, "elected", o.certain(at(t, s)).body, "what was refused was done later")
	}
	at(t, o.all[o.others[0]]).ok("POST", "/v1/cs/configs", "dataId", key, "group", "g", "content", "back")
	hears(t, o.reader, "back")
	hears(t, o.poll, key)
	o.here.ok("POST", "/v1/ns/instance", instance(bank, 7002, "ephemeral", "false")...)
	o.agree(bank, 7001, 7002)
	page, err := o.here.try("GET", "/v2/ns/service", "serviceName", "made")
	require.NoError(t, err)
	require.NotEqual(t, 200, page.status, "what was refused was done later")
}

// certain is the config as a server shows it that is certain of it. One that does not hear
// from the others at once, on a busy machine, says what it knows, and marks it.
func (o *outage) certain(b browser) (a answer) {
	o.t.Helper()
	eventually(o.t, func() bool { a = b.config(); return !a.stale }, func() string { return "it stays stale: " + a.body })
	return a
}

// restartDead starts those that were killed.
func (o *outage) restartDead(t *testing.T) {
	for _, i := range o.others {
		if _, err := at(t, o.all[i]).try("GET", "/v1/console/server/state"); err != nil {
			o.all[i].Restart()
		}
	}
}

func (o *outage) readYourWrites(t *testing.T) {
	far := start(t, o.all[o.others[1]])
	writer := at(t, o.all[o.others[0]])
	for i := range 200 {
		content := fmt.Sprintf("write %d", i)
		require.Equal(t, 200, writer.publish(content).status)
		require.Equal(t, content, o.certain(o.here).body)
		item, err := far.config.Get(t.Context(), config.Key{DataID: key, Group: "g"})
		require.NoError(t, err)
		require.Equal(t, content, item.Content, "over gRPC")
	}
}

// cutOff: home is alone, and the others go on. Clients come to both sides.
func (o *outage) cutOff(t *testing.T) {
	there := at(t, o.all[o.others[0]])
	there.ok("POST", "/v1/ns/instance", instance(shop, 8010)...)
	o.here.ok("POST", "/v1/ns/instance", instance(shop, 8011)...)
	o.witness.expect(t, 8010, 8011)
	there.ok("POST", "/v1/cs/configs", "dataId", key, "group", "g", "content", "together")
	hears(t, o.reader, "together")

	o.links.cut(o.home + 1)
	o.alone(t)
	eventually(t, func() bool {
		l := o.leader()
		return l >= 0 && l != o.home && !there.config().stale // who follows may be a moment behind
	}, func() string { return "nobody leads the others" })
	// From one side to the other, both ways.
	o.witness.withdraw(8010, 8011)
	o.local(t, o.here.do("DELETE", "/v1/ns/instance", instance(shop, 8010)...), "ok")
	there.ok("DELETE", "/v1/ns/instance", instance(shop, 8011)...)
	silent := `{"preserved.heart.beat.interval":"500","preserved.heart.beat.timeout":"1000","preserved.ip.delete.timeout":"1500"}`
	o.local(t, o.here.do("POST", "/v1/ns/instance", instance(shop, 8012, "metadata", silent)...), "ok")
	there.ok("DELETE", "/v1/ns/instance", instance(shop, 8012)...)
	o.local(t, o.here.do("POST", "/v1/ns/instance", instance(shop, 8013)...), "ok")
	o.witness.expect(t, 8013)
	there.ok("POST", "/v1/ns/instance", instance(shop, 8014)...)
	// What needs a quorum goes on where there is one.
	require.Equal(t, 200, there.publish("apart").status)
	there.ok("POST", "/v1/ns/instance", instance(bank, 7003, "ephemeral", "false")...)
	o.refused(t, o.here.publish("never"))
	o.refused(t, o.here.do("DELETE", "/v1/ns/instance", instance(bank, 7001, "ephemeral", "false")...))
	o.local(t, o.here.config(), "together")
	require.Equal(t, "apart", o.certain(there).body)

	ports, _ := o.here.list(shop)
	require.Equal(t, o.and(8003, 8005, 8011, 8012, 8013), ports, "what clients did here, and what was there before")
	ports, a := there.list(shop)
	require.Equal(t, o.and(8003, 8005, 8010, 8014), ports)
	require.False(t, a.stale)

	o.links.mend()
	o.agree(shop, o.and(8003, 8005, 8013, 8014)...)
	o.agree(bank, 7001, 7002, 7003)
	hears(t, o.reader, "apart")
	require.Equal(t, "apart", o.certain(o.here).body)
	o.witness.expect(t, 8014)
}

// A server that is started without a quorum lives, and says that it is not ready.
func TestAServerThatStartsWithoutAQuorumSaysSo(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and runs the binary")
	}
	all := testkit.StartEnsemble(t, testkit.Options{Nacos: true, Alone: true}, 3, 0)
	for _, s := range all {
		s.Kill()
	}
	all[0].Launch()
	b := at(t, all[0])
	root := browser{t, strings.TrimSuffix(b.base, "/nacos")}
	eventually(t, func() bool {
		a, err := root.try("GET", "/healthz")
		return err == nil && a.status == 200
	}, func() string { return "it gives no sign of life" })
	require.Equal(t, 503, root.do("GET", "/readyz").status)
	require.Contains(t, root.ok("GET", "/metrics").body, "zensus_zab_serving 0")
	a := b.do("GET", "/v1/ns/instance/list", "serviceName", shop)
	require.Equal(t, 503, a.status)
	require.Contains(t, a.body, "STARTING")
	all[1].Launch()
	eventually(t, func() bool { return root.do("GET", "/readyz").status == 200 }, func() string { return "it is never ready" })
	b.ok("POST", "/v1/ns/instance", instance(shop, 9001)...)
}
