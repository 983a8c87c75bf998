package apache

import (
	"reflect"
	"strings"
	"testing"

	"github.com/zensus-io/zensus/core/member"
)

// documented is every key of ZooKeeper's manual and of its sources up to 3.9 and
// master that can stand in a zoo.cfg.
const documented = `
clientPort clientPortAddress secureClientPort secureClientPortAddress dataDir dataLogDir tickTime initLimit syncLimit
connectToLearnerMasterLimit minSessionTimeout maxSessionTimeout maxClientCnxns maxCnxns clientPortListenBacklog clientTcpKeepAlive
server.1 group.1 weight.1 multiAddress.enabled peerType electionAlg leaderServes standaloneEnabled reconfigEnabled dynamicConfigFile
observerMasterPort localSessionsEnabled localSessionsUpgradingEnabled quorumListenOnAllIPs autopurge.snapRetainCount
autopurge.purgeInterval snapCount snapSizeLimitInKb preAllocSize txnLogSizeLimitInKb commitLogCount forceSync
fsync.warningthresholdms flushDelay maxWriteQueuePollTime maxBatchSize syncEnabled globalOutstandingLimit 4lw.commands.whitelist
admin.enableServer admin.serverAddress admin.serverPort admin.commandURL admin.idleTimeout admin.forceHttps admin.portUnification
admin.needClientAuth admin.rateLimiterIntervalInMS metricsProvider.className metricsProvider.httpHost metricsProvider.httpPort
metricsProvider.exportJvmInfo skipACL enforceQuota extendedTypesEnabled emulate353TTLNodes
DigestAuthenticationProvider.superDigest DigestAuthenticationProvider.digestAlg DigestAuthenticationProvider.enabled
X509AuthenticationProvider.superUser superUser superUser.x authProvider.1 authProvider.sasl enforce.auth.enabled
enforce.auth.schemes sessionRequireClientSASLAuth allowSaslFailedClients letAnySaslUserDoX kerberos.removeHostFromPrincipal
kerberos.removeRealmFromPrincipal ssl.keyStore.location ssl.keyStore.password ssl.keyStore.passwordPath ssl.keyStore.type
ssl.trustStore.location ssl.trustStore.password ssl.trustStore.passwordPath ssl.trustStore.type ssl.protocol ssl.enabledProtocols
ssl.ciphersuites ssl.clientAuth ssl.hostnameVerification ssl.crl ssl.ocsp ssl.quorum.keyStore.location ssl.quorum.clientHostnameVerification sslQuorumReloadCertFiles sslQuorum portUnification
client.portUnification client.certReload serverCnxnFactory request_throttle_max_requests requestThrottleLimit
request_throttle_stall_time request_throttle_drop_stale throttled_op_wait_time largeRequestThreshold largeRequestMaxBytes
connection_throttle_tokens connection_throttle_fill_time connection_throttle_fill_count maxResponseCacheSize
maxGetChildrenResponseCacheSize readonlymode.enabled jute.maxbuffer snapshot.compression.method snapshot.trust.empty
datadir.autocreate db.autocreate digest.enabled serializeLastProcessedZxid.enabled closeSessionTxn.enabled
znode.container.checkIntervalMs znode.container.maxPerMinute znode.container.maxNeverUsedIntervalMs jvm.pause.monitor
jvm.pause.info-threshold.ms jvm.pause.warn-threshold.ms jvm.pause.sleep.time.ms quorum.auth.enableSasl
quorum.auth.learnerRequireSasl quorum.cnxn.threads.size audit.enable fips-mode enableEagerACLCheck`

func TestEveryDocumentedKeyIsKnown(t *testing.T) {
	for name := range strings.FieldsSeq(documented) {
		if _, known := lookup(name); !known {
			t.Errorf("%s is unknown", name)
		}
	}
}

func TestTheTableOfKeysIsWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Keys() {
		if seen[k.Name] {
			t.Errorf("%s stands there twice", k.Name)
		}
		seen[k.Name] = true
		if (k.Status == Honoured || k.Status == Later) != (k.set != nil) {
			t.Errorf("%s is %v, and is it set: %v", k.Name, k.Status, k.set != nil)
		}
		if k.Status != Honoured && k.Note == "" {
			t.Errorf("%s does not say why it is %v", k.Name, k.Status)
		}
	}
	if k, _ := lookup("admin.forceHttps"); k.Name != "admin.forceHttps" {
		t.Errorf("a pattern, %s, comes before the key itself", k.Name)
	}
	if k, _ := lookup("ssl.quorum.protocol"); k.Name != "ssl.quorum.*" {
		t.Errorf("a shorter pattern, %s, comes before the longer one", k.Name)
	}
	Keys()[0].Name = "changed"
	if Keys()[0].Name == "changed" {
		t.Error("a caller can change the table")
	}
}

func TestDefaultsOfTheTableAreThoseOfTheConfiguration(t *testing.T) {
	n := 0
	for _, k := range Keys() {
		if k.Status != Honoured || k.Default == "" {
			continue
		}
		n++
		cfg := DefaultConfig()
		if err := k.set(cfg, k.Name, k.Default); err != nil {
			t.Errorf("%s: its default: %v", k.Name, err)
		}
		// Any address may be said in words or left empty.
		cfg.Admin.Address, cfg.Metrics.Host = member.NormalHost(cfg.Admin.Address), member.NormalHost(cfg.Metrics.Host)
		if !reflect.DeepEqual(cfg, DefaultConfig()) {
			t.Errorf("%s: its default is not the configuration's", k.Name)
		}
	}
	if n < 20 {
		t.Errorf("only %d defaults were looked at", n)
	}
}

// TestEveryHonouredKeyChangesTheConfiguration: a key that is said to be honoured
// and lands nowhere would be a lie in the documentation.
func TestEveryHonouredKeyChangesTheConfiguration(t *testing.T) {
	values := []string{"true", "false", "/x.pem", "7", "1024", "observer", "want", "a:b", "a:1:2", prometheusProvider}
	for _, k := range Keys() {
		if k.set == nil {
			continue
		}
		changed := false
		for _, v := range values {
			cfg := DefaultConfig()
			if err := k.set(cfg, strings.Replace(k.Name, "*", "1", 1), v); err == nil && !reflect.DeepEqual(cfg, DefaultConfig()) {
				changed = true
			}
		}
		if !changed {
			t.Errorf("%s changes nothing", k.Name)
		}
	}
}
