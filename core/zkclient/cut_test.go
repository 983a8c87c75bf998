package zkclient_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/core/zkclient"
)

// What a call says of its outcome holds, however often the connection breaks
// under it.
func TestOutcomesHoldAcrossCutConnections(t *testing.T) {
	a := coretest.StartApache(t)
	p := coretest.StartProxy(t, a)
	c := dial(t, zkclient.Options{Timeout: time.Minute}, p.Addr)
	witness := dial(t, zkclient.Options{}, a)
	mustCreate(t, witness, "/cut", core.Persistent)

	const workers, each = 16, 40
	var outcomes [workers][each]error
	var unknown, made, stop atomic.Int32
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				_, _, err := c.Create(t.Context(), fmt.Sprintf("/cut/%d-%d", w, i), nil, core.CreateOptions{})
				outcomes[w][i] = err
				switch {
				case err == nil:
					made.Add(1)
				case core.IsUnknownOutcome(err):
					unknown.Add(1)
				}
			}
		})
	}
	cutter := make(chan struct{})
	go func() {
		defer close(cutter)
		for before := int32(0); stop.Load() == 0; {
			time.Sleep(25 * time.Millisecond)
			if now := made.Load(); now > before { // else the client has not come back yet
				before = now
				p.Cut()
			}
		}
	}()
	wg.Wait()
	stop.Store(1)
	<-cutter

	names, _, err := witness.Children(t.Context(), "/cut")
	if err != nil {
		t.Fatal(err)
	}
	there := make(map[string]bool)
	for _, n := range names {
		there[n] = true
	}
	for w := range workers {
		for i, err := range outcomes[w] {
			switch name := fmt.Sprintf("%d-%d", w, i); {
			case err == nil && !there[name]:
				t.Errorf("%s was created and is not there", name)
			case errors.Is(err, core.NodeExists):
				t.Errorf("%s was sent twice", name)
			case err != nil && !core.IsUnknownOutcome(err):
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if unknown.Load() == 0 {
		t.Error("no request was under way at any cut: the test shows nothing")
	}
	t.Logf("%d of %d outcomes unknown", unknown.Load(), workers*each)
}
