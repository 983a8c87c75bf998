package outage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
	"github.com/zensus-io/zensus/sdk"
	"github.com/zensus-io/zensus/sdk/naming"
)

// mortal is the network of a program that can be killed: its connections end, and it
// makes no others.
type mortal struct {
	mu    sync.Mutex
	conns []net.Conn
	dead  bool
}

func (m *mortal) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		_ = c.Close()
		return nil, errors.New("the program is dead")
	}
	m.conns = append(m.conns, c)
	return c, nil
}

func (m *mortal) die() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = true
	for _, c := range m.conns {
		_ = c.Close()
	}
}

// clients is how many a server has of those that have registered something.
func (b browser) clients() int {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 15*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.base[:len(b.base)-len("/nacos")]+"/metrics", http.NoBody)
	require.NoError(b.t, err)
	res, err := http.DefaultClient.Do(r)
	require.NoError(b.t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(b.t, err)
	found := regexp.MustCompile(`(?m)^zensus_naming_clients (\d+)$`).FindSubmatch(text)
	require.NotNil(b.t, found)
	n, err := strconv.Atoi(string(found[1]))
	require.NoError(b.t, err)
	return n
}

// told reports whether the newest list has exactly these.
func (w *witness) told(ports ...int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Equal(slices.Sorted(maps.Keys(w.now)), ports)
}

// TestClientsThatMovedAndWentAreNotShownAgain kills a server whose clients go to another
// one, and then some of them: what they had registered is gone at once, though the
// sessions that they had at the first last on. Who lives is shown all the time. With
// ZENSUS_OUTAGE_LINGER=45s it looks on until those sessions have ended.
func TestClientsThatMovedAndWentAreNotShownAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	all := testkit.StartEnsemble(t, testkit.Options{Nacos: true, Alone: true}, 3, 0)
	doomed, second, third := all[0], all[1], all[2]
	network := &mortal{}
	killed, err := sdk.Dial(t.Context(), []string{doomed.HTTP, second.HTTP}, sdk.InOrder(), sdk.Dialer(network.dial), sdk.CloseTimeout(time.Millisecond))
	require.NoError(t, err)
	t.Cleanup(func() { _ = killed.Close() })
	mortal := program{naming: naming.New(killed)}
	const dies, batch, lives, leaves, beats = 9101, 9102, 9103, 9104, 9105
	mortal.register(t, dies)
	batched := naming.Service{Name: "batch"}
	for n := range 2 { // two of one client are registered as a batch
		require.NoError(t, mortal.naming.Register(t.Context(), batched, naming.Instance{IP: "10.0.0.1", Port: batch + 100*n}))
	}
	living := start(t, doomed, second)
	living.register(t, lives)
	alive := []int{lives}
	for port := 9110; port < 9120; port++ { // so many that what goes is little
		living.register(t, port)
		alive = append(alive, port)
	}
	leaving := start(t, doomed, second)
	leaving.register(t, leaves)
	at(t, doomed).ok("POST", "/v1/ns/instance", instance(shop, beats)...)
	witness := start(t, third).witness(t)
	alive = slices.Clip(alive)
	witness.expect(t, append(alive, dies, leaves, beats)...)

	doomed.Kill()
	began := time.Now()
	eventually(t, func() bool {
		at(t, second).do("PUT", "/v1/ns/instance/beat", instance(shop, beats)...) // 503 without a quorum
		return at(t, second).clients() == 4
	}, func() string { return fmt.Sprintf("%d clients have come", at(t, second).clients()) })
	t.Logf("they have moved in %v", time.Since(began))
	time.Sleep(11 * time.Second) // in the first ten who closes his connection may be on his way

	shows := func(service string, want ...int) {
		t.Helper()
		want = slices.Sorted(slices.Values(want))
		for _, s := range []*testkit.Server{second, third} {
			var ports []int
			eventually(t, func() bool {
				ports, _ = at(t, s).list(service)
				return slices.Equal(ports, want)
			}, func() string { return fmt.Sprintf("%s shows %v, wanted %v", s.HTTP, ports, want) })
		}
	}
	witness.withdraw(dies, leaves, beats)
	acts := time.Now()
	network.die()
	shows(shop, append(alive, leaves, beats)...)
	shows("batch")
	require.NoError(t, leaving.naming.Deregister(t.Context(), naming.Service{Name: shop}, naming.Instance{IP: "10.0.0.1", Port: leaves}))
	shows(shop, append(alive, beats)...)
	at(t, second).ok("DELETE", "/v1/ns/instance", instance(shop, beats)...)
	shows(shop, alive...)
	eventually(t, func() bool { return witness.told(alive...) }, func() string { return "the subscriber is not told" })
	require.Less(t, time.Since(acts), 5*time.Second)
	require.Less(t, time.Since(began), 25*time.Second, "the sessions of the dead server may have ended: the test shows nothing")
	if linger, err := time.ParseDuration(os.Getenv("ZENSUS_OUTAGE_LINGER")); err == nil {
		time.Sleep(linger)
		shows(shop, alive...)
	}
	witness.verdict(t)
}
