package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/acl"
	"github.com/zensus-io/zensus/core/apache"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/server"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/storage"
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

	auth       bool
	secretFile string // empty: the data directory's own
	// configText is the configuration file as it was read.
	configText string
	warnings   []string
}

// fromZooCfg makes a plan of a zoo.cfg. Only what the file names is opened.
func fromZooCfg(path string) (*plan, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	cfg, warnings, err := apache.ParseConfig(strings.NewReader(string(text)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if cfg.DynamicConfigFile != "" {
		f, err := os.Open(cfg.DynamicConfigFile)
		if err != nil {
			return nil, fmt.Errorf("%s: dynamicConfigFile: %w", path, err)
		}
		err = errors.Join(cfg.ReadDynamic(f), f.Close())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", cfg.DynamicConfigFile, err)
		}
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if !cfg.Standalone() {
		return nil, fmt.Errorf("%s: an ensemble of %d servers: this release runs a single server", path, len(cfg.Servers))
	}
	id := core.PeerID(1)
	if len(cfg.Servers) == 1 {
		if id, err = readMyID(cfg.DataDir); err != nil {
			return nil, err
		}
		if _, err := cfg.Resolve(id); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	p, err := planOf(cfg, id)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	p.configText = string(text)
	for _, w := range warnings {
		p.warnings = append(p.warnings, w.String())
	}
	return p, nil
}

func readMyID(dir string) (core.PeerID, error) {
	f, err := os.Open(filepath.Join(dir, "myid"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return apache.ParseMyID(f)
}

func planOf(cfg *apache.Config, id core.PeerID) (*plan, error) {
	if cfg.SecureClientPort != 0 {
		return nil, errors.New("secureClientPort: TLS on the client port is not spoken by this release")
	}
	least, most := cfg.SessionTimeouts()
	tick := int32(cfg.TickTime.Milliseconds())
	p := &plan{
		dataDir: cfg.DataDir, id: id,
		replica: replica.Config{
			State: state.Config{
				TTLNodes: cfg.ExtendedTypes, EnforceQuota: cfg.EnforceQuota,
				Auth: &acl.Authenticator{DigestEnabled: cfg.DigestEnabled, SuperDigest: string(cfg.SuperDigest)},
			},
			TickMillis:       tick,
			MinTimeoutMillis: int32(least.Milliseconds()), MaxTimeoutMillis: int32(most.Milliseconds()),
			OutstandingMax:  cfg.GlobalOutstandingLimit,
			SnapshotTxns:    cfg.SnapCount,
			SnapshotBytes:   cfg.SnapSizeLimitKB << 10,
			ReapEveryMillis: cfg.Containers.CheckInterval.Milliseconds(),
			ReapMax:         max(1, int(int64(cfg.Containers.MaxPerMinute)*int64(cfg.Containers.CheckInterval)/int64(time.Minute))),
		},
		storage: storage.Options{Dir: cfg.DataDir, Retain: cfg.SnapRetainCount},
		client: server.Config{
			ConnsPerAddress: cfg.MaxClientConns, ConnsTotal: cfg.MaxConns,
			FrameBytesMax: cfg.RequestBytesMax,
			Words:         server.Words{Allowed: cfg.FourLetterWords},
			About: server.About{
				ClientPort: cfg.ClientPort, DataDir: cfg.DataDir, TickMillis: int(tick),
				MinTimeout: int(least.Milliseconds()), MaxTimeout: int(most.Milliseconds()),
				Backlog: -1, ServerID: int(id),
			},
		},
		secretFile: cfg.Zensus["secret_file"],
		http:       cfg.Zensus["listen.http"],
		grpc:       cfg.Zensus["listen.grpc"],
	}
	if cfg.ClientPort != 0 {
		p.zookeeper = net.JoinHostPort(cfg.ClientPortAddress, strconv.Itoa(cfg.ClientPort))
	}
	if cfg.Admin.Enabled {
		p.admin = net.JoinHostPort(cfg.Admin.Address, strconv.Itoa(cfg.Admin.Port))
		p.adminPath = cfg.Admin.CommandURL
	}
	if cfg.Metrics.Enabled {
		p.metrics = net.JoinHostPort(cfg.Metrics.Host, strconv.Itoa(cfg.Metrics.Port))
	}
	return p, nil
}
