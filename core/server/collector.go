package server

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// collector exports what one look at the server shows.
type collector struct {
	server *Server
	descs  []gauge
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
	return &collector{server: s, descs: []gauge{
		g("zensus_zab_epoch", "Epoch of the leader that this server follows or is.", value,
			func(_ *Server, r *report) float64 { return float64(r.Epochs.Current) }),
		g("zensus_zab_applied_zxid", "Zxid up to which transactions are applied.", value,
			func(_ *Server, r *report) float64 { return float64(r.Applied) }),
		g("zensus_zab_serving", "1 while clients are answered.", value,
			func(_ *Server, r *report) float64 { return boolean(r.Serving) }),
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
}
