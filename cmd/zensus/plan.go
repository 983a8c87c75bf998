package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zensus-io/zensus/configcenter/center"
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/server"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/internal/audit"
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

	ensemble *ensemble // nil for a single server
	backend  []string  // servers of the ensemble that holds the data in place of this one; nil if none does
	chroot   string    // where there

	zookeeper string // client port
	http      string // everything
	grpc      string
	admin     string // ZooKeeper's AdminServer
	adminPath string
	metrics   string        // Prometheus alone
	drainTime time.Duration // how long the Nacos side may send its clients away before it stops
	address   string        // host under which http and grpc are reached; blank is where they listen

	auth bool
	// exposed says that others can reach a port and no login is required.
	exposed    bool
	tokenTTL   time.Duration
	limits     rpc.Limits
	httpLimits httpLimits
	audit      audit.Limits
	strict     center.Strictness
	secret     func() (settings.Secret, error)
	log        settings.Log
	// names are those that settings have where they were said; nil is their own.
	names map[string]string
	// configText is the configuration file as it was read.
	configText string
	warnings   []string
}

// errNoPort refuses a server that nobody could reach.
var errNoPort = errors.New("no port to listen on")

// opens reports whether there is a port to listen on.
func (p *plan) opens() bool {
	return p.http != "" || p.grpc != "" || p.zookeeper != "" || p.peer() != "" || p.admin != "" || p.metrics != ""
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
	p.address, p.drainTime = s.Node.Address, s.Node.DrainTime
	p.limits = rpc.Limits{
		Connections: s.Limits.GRPCConnections, ConnectionsPerIP: s.Limits.GRPCConnectionsPerAddress,
		RequestsPerSecond: float64(s.Limits.GRPCRequestsPerSecond),
	}
	p.httpLimits = httpLimits{s.Limits.HTTPConnections, s.Limits.HTTPConnectionsPerAddress}
	p.audit = audit.Limits{Records: s.Audit.RecordsMax, Age: s.Audit.AgeMax}
	p.strict = center.Strictness(s.Configs.Validate)
	p.secret, p.log = s.LoadSecret, s.Log
	if p.exposed {
		p.warnings = append(p.warnings, "others can reach a port and no login is required")
	}
	return nil
}

// inWords names the keys of settings, each at the beginning of a line of a
// problem, as they are called where they were said.
func inWords(names map[string]string, err error) error {
	if err == nil || names == nil {
		return err
	}
	var lines []error
	for line := range strings.SplitSeq(err.Error(), "\n") {
		key, rest, _ := strings.Cut(line, ": ")
		if name, ok := names[key]; ok {
			key = name
		}
		lines = append(lines, fmt.Errorf("%s: %s", key, rest))
	}
	return errors.Join(lines...)
}

// look returns what is found at a glance of what the start refuses about the data
// directory and the secret. It creates nothing.
func look(s *settings.Settings) error {
	if s.DataDir == "" {
		return nil // which is said elsewhere
	}
	if s.Engine.Servers() != nil {
		return s.CheckSecret()
	}
	err := storage.Look(storage.Options{Dir: s.DataDir})
	if err == nil || errors.Is(err, fs.ErrPermission) { // who checks need not be who starts
		return s.CheckSecret()
	}
	err = fmt.Errorf("data_dir: %w", err)
	if s.SecretFile == "" {
		return err // the secret would lie in there
	}
	return errors.Join(err, s.CheckSecret())
}

// words are the four-letter words that are answered. Clients that may read without a
// quorum ask by isro where there is one.
func words(allowed []string, readOnlyMode bool) []string {
	if readOnlyMode && !slices.Contains(allowed, "*") {
		return append(slices.Clone(allowed), "isro")
	}
	return allowed
}

// fromSettings makes a plan of settings.
func fromSettings(s *settings.Settings) (*plan, error) {
	least, most := s.Engine.SessionTimeouts()
	e := &s.Engine
	p := &plan{
		dataDir: s.DataDir, id: core.PeerID(s.Node.ID),
		replica: replica.Config{
			State:            state.Config{TTLNodes: e.TTLNodes, EnforceQuota: e.EnforceQuota, ReconfigEnabled: true},
			TickMillis:       int32(e.TickTime.Milliseconds()),
			MinTimeoutMillis: int32(least.Milliseconds()), MaxTimeoutMillis: int32(most.Milliseconds()),
			OutstandingMax: e.OutstandingMax, SnapshotTxns: e.SnapshotTxns, SnapshotBytes: e.SnapshotBytes,
			ReapEveryMillis: e.ContainerCheckTime.Milliseconds(), ReadOnlyMode: e.ReadOnlyMode,
		},
		storage: storage.Options{
			Dir: s.DataDir, SegmentBytes: e.LogSegmentBytes, Retain: e.SnapshotsRetained,
			BallastBytes: e.DiskBallastBytes, LowWaterBytes: e.DiskLowWaterBytes,
		},
		client: server.Config{
			ConnsPerAddress: s.Limits.ZooKeeperConnectionsPerAddress, ConnsTotal: s.Limits.ZooKeeperConnections,
			FrameBytesMax: e.FrameBytesMax,
			Words:         server.Words{Allowed: words(e.FourLetterWords, e.ReadOnlyMode)},
			About: server.About{
				DataDir: s.DataDir, TickMillis: int(e.TickTime.Milliseconds()),
				MinTimeout: int(least.Milliseconds()), MaxTimeout: int(most.Milliseconds()),
				Backlog: -1, ServerID: s.Node.ID,
			},
		},
	}
	if p.backend, p.chroot = s.Engine.Servers(), s.Engine.Chroot(); p.backend != nil {
		if _, err := os.Stat(filepath.Join(s.DataDir, "meta")); err == nil {
			p.warnings = append(p.warnings, "data_dir: what an engine has stored there is not used: engine.backend is "+s.Engine.Backend)
		}
		return p, p.takeNacos(s)
	}
	if s.Listen.ZooKeeper != settings.Off {
		p.zookeeper = s.Listen.ZooKeeper
		if host, port, err := net.SplitHostPort(p.zookeeper); err == nil {
			p.client.About.ClientHost = host
			p.client.About.ClientPort, _ = strconv.Atoi(port)
		}
	}
	members, err := s.ParseMembers()
	if err != nil {
		return nil, err
	}
	if len(members) > 0 {
		p.join(ensembleOf(p.id, serversOf(members), s.Listen.Peer))
		if err := p.encrypt(tlsOfSettings(&s.Peer.TLS)); err != nil {
			return nil, err
		}
	}
	return p, p.takeNacos(s)
}
