package patience

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

type colour struct{}

func TestContextEndsAsADeadlineDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		call, hangUp := context.WithCancel(context.WithValue(t.Context(), colour{}, "red"))
		defer hangUp()
		p := Until(call, time.Now().Add(time.Second))
		defer p.End()
		if p.Err() != nil || p.Value(colour{}) != "red" {
			t.Errorf("at first: %v, %v", p.Err(), p.Value(colour{}))
		}
		unasked := Until(call, time.Now().Add(time.Second))
		derived, cancel := context.WithCancel(p)
		defer cancel()
		began := time.Now()
		<-derived.Done()
		if time.Since(began) != time.Second {
			t.Errorf("it took %v", time.Since(began))
		}
		for _, ctx := range []context.Context{p, derived, unasked} {
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				t.Errorf("afterwards: %v", ctx.Err())
			}
			<-ctx.Done()
		}
		if p.Value(colour{}) != "red" || derived.Value(colour{}) != "red" {
			t.Error("values are lost with the timer")
		}
	})
}

func TestContextEndsWithTheOneAbove(t *testing.T) {
	for name, asked := range map[string]bool{"somebody waits": true, "nobody waits": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				call, hangUp := context.WithCancel(t.Context())
				p := Until(call, time.Now().Add(time.Hour))
				if asked {
					time.AfterFunc(time.Millisecond, hangUp)
					<-p.Done()
				} else {
					hangUp()
				}
				if !errors.Is(p.Err(), context.Canceled) {
					t.Errorf("it ended with %v", p.Err())
				}
				<-p.Done()
			})
		})
	}
}

func TestContextKeepsAnEarlierDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		call, hangUp := context.WithTimeout(t.Context(), time.Second)
		defer hangUp()
		p := Until(call, time.Now().Add(time.Hour))
		if until, ok := p.Deadline(); !ok || time.Until(until) != time.Second {
			t.Errorf("the deadline is in %v", time.Until(until))
		}
	})
}

func TestEndEndsWhatDerivesFromAContext(t *testing.T) {
	p := Until(t.Context(), time.Now().Add(time.Hour))
	derived, cancel := context.WithCancel(p)
	defer cancel()
	p.End()
	<-derived.Done()
	if !errors.Is(p.Err(), context.Canceled) {
		t.Errorf("it ended with %v", p.Err())
	}
}

// BenchmarkContext compares what a request costs that does not wait.
func BenchmarkContext(b *testing.B) {
	call, hangUp := context.WithCancel(b.Context())
	defer hangUp()
	b.Run("patience", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			For(call, time.Second).End()
		}
	})
	b.Run("timeout", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, cancel := context.WithTimeout(call, time.Second)
			cancel()
		}
	})
}
