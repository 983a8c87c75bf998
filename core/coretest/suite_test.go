package coretest_test

import (
	"testing"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
)

func TestFakeConforms(t *testing.T) {
	coretest.Run(t, func(t *testing.T) coretest.Harness {
		f := coretest.NewFake()
		return coretest.Harness{Open: func(t testing.TB, timeout time.Duration) core.Client {
			c, err := f.Open(t.Context(), core.SessionOptions{Timeout: timeout})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			return c
		}}
	})
}

func TestFakeConformsToSessions(t *testing.T) {
	coretest.RunSessions(t, func(t *testing.T) coretest.SessionsHarness {
		return coretest.SessionsHarness{Engine: coretest.NewFake()}
	})
}
