package testkit

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/zensus-io/zensus/core/coretest"
)

// OnZooKeeper is the role of a server that keeps its data on an Apache ZooKeeper. It
// has no ZooKeeper port; tests that want one skip.
const OnZooKeeper = "zookeeper"

// apache is the ZooKeeper of all tests of this process: each has a chroot of its own.
var apache struct {
	sync.Mutex
	addr    string
	roots   int
	cleanup []func()
}

// lasting is a test that leaves what it makes for others.
type lasting struct{ testing.TB }

func (lasting) Cleanup(fn func()) { apache.cleanup = append(apache.cleanup, fn) }

func (l lasting) TempDir() string {
	dir, err := os.MkdirTemp("", "zensus-testkit-")
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// apacheBackend starts an Apache ZooKeeper, unless there is one, and returns a fresh
// place on it as engine.backend names it. Where there is none the test skips.
func apacheBackend(t testing.TB) string {
	t.Helper()
	apache.Lock()
	defer apache.Unlock()
	if apache.addr == "" {
		apache.addr = coretest.StartApache(lasting{t})
	}
	apache.roots++
	return fmt.Sprintf("zookeeper://%s/test-%d", apache.addr, apache.roots)
}

// stopApache ends the ZooKeeper of the tests.
func stopApache() {
	apache.Lock()
	defer apache.Unlock()
	for n := len(apache.cleanup) - 1; n >= 0; n-- {
		apache.cleanup[n]()
	}
	apache.addr, apache.cleanup = "", nil
}

// StartOnApache runs so many servers that keep their data on one Apache ZooKeeper,
// until the test ends. It returns when all of them answer.
func StartOnApache(t testing.TB, o Options, servers int) []*Server {
	t.Helper()
	backend := apacheBackend(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("a secret that the servers of a test have in common\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	all := make([]*Server, servers)
	for i := range all {
		s := &Server{t: t, Dir: t.TempDir(), id: i + 1, backend: backend, secret: secret}
		all[i] = s
		for tries := 1; ; tries++ {
			s.pickPorts(o)
			s.ZooKeeper = ""
			s.configure(o)
			err := s.start()
			if err == nil {
				break
			}
			if tries == 5 || !strings.Contains(err.Error(), "address already in use") {
				t.Fatal(err)
			}
		}
		t.Cleanup(s.close)
	}
	return all
}

// configureOnApache decides on the command line of a server with a backend.
func (s *Server) configureOnApache(o Options) {
	text := fmt.Sprintf("data_dir: %q\nsecret_file: %q\nnode: {id: %d}\nlisten: {http: %q, grpc: %q}\nengine: {backend: %q}\nauth: {enabled: %t}\n",
		s.DataDir(), s.secret, s.id, s.HTTP, s.GRPC, s.backend, o.Auth)
	if err := os.WriteFile(s.file("zensus.yaml"), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.args = []string{"serve", "-c", s.file("zensus.yaml")}
}
