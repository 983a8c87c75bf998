package main

import (
	"github.com/zensus-io/zensus/core/zab"
	"github.com/zensus-io/zensus/internal/nacos/meters"
)

// meters are what is shown under the names of Nacos's metrics.
func (side *nacosSide) meters(in *instance) meters.Sources {
	return meters.Sources{
		HTTP: &side.requests, GRPC: side.rpc.Requests(), Pushes: side.rpc.Pushes(),
		Conns: side.rpc.Conns, Machine: side.machine,
		Leading: func() bool { return in.role() == zab.Leading.String() },
		Naming: func() meters.Naming {
			t, p := side.naming.Totals(), side.naming.Pushes(false)
			return meters.Naming{
				Services: t.Services, Instances: t.Instances, Subscriptions: t.Subscriptions, Beats: t.Beats, Clients: max(0, t.Clients-t.Beats),
				Pending: t.Pending, TCPChecks: t.TCPChecks, HTTPChecks: t.HTTPChecks,
				Acknowledged: p.Acknowledged, Failed: p.Failed, Took: p.Took, Longest: p.Longest,
			}
		},
		Config: func() meters.Config {
			conns, pending := side.configAPI.Listening()
			return meters.Config{
				Configs: side.configs.Len(), Polls: side.configs.Listeners().Stats().Polls, Subscribers: conns, Pending: pending,
			}
		},
	}
}
