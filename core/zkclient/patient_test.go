package zkclient_test

import (
	"errors"
	"testing"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zkclient"
)

func TestPatientSessionIsGivenUpOnlyWhenAServerSaysSo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &scripted{}
		c := start(t, s, zkclient.Options{Timeout: 10 * time.Second, Patient: true})
		s.set(func(s *scripted) { s.down = true })
		s.cut()
		time.Sleep(10 * time.Minute)
		select {
		case <-c.Done():
			t.Fatal("the session was given up")
		default:
		}
		s.set(func(s *scripted) { s.down = false })
		if _, err := c.Exists(t.Context(), "/"); err != nil {
			t.Fatal(err)
		}
		last := s.connects[len(s.connects)-1]
		if last.SessionID != sessionID {
			t.Errorf("the last connect: %+v", last)
		}
		s.set(func(s *scripted) { s.expired = true })
		s.cut()
		<-c.Done()
		if _, err := c.Exists(t.Context(), "/"); !errors.Is(err, core.SessionExpired) {
			t.Errorf("after the server said so: %v", err)
		}
	})
}

func TestDetachLeavesTheSessionToItsTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &scripted{}
		c := start(t, s, zkclient.Options{})
		c.Detach()
		if _, err := c.Exists(t.Context(), "/"); !errors.Is(err, core.ErrClosed) {
			t.Errorf("after Detach: %v", err)
		}
		if closes, _ := s.seen(wire.OpCloseSession); len(closes) > 0 {
			t.Error("the server was asked to end the session")
		}
	})
}
