package apache

import (
	"slices"
	"strings"
	"time"
)

// Status is what becomes of a key.
type Status int

const (
	// Honoured keys do what they do in ZooKeeper.
	Honoured Status = iota
	// Warned keys are ignored, with a warning if their value asks for something
	// that does not happen anyway.
	Warned
	// Refused keys refuse the start if they ask for something that does not
	// happen anyway.
	Refused
	// Later keys are read and checked, but this release does not do what they ask
	// for. Whoever starts a server by the configuration has to refuse.
	Later
)

// String is the status as the documentation shows it.
func (s Status) String() string {
	return [...]string{"honoured", "warned", "refused", "refused in this release"}[s]
}

// Key is a key of zoo.cfg.
type Key struct {
	// Name is the key; one that ends in "*" stands for all that begin so.
	Name string
	// Default is what holds where the file says nothing, as the file would say it.
	Default string
	Status  Status
	// Note says what is different, or why a key can or cannot be ignored.
	Note string

	also []string // further values that ask for nothing
	set  func(c *Config, key, value string) error
}

// Keys is every key that is known, in the order of the documentation.
func Keys() []Key { return slices.Clone(keys) }

// means reports whether value asks for nothing but what happens anyway.
func (k *Key) means(value string) bool {
	return strings.EqualFold(value, k.Default) || slices.Contains(k.also, strings.ToLower(value))
}

// lookup finds a key by its name, else by the longest pattern.
func lookup(name string) (*Key, bool) {
	if i, ok := byName[name]; ok {
		return &keys[i], true
	}
	var best *Key
	for i := range keys {
		prefix, pattern := strings.CutSuffix(keys[i].Name, "*")
		if pattern && strings.HasPrefix(name, prefix) && (best == nil || len(keys[i].Name) > len(best.Name)) {
			best = &keys[i]
		}
	}
	return best, best != nil
}

var byName = func() map[string]int {
	index := make(map[string]int, len(keys))
	for i, k := range keys {
		index[k.Name] = i
	}
	return index
}()

// Notes that several keys share.
const (
	jvm       = "it tunes the JVM, and there is none"
	pacing    = "requests are batched and bounded by the node's own limits"
	peers     = "members show themselves to one another with the secret that they share, and with certificates"
	logging   = "the log has a format of its own, always flushed before a write is acknowledged"
	noSASL    = "the sasl scheme is not supported"
	noX509    = "the x509 scheme is not supported"
	oneTLS    = "TLS 1.2 and 1.3 with the cipher suites of the Go library"
	weights   = "weighted and hierarchical quorums are not supported, and without them others would be a quorum"
	open      = "not supported, and without it clients would be let in who are to be kept out"
	openLinks = "not supported, and without it members would be let in who are to be kept out"
	onlyOpen  = "only a key that needs none can be read"
)

var keys = []Key{
	{Name: "clientPort", Status: Honoured, set: port(func(c *Config) *int { return &c.ClientPort })},
	{Name: "clientPortAddress", Status: Honoured, set: text(func(c *Config) *string { return &c.ClientPortAddress })},
	{Name: "secureClientPort", Status: Later, Note: "the client port speaks no TLS yet", set: port(func(c *Config) *int { return &c.SecureClientPort })},
	{Name: "secureClientPortAddress", Status: Later, Note: "as secureClientPort", set: text(func(c *Config) *string { return &c.SecureClientPortAddress })},
	{Name: "dataDir", Status: Honoured, Note: "required; Apache's files in it are never overlooked", set: text(func(c *Config) *string { return &c.DataDir })},
	{Name: "dataLogDir", Status: Warned, Note: "the log lies in the dataDir"},
	{Name: "tickTime", Default: "3000", Status: Honoured, Note: "milliseconds", set: millis(1, func(c *Config) *time.Duration { return &c.TickTime })},
	{Name: "initLimit", Status: Honoured, Note: "ticks; required in an ensemble", set: number(1, 1<<20, func(c *Config) *int { return &c.InitLimit })},
	{Name: "syncLimit", Status: Honoured, Note: "ticks; required in an ensemble", set: number(1, 1<<20, func(c *Config) *int { return &c.SyncLimit })},
	{Name: "connectToLearnerMasterLimit", Default: "0", Status: Warned, Note: "initLimit bounds how long a member may take to connect"},
	{Name: "minSessionTimeout", Default: "-1", Status: Honoured, Note: "milliseconds; -1 is two ticks", set: sessionTimeout(func(c *Config) *time.Duration { return &c.MinSessionTimeout })},
	{Name: "maxSessionTimeout", Default: "-1", Status: Honoured, Note: "milliseconds; -1 is twenty ticks", set: sessionTimeout(func(c *Config) *time.Duration { return &c.MaxSessionTimeout })},
	{Name: "maxClientCnxns", Default: "60", Status: Honoured, Note: "connections of one address; 0 is no limit", set: number(0, 1<<30, func(c *Config) *int { return &c.MaxClientConns })},
	{Name: "maxCnxns", Default: "0", Status: Honoured, Note: "connections of one port; 0 is no limit", set: number(0, 1<<30, func(c *Config) *int { return &c.MaxConns })},
	{Name: "clientPortListenBacklog", Default: "-1", Status: Warned, Note: "the system's limit holds"},
	{Name: "clientTcpKeepAlive", Default: "false", Status: Warned, Note: "keep-alive is always on", also: []string{"true"}},

	{Name: "server.*", Status: Honoured, Note: "one alone is this server and needs no myid; ids 1 to 254; the election port is read and not used; several addresses parted by bars are tried in turn", set: setServer},
	{Name: "group.*", Status: Refused, Note: weights},
	{Name: "weight.*", Default: "1", Status: Refused, Note: weights},
	{Name: "oraclePath", Status: Refused, Note: "an oracle that lets one of two members decide is not supported"},
	{Name: "peerType", Status: Honoured, Note: "must agree with the server line", set: setPeerType},
	{Name: "electionAlg", Default: "3", Status: Refused, Note: "3 is the only one there is"},
	{Name: "leaderServes", Default: "yes", Status: Warned, Note: "the leader serves clients too"},
	{Name: "standaloneEnabled", Default: "true", Status: Honoured, Note: "a single server line with it is a standalone server; with false it is the first of an ensemble, to which others can be added", set: boolean(func(c *Config) *bool { return &c.StandaloneEnabled })},
	{Name: "reconfigEnabled", Default: "false", Status: Honoured, Note: "true: members may be changed while the ensemble runs, by `zensus cluster` too", set: boolean(func(c *Config) *bool { return &c.ReconfigEnabled })},
	{Name: "skipReconfigACL", Default: "no", Status: Warned, Note: "a reconfiguration always needs WRITE on /zookeeper/config"},
	{Name: "dynamicConfigFile", Status: Honoured, Note: "server lines then stand only there", set: text(func(c *Config) *string { return &c.DynamicConfigFile })},
	{Name: "multiAddress.*", Default: "false", Status: Warned, Note: "several addresses in a server line are always allowed and tried in turn"},
	{Name: "observerMasterPort", Default: "0", Status: Warned, Note: "observers follow the leader itself"},
	{Name: "localSessionsEnabled", Default: "false", Status: Warned, Note: "every session is a global one"},
	{Name: "localSessionsUpgradingEnabled", Default: "false", Status: Warned, Note: "every session is a global one"},
	{Name: "quorumListenOnAllIPs", Default: "false", Status: Honoured, set: boolean(func(c *Config) *bool { return &c.ListenOnAllIPs })},

	{Name: "autopurge.snapRetainCount", Default: "3", Status: Honoured, Note: "at least 3", set: number(0, 1<<20, func(c *Config) *int { return &c.SnapRetainCount })},
	{Name: "autopurge.purgeInterval", Default: "0", Status: Warned, Note: "old snapshots go whenever a new one is complete"},
	{Name: "snapCount", Default: "100000", Status: Honoured, Note: "transactions; at least 2", set: number(2, 1<<30, func(c *Config) *int { return &c.SnapCount })},
	{Name: "snapSizeLimitInKb", Default: "4194304", Status: Honoured, set: setSnapSizeLimit},
	{Name: "preAllocSize", Default: "65536", Status: Warned, Note: logging},
	{Name: "txnLogSizeLimitInKb", Default: "-1", Status: Warned, Note: logging},
	{Name: "commitLogCount", Default: "500", Status: Warned, Note: "members that lag are served from the log itself"},
	{Name: "forceSync", Default: "yes", Status: Warned, Note: logging},
	{Name: "fsync.warningthresholdms", Default: "1000", Status: Warned, Note: "the times of flushes are metrics"},
	{Name: "flushDelay", Default: "0", Status: Warned, Note: pacing},
	{Name: "maxWriteQueuePollTime", Status: Warned, Note: pacing},
	{Name: "maxBatchSize", Default: "1000", Status: Warned, Note: pacing},
	{Name: "syncEnabled", Default: "true", Status: Warned, Note: "observers always keep a log"},
	{Name: "snapshot.compression.method", Status: Warned, Note: "snapshots have a format of their own"},
	{Name: "snapshot.trust.empty", Default: "false", Status: Warned, Note: "a log without its snapshot is never trusted"},
	{Name: "datadir.autocreate", Default: "true", Status: Honoured, Note: "false: a dataDir that is not there refuses the start", set: boolean(func(c *Config) *bool { return &c.DataDirAutocreate })},
	{Name: "db.autocreate", Default: "true", Status: Warned, Note: "an empty member that others do not know is never taken for a full one"},
	{Name: "digest.enabled", Default: "true", Status: Warned, Note: "the digest of the tree is always kept"},
	{Name: "serializeLastProcessedZxid.enabled", Default: "true", Status: Warned, Note: "snapshots have a format of their own"},
	{Name: "closeSessionTxn.enabled", Default: "true", Status: Warned, Note: "the transaction that ends a session always lists its znodes"},

	{Name: "globalOutstandingLimit", Default: "1000", Status: Honoured, set: number(1, 1<<30, func(c *Config) *int { return &c.GlobalOutstandingLimit })},
	{Name: "jute.maxbuffer", Default: "1048575", Status: Honoured, Note: "bytes of a request, at most 8 MiB, which holds where more is asked for; ZooKeeper reads it only from the command line", set: number(1024, 64<<20, func(c *Config) *int { return &c.RequestBytesMax })},
	{Name: "request_throttle_max_requests", Default: "0", Status: Warned, Note: pacing},
	{Name: "requestThrottleLimit", Default: "0", Status: Warned, Note: pacing},
	{Name: "request_throttle_stall_time", Default: "100", Status: Warned, Note: pacing},
	{Name: "request_throttle_drop_stale", Default: "true", Status: Warned, Note: pacing},
	{Name: "requestThrottleDropStale", Default: "true", Status: Warned, Note: pacing},
	{Name: "throttled_op_wait_time", Default: "0", Status: Warned, Note: pacing},
	{Name: "largeRequestThreshold", Default: "-1", Status: Warned, Note: pacing},
	{Name: "largeRequestMaxBytes", Default: "104857600", Status: Warned, Note: pacing},
	{Name: "connection_throttle_*", Default: "0", Status: Warned, Note: pacing},
	{Name: "maxResponseCacheSize", Default: "400", Status: Warned, Note: "replies need no cache"},
	{Name: "maxGetChildrenResponseCacheSize", Default: "400", Status: Warned, Note: "replies need no cache"},
	{Name: "readonlymode.enabled", Default: "false", Status: Honoured, Note: "in an ensemble, with sessions that one server alone knows; ZooKeeper reads it only from the command line", set: boolean(func(c *Config) *bool { return &c.ReadOnlyMode })},

	{Name: "4lw.commands.whitelist", Default: "srvr", Status: Honoured, Note: "a list, or * for all", set: setWords},
	{Name: "admin.enableServer", Default: "false", Status: Honoured, Note: "also on where admin.serverPort is named", set: boolean(func(c *Config) *bool { return &c.Admin.Enabled })},
	{Name: "admin.serverAddress", Default: "0.0.0.0", Status: Honoured, set: text(func(c *Config) *string { return &c.Admin.Address })},
	{Name: "admin.serverPort", Default: "8080", Status: Honoured, set: port(func(c *Config) *int { return &c.Admin.Port })},
	{Name: "admin.commandURL", Default: "/commands", Status: Honoured, set: setCommandURL},
	{Name: "admin.idleTimeout", Default: "30000", Status: Warned, Note: "idle connections are closed by the server's own limit"},
	{Name: "admin.forceHttps", Default: "false", Status: Refused, Note: open},
	{Name: "admin.needClientAuth", Default: "false", Status: Refused, Note: open},
	{Name: "admin.*", Status: Warned, Note: "no such part of the AdminServer"},
	{Name: "metricsProvider.className", Status: Honoured, Note: "the Prometheus provider opens its port; others are warned of", set: setMetricsProvider},
	{Name: "metricsProvider.httpHost", Default: "0.0.0.0", Status: Honoured, set: text(func(c *Config) *string { return &c.Metrics.Host })},
	{Name: "metricsProvider.httpPort", Default: "7000", Status: Honoured, set: port(func(c *Config) *int { return &c.Metrics.Port })},
	{Name: "metricsProvider.*", Status: Warned, Note: "no such part of the provider"},

	{Name: "skipACL", Default: "no", Status: Warned, Note: "access lists always hold"},
	{Name: "enforceQuota", Default: "false", Status: Honoured, set: boolean(func(c *Config) *bool { return &c.EnforceQuota })},
	{Name: "extendedTypesEnabled", Default: "false", Status: Honoured, Note: "TTL znodes", set: boolean(func(c *Config) *bool { return &c.ExtendedTypes })},
	{Name: "emulate353TTLNodes", Default: "false", Status: Warned, Note: "it matters only to an import"},
	{Name: "znode.container.checkIntervalMs", Default: "60000", Status: Honoured, set: millis(1, func(c *Config) *time.Duration { return &c.Containers.CheckInterval })},
	{Name: "znode.container.maxPerMinute", Default: "10000", Status: Honoured, set: number(1, 1<<30, func(c *Config) *int { return &c.Containers.MaxPerMinute })},
	{Name: "znode.container.maxNeverUsedIntervalMs", Default: "0", Status: Warned, Note: "a container that never had a child stays"},

	{Name: "DigestAuthenticationProvider.superDigest", Status: Honoured, set: setSuperDigest},
	{Name: "DigestAuthenticationProvider.enabled", Default: "true", Status: Honoured, set: boolean(func(c *Config) *bool { return &c.DigestEnabled })},
	{Name: "DigestAuthenticationProvider.digestAlg", Default: "SHA1", Status: Refused, Note: "SHA1 is the only one there is, and under it entries made with another match nobody", also: []string{"sha-1"}},
	{Name: "X509AuthenticationProvider.superUser", Status: Warned, Note: noX509},
	{Name: "superUser*", Status: Warned, Note: noSASL},
	{Name: "letAnySaslUserDoX", Status: Warned, Note: noSASL},
	{Name: "kerberos.*", Status: Warned, Note: noSASL},
	{Name: "authProvider.*", Status: Warned, Note: "the schemes are digest and ip; others cannot be added"},
	{Name: "enforce.auth.enabled", Default: "false", Status: Refused, Note: open},
	{Name: "enforce.auth.schemes", Status: Warned, Note: "enforce.auth.enabled decides"},
	{Name: "sessionRequireClientSASLAuth", Default: "false", Status: Refused, Note: open},
	{Name: "allowSaslFailedClients", Default: "false", Status: Warned, Note: noSASL},
	{Name: "enableEagerACLCheck", Default: "false", Status: Warned, Note: "access lists are checked where the request is ordered"},
	{Name: "audit.enable", Default: "false", Status: Warned, Note: "ZooKeeper's audit log is not written"},

	{Name: "ssl.keyStore.location", Status: Honoured, Note: "a .pem file with the key and its certificates, for secureClientPort", set: store(func(c *Config) *string { return &c.TLS.KeyStore })},
	{Name: "ssl.keyStore.password", Status: Honoured, set: secret(func(c *Config) *Secret { return &c.TLS.KeyStorePassword })},
	{Name: "ssl.keyStore.type", Default: "PEM", Status: Refused, Note: "only PEM can be read"},
	{Name: "ssl.keyStore.passwordPath", Status: Refused, Note: "not supported: use ssl.keyStore.password, or a key that needs none"},
	{Name: "ssl.trustStore.location", Status: Honoured, Note: "a .pem file with certificates", set: store(func(c *Config) *string { return &c.TLS.TrustStore })},
	{Name: "ssl.trustStore.password", Status: Honoured, Note: "PEM needs none", set: secret(func(c *Config) *Secret { return &c.TLS.TrustStorePassword })},
	{Name: "ssl.trustStore.type", Default: "PEM", Status: Refused, Note: "only PEM can be read"},
	{Name: "ssl.trustStore.passwordPath", Status: Warned, Note: "PEM needs none"},
	{Name: "ssl.clientAuth", Default: "need", Status: Honoured, Note: "need, want or none", set: clientAuth(func(c *Config) *string { return &c.TLS.ClientAuth })},
	{Name: "ssl.protocol", Default: "TLSv1.2", Status: Warned, Note: oneTLS, also: []string{"tls", "tlsv1.3"}},
	{Name: "ssl.enabledProtocols", Default: "TLSv1.2", Status: Warned, Note: oneTLS, also: []string{"tlsv1.3", "tlsv1.2,tlsv1.3", "tlsv1.3,tlsv1.2"}},
	{Name: "ssl.ciphersuites", Status: Warned, Note: oneTLS},
	{Name: "ssl.hostnameVerification", Default: "true", Status: Warned, Note: "clients are known by their certificate, not by their address"},
	{Name: "ssl.clientHostnameVerification", Default: "false", Status: Refused, Note: open},
	{Name: "ssl.crl", Default: "false", Status: Refused, Note: open},
	{Name: "ssl.ocsp", Default: "false", Status: Refused, Note: open},
	{Name: "ssl.authProvider", Default: "x509", Status: Refused, Note: open},
	{Name: "sslQuorum", Default: "false", Status: Honoured, Note: "links between members are TLS, always 1.3", set: boolean(func(c *Config) *bool { return &c.QuorumTLS.Enabled })},
	{Name: "portUnification", Default: "false", Status: Honoured, Note: "members take plain links beside those with TLS", set: boolean(func(c *Config) *bool { return &c.QuorumTLS.PlainToo })},
	{Name: "ssl.quorum.keyStore.location", Status: Honoured, Note: "a PEM file with the key and its certificates", set: text(func(c *Config) *string { return &c.QuorumTLS.KeyStore })},
	{Name: "ssl.quorum.keyStore.password", Status: Refused, Note: onlyOpen},
	{Name: "ssl.quorum.keyStore.passwordPath", Status: Refused, Note: onlyOpen},
	{Name: "ssl.quorum.keyStore.type", Default: "PEM", Status: Refused, Note: "only PEM can be read"},
	{Name: "ssl.quorum.trustStore.location", Status: Honoured, Note: "a PEM file with certificates", set: text(func(c *Config) *string { return &c.QuorumTLS.TrustStore })},
	{Name: "ssl.quorum.trustStore.password", Status: Warned, Note: "PEM needs none"},
	{Name: "ssl.quorum.trustStore.passwordPath", Status: Warned, Note: "PEM needs none"},
	{Name: "ssl.quorum.trustStore.type", Default: "PEM", Status: Refused, Note: "only PEM can be read"},
	{Name: "ssl.quorum.clientAuth", Default: "need", Status: Honoured, Note: "need, want or none", set: clientAuth(func(c *Config) *string { return &c.QuorumTLS.ClientAuth })},
	{Name: "ssl.quorum.hostnameVerification", Default: "true", Status: Honoured, Note: "by a certificate's alternative names, never its common name", set: boolean(func(c *Config) *bool { return &c.QuorumTLS.VerifyHosts })},
	{Name: "ssl.quorum.clientHostnameVerification", Default: "true", Status: Honoured, Note: "whoever dials shows a certificate for a host of his server line; no name is looked up", set: boolean(func(c *Config) *bool { return &c.QuorumTLS.VerifyClientHosts })},
	{Name: "ssl.quorum.crl", Default: "false", Status: Refused, Note: openLinks},
	{Name: "ssl.quorum.ocsp", Default: "false", Status: Refused, Note: openLinks},
	{Name: "ssl.quorum.*", Status: Warned, Note: "TLS 1.3 with the cipher suites of the Go library"},
	{Name: "ssl.*", Status: Warned, Note: oneTLS},
	{Name: "client.portUnification", Default: "false", Status: Warned, Note: "clientPort speaks plain text, secureClientPort TLS"},
	{Name: "client.certReload", Default: "false", Status: Warned, Note: "certificates are always reloaded", also: []string{"true"}},
	{Name: "sslQuorumReloadCertFiles", Default: "false", Status: Warned, Note: "certificates are always reloaded", also: []string{"true"}},
	{Name: "serverCnxnFactory", Status: Warned, Note: "there is one, which does TLS too", also: []string{
		"org.apache.zookeeper.server.nettyservercnxnfactory", "org.apache.zookeeper.server.nioservercnxnfactory",
	}},
	{Name: "fips-mode", Default: "true", Status: Warned, Note: oneTLS, also: []string{"false"}},

	{Name: "quorum.auth.*", Default: "false", Status: Warned, Note: peers},
	{Name: "quorum.cnxn.threads.size", Default: "20", Status: Warned, Note: peers},
	{Name: "jvm.pause.*", Default: "false", Status: Warned, Note: jvm},
}
