package main

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/server"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/internal/nacos/rpc"
	"github.com/zensus-io/zensus/internal/settings"
)

// plan is what a server is to be, wherever it was said: in settings or a zoo.cfg.
// Addresses that are empty are not opened.
type plan struct {
	dataDir string
	id      core.PeerID
	replica replica.Config
	storage storage.Options
	client  server.Config

	zookeeper string // client port
	http      string // everything
	grpc      string
	admin     string // ZooKeeper's AdminServer
	adminPath string
	metrics   string // Prometheus alone

	auth bool
	// exposed says that others can reach a port and no login is required.
	exposed  bool
	tokenTTL time.Duration
	limits   rpc.Limits
	secret   func() (settings.Secret, error)
	log      settings.Log
	// configText is the configuration file as it was read.
	configText string
	warnings   []string
}

// inFile says in which file something is wrong; several things get lines of their
// own.
func inFile(file string, err error) error {
	if file == "" || err == nil {
		return err
	}
	if strings.Contains(err.Error(), "\n") {
		return fmt.Errorf("%s:\n%w", file, err)
	}
	return fmt.Errorf("%s: %w", file, err)
}

// takeNacos applies the settings of everything that is not the engine.
func (p *plan) takeNacos(s *settings.Settings) error {
	grpc, err := s.GRPCAddress()
	if err != nil {
		return err
	}
	if s.Listen.HTTP != settings.Off {
		p.http = s.Listen.HTTP
	}
	if grpc != settings.Off {
		p.grpc = grpc
	}
	p.auth, p.exposed, p.tokenTTL = s.AuthEnabled(), s.Exposed(), s.Auth.TokenTTL
	p.limits = rpc.Limits{
		Connections: s.Limits.GRPCConnections, ConnectionsPerIP: s.Limits.GRPCConnectionsPerAddress,
		RequestsPerSecond: float64(s.Limits.GRPCRequestsPerSecond),
	}
	p.secret, p.log = s.LoadSecret, s.Log
	if p.exposed {
		p.warnings = append(p.warnings, "others can reach a port and no login is required")
	}
	return nil
}

// settingsBeyond is beyond for settings.
func settingsBeyond(s *settings.Settings) error {
	if len(s.Members) > 1 {
		return fmt.Errorf("members: an ensemble of %d is not in this release, which runs a single server", len(s.Members))
	}
	if strings.HasPrefix(s.Engine.Backend, "zookeeper://") {
		return fmt.Errorf("engine.backend: %s is not in this release, which runs on its own engine only", s.Engine.Backend)
	}
	return nil
}

// fromSettings makes a plan of settings.
func fromSettings(s *settings.Settings) (*plan, error) {
	if err := settingsBeyond(s); err != nil {
		return nil, err
	}
	least, most := s.Engine.SessionTimeouts()
	e := &s.Engine
	p := &plan{
		dataDir: s.DataDir, id: core.PeerID(s.Node.ID),
		replica: replica.Config{
			State:            state.Config{TTLNodes: e.TTLNodes, EnforceQuota: e.EnforceQuota},
			TickMillis:       int32(e.TickTime.Milliseconds()),
			MinTimeoutMillis: int32(least.Milliseconds()), MaxTimeoutMillis: int32(most.Milliseconds()),
			OutstandingMax: e.OutstandingMax, SnapshotTxns: e.SnapshotTxns, SnapshotBytes: e.SnapshotBytes,
			ReapEveryMillis: e.ContainerCheckTime.Milliseconds(),
		},
		storage: storage.Options{
			Dir: s.DataDir, SegmentBytes: e.LogSegmentBytes, Retain: e.SnapshotsRetained,
			BallastBytes: e.DiskBallastBytes, LowWaterBytes: e.DiskLowWaterBytes,
		},
		client: server.Config{
			ConnsPerAddress: s.Limits.ZooKeeperConnectionsPerAddress, ConnsTotal: s.Limits.ZooKeeperConnections,
			FrameBytesMax: e.FrameBytesMax,
			Words:         server.Words{Allowed: e.FourLetterWords},
			About: server.About{
				DataDir: s.DataDir, TickMillis: int(e.TickTime.Milliseconds()),
				MinTimeout: int(least.Milliseconds()), MaxTimeout: int(most.Milliseconds()),
				Backlog: -1, ServerID: s.Node.ID,
			},
		},
	}
	if s.Listen.ZooKeeper != settings.Off {
		p.zookeeper = s.Listen.ZooKeeper
		if _, port, err := net.SplitHostPort(p.zookeeper); err == nil {
			p.client.About.ClientPort, _ = strconv.Atoi(port)
		}
	}
	return p, p.takeNacos(s)
}
