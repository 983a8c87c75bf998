package outage

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
	"github.com/zensus-io/zensus/sdk"
	"github.com/zensus-io/zensus/sdk/config"
	"github.com/zensus-io/zensus/sdk/naming"
)

const (
	shop = "shop" // of ephemeral instances
	bank = "bank" // of persistent ones
	key  = "app.yaml"
)

// answer is what a server says over HTTP.
type answer struct {
	status  int
	body    string
	stale   bool
	outcome string
	took    time.Duration
}

// browser asks one server over HTTP.
type browser struct {
	t    *testing.T
	base string
}

func at(t *testing.T, s *testkit.Server) browser { return browser{t, "http://" + s.HTTP + "/nacos"} }

// do asks with parameters, in pairs.
func (b browser) do(method, path string, pairs ...string) answer {
	b.t.Helper()
	a, err := b.try(method, path, pairs...)
	require.NoError(b.t, err, "%s %s", method, path)
	return a
}

func (b browser) try(method, path string, pairs ...string) (a answer, err error) {
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	var body io.Reader
	target := b.base + path
	if method == http.MethodPost {
		body = strings.NewReader(form.Encode())
	} else {
		target += "?" + form.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return a, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	began := time.Now()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return answer{
		res.StatusCode, strings.TrimSpace(string(text)), res.Header.Get("zensus-stale") == "true",
		res.Header.Get("zensus-outcome"), time.Since(began),
	}, err
}

// instance is the parameters of an instance on a port.
func instance(service string, port int, more ...string) []string {
	return append([]string{"serviceName", service, "ip", "10.0.0.1", "port", strconv.Itoa(port)}, more...)
}

// list is what a server shows of a service, sorted.
func (b browser) list(service string) (ports []int, a answer) {
	b.t.Helper()
	a = b.do("GET", "/v1/ns/instance/list", "serviceName", service)
	require.Equal(b.t, 200, a.status, a.body)
	var list struct{ Hosts []struct{ Port int } }
	require.NoError(b.t, json.Unmarshal([]byte(a.body), &list))
	for _, h := range list.Hosts {
		ports = append(ports, h.Port)
	}
	slices.Sort(ports)
	return ports, a
}

func (b browser) publish(content string) answer {
	b.t.Helper()
	return b.do("POST", "/v1/cs/configs", "dataId", key, "group", "g", "content", content)
}

func (b browser) config() answer {
	b.t.Helper()
	return b.do("GET", "/v1/cs/configs", "dataId", key, "group", "g")
}

// ok requires that something was done.
func (b browser) ok(method, path string, pairs ...string) answer {
	b.t.Helper()
	a := b.do(method, path, pairs...)
	require.Equal(b.t, 200, a.status, "%s %s: %s", method, path, a.body)
	return a
}

// program is a client with our SDK.
type program struct {
	naming *naming.Naming
	config *config.Config
}

// start runs a program that goes to a server, and if that fails to the next.
func start(t *testing.T, s *testkit.Server, next ...*testkit.Server) program {
	t.Helper()
	addresses := []string{s.HTTP}
	for _, s := range next {
		addresses = append(addresses, s.HTTP)
	}
	c, err := sdk.Dial(t.Context(), addresses, sdk.InOrder())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return program{naming.New(c), config.New(c)}
}

func (p program) register(t *testing.T, port int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	require.NoError(t, p.naming.Register(ctx, naming.Service{Name: shop}, naming.Instance{IP: "10.0.0.1", Port: port}))
}

// witness is a subscriber that remembers what it was told, and what must be in it.
type witness struct {
	mu     sync.Mutex
	alive  map[int]bool // instances that nobody withdrew since they were first seen
	now    map[int]bool
	missed []string
	lists  int
}

func (p program) witness(t *testing.T) *witness {
	w := &witness{alive: map[int]bool{}}
	var reading sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	reading.Go(func() {
		for list, err := range p.naming.Subscribe(ctx, naming.Service{Name: shop}) {
			if err != nil {
				t.Errorf("the subscription ends: %v", err)
				return
			}
			w.take(list.Instances)
		}
	})
	t.Cleanup(func() { cancel(); reading.Wait() })
	return w
}

func (w *witness) take(list []naming.Instance) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lists++
	w.now = map[int]bool{}
	for _, i := range list {
		w.now[i.Port] = true
	}
	for port := range w.alive {
		if !w.now[port] {
			w.missed = append(w.missed, time.Now().Format("15:04:05.000")+" without "+strconv.Itoa(port))
		}
	}
}

// expect has the witness see an instance, and miss it if it ever goes.
func (w *witness) expect(t *testing.T, ports ...int) {
	t.Helper()
	for _, port := range ports {
		eventually(t, func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.now[port] {
				w.alive[port] = true
			}
			return w.now[port]
		}, func() string { return "the subscriber is not told of " + strconv.Itoa(port) })
	}
}

// withdraw says that instances go because somebody wants them to.
func (w *witness) withdraw(ports ...int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, port := range ports {
		delete(w.alive, port)
	}
}

func (w *witness) verdict(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	require.Empty(t, w.missed, "a list without instances that live")
	t.Logf("%d lists, in the end of %v", w.lists, slices.Sorted(maps.Keys(w.now)))
}

// reader follows a config.
func (p program) reader(t *testing.T) <-chan string {
	contents := make(chan string, 100)
	var reading sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	reading.Go(func() {
		for item, err := range p.config.Subscribe(ctx, config.Key{DataID: key, Group: "g"}) {
			if err != nil {
				t.Errorf("the subscription of the config ends: %v", err)
				return
			}
			contents <- item.Content
		}
	})
	t.Cleanup(func() { cancel(); reading.Wait() })
	return contents
}

// poll listens to the config over HTTP once, until ctx ends, and returns what was answered.
func (b browser) poll(ctx context.Context, content string) <-chan string {
	said := make(chan string, 1)
	form := url.Values{"Listening-Configs": {key + "\x02g\x02" + config.Sum(content) + "\x01"}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, b.base+"/v1/cs/configs/listener", strings.NewReader(form.Encode()))
	require.NoError(b.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Long-Pulling-Timeout", "60000")
	go func() {
		defer close(said)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			return
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		said <- string(text)
	}()
	return said
}

// eventually waits until something holds, or fails with what is wrong. It asks on the
// goroutine of the test.
func eventually(t *testing.T, holds func() bool, wrong func() string) {
	t.Helper()
	for late := time.Now().Add(30 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal(wrong())
		}
	}
}

// hears waits for something that is told.
func hears(t *testing.T, from <-chan string, want string) {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		select {
		case got, open := <-from:
			require.True(t, open, "nothing more is told")
			if strings.Contains(got, want) {
				return
			}
		case <-late:
			t.Fatalf("%q is not heard of", want)
		}
	}
}

// apart are the links between the members of an ensemble.
type apart map[[2]int]*testkit.Link

func (a apart) between(t *testing.T) func(from, to int, addr string) string {
	return func(from, to int, addr string) string {
		a[[2]int{from, to}] = testkit.NewLink(t, addr)
		return a[[2]int{from, to}].Addr()
	}
}

// cut separates a member, by its number, from the others.
func (a apart) cut(member int) {
	for ends, l := range a {
		if ends[0] == member || ends[1] == member {
			l.Cut()
		}
	}
}

func (a apart) mend() {
	for _, l := range a {
		l.Mend()
	}
}
