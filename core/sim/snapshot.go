package sim

import (
	"errors"
	"iter"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/zab"
)

// snapshotWork is a snapshot that is being written, a chunk at a time.
type snapshotWork struct {
	job    replica.SnapshotJob
	info   storage.SnapshotInfo
	writer *storage.SnapshotWriter
	next   func() ([]byte, bool)
	stop   func()
}

var errStopped = errors.New("sim: stopped")

// startSnapshot begins to write a view, in steps between which the server goes on.
func (s *server) startSnapshot(job replica.SnapshotJob) {
	chunks := func(yield func([]byte) bool) {
		_ = job.View.Encode(func(chunk []byte) error {
			if !yield(append([]byte(nil), chunk...)) {
				return errStopped
			}
			return nil
		})
	}
	switch {
	case s.rep.Status().Zab.Elections == 0 && s.rep.Status().Phase == zab.Election:
		s.w.cover.hit("snapshot before anything else on a short disk")
	case s.rep.Status().Phase == zab.Synchronization:
		s.w.cover.hit("snapshot of a learner that is not in step")
	}
	snap := &snapshotWork{job: job}
	snap.next, snap.stop = iter.Pull(iter.Seq[[]byte](chunks))
	s.snap = snap
	s.after(s.latency(), func() {
		info := storage.SnapshotInfo{
			Zxid: job.View.Zxid, Chain: job.Chain, TreeDigest: job.View.Digest, Time: s.now().Wall,
		}
		s.w.opt.Mutant.spoilInfo(s, &info)
		snap.info = info
		begin := s.store.NewSnapshot
		if job.AtStart {
			begin = s.store.NewSnapshotAtStart
		}
		w, err := begin(info)
		if err != nil {
			s.snapshotEnded(err)
			return
		}
		snap.writer = w
		s.writeChunk(0)
	})
}

func (s *server) writeChunk(n int) {
	s.after(s.latency()*4, func() {
		if s.snap == nil {
			return
		}
		chunk, more := s.snap.next()
		if !more {
			_, err := s.snap.writer.Commit()
			s.snapshotEnded(err)
			return
		}
		if n == 0 {
			s.w.opt.Mutant.spoilHead(s.snap.info, chunk)
		}
		if err := s.snap.writer.Write(chunk); err != nil {
			s.snapshotEnded(errors.Join(err, s.snap.writer.Abort()))
			return
		}
		s.writeChunk(n + 1)
	})
}

func (s *server) snapshotEnded(err error) {
	snap := s.snap
	s.snap = nil
	snap.stop()
	snap.job.View.Close()
	switch {
	case err == nil:
		s.w.logf("snapshot of %v written", snap.job.View.Zxid)
		s.w.cover.hit("snapshot written")
		if s.rep.State().Applied() > snap.job.View.Zxid {
			s.w.cover.hit("writes during snapshot")
		}
		s.purge()
	case storage.IsFatal(err):
		s.diskFailed(err)
	case errors.Is(err, storage.ErrDiskLow):
		s.w.cover.hit("snapshot given up for lack of space")
	default:
		s.w.fail("snapshot: %w", err)
	}
	if s.up {
		s.step(replica.SnapshotWritten{Zxid: snap.job.View.Zxid, Failed: err != nil, Base: s.store.Base()})
	}
}

func (s *server) purge() {
	if s.w.opt.Mutant == PurgeByCount {
		purgeByCount(s)
		return
	}
	removed, err := s.store.Purge(time.Duration(s.now().Mono) * time.Millisecond)
	if storage.IsFatal(err) {
		s.diskFailed(err)
		return
	}
	if removed > 0 {
		s.w.logf("purged %d files, the log begins at %v", removed, s.store.Base())
		s.w.cover.hit("purge")
	}
	if base := s.store.Base(); base > 0 {
		s.w.cover.hit("log begins behind a snapshot")
	}
}

// chainAt is the chain hash at a zxid of the log.
func (s *server) chainAt(z core.Zxid) (uint64, bool) {
	for i := len(s.log) - 1; i >= 0; i-- {
		if s.log[i].Zxid == z {
			return s.log[i].Chain(), true
		}
	}
	return 0, false
}
