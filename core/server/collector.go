package server

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/zensus-io/zensus/core/zab"
)

// collector exports what one look at the server shows.
type collector struct {
	server *Server
	descs  []gauge
	peers  *peerGauges
}

// peerGauges are those with a label for another member; a single server has none.
type peerGauges struct{ linked, lag *prometheus.Desc }

func newPeerGauges() *peerGauges {
	d := func(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, []string{"peer"}, nil) }
	return &peerGauges{
		linked: d("zensus_zab_linked", "1 while there is a link with another member."),
		lag:    d("zensus_zab_learner_lag", "Transactions of the leader that a follower has not acknowledged; at the leader."),
	}
}

// collect tells of the members other than this one. Of the acknowledgements of a follower
// nothing is told before it has accepted the leader's epoch.
func (g *peerGauges) collect(s *Server, r *report, ch chan<- prometheus.Metric) {
	for _, m := range s.servers() {
		id := m.ID
		if int(id) != s.cfg.About.ServerID {
			ch <- prometheus.MustNewConstMetric(g.linked, prometheus.GaugeValue, boolean(r.Linked.Has(id)), strconv.Itoa(int(id)))
		}
	}
	for i := range r.Learners {
		l := &r.Learners[i]
		if !l.Observer && l.Acked.Epoch() == r.Logged.Epoch() {
			ch <- prometheus.MustNewConstMetric(g.lag, prometheus.GaugeValue, float64(r.Logged-min(l.Acked, r.Logged)), strconv.Itoa(int(l.Peer)))
		}
	}
}

type gauge struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(s *Server, r *report) float64
}

// Collector exports the replica's and the client port's figures to Prometheus.
func (s *Server) Collector() prometheus.Collector {
	g := func(name, help string, kind prometheus.ValueType, read func(*Server, *report) float64) gauge {
		return gauge{prometheus.NewDesc(name, help, nil, nil), kind, read}
	}
	const value, count = prometheus.GaugeValue, prometheus.CounterValue
	return &collector{server: s, peers: newPeerGauges(), descs: []gauge{
		g("zensus_zab_epoch", "Epoch of the leader that this server follows or is.", value,
			func(_ *Server, r *report) float64 { return float64(r.Epochs.Current) }),
		g("zensus_zab_applied_zxid", "Zxid up to which transactions are applied.", value,
			func(_ *Server, r *report) float64 { return float64(r.Applied) }),
		g("zensus_zab_serving", "1 while clients are answered.", value,
			func(_ *Server, r *report) float64 { return boolean(r.Serving) }),
		g("zensus_zab_leader", "Id of the server that leads, as this one knows it; 0 is nobody.", value,
			func(_ *Server, r *report) float64 { return float64(r.Leader) }),
		g("zensus_zab_leading", "1 while this server leads and serves.", value,
			func(_ *Server, r *report) float64 { return boolean(r.Serving && r.Role == zab.Leading) }),
		g("zensus_zab_voters", "Servers that vote.", value,
			func(_ *Server, r *report) float64 { return float64(r.Voters) }),
		g("zensus_tree_znodes", "Znodes in the tree.", value,
			func(_ *Server, r *report) float64 { return float64(r.Nodes) }),
		g("zensus_tree_data_bytes", "Bytes of paths and data in the tree.", value,
			func(_ *Server, r *report) float64 { return float64(r.DataSize) }),
		g("zensus_tree_ephemerals", "Ephemeral znodes in the tree.", value,
			func(_ *Server, r *report) float64 { return float64(r.Ephemerals) }),
		g("zensus_session_alive", "Living sessions.", value,
			func(_ *Server, r *report) float64 { return float64(r.Sessions) }),
		g("zensus_session_expired_total", "Sessions that ended because nothing was heard of them.", count,
			func(_ *Server, r *report) float64 { return float64(r.Expired) }),
		g("zensus_watch_armed", "Watches that are armed.", value,
			func(_ *Server, r *report) float64 { return float64(r.Watches) }),
		g("zensus_watch_events_total", "Watch events sent.", count,
			func(_ *Server, r *report) float64 { return float64(r.Events) }),
		g("zensus_server_connections", "Connections on the client port.", value,
			func(s *Server, _ *report) float64 { return float64(s.connections()) }),
		g("zensus_server_connections_rejected_total", "Connections closed because of a limit.", count,
			func(s *Server, _ *report) float64 { return float64(s.rejected.Load()) }),
		g("zensus_server_packets_received_total", "Requests received.", count,
			func(_ *Server, r *report) float64 { return float64(r.Received) }),
		g("zensus_server_packets_sent_total", "Replies and events sent.", count,
			func(_ *Server, r *report) float64 { return float64(r.Sent) }),
		g("zensus_server_outstanding_requests", "Writes under way.", value,
			func(_ *Server, r *report) float64 { return float64(r.Outstanding) }),
		g("zensus_server_auth_failed_total", "Credentials that were refused.", count,
			func(_ *Server, r *report) float64 { return float64(r.AuthFailed) }),
		g("zensus_storage_snapshots_total", "Snapshots written.", count,
			func(_ *Server, r *report) float64 { return float64(r.Snapshots) }),
	}}
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, g := range c.descs {
		ch <- g.desc
	}
	ch <- c.peers.linked
	ch <- c.peers.lag
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	r, err := c.server.look(ctx, false)
	if err != nil {
		return // no figures rather than old ones
	}
	for _, g := range c.descs {
		ch <- prometheus.MustNewConstMetric(g.desc, g.kind, g.read(c.server, &r))
	}
	c.peers.collect(c.server, &r, ch)
}
