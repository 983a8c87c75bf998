package zab

import "github.com/zensus-io/zensus/core"

// Vote is for a server to lead, with what speaks for it: of its durable state only
// (Z-21). The zero vote is nobody's.
type Vote struct {
	Leader core.PeerID
	Epoch  core.Epoch // the current epoch of Leader
	Zxid   core.Zxid  // the last one that is durable there
	// Named says that a leader names Leader as its successor: among equals it wins.
	Named bool
}

// better reports whether v wins over o: by epoch, then zxid, then id (zab 5.2); a
// successor that was named comes before the id.
func (v Vote) better(o Vote) bool {
	switch {
	case v.Leader == 0 || o.Leader == 0:
		return o.Leader == 0 && v.Leader != 0
	case v.Epoch != o.Epoch:
		return v.Epoch > o.Epoch
	case v.Zxid != o.Zxid:
		return v.Zxid > o.Zxid
	case v.Named != o.Named:
		return v.Named
	}
	return v.Leader > o.Leader
}
