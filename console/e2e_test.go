//go:build !noconsole

package console

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
)

const chromium = "/usr/bin/chromium"

// TestScreensInChromium uses each screen in a browser, in both languages, at
// "/", under a context path and behind a proxy that strips one. The servers are
// real; what stands behind them are the fakes of this package.
//
// ZENSUS_E2E_ONLY narrows it to the screens named, ZENSUS_E2E_SHOTS keeps
// screenshots in a folder.
func TestScreensInChromium(t *testing.T) {
	node := needed(t)

	open := newStage(t, false)
	secured := newStage(t, true)
	// Much less than go test allows, so that the browser is still closed in order.
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "e2e/run.mjs", open.URL, secured.URL)
	cmd.Dir = "web"
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it closes its browser
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("e2e/run.mjs: %v", err)
	}
}

// needed returns where node is, once everything that the test needs is there.
// If not, the test is skipped, or fails where the environment insists on it.
func needed(t *testing.T) string {
	t.Helper()
	missing := t.Skip
	if os.Getenv("ZENSUS_REQUIRE_INTEROP") == "1" {
		missing = t.Fatal
	} else if testing.Short() {
		t.Skip("a browser takes its time")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		missing("no node on the path: ", err)
	}
	if _, err := os.Stat(chromium); err != nil {
		missing("no browser: install the package chromium: ", err)
	}
	if _, err := os.Stat(filepath.Join("web", "node_modules", "playwright-core")); err != nil {
		missing("no node_modules: run npm ci in console/web: ", err)
	}
	return node
}

// newStage serves a console over a fresh world, at "/", under "/x" and, with
// the path stripped, under "/proxy". A POST to /stage makes things happen that
// no screen can: a fresh world, an outage, the end of all sessions.
func newStage(t *testing.T, secured bool) *httptest.Server {
	t.Helper()
	gin.SetMode(gin.ReleaseMode)
	type set struct {
		world   *world
		handler http.Handler
	}
	var current atomic.Pointer[set]
	fresh := func() {
		w := newWorld(t)
		if secured {
			w.auth = &fakeAuth{adminToken: "token-from-the-file"}
		}
		engine := gin.New()
		c := w.console(t)
		c.Routes(engine)
		c.Routes(engine.Group("/x"))
		mux := http.NewServeMux()
		mux.Handle("/", engine)
		mux.Handle("/proxy/", http.StripPrefix("/proxy", engine))
		current.Store(&set{world: w, handler: mux})
	}
	fresh()

	stage := http.NewServeMux()
	stage.HandleFunc("POST /stage/{what}", func(rw http.ResponseWriter, r *http.Request) {
		w := current.Load().world
		switch r.PathValue("what") {
		case "fresh":
			fresh()
		case "expire":
			w.auth.expire()
		case "stale":
			w.services.mu.Lock()
			w.services.stale = true
			w.services.mu.Unlock()
		default:
			http.NotFound(rw, r)
		}
	})
	stage.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		current.Load().handler.ServeHTTP(rw, r)
	})
	server := httptest.NewServer(stage)
	t.Cleanup(server.Close)
	return server
}
