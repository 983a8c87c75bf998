package zkclient_test

import (
	"os"
	"testing"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/core/zkclient"
)

// dial opens a session that ends with the test.
func dial(t testing.TB, opt zkclient.Options, addrs ...string) *zkclient.Client {
	t.Helper()
	c, err := zkclient.Dial(t.Context(), addrs, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func harness(addr string, f coretest.Features) coretest.Harness {
	return coretest.Harness{
		Features: f,
		Open: func(t testing.TB, timeout time.Duration) core.Client {
			return dial(t, zkclient.Options{Timeout: timeout}, addr)
		},
	}
}

func TestClientConformsOnApache(t *testing.T) {
	a := coretest.NewApache(t)
	coretest.Run(t, func(t *testing.T) coretest.Harness {
		h := harness(a.Addr, coretest.ApacheFeatures)
		h.Restart = a.Restart
		return h
	})
}

// TestClientConformsOnTheServerNamed runs the suite against any server: the
// address in ZENSUS_TEST_ZK, which is taken for one of ours unless
// ZENSUS_TEST_ZK_APACHE is set.
func TestClientConformsOnTheServerNamed(t *testing.T) {
	addr := os.Getenv("ZENSUS_TEST_ZK")
	if addr == "" {
		t.Skip("ZENSUS_TEST_ZK names no server")
	}
	f := coretest.WireFeatures
	if os.Getenv("ZENSUS_TEST_ZK_APACHE") != "" {
		f = coretest.ApacheFeatures
	}
	coretest.Run(t, func(t *testing.T) coretest.Harness { return harness(addr, f) })
}
