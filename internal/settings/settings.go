package settings

import (
	"time"
)

// Settings are all settings of a server. Start from Default.
type Settings struct {
	// DataDir holds everything that must survive: log, snapshots, the secret.
	DataDir string `mapstructure:"data_dir"`
	// SecretFile holds the secret that all members share; blank is the file
	// "secret" in the data directory, made at the first start.
	SecretFile string `mapstructure:"secret_file"`
	// Members are the servers of the ensemble, as "1=host:2888" or
	// "4=host:2888;observer". Empty is a single server.
	Members []string `mapstructure:"members"`

	Listen  Listen  `mapstructure:"listen"`
	Node    Node    `mapstructure:"node"`
	Peer    Peer    `mapstructure:"peer"`
	Auth    Auth    `mapstructure:"auth"`
	Configs Configs `mapstructure:"configs"`
	Audit   Audit   `mapstructure:"audit"`
	Engine  Engine  `mapstructure:"engine"`
	Limits  Limits  `mapstructure:"limits"`
	Log     Log     `mapstructure:"log"`
}

// Off closes a port.
const Off = "off"

// Listen are the addresses of the ports; "off" closes one.
type Listen struct {
	HTTP string `mapstructure:"http"` // everything
	// GRPC is for Nacos clients; blank is the address of HTTP with 1000 added to
	// its port, which is where they look.
	GRPC      string `mapstructure:"grpc"`
	ZooKeeper string `mapstructure:"zookeeper"`
	Peer      string `mapstructure:"peer"` // only in an ensemble
}

// Node is this server among the members.
type Node struct {
	ID int `mapstructure:"id"` // 1 to 254
	// Address is the host under which clients and the other nodes reach the HTTP and
	// gRPC ports. Blank is the one these listen on or, where they listen on all, the
	// machine's first.
	Address string `mapstructure:"address"`
	// DrainTime is how long this server, when it is asked to stop, may send its Nacos
	// clients to others before. 0 leaves them to find out.
	DrainTime time.Duration `mapstructure:"drain_time"`
}

// Peer is how the members speak to one another.
type Peer struct {
	TLS PeerTLS `mapstructure:"tls"`
}

// The values of PeerTLS.Mode. Those in the middle take an ensemble that runs from plain
// text to TLS by restarting one member after the other, once for each of them.
const (
	TLSAccept  = "accept"  // both are taken, plain text is dialed
	TLSPrefer  = "prefer"  // both are taken, TLS is dialed
	TLSRequire = "require" // TLS only
)

// The values of PeerTLS.ClientAuth.
const (
	ClientAuthNeed = "need" // who dials shows a certificate of the authorities
	ClientAuthWant = "want" // or none
	ClientAuthNone = "none" // it is asked for none
)

// PeerTLS encrypts the links between members. The files are PEM, and read again when
// they have changed.
type PeerTLS struct {
	Mode       string `mapstructure:"mode"`      // off, accept, prefer or require
	CertFile   string `mapstructure:"cert_file"` // this server's, and what leads to an authority
	KeyFile    string `mapstructure:"key_file"`  // blank is CertFile
	CAFile     string `mapstructure:"ca_file"`
	ClientAuth string `mapstructure:"client_auth"` // need, want or none
	// VerifyHosts wants a member's certificate to be for a host under which the members
	// list has it.
	VerifyHosts bool `mapstructure:"verify_hosts"`
}

// The values of Auth.Enabled.
const (
	AuthAuto = "auto" // off while every port is on loopback, on otherwise
	AuthOn   = "true"
	AuthOff  = "false"
)

// Auth is who may use the Nacos side.
type Auth struct {
	Enabled  string        `mapstructure:"enabled"` // auto, true or false
	TokenTTL time.Duration `mapstructure:"token_ttl"`
}

// Audit is who wrote what. Its oldest records go.
type Audit struct {
	RecordsMax int           `mapstructure:"records_max"` // 0: no audit is kept
	AgeMax     time.Duration `mapstructure:"age_max"`     // 0: no bound
}

// The values of Configs.Validate.
const (
	ValidateOff    = "off"
	ValidateWarn   = "warn"
	ValidateRefuse = "refuse"
)

// Configs is the config center.
type Configs struct {
	// Validate is what becomes of a config whose content is not what its type says: it is
	// not looked at, it is published and logged, or it is refused.
	Validate string `mapstructure:"validate"`
}

// BackendEmbedded is the engine within this process.
const BackendEmbedded = "embedded"

// backendZooKeeper begins the address of an Apache ZooKeeper ensemble.
const backendZooKeeper = "zookeeper://"

// Engine configures the znode engine.
type Engine struct {
	// Backend is "embedded" or the address of an Apache ZooKeeper ensemble, as in
	// zookeeper://host:2181,host:2181 or, for what is to lie below a znode of its own,
	// zookeeper://host:2181,host:2181/path. With that there is no engine in this process:
	// the other keys of the engine, and the ports of an engine, mean nothing.
	Backend string `mapstructure:"backend"`
	// TickTime is one protocol tick. Session timeouts are clamped to [2, 20] ticks
	// unless the two below say otherwise.
	TickTime           time.Duration `mapstructure:"tick_time"`
	MinSessionTimeout  time.Duration `mapstructure:"min_session_timeout"`
	MaxSessionTimeout  time.Duration `mapstructure:"max_session_timeout"`
	OutstandingMax     int           `mapstructure:"outstanding_max"` // writes in flight
	TTLNodes           bool          `mapstructure:"ttl_nodes"`
	EnforceQuota       bool          `mapstructure:"enforce_quota"`
	ReadOnlyMode       bool          `mapstructure:"read_only_mode"` // serve reads without a quorum to those who ask for no more
	FourLetterWords    []string      `mapstructure:"four_letter_words"`
	FrameBytesMax      int           `mapstructure:"frame_bytes_max"` // a request of the client port
	SnapshotTxns       int           `mapstructure:"snapshot_txns"`   // transactions between snapshots
	SnapshotBytes      int64         `mapstructure:"snapshot_bytes"`  // likewise, bytes of log
	SnapshotsRetained  int           `mapstructure:"snapshots_retained"`
	LogSegmentBytes    int64         `mapstructure:"log_segment_bytes"`
	DiskLowWaterBytes  int64         `mapstructure:"disk_low_water_bytes"` // free space below which writes are refused; -1 never
	DiskBallastBytes   int64         `mapstructure:"disk_ballast_bytes"`   // set aside for that day; -1 none
	ContainerCheckTime time.Duration `mapstructure:"container_check_time"` // how often empty containers are looked for
}

// Limits bound what clients can make the server keep.
type Limits struct {
	ZooKeeperConnections           int `mapstructure:"zookeeper_connections"`             // 0: no bound
	ZooKeeperConnectionsPerAddress int `mapstructure:"zookeeper_connections_per_address"` // 0: no bound
	HTTPConnections                int `mapstructure:"http_connections"`
	HTTPConnectionsPerAddress      int `mapstructure:"http_connections_per_address"`
	GRPCConnections                int `mapstructure:"grpc_connections"`
	GRPCConnectionsPerAddress      int `mapstructure:"grpc_connections_per_address"`
	GRPCRequestsPerSecond          int `mapstructure:"grpc_requests_per_second"` // a connection
}

// Log is what is told, and how.
type Log struct {
	Level  string `mapstructure:"level"`
	Format string `mapstructure:"format"` // text, json, or auto: text on a terminal
}

// Default is what holds where nothing is said.
func Default() Settings {
	return Settings{
		DataDir: "zensus-data",
		Listen:  Listen{HTTP: "127.0.0.1:8848", ZooKeeper: "127.0.0.1:2181", Peer: "127.0.0.1:2888"},
		Node:    Node{ID: 1, DrainTime: 5 * time.Second},
		Peer:    Peer{TLS: PeerTLS{Mode: Off, ClientAuth: ClientAuthNeed, VerifyHosts: true}},
		Auth:    Auth{Enabled: AuthAuto, TokenTTL: 5 * time.Hour},
		Audit:   Audit{RecordsMax: 100_000, AgeMax: 90 * 24 * time.Hour},
		Configs: Configs{Validate: ValidateRefuse},
		Engine: Engine{
			Backend: BackendEmbedded, TickTime: 2 * time.Second, OutstandingMax: 1000, TTLNodes: true,
			FourLetterWords: []string{"conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "isro", "mntr", "ruok", "srst", "srvr", "stat", "wchs"},
			FrameBytesMax:   1 << 20, SnapshotTxns: 100_000, SnapshotBytes: 4 << 30, SnapshotsRetained: 3,
			LogSegmentBytes: 64 << 20, DiskLowWaterBytes: 128 << 20, DiskBallastBytes: 32 << 20,
			ContainerCheckTime: time.Minute,
		},
		Limits: Limits{
			ZooKeeperConnectionsPerAddress: 60,
			HTTPConnections:                50_000, HTTPConnectionsPerAddress: 10_000,
			GRPCConnections: 50_000, GRPCConnectionsPerAddress: 10_000, GRPCRequestsPerSecond: 5_000,
		},
		Log: Log{Level: "info", Format: "auto"},
	}
}
