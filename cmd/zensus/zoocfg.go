package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
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

// fromZooCfg makes a plan of a zoo.cfg. Only what the file names is opened. The
// error names everything that is wrong; beside it the plan has nothing but the
// warnings.
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
	problems := []error{err}
	dynamic := cfg.DynamicConfigFile
	found, wrong := readDynamic(cfg)
	problems = append(problems, found)
	if more := beyond(cfg); more != nil {
		problems = append([]error{more}, problems...)
		single(cfg)
	} else if found != nil || wrong != nil {
		single(cfg)
	}
	problems = append(problems, cfg.Validate(), checkDataDir(cfg))
	id, err := serverID(cfg)
	problems = append(problems, err)
	p, err := planOf(cfg, id)
	problems = append(problems, err)
	if err := errors.Join(inFile(path, errors.Join(problems...)), inFile(dynamic, wrong)); err != nil {
		return about, err
	}
	p.configText = string(text)
	p.warnings = append(p.warnings, about.warnings...)
	return p, nil
}

// readDynamic reads the members from where the configuration says. It returns
// what is wrong with that, and what is wrong in there.
func readDynamic(cfg *apache.Config) (found, wrong error) {
	if cfg.DynamicConfigFile == "" {
		return nil, nil
	}
	f, err := os.Open(cfg.DynamicConfigFile)
	if err != nil {
		return fmt.Errorf("dynamicConfigFile: %w", err), nil
	}
	return nil, errors.Join(cfg.ReadDynamic(f), f.Close())
}

// single leaves of a configuration what a server without others and without TLS
// needs, when something is wrong with the rest and has been said.
func single(cfg *apache.Config) {
	cfg.Servers, cfg.DynamicConfigFile, cfg.StandaloneEnabled, cfg.PeerType = nil, "", true, ""
	cfg.SecureClientPort, cfg.SecureClientPortAddress = 0, ""
}

func checkDataDir(cfg *apache.Config) error {
	if cfg.DataDir == "" || cfg.DataDirAutocreate {
		return nil
	}
	if _, err := os.Stat(cfg.DataDir); err != nil {
		return fmt.Errorf("dataDir: %w, and datadir.autocreate is false", err)
	}
	return nil
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
	return errors.Join(errs...)
}

// serverID finds out which of its servers a zoo.cfg is read for, and takes that
// one's place. A server without others needs no file myid.
func serverID(cfg *apache.Config) (core.PeerID, error) {
	if len(cfg.Servers) == 0 {
		return 1, nil
	}
	found, name, err := readMyID(cfg.DataDir)
	id := cfg.Servers[0].ID
	switch {
	case err != nil:
		return id, err
	case !cfg.Standalone() && found == 0:
		if cfg.DataDir == "" {
			return id, nil // which is said elsewhere
		}
		return id, fmt.Errorf("server.*: %s is missing: it holds the id of this server", name)
	case cfg.Standalone() && found != 0 && found != id:
		return id, fmt.Errorf("server.%d: is the only server, but %s says %d: correct the one or the other", id, name, found)
	case found != 0:
		id = found
	}
	_, err = cfg.Resolve(id)
	return id, err
}

// readMyID reads the file myid; the id is 0 if there is none.
func readMyID(dir string) (id core.PeerID, name string, err error) {
	if dir == "" {
		return 0, "", nil
	}
	name = filepath.Join(dir, "myid")
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, name, nil
	}
	if err != nil {
		return 0, name, err
	}
	defer f.Close()
	if id, err = apache.ParseMyID(f); err != nil {
		return 0, name, fmt.Errorf("%s: %w", name, err)
	}
	return id, name, nil
}

// joinZooCfg makes the planned server one of those that a zoo.cfg lists.
func (p *plan) joinZooCfg(cfg *apache.Config) {
	if cfg.Standalone() {
		return
	}
	host := ""
	var port int
	for _, s := range cfg.Servers {
		if s.ID == p.id {
			host, port = s.Addresses[0].Host, s.Addresses[0].QuorumPort
			if len(s.Addresses) > 1 || cfg.ListenOnAllIPs {
				host = ""
			}
		}
	}
	e := ensembleOf(p.id, cfg.Servers, net.JoinHostPort(host, strconv.Itoa(port)))
	e.initTicks, e.syncTicks = int64(cfg.InitLimit), int64(cfg.SyncLimit)
	p.join(e)
}

// openSecret is what the members of an ensemble have in common whose configuration
// names no secret: nothing that others do not know, as with ZooKeeper.
func openSecret() (settings.Secret, error) {
	return settings.NewSecret([]byte("an ensemble that keeps no secret from those who reach its ports"))
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
		dataDir: cfg.DataDir, id: id, warnings: warnings, names: zooNames,
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
			ReadOnlyMode:    cfg.ReadOnlyMode,
			ReapMax:         max(1, int(int64(cfg.Containers.MaxPerMinute)*int64(cfg.Containers.CheckInterval)/int64(time.Minute))),
		},
		storage: storage.Options{Dir: cfg.DataDir, Retain: cfg.SnapRetainCount},
		client: server.Config{
			ConnsPerAddress: cfg.MaxClientConns, ConnsTotal: cfg.MaxConns,
			FrameBytesMax: cfg.RequestBytesMax,
			Words:         server.Words{Allowed: words(cfg.FourLetterWords, cfg.ReadOnlyMode)},
			About: server.About{
				ClientHost: cfg.ClientPortAddress, ClientPort: cfg.ClientPort, DataDir: cfg.DataDir, TickMillis: int(tick),
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
	p.joinZooCfg(cfg)
	var links error
	if p.ensemble != nil && cfg.QuorumTLS.KeyStore != "" && cfg.QuorumTLS.TrustStore != "" { // else that is said elsewhere
		links = inWords(zooNames, p.encrypt(tlsOfZooCfg(&cfg.QuorumTLS)))
	}
	return p, errors.Join(links, p.takeOurs(cfg))
}

// takeOurs applies the keys of a zoo.cfg that begin with "zensus.". They open
// what ZooKeeper has not, and are checked as they are in a zensus.yaml.
func (p *plan) takeOurs(cfg *apache.Config) error {
	s := settings.Default()
	if cfg.DataDir != "" {
		s.DataDir = cfg.DataDir
	}
	s.Listen = settings.Listen{HTTP: settings.Off, GRPC: settings.Off, ZooKeeper: settings.Off, Peer: settings.Off}
	if p.zookeeper != "" {
		s.Listen.ZooKeeper = p.zookeeper
	}
	var problems []error
	for _, key := range slices.Sorted(maps.Keys(cfg.Zensus)) {
		field, ok := map[string]*string{
			"listen.http": &s.Listen.HTTP, "listen.grpc": &s.Listen.GRPC, "auth.enabled": &s.Auth.Enabled,
			"node.address": &s.Node.Address, "secret_file": &s.SecretFile, "log.level": &s.Log.Level, "log.format": &s.Log.Format,
			"configs.validate": &s.Configs.Validate,
		}[key]
		if !ok {
			problems = append(problems, fmt.Errorf("zensus.%s: unknown key", key))
			continue
		}
		*field = cfg.Zensus[key]
	}
	if s.Listen.HTTP != settings.Off && cfg.Zensus["listen.grpc"] == "" {
		s.Listen.GRPC = "" // where Nacos clients look: 1000 above
	}
	var found error
	if cfg.DataDir != "" {
		found = look(&s)
	}
	if p.ensemble != nil && s.SecretFile == "" && (s.Listen.HTTP != settings.Off || s.Listen.GRPC != settings.Off) {
		problems = append(problems, errors.New("zensus.secret_file: is blank: members that open zensus.listen.http or zensus.listen.grpc must share one"))
	}
	if err := errors.Join(append(problems, inWords(zooNames, s.Validate()), inWords(zooNames, found))...); err != nil {
		return err
	}
	if err := p.takeNacos(&s); err != nil {
		return err
	}
	if p.ensemble != nil && s.SecretFile == "" {
		p.secret = openSecret
		p.ensemble.open = !p.ensemble.closed()
		if p.ensemble.open {
			p.warnings = append(p.warnings, "zensus.secret_file is not set: whoever reaches the ports of the servers can join them, as with ZooKeeper")
		}
	}
	return nil
}

// zooNames are the names that settings have in a zoo.cfg.
var zooNames = map[string]string{
	"data_dir": "dataDir", "secret_file": "zensus.secret_file", "auth.enabled": "zensus.auth.enabled", "node.address": "zensus.node.address",
	"listen.http": "zensus.listen.http", "peer.tls": "ssl.quorum.*", "listen.grpc": "zensus.listen.grpc", "listen.zookeeper": "clientPort",
	"log.level": "zensus.log.level", "log.format": "zensus.log.format", "configs.validate": "zensus.configs.validate",
	"admin": "admin.serverPort", "metrics": "metricsProvider.httpPort",
}
