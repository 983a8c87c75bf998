package coretest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
)

func open(t *testing.T, f *coretest.Fake) core.Client {
	t.Helper()
	c, err := f.Open(t.Context(), core.SessionOptions{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestFakeExpireDeletesEphemeralsAndEndsTheClient(t *testing.T) {
	f := coretest.NewFake()
	a, b := open(t, f), open(t, f)
	if _, _, err := a.Create(t.Context(), "/e", nil, core.CreateOptions{Mode: core.Ephemeral}); err != nil {
		t.Fatal(err)
	}
	f.Expire(a.Session().ID)
	if _, err := b.Exists(t.Context(), "/e"); !errors.Is(err, core.NoNode) {
		t.Errorf("exists after expiry: %v", err)
	}
	if _, err := a.Exists(t.Context(), "/"); !core.IsSessionOver(err) {
		t.Errorf("call on an expired session: %v", err)
	}
}

func TestFakePartitionLosesCallsAndHealResyncsWatches(t *testing.T) {
	f := coretest.NewFake()
	a, b := open(t, f), open(t, f)
	w, err := a.Watch(t.Context(), "/", core.WatchTree)
	if err != nil {
		t.Fatal(err)
	}
	f.Partition(a.Session().ID)
	if _, _, err := b.Create(t.Context(), "/x", nil, core.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Sync(t.Context(), "/"); !core.IsUnknownOutcome(err) {
		t.Errorf("call while cut off: %v", err)
	}
	f.Heal()
	events, err := w.Next(t.Context())
	if err != nil || len(events) != 1 || events[0].Type != core.Resync {
		t.Errorf("after Heal: %v, %v", events, err)
	}
}

func TestFakeResumeTakesTheSessionAndItsEphemerals(t *testing.T) {
	f := coretest.NewFake()
	a := open(t, f)
	if _, _, err := a.Create(t.Context(), "/e", nil, core.CreateOptions{Mode: core.Ephemeral}); err != nil {
		t.Fatal(err)
	}
	info := a.Session()
	f.Detach(info.ID)
	if _, err := a.Exists(t.Context(), "/e"); err == nil {
		t.Error("a detached client still answers")
	}
	if _, err := f.Resume(t.Context(), info.ID, []byte("wrong")); !errors.Is(err, core.SessionExpired) {
		t.Errorf("resume with a wrong password: %v", err)
	}
	b, err := f.Resume(t.Context(), info.ID, info.Password)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, f).Exists(t.Context(), "/e"); !errors.Is(err, core.NoNode) {
		t.Errorf("ephemeral after Close of the resumed session: %v", err)
	}
}
