package storage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/vfs"
)

// TestRandomLives plays random acts through many crashes in a row, each at a
// random call with a random fate and a random loss. ZENSUS_SEED plays one seed,
// ZENSUS_SEEDS that many.
func TestRandomLives(t *testing.T) {
	alone(t)
	first, n := uint64(1), uint64(600)
	if testing.Short() {
		n = 100
	}
	if v, err := strconv.ParseUint(os.Getenv("ZENSUS_SEEDS"), 10, 64); err == nil {
		n = v
	}
	if v, err := strconv.ParseUint(os.Getenv("ZENSUS_SEED"), 10, 64); err == nil {
		first, n = v, 1
	}
	lives := 0
	for seed := first; seed < first+n; seed++ {
		got, err := randomLives(seed)
		lives += got
		if err != nil {
			t.Fatalf("ZENSUS_SEED=%d go test ./core/storage -run TestRandomLives: life %d: %v", seed, got, err)
		}
	}
	if n > 1 && lives < int(n)*8 {
		t.Fatalf("only %d lives", lives)
	}
}

func randomLives(seed uint64) (lives int, err error) {
	rng := rand.New(rand.NewPCG(seed, 11))
	mem := vfs.NewMem()
	w := &work{o: options(mem)}
	salts := rand.New(rand.NewPCG(seed, 12))
	w.o.Random = salts.Uint64
	w.o.SegmentBytes = int64(2+rng.IntN(4)) * headerBytes
	w.o.Retain = 1 + rng.IntN(2)
	fates := []vfs.Fate{vfs.CrashBefore, vfs.CrashHalf, vfs.CrashAfter, vfs.FailEIO, vfs.FailEIOAfter}
	for ; lives < 10; lives++ {
		at, fate := rng.IntN(250), fates[rng.IntN(len(fates))]
		fault := vfs.NewFault(mem, class, func(i int, c vfs.Call) vfs.Fate {
			if i < at || fate == vfs.CrashHalf && c.Op != vfs.OpWrite {
				return vfs.Pass
			}
			if i > at+50 || fate != vfs.CrashHalf && i > at {
				return vfs.Pass
			}
			return fate
		})
		w.o.FS, w.s = fault, nil
		err := w.live(rng)
		switch {
		case err == nil, fault.Crashed(), IsFatal(err):
		case errors.Is(err, syscall.EIO):
		default:
			return lives, err
		}
		mode := vfs.CrashMode(rng.IntN(4))
		mem.Crash(rng, mode)
	}
	w.o.FS = mem
	return lives, w.afterwards(mem)
}

// live does random acts until one fails, or enough.
func (w *work) live(rng *rand.Rand) error {
	if err := w.open(); err != nil {
		return err
	}
	for range 5 + rng.IntN(40) {
		var err error
		last := w.m.h.at.zxid
		switch n := rng.IntN(100); {
		case last.Counter() == 0 && last.Epoch() == 0 || n < 6:
			err = w.epoch(max(w.s.Meta().AcceptedEpoch, last.Epoch()) + 1)
		case n < 55:
			err = w.write(1+rng.IntN(6), rng.IntN(1500))
		case n < 63:
			err = w.append(w.m.h.txns(1+rng.IntN(4), rng.IntN(200))...)
		case n < 70:
			err = w.prepare()
		case n < 78:
			if w.m.min == last {
				err = w.snapshot()
			}
		case n < 84:
			err = w.purge()
		case n < 92:
			back := rng.IntN(12)
			if len(w.m.h.all) > back && w.m.h.all[len(w.m.h.all)-1-back].Zxid >= max(w.m.snap, w.s.Base()) {
				err = w.truncate(back)
			}
		case n < 94:
			err = w.install(core.MakeZxid(last.Epoch()+1, 1+uint32(rng.IntN(9))))
		case n < 95:
			if w.m.min == last {
				err = w.abortedSnapshot()
			}
		case n < 98:
			err = w.check()
		default:
			err = w.reopen()
		}
		if err != nil {
			return fmt.Errorf("after %v: %w", last, err)
		}
	}
	return nil
}
