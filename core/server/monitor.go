package server

import (
	"fmt"
	"strings"

	"github.com/zensus-io/zensus/core/zab"
)

// reading is one line of mntr, under its name without the zk_ prefix.
type reading struct {
	key   string
	value any // string, int64 or float64
}

func (r reading) text() string {
	if f, ok := r.value.(float64); ok {
		return trimDecimal(f)
	}
	return fmt.Sprint(r.value)
}

// monitor is what mntr and the monitor command tell: the gauges that monitoring
// agents rely on, and of the counters those that this server has.
func (s *Server) monitor(r *report) []reading {
	latency := 0.0
	if r.Answered > 0 {
		latency = float64(r.LatencySum) / float64(r.Answered)
	}
	fsyncs, fsyncTime := s.node.FsyncStats()
	avgFsync := 0.0
	if fsyncs > 0 {
		avgFsync = float64(fsyncTime.Milliseconds()) / float64(fsyncs)
	}
	open, most := descriptors()
	return append([]reading{
		{"version", s.version()},
		{"server_state", s.mode(r)},
		{"ephemerals_count", int64(r.Ephemerals)},
		{"num_alive_connections", int64(s.connections())},
		{"avg_latency", latency},
		{"outstanding_requests", int64(r.Outstanding)},
		{"znode_count", int64(r.Nodes)},
		{"global_sessions", int64(r.Sessions)},
		{"local_sessions", int64(0)},
		{"non_mtls_remote_conn_count", int64(0)},
		{"non_mtls_local_conn_count", int64(0)},
		{"last_client_response_size", int64(-1)},
		{"max_client_response_size", int64(-1)},
		{"min_client_response_size", int64(-1)},
		{"packets_sent", r.Sent},
		{"packets_received", r.Received},
		{"max_latency", r.LatencyMax},
		{"min_latency", r.LatencyMin},
		{"watch_count", int64(r.Watches)},
		{"approximate_data_size", r.DataSize},
		{"uptime", r.uptime.Milliseconds()},
		{"open_file_descriptor_count", open},
		{"max_file_descriptor_count", most},
		{"connection_drop_probability", 0.0},
		{"outstanding_tls_handshake", int64(0)},
		{"auth_failed_count", r.AuthFailed},
		{"connection_request_count", r.Connects},
		{"sessionless_connections_expired", r.SessionlessExpired},
		{"stale_sessions_expired", r.Expired},
		{"connection_rejected", s.rejected.Load()},
		{"avg_fsynctime", avgFsync},
		{"cnt_fsynctime", fsyncs},
		{"sum_fsynctime", fsyncTime.Milliseconds()},
		{"cnt_snapshottime", r.Snapshots},
		// Ours: the longest that the owner loop was busy with one thing.
		{"longest_step_us", s.node.LongestStep().Microseconds()},
	}, s.monitorEnsemble(r)...)
}

// monitorEnsemble are the lines that only members of an ensemble have.
func (s *Server) monitorEnsemble(r *report) []reading {
	if len(s.servers()) == 0 {
		return nil
	}
	list := []reading{
		{"peer_state", strings.ToLower(r.Role.String()) + " - " + r.Phase.String()},
		{"quorum_size", int64(r.Voters)},
		{"looking_count", int64(r.Zab.Elections)},
		{"diff_count", int64(r.Zab.Diff)},
		{"snap_count", int64(r.Zab.Snap)},
	}
	if r.Role != zab.Leading {
		return list
	}
	var learners, followers, observers, nonVoting int64
	for _, l := range r.Learners {
		learners++
		switch {
		case !l.UpToDate:
		case l.Observer:
			observers++
		case l.Counts:
			followers++
		default:
			nonVoting++
		}
	}
	return append(list,
		reading{"learners", learners}, reading{"synced_followers", followers},
		reading{"synced_non_voting_followers", nonVoting}, reading{"synced_observers", observers},
		reading{"pending_syncs", int64(r.PendingSyncs)},
		reading{"last_proposal_size", int64(-1)}, reading{"max_proposal_size", int64(-1)}, reading{"min_proposal_size", int64(-1)},
	)
}
