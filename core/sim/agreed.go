package sim

import (
	"slices"
	"sort"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// position is a place in a log.
type position struct {
	zxid  core.Zxid
	chain uint64
}

// alone reports whether the world has one server only.
func (w *World) alone() bool { return len(w.servers) == 1 }

// recordAfter is the first record behind z in a list.
func recordAfter(list []wire.Record, z core.Zxid) *wire.Record {
	at := sort.Search(len(list), func(i int) bool { return list[i].Zxid > z })
	if at == len(list) {
		return nil
	}
	return &list[at]
}

// next is the record that a server has applied next: from its own log, or, behind a
// snapshot that it was sent, what others have applied. first says that nobody has
// applied it before.
func (o *oracle) next(s *server) (rec *wire.Record, first bool) {
	own, agreed := recordAfter(s.log, s.model.Applied), recordAfter(o.agreed, s.model.Applied)
	switch {
	case own == nil && agreed == nil:
		o.w.fail("server %d has applied %v, and its log ends at %v", s.id, s.rep.State().Applied(), s.model.Applied)
		return nil, false
	case agreed == nil:
		o.agree(s, own)
		return own, true
	case own != nil && own.Zxid == agreed.Zxid:
		if !sameRecord(own, agreed) {
			o.w.fail("server %d applies another record at %v than others have (I10)", s.id, own.Zxid)
		}
	case own != nil && own.Zxid < agreed.Zxid:
		o.w.fail("server %d applies %v, and others went on with %v (I10)", s.id, own.Zxid, agreed.Zxid)
	}
	return agreed, false
}

// agree notes a record that somebody applies first: it must be on the disks of a
// quorum, synced (I7).
func (o *oracle) agree(s *server, rec *wire.Record) {
	o.agreed = append(o.agreed, *rec)
	if voters, have, ok := o.w.quorumHas(s, rec); !ok {
		o.w.fail("server %d applies %v, which %v of the voters %v have on their disks (I7)", s.id, rec.Zxid, slices.Collect(have.All()), slices.Collect(voters.All()))
	}
	o.changed(s, rec)
}

// holds reports whether a server has a record on its disk, synced.
func (s *server) holds(rec *wire.Record) bool {
	if rec.Zxid <= s.had {
		return true // it had, and has told so, before its disk lost it
	}
	if s.synced < rec.Zxid {
		return false
	}
	if rec.Zxid <= s.base.zxid {
		return true // in the snapshot that its log begins with
	}
	own := recordAfter(s.log, rec.Zxid-1)
	return own != nil && sameRecord(own, rec)
}

// allServe reports whether every server serves, and all have applied the same.
func (w *World) allServe() bool {
	applied := core.Zxid(0)
	for _, s := range w.servers {
		if !s.up || !s.serving || applied != 0 && s.model.Applied != applied {
			return false
		}
		applied = s.model.Applied
	}
	return true
}

func (w *World) voters() (n int) {
	for _, s := range w.servers {
		if !s.observer {
			n++
		}
	}
	return n
}
