package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/core"
)

// leaver is the client of a request that is broken off at its n-th create: that may still
// take effect, and nothing is written with the request's context afterwards.
type leaver struct {
	core.Client
	after   int
	effect  bool
	created int
	leave   context.CancelFunc
}

func (l *leaver) Create(ctx context.Context, path string, data []byte, opt core.CreateOptions) (string, core.Stat, error) {
	if l.created++; l.created == l.after {
		if l.effect {
			_, _, _ = l.Client.Create(ctx, path, data, opt)
		}
		l.leave()
	}
	if ctx.Err() != nil {
		return "", core.Stat{}, ctx.Err()
	}
	return l.Client.Create(ctx, path, data, opt)
}

func (l *leaver) Multi(ctx context.Context, ops ...core.Op) ([]core.OpResult, core.Zxid, error) {
	if ctx.Err() != nil {
		return nil, 0, ctx.Err()
	}
	return l.Client.Multi(ctx, ops...)
}

func (l *leaver) Delete(ctx context.Context, path string, version int32) (core.Zxid, error) {
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	return l.Client.Delete(ctx, path, version)
}

func TestAPublishThatIsBrokenOffLeavesNoPieces(t *testing.T) {
	for _, effect := range []bool{false, true} {
		for after := 1; after < 12; after++ {
			s, client, _ := newStore(t, configcenter.DefaultLimits())
			publish(t, s, "small")
			ctx, leave := context.WithCancel(t.Context())
			gone := New(&leaver{Client: client, after: after, effect: effect, leave: leave}, s.limits, s.now)
			_, err := gone.Publish(ctx, &configcenter.Publish{Key: key, Content: noise(3 * ChunkBytes)})
			leave()
			if err == nil && ctx.Err() == nil {
				t.Fatalf("%d: it was done", after)
			}
			if _, pieces := below(t, client); err != nil && pieces != 0 {
				t.Errorf("%d: %d pieces are left: %v", after, pieces, err)
			}
			names, _, historyErr := client.Children(t.Context(), historyPath(key))
			for _, name := range names {
				if err != nil && isChunk(name) {
					t.Errorf("%d: %s is left of the history", after, name)
				}
			}
			if historyErr != nil && !errors.Is(historyErr, core.NoNode) {
				t.Fatal(historyErr)
			}
		}
	}
}

// While a release is replaced by the next, the older one sweeps what the newer one wrote.
func TestWhatIsOfANewerReleaseKeepsItsPieces(t *testing.T) {
	s, client, c := newStore(t, configcenter.DefaultLimits())
	publish(t, s, noise(ChunkBytes+1))
	publish(t, s, noise(ChunkBytes+2))
	path := core.JoinPath(historyPath(key), seqName(2))
	value, _, err := client.Get(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Set(t.Context(), path, append([]byte{200}, value...), core.AnyVersion); err != nil {
		t.Fatal(err)
	}
	c.now = time.Now().UnixMilli() + 365*day
	if err := s.Sweep(t.Context(), key); err == nil {
		t.Error("it is not told")
	}
	if n, err := s.Prune(t.Context(), key); err != nil || n != 0 {
		t.Errorf("pruned %d, %v", n, err)
	}
	if _, err := client.Set(t.Context(), path, value, core.AnyVersion); err != nil {
		t.Fatal(err)
	}
	for seq := uint64(1); seq <= 2; seq++ {
		if v, err := s.Version(t.Context(), key, seq); err != nil || len(v.Content) != ChunkBytes+int(seq) {
			t.Errorf("version %d: %v", seq, err)
		}
	}
}

func TestRemnantsOfAFirstPublishAreSweptHoweverOldTheyAre(t *testing.T) {
	s, client, c := newStore(t, configcenter.DefaultLimits())
	if _, err := s.stage(t.Context(), ItemPath(key), []string{"of one who died"}); err != nil {
		t.Fatal(err)
	}
	if err := s.ensure(t.Context(), historyPath(key)); err != nil {
		t.Fatal(err)
	}
	sweep := func() {
		t.Helper()
		one := func(k configcenter.Key) error {
			if _, err := s.Prune(t.Context(), k); err != nil {
				return err
			}
			return s.Sweep(t.Context(), k)
		}
		if err := s.Histories(t.Context(), one); err != nil {
			t.Fatal(err)
		}
		if err := s.Unrecorded(t.Context(), one); err != nil {
			t.Fatal(err)
		}
	}
	c.now = time.Now().UnixMilli()
	sweep() // it may be under way
	for _, path := range []string{ItemPath(key), historyPath(key)} {
		if _, err := client.Exists(t.Context(), path); err != nil {
			t.Errorf("%s is pulled away: %v", path, err)
		}
	}
	// As earlier releases left it.
	if _, err := client.Delete(t.Context(), historyPath(key), core.AnyVersion); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c.now += 2 * remnantAge
		sweep()
	}
	for _, path := range []string{ItemPath(key), historyPath(key)} {
		if _, err := client.Exists(t.Context(), path); !errors.Is(err, core.NoNode) {
			t.Errorf("%s stays: %v", path, err)
		}
	}
}
