package main

import (
	"context"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/zensus-io/zensus/internal/plainhttp"
)

// front is the HTTP port: it is there before there is a quorum, and says so.
type front struct {
	*stack
	mux     *mux          // nil where the port is off
	ready   chan struct{} // closed when handler is there
	handler http.Handler
	metrics http.Handler
}

// frontPatience is how long a request waits for a server that starts.
const frontPatience = 5 * time.Second

// openFront serves on l, which may be nil, until its stop. That it ended by itself is
// told to the stack given.
func (in *instance) openFront(l net.Listener, behind *stack) *front {
	f := &front{stack: newStack(), ready: make(chan struct{}), metrics: in.metricsHandler()}
	f.ended = behind.ended
	if l == nil {
		return f
	}
	zookeeper := func(c net.Conn, _ []byte) { _ = c.Close() }
	if in.plan.zookeeper != "" { // where its port is off, it is off here too
		zookeeper = in.client.Handle
	}
	f.mux = newMux(l, in.plan.httpLimits, zookeeper, in.plainServer(f))
	in.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "zensus_http_refused_total", Help: "TCP connections that speak HTTP and were refused because of a limit.",
	}, func() float64 { return float64(f.mux.requests.refused.Load()) }))
	f.start("HTTP", func(ctx context.Context) error { return runHTTP(ctx, in.httpServer(f), f.mux.http) })
	f.start("listen.http", f.mux.Run)
	return f
}

// plainServer serves what clients ask for most, and need not wait for long.
func (in *instance) plainServer(h http.Handler) *plainhttp.Server {
	like := in.httpServer(h)
	return &plainhttp.Server{
		Handler: h, FirstTime: like.ReadHeaderTimeout, IdleTime: like.IdleTimeout, GraceTime: stopPatience, Log: in.log.Named("http"),
		Takes: takesPlain,
	}
}

// takesPlain names what is answered from memory, and those writes that wait for one
// transaction, and no longer than a client of Nacos waits for an answer. A write is done,
// or refused, whether its client is still there or not.
func takesPlain(method, path, query string) bool {
	switch path {
	case "/nacos/v1/cs/configs", "/nacos/v2/cs/config":
		return (method == http.MethodGet || method == http.MethodPost) && !isLong(query)
	case "/nacos/v3/client/cs/config":
		return method == http.MethodGet && !isLong(query)
	case "/nacos/v1/ns/instance/list", "/nacos/v2/ns/instance/list", "/nacos/v3/client/ns/instance/list":
		return method == http.MethodGet
	case "/nacos/v1/ns/instance", "/nacos/v2/ns/instance", "/nacos/v3/client/ns/instance":
		return method == http.MethodPost || method == http.MethodDelete
	case "/nacos/v1/ns/instance/beat", "/nacos/v2/ns/instance/beat":
		return method == http.MethodPut
	}
	return false
}

// isLong reports whether it is many configs that are asked for, or written: that takes a
// while, in which the client may go.
func isLong(query string) bool {
	for _, asks := range [...]string{"search=", "export=", "exportV2=", "import=", "clone="} {
		if strings.Contains(query, asks) {
			return true
		}
	}
	return false
}

// open lets requests through from now on.
func (f *front) open(h http.Handler) {
	f.handler = h
	close(f.ready)
}

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case <-f.ready:
		f.handler.ServeHTTP(w, r)
	default:
		f.starting(w, r)
	}
}

// starting answers while there is nothing to answer from.
func (f *front) starting(w http.ResponseWriter, r *http.Request) {
	status, text := http.StatusServiceUnavailable, "server is STARTINGnow, please try again later!"
	switch r.URL.Path {
	case "/metrics":
		f.metrics.ServeHTTP(w, r)
		return
	case "/healthz": // it lives
		status, text = http.StatusOK, "ok\n"
	case "/readyz":
		text = "starting\n"
	default:
		late := time.NewTimer(frontPatience)
		defer late.Stop()
		select {
		case <-f.ready:
			f.handler.ServeHTTP(w, r)
			return
		case <-late.C:
		case <-r.Context().Done():
			return
		}
	}
	w.Header().Set("Content-Type", "text/plain;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the client is gone if it fails
}
