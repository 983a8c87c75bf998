package outage

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

// deafen has a member hear nothing of the others, who hear it.
func (a apart) deafen(member int) { a.hold(member, testkit.Back, testkit.There) }

// silence has nobody hear a member, who hears them.
func (a apart) silence(member int) { a.hold(member, testkit.There, testkit.Back) }

// hold holds one way of the links that a member made, and the other of those made to it.
func (a apart) hold(member int, made, taken testkit.Way) {
	for ends, l := range a {
		switch member {
		case ends[0]:
			l.Hold(made)
		case ends[1]:
			l.Hold(taken)
		}
	}
}

// writer publishes one config after the other at a server, and remembers which of them were
// acknowledged.
type writer struct {
	at    browser
	name  string
	acked []int
	last  atomic.Int64 // when one was, in nanoseconds since 1970
}

func (w *writer) run(n int) {
	a, err := w.at.try("POST", "/v1/cs/configs", "dataId", fmt.Sprintf("%s-%d", w.name, n), "group", "ways", "content", fmt.Sprint(n))
	if err == nil && a.status == 200 {
		w.acked = append(w.acked, n)
		w.last.Store(time.Now().UnixNano())
	}
	time.Sleep(50 * time.Millisecond)
}

// TestALinkThatCarriesOneWayOnly: a member that hears nothing, or is heard by nobody, is
// left behind, whether it leads or follows. The others go on; nothing that was acknowledged
// is lost, no instance is taken off a list whose client lives, and all agree in the end.
func TestALinkThatCarriesOneWayOnly(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	o := begin(t)
	var writers []*writer
	var writing sync.WaitGroup
	end := make(chan struct{})
	for i, s := range o.all {
		w := &writer{at: at(t, s), name: fmt.Sprint("at", i+1)}
		writers = append(writers, w)
		writing.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-end:
					return
				default:
					w.run(n)
				}
			}
		})
	}
	stop := sync.OnceFunc(func() { close(end); writing.Wait() })
	defer stop()
	writes := func(who ...int) {
		t.Helper()
		since := time.Now().UnixNano()
		for _, i := range who {
			eventually(t, func() bool { return writers[i].last.Load() > since }, func() string {
				return fmt.Sprintf("server %d takes no write any more:\n%s", i+1, o.all[i].Log(20))
			})
		}
	}
	everybody := []int{0, 1, 2}
	writes(everybody...)
	for _, way := range []struct {
		name string
		act  func(int)
	}{{"hears nobody", o.links.deafen}, {"is heard by nobody", o.links.silence}} {
		for _, leads := range []bool{true, false} {
			role := "who follows"
			if leads {
				role = "who leads"
			}
			t.Run(role+" "+way.name, func(t *testing.T) {
				o.t, o.here.t = t, t
				var one int
				eventually(t, func() bool { return o.leader() >= 0 }, func() string { return "nobody leads" })
				if one = o.leader(); !leads {
					one = (one + 1) % len(o.all)
				}
				var others []int
				for _, i := range everybody {
					if i != one {
						others = append(others, i)
					}
				}
				way.act(one + 1)
				began := time.Now()
				writes(others...)
				t.Logf("the others took writes after %s", time.Since(began).Round(time.Millisecond))
				time.Sleep(3 * time.Second)
				writes(others...)
				o.links.mend()
				began = time.Now()
				writes(everybody...)
				t.Logf("all took writes after %s", time.Since(began).Round(time.Millisecond))
				o.agree(shop, o.and()...)
				o.witness.verdict(t)
			})
		}
	}
	stop()
	for _, w := range writers {
		t.Logf("%s: %d were acknowledged", w.name, len(w.acked))
		require.NotEmpty(t, w.acked)
	}
	for _, s := range o.all {
		b := at(t, s)
		for _, w := range writers {
			for _, n := range w.acked {
				a := b.do("GET", "/v1/cs/configs", "dataId", fmt.Sprintf("%s-%d", w.name, n), "group", "ways")
				require.Equal(t, fmt.Sprint(n), strings.TrimSpace(a.body), "%s-%d at %s", w.name, n, s.HTTP)
			}
		}
	}
}
