package backlog

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func asItIs(made *int) *Encoding {
	return &Encoding{Bytes: func(s string) int64 { return int64(len(s)) }, Of: func(s string) []byte { *made++; return []byte(s) }}
}

// TestLargeAnswersWaitForRoom: for as long as another of the client's own is not taken, or
// where the others have it all; and all are served in the end.
func TestLargeAnswersWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(400)
		stuck, err := b.Enter(t.Context(), "a", 90)
		require.NoError(t, err)
		other, err := b.Enter(t.Context(), "b", 1000)
		require.NoError(t, err, "it has all of its client's share")
		require.EqualValues(t, 190, b.Held())
		_, err = b.Enter(t.Context(), "a", 20)
		require.ErrorIs(t, err, ErrFull)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = b.Enter(gone, "a", 20)
		require.ErrorIs(t, err, context.Canceled)
		var all sync.WaitGroup
		var mu sync.Mutex
		most := int64(0)
		for range 20 {
			all.Go(func() {
				h, err := b.Enter(t.Context(), "a", 40)
				require.NoError(t, err)
				mu.Lock()
				most = max(most, b.Held())
				mu.Unlock()
				time.Sleep(time.Second)
				h.Done()
				h.Done()
			})
		}
		synctest.Wait()
		stuck.Done()
		all.Wait()
		require.EqualValues(t, 180, most)
		other.Done()
		require.Zero(t, b.Held())
		require.Empty(t, b.mu.of)
	})
}

// TestATextIsCountedOnce: however many take it, and for as long as one of them does.
func TestATextIsCountedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s, made := New(4000), strings.Repeat("x", 900), 0
		as := asItIs(&made)
		full, err := b.Enter(t.Context(), "a", 200) // of 1000
		require.NoError(t, err)
		gone, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			_, _, err := b.Share(gone, "a", s, as)
			require.ErrorIs(t, err, context.Canceled)
		})
		synctest.Wait()
		holds := make([]*Hold, 1000)
		for i := range holds {
			all.Go(func() {
				encoded, h, err := b.Share(t.Context(), "a", s, as)
				require.NoError(t, err)
				require.Equal(t, s, string(encoded))
				holds[i] = h
			})
		}
		synctest.Wait()
		cancel() // the one that the others wait for
		synctest.Wait()
		full.Done()
		all.Wait()
		require.EqualValues(t, 900, b.Held())
		require.Equal(t, 1, made)
		for _, h := range holds {
			require.EqualValues(t, 900, b.Held())
			h.Done()
		}
		require.Zero(t, b.Held())
		require.Empty(t, b.mu.texts)
		require.Empty(t, b.mu.of)
	})
}

// TestNobodyWaitsForAnothersShare: neither for that of who asked for the same text first,
// nor is he who has taken it answerable for those who have not.
func TestNobodyWaitsForAnothersShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s, made := New(4000), strings.Repeat("x", 900), 0
		as := asItIs(&made)
		stuck, err := b.Enter(t.Context(), "a", 1000) // which is all of its share
		require.NoError(t, err)
		var all sync.WaitGroup
		holds := make([]*Hold, 2)
		for i := range holds {
			all.Go(func() {
				_, h, err := b.Share(t.Context(), "a", s, as)
				require.NoError(t, err)
				holds[i] = h
			})
		}
		synctest.Wait()
		began := time.Now()
		_, slow, err := b.Share(t.Context(), "b", s, as)
		require.NoError(t, err)
		require.Zero(t, time.Since(began))
		stuck.Done()
		all.Wait()
		require.EqualValues(t, 900, b.Held())
		require.Equal(t, 1, made)

		holds[0].Done()
		_, err = b.Enter(t.Context(), "a", 200)
		require.ErrorIs(t, err, ErrFull, "it takes its part of the share of each")
		holds[1].Done()
		one, err := b.Enter(t.Context(), "a", 1000)
		require.NoError(t, err, "who has taken it has his share back")
		_, err = b.Enter(t.Context(), "b", 200)
		require.ErrorIs(t, err, ErrFull)
		one.Done()
		slow.Done()
		require.Zero(t, b.Held())
		require.Empty(t, b.mu.texts)
		require.Empty(t, b.mu.of)
	})
}

// TestATextIsWaitedForWithPatience: a minute, however many before have waited in vain.
func TestATextIsWaitedForWithPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s, made := New(4000), strings.Repeat("x", 900), 0
		as := asItIs(&made)
		stuck, err := b.Enter(t.Context(), "a", 1000)
		require.NoError(t, err)
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				began := time.Now()
				_, _, err := b.Share(t.Context(), "a", s, as)
				require.ErrorIs(t, err, ErrFull)
				require.Equal(t, patience, time.Since(began))
			})
			time.Sleep(time.Second)
		}
		all.Wait()
		stuck.Done()
		require.Zero(t, made)
		require.Empty(t, b.mu.texts)
		require.Empty(t, b.mu.of)
	})
}
