package coretest_test

import (
	"testing"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
)

func fakeHarness() coretest.Harness {
	f := coretest.NewFake()
	return coretest.Harness{Open: func(t testing.TB, timeout time.Duration) core.Client {
		c, err := f.Open(t.Context(), core.SessionOptions{Timeout: timeout})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}}
}

func TestFakeAgreesWithItself(t *testing.T) {
	for seed := range uint64(20) {
		coretest.Compare(t, fakeHarness(), fakeHarness(), seed, 400)
	}
}
