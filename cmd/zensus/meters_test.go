package main

import (
	"bufio"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
	"github.com/zensus-io/zensus/sdk/config"
	"github.com/zensus-io/zensus/sdk/naming"
)

// series is one line of what is scraped.
type series struct {
	name   string
	labels map[string]string
	value  float64
}

var (
	seriesLine = regexp.MustCompile(`^([a-z_0-9]+)(?:\{(.*)\})? (\S+)$`)
	labelPair  = regexp.MustCompile(`([a-zA-Z_]+)="([^"]*)"`)
)

func scrape(t require.TestingT, s *testkit.Server, path string) (all []series) {
	for line := range strings.Lines(read(t, s, path)) {
		m := seriesLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		one := series{name: m[1], labels: map[string]string{}}
		for _, pair := range labelPair.FindAllStringSubmatch(m[2], -1) {
			one.labels[pair[1]] = pair[2]
		}
		var err error
		one.value, err = strconv.ParseFloat(m[3], 64)
		require.NoError(t, err)
		all = append(all, one)
	}
	return all
}

var labelStart = regexp.MustCompile(` [a-zA-Z_]+=`)

// find is the sum of the series that a selector names, as in "name label=value", and
// whether there are any.
func find(all []series, selector string) (sum float64, there bool) {
	want := map[string]string{}
	starts := labelStart.FindAllStringIndex(selector, -1)
	name := selector
	for i, at := range starts {
		if i == 0 {
			name = selector[:at[0]]
		}
		end := len(selector)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		label, value, _ := strings.Cut(selector[at[0]+1:end], "=")
		want[label] = value
	}
	for _, s := range all {
		matches := s.name == name
		for label, value := range want {
			matches = matches && s.labels[label] == value
		}
		if matches {
			sum, there = sum+s.value, true
		}
	}
	return sum, there
}

func TestNacosBoardsFindWhatTheyAskFor(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and runs the binary")
	}
	s := testkit.Start(t, testkit.Options{Nacos: true})
	post := func(path string, form ...string) {
		values := url.Values{}
		for i := 0; i < len(form); i += 2 {
			values.Set(form[i], form[i+1])
		}
		res, err := http.PostForm("http://"+s.HTTP+"/nacos"+path, values)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusOK, res.StatusCode)
	}
	client := join(t, s)
	shop := naming.Service{Name: "shop"}
	n, c := naming.New(client), config.New(client)
	follow := make(chan struct{}, 100)
	go func() {
		for range n.Subscribe(t.Context(), shop) {
			follow <- struct{}{}
		}
	}()
	<-follow
	require.NoError(t, n.Register(t.Context(), shop, naming.Instance{IP: "10.0.0.1", Port: 80}))
	post("/v1/ns/instance", "serviceName", "shop", "ip", "10.0.0.2", "port", "80")
	post("/v1/cs/configs", "dataId", "a", "group", "g", "content", "1")
	for range 3 {
		require.Equal(t, "1", read(t, s, "/nacos/v1/cs/configs?dataId=a&group=g"))
	}
	_, err := c.Get(t.Context(), config.Key{DataID: "a", Group: "g"})
	require.NoError(t, err)
	read(t, s, "/nacos/v1/cs/configs?dataId=&group=g") // refused
	poll(t, s)

	var all []series
	is := func(selector string) float64 {
		sum, there := find(all, selector)
		require.True(t, there, selector)
		return sum
	}
	eventually(t, func(t require.TestingT) { // pushes and polls are under way
		all = scrape(t, s, "/nacos/actuator/prometheus")
		polls, _ := find(all, "nacos_monitor name=longPolling")
		cost, _ := find(all, "nacos_monitor name=totalPush")
		pending, _ := find(all, "nacos_monitor name=pushPendingTaskCount")
		require.Equal(t, 1.0, polls)
		require.GreaterOrEqual(t, cost, 1.0)
		require.Zero(t, pending)
	})
	f, err := os.Open("testdata/nacos-board.txt")
	require.NoError(t, err)
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		selector, left := strings.CutPrefix(line, "none ")
		if left {
			var why string
			selector, why, _ = strings.Cut(selector, ": ")
			require.NotEmpty(t, why, "%s: why is it not there?", selector)
		}
		_, there := find(all, selector)
		require.Equal(t, !left, there, selector)
	}

	for selector, want := range map[string]float64{
		"nacos_monitor name=configCount": 1, "nacos_monitor name=serviceCount": 1, "nacos_monitor name=domCount": 1, "nacos_monitor name=ipCount": 2,
		"nacos_monitor name=subscriberCount": 1, "nacos_monitor name=publish": 1, "nacos_monitor name=getConfig": 5, "nacos_monitor name=failedPush": 0,
		"nacos_monitor module=naming name=longConnection": 1, "nacos_monitor name=leaderStatus": 1,
		"nacos_timer_seconds_count name=readConfigRt": 5, "nacos_timer_seconds_count name=writeConfigRt": 1,
		"nacos_naming_publisher version=v1": 1, "nacos_naming_publisher version=v2": 1, "nacos_exception_total name=illegalArgument": 1,
		"nacos_config_subscriber version=v1":                                                                     1,
		"http_server_requests_seconds_count uri=/v1/cs/configs method=GET status=200":                            3,
		"http_server_requests_seconds_count uri=/v1/cs/configs method=GET status=400 outcome=CLIENT_ERROR":       1,
		"grpc_server_requests_seconds_count requestClass=InstanceRequest success=true errorCode=0 module=naming": 1,
		"zensus_http_requests_total route=/nacos/v1/cs/configs method=GET status=200":                            3,
	} {
		require.Equal(t, want, is(selector), selector)
	}
	for _, selector := range []string{
		"nacos_timer_seconds_sum name=readConfigRt", "http_server_requests_seconds_sum uri=/v1/ns/instance", "grpc_server_requests_seconds_sum requestClass=InstanceRequest",
		"jvm_memory_used_bytes area=heap", "jvm_threads_daemon_threads",
	} {
		require.Positive(t, is(selector), selector)
	}
	require.Less(t, is("jvm_memory_used_bytes area=heap"), is("jvm_memory_max_bytes area=heap"))
	cpu := is("system_cpu_usage")
	require.True(t, cpu >= 0 && cpu <= 1, cpu)
	require.Less(t, is("nacos_monitor name=maxPushCost"), float64((10 * time.Second).Milliseconds()))
	_, there := find(scrape(t, s, "/metrics"), "nacos_monitor name=configCount")
	require.True(t, there, "they are in ours too")
}
