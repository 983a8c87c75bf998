// Package meters shows what this server measures under the names of Nacos's metrics,
// so that boards and alarms that were made for Nacos go on.
//
// It measures nothing itself: when it is scraped it puts together what others count
// (Sources). What has no counterpart here is not shown, or is 0 where that is the
// truth: there is no queue of tasks that dump configs, no check of MySQL, no beat of a
// Raft leader that could fail. What Java's runtime tells of itself is told of Go's where
// it means the same.
//
// cmd/zensus registers the Collector; it is served at /metrics and, where Nacos has it,
// at /nacos/actuator/prometheus.
package meters

import (
	"math"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/telemetry"
)

// Sources are who counts. All are called at each scrape, and must not block.
type Sources struct {
	HTTP    *telemetry.Timers[rest.Answered]
	GRPC    *telemetry.Timers[rpc.Answered]
	Pushes  *telemetry.Timers[rpc.Pushed]
	Naming  func() Naming
	Config  func() Config
	Conns   func() []*rpc.Conn
	Leading func() bool // this server leads its ensemble
	Machine *telemetry.Machine
}

// Naming are the numbers of the registry.
type Naming struct {
	Services, Instances int // of all
	// Subscriptions, Beats (instances over HTTP), Clients (over gRPC) and Pending
	// (subscribers to be told) are this node's.
	Subscriptions, Beats, Clients, Pending int
	TCPChecks, HTTPChecks                  int64 // made
	// Pushes: since they were last counted anew.
	Acknowledged, Failed int64
	Took, Longest        time.Duration
}

// Config are the numbers of the config center.
type Config struct {
	Configs     int // of all
	Polls       int // long polls held
	Subscribers int // over gRPC
	Pending     int // to be told
}

// Collector shows them.
type Collector struct{ from Sources }

// New makes one.
func New(from Sources) *Collector { return &Collector{from} }

// Describe sends nothing: the labels of some depend on what was asked for.
func (*Collector) Describe(chan<- *prometheus.Desc) {}

// The metrics.
var (
	monitor    = prometheus.NewDesc("nacos_monitor", "Numbers of a module of Nacos, by name.", []string{"module", "name"}, nil)
	timer      = prometheus.NewDesc("nacos_timer_seconds", "Time that acts of a module took, by name.", []string{"module", "name"}, nil)
	exception  = prometheus.NewDesc("nacos_exception_total", "Failures of a module, by name.", []string{"module", "name"}, nil)
	configSub  = prometheus.NewDesc("nacos_config_subscriber", "Clients that listen to configs: v1 by long polls, v2 over gRPC.", []string{"version"}, nil)
	namingSub  = prometheus.NewDesc("nacos_naming_subscriber", "Subscriptions to services: v2 over gRPC; those of v1 poll.", []string{"version"}, nil)
	namingPub  = prometheus.NewDesc("nacos_naming_publisher", "v1: instances that heartbeats keep alive; v2: clients over gRPC that have registered some.", []string{"version"}, nil)
	httpTimer  = prometheus.NewDesc("http_server_requests_seconds", "Time to answer HTTP requests.", []string{"method", "uri", "status", "outcome", "exception"}, nil)
	grpcTimer  = prometheus.NewDesc("grpc_server_requests_seconds", "Time to answer gRPC requests.", []string{"requestClass", "success", "errorCode", "throwableClass", "module"}, nil)
	executor   = prometheus.NewDesc("grpc_server_executor", "Requests of gRPC; each has a goroutine of its own.", []string{"module", "type", "name"}, nil)
	systemCPU  = prometheus.NewDesc("system_cpu_usage", "Part of the machine's processors that is busy.", nil, nil)
	processCPU = prometheus.NewDesc("process_cpu_usage", "Part of the machine's processors that this process keeps busy.", nil, nil)
	cpus       = prometheus.NewDesc("system_cpu_count", "Processors that this process may use.", nil, nil)
	average    = prometheus.NewDesc("system_load_average_1m", "The machine's load average of a minute.", nil, nil)
	memoryUsed = prometheus.NewDesc("jvm_memory_used_bytes", "Memory of this process: the heap of Go, and what Go has beside it.", []string{"area", "id"}, nil)
	memoryMax  = prometheus.NewDesc("jvm_memory_max_bytes", "What the heap may grow to: the limit that Go was given, or the machine's memory.", []string{"area", "id"}, nil)
	gcPause    = prometheus.NewDesc("jvm_gc_pause_seconds", "Collections of garbage, and how long everything stood still for them.", []string{"action", "cause"}, nil)
	threads    = prometheus.NewDesc("jvm_threads_daemon_threads", "Threads of this process.", nil, nil)
)

// Collect implements prometheus.Collector.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	o := out{to}
	config := c.from.Config()
	o.naming(&c.from)
	o.config(&c.from, &config)
	o.connections(c.from.Conns())
	o.requests(&c.from)
	o.machine(c.from.Machine)
	o.runtime(c.from.Machine)
}

// out is where the numbers go.
type out struct{ to chan<- prometheus.Metric }

func (o out) gauge(d *prometheus.Desc, v float64, labels ...string) {
	o.to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (o out) counter(d *prometheus.Desc, v float64, labels ...string) {
	o.to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
}

func (o out) timer(d *prometheus.Desc, t spent, labels ...string) {
	o.to <- prometheus.MustNewConstSummary(d, uint64(t.count), t.took.Seconds(), nil, labels...)
}

// spent is how often something was done, and how long that took.
type spent struct {
	count int64
	took  time.Duration
}

func (s *spent) add(count int64, took time.Duration) {
	s.count += count
	s.took += took
}

func (o out) naming(from *Sources) {
	n := from.Naming()
	leads := 0.0
	if from.Leading() {
		leads = 1
	}
	mean := -1.0 // as Nacos has it where there was none
	if n.Acknowledged > 0 {
		mean = float64(n.Took.Milliseconds()) / float64(n.Acknowledged)
	}
	for name, v := range map[string]float64{
		"serviceCount": float64(n.Services), "domCount": float64(n.Services), // the name until 2.0
		"ipCount": float64(n.Instances), "subscriberCount": float64(n.Subscriptions),
		"maxPushCost": float64(n.Longest.Milliseconds()), "avgPushCost": mean,
		"totalPush": float64(n.Acknowledged + n.Failed), "failedPush": float64(n.Failed),
		"totalPushCountForAvg": float64(n.Acknowledged), "totalPushCostForAvg": float64(n.Took.Milliseconds()),
		"pushPendingTaskCount": float64(n.Pending), "leaderStatus": leads,
		"tcpHealthCheck": float64(n.TCPChecks), "httpHealthCheck": float64(n.HTTPChecks), "mysqlHealthCheck": 0,
	} {
		o.gauge(monitor, v, "naming", name)
	}
	o.gauge(namingSub, 0, "v1")
	o.gauge(namingSub, float64(n.Subscriptions), "v2")
	o.gauge(namingPub, float64(n.Beats), "v1")
	o.gauge(namingPub, float64(n.Clients), "v2")
	o.counter(exception, 0, "naming", "disk") // the process ends instead
	o.counter(exception, 0, "naming", "leaderSendBeatFailed")
}

func (o out) config(from *Sources, c *Config) {
	for name, v := range map[string]int{
		"configCount": c.Configs, "longPolling": c.Polls, "notifyClientTask": c.Pending,
		"notifyTask": 0, "dumpTask": 0, // one log carries changes to all nodes
	} {
		o.gauge(monitor, float64(v), "config", name)
	}
	o.gauge(configSub, float64(c.Polls), "v1")
	o.gauge(configSub, float64(c.Subscribers), "v2")
	var told spent
	failed := int64(0)
	from.Pushes.Each(func(k rpc.Pushed, count int64, took time.Duration) {
		switch {
		case k.Type != "ConfigChangeNotifyRequest":
		case k.Result == rpc.Acknowledged:
			told.add(count, took)
		default:
			failed += count
		}
	})
	o.timer(timer, told, "config", "notifyRt")
	o.counter(exception, float64(failed), "config", "configNotify")
	o.counter(exception, 0, "config", "unhealth")
}

// connections are counted by the module of the client that they belong to, and all as
// core's.
func (o out) connections(conns []*rpc.Conn) {
	byModule := map[string]int{"naming": 0, "config": 0, "lock": 0, "core": len(conns)}
	for _, conn := range conns {
		switch m := conn.Label("module"); m {
		case "naming", "config", "lock":
			byModule[m]++
		}
	}
	for module, n := range byModule {
		o.gauge(monitor, float64(n), module, "longConnection")
	}
}

// acts of the config center that are timed.
const (
	reading = "getConfig"
	writing = "publish"
)

// actOf says which act a request is, blank for none. A search of v1 counts as reading:
// it has the same address.
func actOf(method, uri string) string {
	switch strings.TrimSuffix(uri, "s") {
	case "/v1/cs/config", "/v2/cs/config", "/v3/client/cs/config", "/v3/admin/cs/config", "/v3/console/cs/config":
		switch method {
		case "GET":
			return reading
		case "POST":
			return writing
		}
	}
	return ""
}

func (o out) requests(from *Sources) {
	acts := map[string]*spent{reading: {}, writing: {}}
	var refused, failed, unwritten, all int64
	from.HTTP.Each(func(k rest.Answered, count int64, took time.Duration) {
		uri := uriOf(k.Route)
		o.timer(httpTimer, spent{count, took}, k.Method, uri, strconv.Itoa(k.Status), outcome(k.Status), "None")
		act := actOf(k.Method, uri)
		if t := acts[act]; t != nil {
			t.add(count, took)
		}
		switch {
		case !strings.Contains(uri, "/cs/"):
		case k.Status >= 500 && act == writing:
			unwritten += count
		case k.Status >= 500:
			failed += count
		case k.Status == 400:
			refused += count
		}
	})
	from.GRPC.Each(func(k rpc.Answered, count int64, took time.Duration) {
		module := moduleOf(k.Type)
		o.timer(grpcTimer, spent{count, took}, k.Type, strconv.FormatBool(k.Code == 0), strconv.Itoa(k.Code), "None", module)
		all += count
		switch k.Type {
		case "ConfigQueryRequest":
			acts[reading].add(count, took)
		case "ConfigPublishRequest":
			acts[writing].add(count, took)
		}
		switch {
		case module != "config":
		case k.Code >= 500 && k.Type == "ConfigPublishRequest":
			unwritten += count
		case k.Code >= 500:
			failed += count
		case k.Code == 400:
			refused += count
		}
	})
	for act, t := range acts {
		o.gauge(monitor, float64(t.count), "config", act)
	}
	o.timer(timer, *acts[reading], "config", "readConfigRt")
	o.timer(timer, *acts[writing], "config", "writeConfigRt")
	o.counter(exception, float64(refused), "config", "illegalArgument")
	o.counter(exception, float64(failed), "config", "nacos")
	o.counter(exception, float64(unwritten), "config", "db")
	for name, v := range map[string]int64{"taskCount": all, "completedTaskCount": all, "inQueueTaskCount": 0} {
		o.gauge(executor, float64(v), "core", "grpcSdkServer", name)
	}
}

// uriOf is a route as Nacos's metrics name it: without /nacos, and with parameters in
// braces.
func uriOf(route string) string {
	route = strings.TrimPrefix(route, "/nacos")
	if !strings.ContainsAny(route, ":*") {
		return route
	}
	parts := strings.Split(route, "/")
	for i, p := range parts {
		if p != "" && (p[0] == ':' || p[0] == '*') {
			parts[i] = "{" + p[1:] + "}"
		}
	}
	return strings.Join(parts, "/")
}

// outcome is Spring's word for a status.
func outcome(status int) string {
	words := []string{"INFORMATIONAL", "SUCCESS", "REDIRECTION", "CLIENT_ERROR", "SERVER_ERROR"}
	if i := status/100 - 1; i >= 0 && i < len(words) {
		return words[i]
	}
	return "UNKNOWN"
}

// moduleOf is the module that a type of request belongs to.
func moduleOf(kind string) string {
	switch {
	case strings.Contains(kind, "Config"):
		return "config"
	case strings.Contains(kind, "Instance"), strings.Contains(kind, "Service"), strings.HasPrefix(kind, "Naming"):
		return "naming"
	case strings.HasPrefix(kind, "Lock"):
		return "lock"
	}
	return "internal"
}

func (o out) machine(m *telemetry.Machine) {
	o.gauge(cpus, float64(m.Processors()))
	usage := m.Usage()
	for _, g := range []struct {
		desc  *prometheus.Desc
		value float64
	}{{systemCPU, usage.System}, {processCPU, usage.Process}, {average, m.LoadAverage()}} {
		if g.value >= 0 {
			o.gauge(g.desc, g.value)
		}
	}
}

func (o out) runtime(m *telemetry.Machine) {
	var s runtime.MemStats
	runtime.ReadMemStats(&s) // it stops everything for some 20 microseconds
	const heap = "Go heap"
	o.gauge(memoryUsed, float64(s.HeapAlloc), "heap", heap)
	o.gauge(memoryUsed, float64(s.Sys-s.HeapSys), "nonheap", "Go runtime")
	limit := debug.SetMemoryLimit(-1)
	if total, _ := m.Memory(); limit == math.MaxInt64 && total > 0 {
		limit = int64(total)
	}
	o.gauge(memoryMax, float64(limit), "heap", heap)
	// Go's collector has one kind of collection: it looks at everything.
	o.timer(gcPause, spent{int64(s.NumGC), time.Duration(s.PauseTotalNs)}, "end of major GC", "Go")
	n, _ := runtime.ThreadCreateProfile(nil)
	o.gauge(threads, float64(n))
}
