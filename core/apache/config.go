package apache

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// Secret is a value that is not printed.
type Secret string

// String hides the value.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[redacted]"
}

// GoString hides the value.
func (s Secret) GoString() string { return s.String() }

// Config is a zoo.cfg with ZooKeeper's defaults where it says nothing. Limits of
// the form 0 = off are kept as they stand.
type Config struct {
	// ClientPort and SecureClientPort are 0 where the file names none. An empty
	// address means any.
	ClientPort              int
	ClientPortAddress       string
	SecureClientPort        int
	SecureClientPortAddress string

	DataDir           string // required
	DataDirAutocreate bool

	// TickTime is one tick. Timeouts of sessions that are 0 follow from it: see
	// SessionTimeouts.
	TickTime          time.Duration
	MinSessionTimeout time.Duration
	MaxSessionTimeout time.Duration
	// InitLimit and SyncLimit are in ticks, 0 where the file says nothing.
	InitLimit int
	SyncLimit int

	MaxClientConns         int // of one address, 0 = no limit
	MaxConns               int // of one port, 0 = no limit
	GlobalOutstandingLimit int
	RequestBytesMax        int // jute.maxbuffer

	// Servers are the members in the order of their ids; none, or a single one
	// with StandaloneEnabled, is a standalone server.
	Servers           []Server
	Version           core.Zxid // of the dynamic file
	PeerType          Role      // of this server, empty where the file says nothing
	StandaloneEnabled bool
	ReconfigEnabled   bool
	DynamicConfigFile string // members are to be read from there
	ListenOnAllIPs    bool   // for peers

	ReadOnlyMode bool // serve reads without a quorum to those who ask for no more

	SnapRetainCount int   // at least 3
	SnapCount       int   // transactions between snapshots
	SnapSizeLimitKB int64 // bytes of log between snapshots

	ExtendedTypes bool // TTL znodes
	EnforceQuota  bool
	Containers    Containers

	DigestEnabled bool
	SuperDigest   Secret // "super:" and a hash

	FourLetterWords []string // allowed ones; "*" alone is all
	Admin           Admin
	Metrics         Metrics
	TLS             TLS
	QuorumTLS       QuorumTLS

	// Zensus holds the keys that began with "zensus.", without that.
	Zensus map[string]string

	// refused are the keys whose values could not be taken: what they leave unset
	// is no second mistake.
	refused []string
}

// Containers say when empty containers and TTL znodes are reaped.
type Containers struct {
	CheckInterval time.Duration
	MaxPerMinute  int
}

// Admin is the AdminServer. It is opened only if the file asks for it, by
// admin.enableServer=true or by naming its port.
type Admin struct {
	Enabled    bool
	Address    string // empty = any
	Port       int
	CommandURL string
}

// Metrics is the port of the Prometheus provider, opened only if the file names
// that as metricsProvider.className.
type Metrics struct {
	Enabled bool
	Host    string // empty = any
	Port    int
}

// TLS is what the secure client port shows and asks for.
type TLS struct {
	KeyStore           string // path of a PEM file with a key and its certificates
	KeyStorePassword   Secret
	TrustStore         string // path of a PEM file with certificates
	TrustStorePassword Secret
	ClientAuth         string // need, want or none
}

// QuorumTLS is how members encrypt their links.
type QuorumTLS struct {
	Enabled    bool   // sslQuorum: links are dialed with TLS
	PlainToo   bool   // portUnification: both are taken
	KeyStore   string // as those of TLS
	TrustStore string
	ClientAuth string // need, want or none
	// VerifyHosts and VerifyClientHosts want the certificates of who is dialed and of
	// who dials to be for their hosts; the second holds only with the first.
	VerifyHosts, VerifyClientHosts bool
}

// DefaultConfig is what an empty file means.
func DefaultConfig() *Config {
	return &Config{
		DataDirAutocreate:      true,
		TickTime:               3 * time.Second,
		MaxClientConns:         60,
		GlobalOutstandingLimit: 1000,
		RequestBytesMax:        wire.FrameBytesMax,
		StandaloneEnabled:      true,
		SnapRetainCount:        3,
		SnapCount:              100_000,
		SnapSizeLimitKB:        4_194_304,
		Containers:             Containers{CheckInterval: time.Minute, MaxPerMinute: 10_000},
		DigestEnabled:          true,
		FourLetterWords:        []string{"srvr"},
		Admin:                  Admin{Port: 8080, CommandURL: "/commands"},
		Metrics:                Metrics{Port: 7000},
		TLS:                    TLS{ClientAuth: "need"},
		QuorumTLS:              QuorumTLS{ClientAuth: "need", VerifyHosts: true, VerifyClientHosts: true},
		Zensus:                 map[string]string{},
	}
}

// Warning is a key that is not honoured although the server can start.
type Warning struct {
	Line int
	Key  string
	Text string
}

// String is "line 3: forceSync: ...".
func (w Warning) String() string { return fmt.Sprintf("line %d: %s: %s", w.Line, w.Key, w.Text) }

// zensusPrefix begins the keys that are ours.
const zensusPrefix = "zensus."

// ParseConfig reads a zoo.cfg. The error names every key that has an impossible
// value or refuses the start, each with its line; Validate says whether the
// whole makes sense, once the members are known. Beside such an error the
// configuration is what could be read, so that more can be said about the file.
func ParseConfig(r io.Reader) (*Config, []Warning, error) {
	properties, err := readProperties(r)
	if err != nil {
		return nil, nil, err
	}
	var (
		cfg      = DefaultConfig()
		warnings []Warning
		errs     []error
		dynamic  = slices.ContainsFunc(properties, func(p property) bool { return p.key == "dynamicConfigFile" && p.value != "" })
	)
	for _, p := range properties {
		fail := func(err error) { errs = append(errs, fmt.Errorf("line %d: %s: %w", p.line, p.key, err)) }
		warn := func(text string) { warnings = append(warnings, Warning{p.line, p.key, text}) }
		if name, ours := strings.CutPrefix(p.key, zensusPrefix); ours {
			cfg.Zensus[name] = p.value
			continue
		}
		if dynamic && isMembership(p.key) {
			fail(errors.New("belongs into the dynamic configuration file"))
			continue
		}
		key, known := lookup(p.key)
		switch {
		case !known:
			warn("unknown, ignored")
		case key.set != nil:
			before := *cfg
			if err := key.set(cfg, p.key, p.value); err != nil {
				*cfg = before // Validate finds nothing more in what could not be read
				cfg.refused = append(cfg.refused, p.key)
				fail(err)
			}
		case key.means(p.value):
			// What it asks for is what happens anyway.
		case key.Status == Warned:
			warn("ignored: " + key.Note)
		default:
			fail(errors.New(key.Note))
		}
	}
	cfg.sortServers()
	warnings = append(warnings, cfg.afterthoughts(properties)...)
	if len(errs) > 0 {
		return cfg, warnings, errors.Join(errs...)
	}
	return cfg, warnings, nil
}

// ReadDynamic reads the members from a dynamic configuration file: server lines
// and the version, nothing else.
func (c *Config) ReadDynamic(r io.Reader) error {
	properties, err := readProperties(r)
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range properties {
		key, known := lookup(p.key)
		err := errors.New("does not belong into a dynamic configuration file")
		switch {
		case p.key == "version":
			err = c.setVersion(p.value)
		case known && isMembership(p.key) && key.set != nil:
			err = key.set(c, p.key, p.value)
		case known && isMembership(p.key):
			if err = nil; !key.means(p.value) {
				err = errors.New(key.Note)
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("line %d: %s: %w", p.line, p.key, err))
		}
	}
	c.sortServers()
	return errors.Join(errs...)
}

func isMembership(key string) bool {
	return strings.HasPrefix(key, "server.") || strings.HasPrefix(key, "group.") || strings.HasPrefix(key, "weight.")
}

func (c *Config) sortServers() {
	slices.SortFunc(c.Servers, func(a, b Server) int { return int(a.ID) - int(b.ID) })
}

// afterthoughts settles what only the whole file shows.
func (c *Config) afterthoughts(properties []property) []Warning {
	var warnings []Warning
	adminNamed, adminDecided := false, false
	for _, p := range properties {
		switch p.key {
		case "admin.enableServer":
			adminDecided = true
		case "admin.serverPort":
			adminNamed = true
		case "autopurge.snapRetainCount":
			if c.SnapRetainCount < snapRetainMin {
				warnings = append(warnings, Warning{p.line, p.key, fmt.Sprintf("raised to %d", snapRetainMin)})
			}
		case "metricsProvider.className":
			if !c.Metrics.Enabled && p.value != "" && p.value != defaultProvider {
				warnings = append(warnings, Warning{p.line, p.key, "ignored: only the Prometheus provider is known"})
			}
		}
	}
	c.Admin.Enabled = c.Admin.Enabled || adminNamed && !adminDecided
	c.SnapRetainCount = max(c.SnapRetainCount, snapRetainMin)
	return warnings
}

// snapRetainMin is the least number of snapshots that ZooKeeper keeps.
const snapRetainMin = 3

// SessionTimeouts is between which timeouts clients may choose: 2 and 20 ticks
// where the file says nothing.
func (c *Config) SessionTimeouts() (least, most time.Duration) {
	least, most = c.MinSessionTimeout, c.MaxSessionTimeout
	if least <= 0 {
		least = 2 * c.TickTime
	}
	if most <= 0 {
		most = 20 * c.TickTime
	}
	return least, most
}

// Standalone reports whether the server is one without others: no server line,
// or one participant alone unless standaloneEnabled is false. Members of a
// dynamic file must have been read.
func (c *Config) Standalone() bool {
	return len(c.Servers) == 0 || c.StandaloneEnabled && c.voters() == 1
}

func (c *Config) voters() int {
	n := 0
	for _, s := range c.Servers {
		if s.Role == Participant {
			n++
		}
	}
	return n
}
