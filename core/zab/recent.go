package zab

import (
	"slices"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// recent is the end of the log in memory: from it learners are fed that lack
// little. It holds all that is not durable yet.
type recent struct {
	most    int       // bytes
	before  core.Zxid // the record in front of the first one held
	records []wire.Record
	head    int
	bytes   int
}

func (r *recent) add(rec wire.Record, durable core.Zxid) {
	r.records = append(r.records, rec)
	r.bytes += recordBytes(&rec)
	for r.bytes > r.most && r.records[r.head].Zxid <= durable && r.head < len(r.records)-1 {
		first := &r.records[r.head]
		r.before = first.Zxid
		r.bytes -= recordBytes(first)
		*first = wire.Record{}
		r.head++
	}
	if r.head > len(r.records)/2 && r.head >= 1024 {
		n := copy(r.records, r.records[r.head:])
		clear(r.records[n:])
		r.records, r.head = r.records[:n], 0
	}
}

func recordBytes(r *wire.Record) int { return wire.RecordHeadBytes + len(r.Payload) }

// after lists records that follow z, up to upTo and as many as fit into some bytes,
// but one at least. It reports false when z lies in front of what is held.
func (r *recent) after(z, upTo core.Zxid, bytes int) ([]wire.Record, bool) {
	if z < r.before {
		return nil, false
	}
	from := r.index(z)
	to := from
	for ; to < len(r.records) && r.records[to].Zxid <= upTo; to++ {
		if bytes -= recordBytes(&r.records[to]); bytes < 0 && to > from {
			break
		}
	}
	return slices.Clone(r.records[from:to]), to > from
}

// index is that of the first record after z.
func (r *recent) index(z core.Zxid) int {
	lo, hi := r.head, len(r.records)
	for lo < hi {
		if mid := int(uint(lo+hi) / 2); r.records[mid].Zxid <= z {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// cut forgets what lies behind z, which the log ends with from now on.
func (r *recent) cut(z core.Zxid) {
	n := r.index(z)
	for i := n; i < len(r.records); i++ {
		r.bytes -= recordBytes(&r.records[i])
		r.records[i] = wire.Record{}
	}
	r.records = r.records[:n]
	if z < r.before {
		r.before = z
	}
}
