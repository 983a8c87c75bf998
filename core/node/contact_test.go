package node_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
)

// bounded is a context that a test gives up with.
func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func TestASessionInProcessReadsWithoutAQuorumAndWritesNothing(t *testing.T) {
	ctx := bounded(t)
	e := newEnsemble(t, 3)
	e.startAll()
	at := e.follower()
	c := e.open(at)
	connected := c.(interface{ Connected() bool }).Connected
	require.True(t, connected())
	before, changed := e.nodes[at].Contact()
	require.True(t, before.Serving)
	_, _, err := c.Create(ctx, "/a", []byte("1"), core.CreateOptions{})
	require.NoError(t, err)
	_, _, err = c.Create(ctx, "/mine", nil, core.CreateOptions{Mode: core.Ephemeral})
	require.NoError(t, err)

	var others []core.PeerID
	for id := range e.nodes {
		if id != at {
			others = append(others, id)
		}
	}
	for _, id := range others {
		e.stop(id)
	}
	<-changed
	require.Eventually(t, func() bool { return !connected() }, patience, time.Millisecond)
	now, _ := e.nodes[at].Contact()
	require.False(t, now.Serving)
	require.Greater(t, now.Troubles, before.Troubles)

	data, _, err := c.Get(ctx, "/a")
	require.NoError(t, err)
	require.Equal(t, "1", string(data))
	_, err = c.Set(ctx, "/a", []byte("never"), core.AnyVersion)
	require.ErrorIs(t, err, core.NotReadOnly)
	require.False(t, core.IsUnknownOutcome(err))
	_, err = c.Sync(ctx, "/")
	require.ErrorIs(t, err, core.NotReadOnly)
	_, _, err = c.Multi(ctx, core.DeleteOp{Path: "/a", Version: core.AnyVersion})
	require.ErrorIs(t, err, core.NotReadOnly)

	for _, id := range others {
		e.start(id)
	}
	e.await(at)
	e.insist(func() error { _, err := c.Sync(ctx, "/"); return err })
	data, _, err = c.Get(ctx, "/a")
	require.NoError(t, err)
	require.Equal(t, "1", string(data), "what was refused was done later")
	_, err = c.Exists(ctx, "/mine")
	require.NoError(t, err, "the outage ended a session")
	require.True(t, connected())
}

func TestACloseWithoutAQuorumSaysSoAndCanBeMadeUpFor(t *testing.T) {
	ctx := bounded(t)
	e := newEnsemble(t, 3)
	e.startAll()
	at := e.follower()
	c := e.open(at)
	_, _, err := c.Create(ctx, "/mine", nil, core.CreateOptions{Mode: core.Ephemeral})
	require.NoError(t, err)
	var others []core.PeerID
	for id := range e.nodes {
		if id != at {
			others = append(others, id)
			e.stop(id)
		}
	}
	require.Eventually(t, func() bool { return !e.status(at).Serving }, patience, time.Millisecond)
	require.ErrorIs(t, c.Close(), core.NotReadOnly)
	for _, id := range others {
		e.start(id)
	}
	e.await(at)
	info := c.Session()
	e.insist(func() error {
		again, err := e.nodes[at].Resume(ctx, info.ID, info.Password)
		if err != nil {
			return err
		}
		return again.Close()
	})
	_, err = e.open(at).Exists(ctx, "/mine")
	require.ErrorIs(t, err, core.NoNode)
}

// What happens while a node is away reaches the watches of its own sessions when it is
// back, each change once and in order.
func TestAWatchInProcessHearsWhatHappenedWhileItsNodeWasAway(t *testing.T) {
	ctx := bounded(t)
	e := newEnsemble(t, 3)
	e.startAll()
	at := e.follower()
	c := e.open(at)
	w, err := c.Watch(ctx, "/", core.WatchTree)
	require.NoError(t, err)
	other := e.open(e.leader())
	e.nodes[at].cut()
	require.Eventually(t, func() bool { return !e.status(at).Serving }, patience, time.Millisecond)
	paths := []string{"/a", "/b", "/c"}
	for _, path := range paths {
		_, _, err := other.Create(ctx, path, []byte(path), core.CreateOptions{})
		require.NoError(t, err)
	}
	e.nodes[at].mend()
	var heard []string
	for len(heard) < len(paths) {
		events, err := w.Next(ctx)
		require.NoError(t, err)
		for _, ev := range events {
			require.NotEqual(t, core.Resync, ev.Type)
			if ev.Type == core.NodeCreated {
				require.True(t, ev.HasNode)
				heard = append(heard, ev.Path)
			}
		}
	}
	require.Equal(t, paths, heard)
}

// A session that ends while its node is away has ended there too when that is back.
func TestASessionInProcessThatEndedMeanwhileIsOver(t *testing.T) {
	ctx := bounded(t)
	e := newEnsemble(t, 3)
	e.startAll()
	at := e.follower()
	var c core.Client
	e.insist(func() (err error) { // the session is short: where the machine stands still it may end before it has anything
		if c, err = e.nodes[at].Open(ctx, core.SessionOptions{Timeout: time.Second}); err == nil {
			_, _, err = c.Create(ctx, "/mine", nil, core.CreateOptions{Mode: core.Ephemeral})
		}
		return err
	})
	other := e.open(e.leader())
	e.nodes[at].cut()
	require.Eventually(t, func() bool {
		_, err := other.Exists(ctx, "/mine")
		return errors.Is(err, core.NoNode)
	}, patience, 10*time.Millisecond)
	e.nodes[at].mend()
	require.Eventually(t, func() bool {
		_, err := c.Exists(ctx, "/mine")
		return core.IsSessionOver(err)
	}, patience, 10*time.Millisecond)
}
