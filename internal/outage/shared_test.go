package outage

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

// asked is an instance that is asked whether it is there.
type asked struct {
	port  int
	times atomic.Int64
}

func beAsked(t *testing.T) *asked {
	t.Helper()
	a := new(asked)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { a.times.Add(1) }))
	t.Cleanup(s.Close)
	a.port = s.Listener.Addr().(*net.TCPAddr).Port
	return a
}

// figure is a metric of a server without labels; -1 if it cannot be had.
func (b browser) figure(name string) int {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, strings.TrimSuffix(b.base, "/nacos")+"/metrics", http.NoBody)
	require.NoError(b.t, err)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return -1
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(b.t, err)
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			n, err := strconv.Atoi(value)
			require.NoError(b.t, err)
			return n
		}
	}
	return -1
}

// healthy is how many instances of a service a server shows, and how many of them are well.
func (b browser) healthy(service string) (well, all int) {
	b.t.Helper()
	a := b.do("GET", "/v1/ns/instance/list", "serviceName", service)
	require.Equal(b.t, 200, a.status, a.body)
	var list struct{ Hosts []struct{ Healthy bool } }
	require.NoError(b.t, json.Unmarshal([]byte(a.body), &list))
	for _, h := range list.Hosts {
		if h.Healthy {
			well++
		}
	}
	return well, len(list.Hosts)
}

// TestInstancesAreWatchedByOneServerEach has persistent instances checked, and one with
// heartbeats that come to the servers in turns, while a server is killed: the checks of the
// dead one go to the others, each instance stays with one server, and none is ever shown
// as sick or missing.
func TestInstancesAreWatchedByOneServerEach(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and runs the binary")
	}
	all := testkit.StartEnsemble(t, testkit.Options{Nacos: true, Alone: true}, 3, 0)
	const instances = 9
	here := at(t, all[0])
	var targets []*asked
	here.ok("POST", "/v1/ns/service", "serviceName", bank)
	here.ok("PUT", "/v1/ns/cluster", "serviceName", bank, "clusterName", "DEFAULT", "checkPort", "80",
		"useInstancePort4Check", "true", "healthChecker", `{"type":"HTTP","path":"/","headers":""}`)
	for range instances {
		a := beAsked(t)
		targets = append(targets, a)
		here.ok("POST", "/v1/ns/instance", "serviceName", bank, "ip", "127.0.0.1", "port", strconv.Itoa(a.port), "ephemeral", "false")
	}
	beating := []string{"serviceName", shop, "ip", "10.0.0.1", "port", "1"}
	living := all
	sum := func(name string) (n int) {
		for _, s := range living {
			n += at(t, s).figure(name)
		}
		return n
	}
	turn := 0
	// watch goes on for a while, and sees that everything is well.
	watch := func(d time.Duration) {
		t.Helper()
		for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(2 * time.Second) {
			turn++
			at(t, living[turn%len(living)]).ok("PUT", "/v1/ns/instance/beat", beating...)
			for _, s := range living {
				well, shown := at(t, s).healthy(bank)
				require.Equal(t, [2]int{instances, instances}, [2]int{well, shown})
				well, shown = at(t, s).healthy(shop)
				require.Equal(t, [2]int{1, 1}, [2]int{well, shown}, "the instance that sends heartbeats")
			}
		}
	}
	eventually(t, func() bool { return sum("zensus_naming_checks") == instances }, func() string {
		return "the servers do not check each instance once"
	})
	// Every server alone hears a beat of it every six seconds, which is too little.
	here.ok("POST", "/v1/ns/instance", append(beating, "metadata",
		`{"preserved.heart.beat.interval":"2000","preserved.heart.beat.timeout":"5000","preserved.ip.delete.timeout":"15000"}`)...)
	watch(5 * time.Second)
	// askedByOne looks on for a while: one server asks each instance, every five seconds.
	askedByOne := func() {
		t.Helper()
		for _, a := range targets {
			a.times.Store(0)
		}
		began := time.Now()
		watch(15 * time.Second)
		for _, a := range targets {
			require.NotZero(t, a.times.Load())
			require.LessOrEqual(t, a.times.Load(), int64(time.Since(began)/(5*time.Second))+2)
		}
	}
	askedByOne()
	eventually(t, func() bool { return sum("zensus_naming_beats") == 1 }, func() string {
		return "heartbeats at one server keep it alive, wherever they come"
	})

	// The server with the heartbeats is killed.
	var dead int
	for i, s := range all {
		if at(t, s).figure("zensus_naming_beats") == 1 {
			dead = i
		}
	}
	moved := at(t, all[dead]).figure("zensus_naming_checks")
	all[dead].Kill()
	living = append(append([]*testkit.Server{}, all[:dead]...), all[dead+1:]...)
	eventually(t, func() bool { // there is a leader again
		a, err := at(t, living[0]).try("GET", "/v1/ns/instance/list", "serviceName", shop)
		return err == nil && a.status == 200 && !a.stale
	}, func() string { return "no leader" })
	for n := 0; sum("zensus_naming_checks") < instances; n++ {
		require.Less(t, n, 60, "the %d instances of the dead server are taken over", moved)
		watch(time.Second)
	}
	askedByOne()
	// Two may have taken it up, each before it knew of the other. The one that hears no more
	// of it, as beats are handed on to the other, lets go when it would remove the instance.
	eventually(t, func() bool { return sum("zensus_naming_beats") == 1 }, func() string {
		return "the instance with heartbeats is watched by more than one server"
	})
	watch(2 * time.Second)
}
