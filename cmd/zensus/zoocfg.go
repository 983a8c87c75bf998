package main

import (
	"errors"
	"fmt"
	"io/fs"
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
	"github.com/zensus-io/zensus/internal/settings"
)

// fromZooCfg makes a plan of a zoo.cfg. Only what the file names is opened.
// Beside an error the plan has nothing but the warnings.
func fromZooCfg(path string) (*plan, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return &plan{}, err
	}
	cfg, warnings, err := apache.ParseConfig(strings.NewReader(string(text)))
	about := &plan{}
	for _, w := range warnings {
		about.warnings = append(about.warnings, w.String())
	}
	if cfg == nil {
		return about, inFile(path, err)
	}
	if err != nil {
		return about, inFile(path, errors.Join(beyond(cfg), err))
	}
	if cfg.DynamicConfigFile != "" {
		f, err := os.Open(cfg.DynamicConfigFile)
		if err != nil {
			return about, inFile(path, fmt.Errorf("dynamicConfigFile: %w", err))
		}
		if err = errors.Join(cfg.ReadDynamic(f), f.Close()); err != nil {
			return about, inFile(cfg.DynamicConfigFile, err)
		}
	}
	if err := beyond(cfg); err != nil {
		return about, inFile(path, err)
	}
	if err := cfg.Validate(); err != nil {
		return about, inFile(path, err)
	}
	if _, err := os.Stat(cfg.DataDir); !cfg.DataDirAutocreate && err != nil {
		return about, inFile(path, fmt.Errorf("dataDir: %w, and datadir.autocreate is false", err))
	}
	id := core.PeerID(1)
	if len(cfg.Servers) == 1 {
		id = cfg.Servers[0].ID
		if err := confirmMyID(cfg.DataDir, id); err != nil {
			return about, inFile(path, err)
		}
		if _, err := cfg.Resolve(id); err != nil {
			return about, inFile(path, err)
		}
	}
	p, err := planOf(cfg, id)
	if err != nil {
		return about, inFile(path, err)
	}
	p.configText = string(text)
	p.warnings = append(p.warnings, about.warnings...)
	return p, nil
}

// beyond says what a zoo.cfg asks for that this release does not do. Whether the
// details of that make sense does not matter then.
func beyond(cfg *apache.Config) error {
	var errs []error
	secure := cfg.SecureClientPort != 0
	for _, s := range cfg.Servers {
		secure = secure || s.Secure != apache.Endpoint{}
	}
	if secure {
		errs = append(errs, errors.New("secureClientPort: not in this release, which speaks no TLS on the client port"))
	}
	if !cfg.Standalone() {
		remedy := "leave the line of this server alone, or none"
		if len(cfg.Servers) == 1 {
			remedy = "leave standaloneEnabled at true, and this server a participant"
		}
		errs = append(errs, fmt.Errorf("server.*: an ensemble of %d is not in this release, which runs a single server: %s", len(cfg.Servers), remedy))
	}
	return errors.Join(errs...)
}

// confirmMyID looks whether the file myid, if there is one, means the server that
// the zoo.cfg names alone. ZooKeeper needs none for it either.
func confirmMyID(dir string, id core.PeerID) error {
	name := filepath.Join(dir, "myid")
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	found, err := apache.ParseMyID(f)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if found != id {
		return fmt.Errorf("server.%d: is the only server, but %s says %d: correct the one or the other", id, name, found)
	}
	return nil
}

func planOf(cfg *apache.Config, id core.PeerID) (*plan, error) {
	least, most := cfg.SessionTimeouts()
	tick := int32(cfg.TickTime.Milliseconds())
	var warnings []string
	if cfg.RequestBytesMax > state.RequestBytesMax {
		warnings = append(warnings, fmt.Sprintf("jute.maxbuffer: %d is above %d, which holds", cfg.RequestBytesMax, state.RequestBytesMax))
		cfg.RequestBytesMax = state.RequestBytesMax
	}
	p := &plan{
		dataDir: cfg.DataDir, id: id, warnings: warnings,
		replica: replica.Config{
			State: state.Config{
				TTLNodes: cfg.ExtendedTypes, EnforceQuota: cfg.EnforceQuota, ReconfigEnabled: cfg.ReconfigEnabled,
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
	return p, p.takeOurs(cfg)
}

// takeOurs applies the keys of a zoo.cfg that begin with "zensus.". They open
// what ZooKeeper has not, and are checked as they are in a zensus.yaml.
func (p *plan) takeOurs(cfg *apache.Config) error {
	s := settings.Default()
	s.DataDir = cfg.DataDir
	s.Listen = settings.Listen{HTTP: settings.Off, GRPC: settings.Off, ZooKeeper: settings.Off, Peer: settings.Off}
	if p.zookeeper != "" {
		s.Listen.ZooKeeper = p.zookeeper
	}
	for key, value := range cfg.Zensus {
		field, ok := map[string]*string{
			"listen.http": &s.Listen.HTTP, "listen.grpc": &s.Listen.GRPC, "auth.enabled": &s.Auth.Enabled,
			"secret_file": &s.SecretFile, "log.level": &s.Log.Level, "log.format": &s.Log.Format,
		}[key]
		if !ok {
			return fmt.Errorf("zensus.%s: unknown key", key)
		}
		*field = value
	}
	if s.Listen.HTTP != settings.Off && cfg.Zensus["listen.grpc"] == "" {
		s.Listen.GRPC = "" // where Nacos clients look: 1000 above
	}
	if err := s.Validate(); err != nil {
		return err
	}
	return p.takeNacos(&s)
}
