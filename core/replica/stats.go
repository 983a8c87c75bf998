package replica

import (
	"net/netip"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/quorum"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/zab"
)

// Stats counts what the replica has done since its start or since ResetStats.
type Stats struct {
	Received, Sent     int64 // packets
	Events             int64
	Connects           int64
	Expired            int64
	SessionlessExpired int64
	AuthFailed         int64
	Answered           int64
	LatencySum         int64 // milliseconds
	LatencyMin         int64
	LatencyMax         int64
	Snapshots          int64
	SnapshotsFailed    int64
	LastSnapshot       core.Zxid
	LastSnapshotWall   int64 // milliseconds since 1970
}

func (s *Stats) answered(latency int64) {
	s.Sent++
	if s.Answered == 0 || latency < s.LatencyMin {
		s.LatencyMin = latency
	}
	s.Answered++
	s.LatencySum += latency
	s.LatencyMax = max(s.LatencyMax, latency)
}

// Status is where a replica stands.
type Status struct {
	Stats
	Outstanding  int // writes under way
	PendingSyncs int // that wait for the leadership to be confirmed
	Serving      bool
	ReadOnly     bool // serving reads without a quorum
	Role         zab.Role
	Phase        zab.Phase
	Epochs       zab.Epochs
	Leader       core.PeerID // 0 is nobody
	Voters       int
	Linked       quorum.Set        // members with which there is a link
	Learners     []zab.LearnerInfo // of a leader
	Zab          zab.Stats
	Applied      core.Zxid
	Committed    core.Zxid
	Logged       core.Zxid
	Durable      core.Zxid
	Conns        int
	Sessions     int
	Nodes        int
	Watches      int
	Ephemerals   int
	DataSize     int64
	Digest       uint64
}

// Status says where the replica stands. Like everything below it is to be called
// between Steps, by their caller.
func (r *Replica) Status() Status {
	t := r.state.Tree()
	return Status{
		Stats: r.stats, Outstanding: r.inflight, PendingSyncs: len(r.syncing), Serving: r.serving, ReadOnly: r.ServingReadOnly(), Role: r.zab.Role(), Phase: r.zab.Phase(), Epochs: r.zab.Epochs(),
		Leader: r.zab.Leader(), Voters: r.zab.Members().Voters.Len(), Linked: r.zab.Links(), Learners: r.zab.Learners(), Zab: r.zab.Stats(),
		Applied: r.state.Applied(), Committed: r.zab.Committed(), Logged: r.zab.Logged(), Durable: r.zab.Durable(),
		Conns: len(r.conns), Sessions: r.state.SessionCount(), Nodes: t.Count(),
		Watches: r.state.Watches().Len(), Ephemerals: t.EphemeralCount(), DataSize: t.DataSize(), Digest: t.Digest(),
	}
}

// State is the replicated state, to be read and not changed.
func (r *Replica) State() *state.State { return r.state }

// Role is the part that this server has in the ensemble.
func (r *Replica) Role() zab.Role { return r.zab.Role() }

// Handed counts the leaderships that this server has handed over.
func (r *Replica) Handed() uint64 { return r.zab.Stats().Handed }

// Epoch is that of the present leader, or of the last one.
func (r *Replica) Epoch() core.Epoch { return r.zab.Epoch() }

// Serving reports whether clients are answered.
func (r *Replica) Serving() bool { return r.serving }

// ServingReadOnly reports whether there is no quorum, and clients that asked for reads
// only are answered all the same.
func (r *Replica) ServingReadOnly() bool { return r.readOnly != nil && r.readOnly.serving }

// ResetStats begins to count anew what srst resets.
func (r *Replica) ResetStats() {
	r.stats.Received, r.stats.Sent = 0, 0
	r.stats.Answered, r.stats.LatencySum, r.stats.LatencyMin, r.stats.LatencyMax = 0, 0, 0, 0
}

// ResetConnStats begins to count anew what crst resets.
func (r *Replica) ResetConnStats() {
	for _, c := range r.conns {
		c.stats = ConnStats{LastZxid: ^core.Zxid(0)}
	}
}

// ConnInfo describes a connection.
type ConnInfo struct {
	Conn          ConnID
	Remote        netip.AddrPort
	Local         bool
	Session       core.SessionID // 0 before there is one
	TimeoutMillis int32
	Opened        int64 // milliseconds since 1970
	Queued        int
	ConnStats
}

// Conns describes the connections, by id.
func (r *Replica) Conns() []ConnInfo {
	list := r.connsByID()
	infos := make([]ConnInfo, 0, len(list))
	for _, c := range list {
		infos = append(infos, ConnInfo{
			Conn: c.id, Remote: c.remote, Local: c.local, Session: c.asker.Session, TimeoutMillis: c.timeout,
			Opened: c.opened, Queued: c.pending.len(), ConnStats: c.stats,
		})
	}
	return infos
}

// SessionBuckets tells, by expiry time in monotonic milliseconds, which sessions
// end when nothing more is heard of them.
func (r *Replica) SessionBuckets(yield func(deadlineMillis int64, ids []core.SessionID) bool) {
	r.tracker.Buckets(yield)
}

// SessionOfConn is the session of a connection, 0 if it has none.
func (r *Replica) SessionOfConn(id ConnID) core.SessionID {
	if c := r.conns[id]; c != nil {
		return c.asker.Session
	}
	return 0
}
