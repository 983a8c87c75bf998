package apache

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/zensus-io/zensus/core"
)

// parse reads a configuration that must be good.
func parse(t *testing.T, text string) (*Config, []Warning) {
	t.Helper()
	cfg, warnings, err := ParseConfig(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return cfg, warnings
}

func TestAnEmptyFileIsZooKeepersDefaults(t *testing.T) {
	cfg, warnings := parse(t, "")
	if !reflect.DeepEqual(cfg, DefaultConfig()) || len(warnings) != 0 {
		t.Errorf("got %+v, %v", cfg, warnings)
	}
	least, most := cfg.SessionTimeouts()
	if least != 6*time.Second || most != time.Minute {
		t.Errorf("session timeouts from %v to %v", least, most)
	}
	if !cfg.Standalone() {
		t.Error("it is no standalone server")
	}
}

func TestAFileOfAnEnsemble(t *testing.T) {
	cfg, warnings := parse(t, `
# The number of milliseconds of each tick
tickTime=2000
initLimit=10
syncLimit=5
dataDir=/var/lib/zookeeper
clientPort=2181
maxClientCnxns=0
minSessionTimeout=5000
maxSessionTimeout=-1
autopurge.snapRetainCount=5
snapCount=50000
standaloneEnabled=false
reconfigEnabled=TRUE
4lw.commands.whitelist=mntr, ruok ,stat
extendedTypesEnabled=true
admin.serverPort=8081
metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider
metricsProvider.httpPort=7001
DigestAuthenticationProvider.superDigest=super:D/InIHSb7yEEbrWz8b9l71RjZJU=
zensus.listen.http=127.0.0.1:8848
server.3=zk3:2888:3888:observer
server.1=zk1:2888:3888;2181
server.2=[2001:db8::2]:2888:3888:PARTICIPANT;[2001:db8::3]:2181
`)
	if len(warnings) != 0 {
		t.Errorf("warnings: %v", warnings)
	}
	want := DefaultConfig()
	want.TickTime, want.InitLimit, want.SyncLimit = 2*time.Second, 10, 5
	want.DataDir, want.ClientPort = "/var/lib/zookeeper", 2181
	want.MaxClientConns, want.MinSessionTimeout = 0, 5*time.Second
	want.SnapRetainCount, want.SnapCount = 5, 50_000
	want.StandaloneEnabled, want.ReconfigEnabled, want.ExtendedTypes = false, true, true
	want.FourLetterWords = []string{"mntr", "ruok", "stat"}
	want.Admin.Enabled, want.Admin.Port = true, 8081
	want.Metrics.Enabled, want.Metrics.Port = true, 7001
	want.SuperDigest = "super:D/InIHSb7yEEbrWz8b9l71RjZJU="
	want.Zensus = map[string]string{"listen.http": "127.0.0.1:8848"}
	want.Servers = []Server{
		{ID: 1, Addresses: []PeerAddress{{Host: "zk1", QuorumPort: 2888, ElectionPort: 3888}}, Role: Participant, Client: Endpoint{Host: "", Port: 2181}},
		{ID: 2, Addresses: []PeerAddress{{Host: "2001:db8::2", QuorumPort: 2888, ElectionPort: 3888}}, Role: Participant, Client: Endpoint{Host: "2001:db8::3", Port: 2181}},
		{ID: 3, Addresses: []PeerAddress{{Host: "zk3", QuorumPort: 2888, ElectionPort: 3888}}, Role: Observer},
	}
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("got  %+v\nwant %+v", cfg, want)
	}
	if err := cfg.Validate(); err != nil {
		t.Errorf("validate: %v", err)
	}
	if least, most := cfg.SessionTimeouts(); least != 5*time.Second || most != 40*time.Second {
		t.Errorf("session timeouts from %v to %v", least, most)
	}
}

func TestKeysThatAreIgnoredAreWarnedOf(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"an unknown key", "dataDirr=/x", "line 1: dataDirr: unknown, ignored"},
		{"no flush", "forceSync=no", "line 1: forceSync: ignored: " + logging},
		{"no access lists", "skipACL=yes", "line 1: skipACL: ignored: access lists always hold"},
		{"local sessions", "#\nlocalSessionsEnabled=true", "line 2: localSessionsEnabled: ignored: every session is a global one"},
		{"a provider of a scheme", "authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider", "line 1: authProvider.1: ignored: the schemes are digest and ip; others cannot be added"},
		{"a disk for the log", "dataLogDir=/log", "line 1: dataLogDir: ignored: the log lies in the dataDir"},
		{"purging", "autopurge.purgeInterval=1", "line 1: autopurge.purgeInterval: ignored: old snapshots go whenever a new one is complete"},
		{"a pattern's key", "jvm.pause.monitor=true", "line 1: jvm.pause.monitor: ignored: " + jvm},
		{"too few snapshots", "autopurge.snapRetainCount=1", "line 1: autopurge.snapRetainCount: raised to 3"},
		{"another provider of metrics", "metricsProvider.className=x.Y", "line 1: metricsProvider.className: ignored: only the Prometheus provider is known"},
		{"what happens anyway", "forceSync=yes\nskipACL=no\nleaderServes=YES\nlocalSessionsEnabled=false\nclient.certReload=true\nelectionAlg=3\nweight.1=1\nsslQuorum=false\nserverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, warnings := parse(t, tt.text)
			if got := strings.Trim(fmt.Sprint(warnings), "[]"); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestKeysThatRefuseTheStart(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"groups", "group.1=1:2:3", "line 1: group.1: " + weights},
		{"weights", "weight.2=3", "line 1: weight.2: " + weights},
		{"an oracle", "oraclePath=/x", "line 1: oraclePath: an oracle that lets one of two members decide is not supported"},
		{"another election", "electionAlg=0", "line 1: electionAlg: 3 is the only one there is"},
		{"enforced authentication", "enforce.auth.enabled=true", "line 1: enforce.auth.enabled: " + open},
		{"required SASL", "sessionRequireClientSASLAuth=true", "line 1: sessionRequireClientSASLAuth: " + open},
		{"another digest", "DigestAuthenticationProvider.digestAlg=SHA-256", "line 1: DigestAuthenticationProvider.digestAlg: SHA1 is the only one there is, and under it entries made with another match nobody"},
		{"a store that cannot be read", "ssl.keyStore.location=/etc/keys.jks", `line 1: ssl.keyStore.location: "/etc/keys.jks" is no .pem file: only PEM can be read`},
		{"a word for a number", "tickTime=2s", `line 1: tickTime: "2s" is not a number`},
		{"no tick at all", "tickTime=0", "line 1: tickTime: 0 is not from 1 to 2147483647"},
		{"a word for a boolean", "reconfigEnabled=yes", `line 1: reconfigEnabled: "yes" is neither true nor false`},
		{"a port that is none", "clientPort=70000", `line 1: clientPort: "70000" is no port`},
		{"limits below zero", "maxClientCnxns=-1", "line 1: maxClientCnxns: -1 is not from 0 to 1073741824"},
		{"a clear super password", "DigestAuthenticationProvider.superDigest=secret", "line 1: DigestAuthenticationProvider.superDigest: is not a name, a colon and the hash that the digest scheme makes"},
		{"a key of members with a password", "ssl.quorum.keyStore.password=x", "line 1: ssl.quorum.keyStore.password: only a key that needs none can be read"},
		{"a store of members that is no PEM", "ssl.quorum.keyStore.type=JKS\nssl.quorum.trustStore.type=PKCS12", "line 1: ssl.quorum.keyStore.type: only PEM can be read\nline 2: ssl.quorum.trustStore.type: only PEM can be read"},
		{"what would keep members out", "ssl.quorum.crl=true", "line 1: ssl.quorum.crl: not supported, and without it members would be let in who are to be kept out"},
		{"another client authentication", "ssl.clientAuth=maybe", `line 1: ssl.clientAuth: "maybe" is not need, want or none`},
		{"another peer type", "peerType=leader", `line 1: peerType: "leader" is neither participant nor observer`},
		{"a relative URL", "admin.commandURL=commands", `line 1: admin.commandURL: "commands" does not begin with a slash`},
		{"members beside a dynamic file", "server.1=a:1:2\ndynamicConfigFile=/x", "line 1: server.1: belongs into the dynamic configuration file"},
		{"all of it together", "tickTime=x\n\nclientPort=y", "line 1: tickTime: \"x\" is not a number\nline 3: clientPort: \"y\" is no port"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, _, err := ParseConfig(strings.NewReader(tt.text))
			if err == nil {
				t.Fatalf("accepted as %+v", cfg)
			}
			if err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	const members = "\ninitLimit=10\nsyncLimit=5\nserver.1=a:1:2\nserver.2=b:1:2\n"
	tests := []struct{ name, text, want string }{
		{"a standalone server", "dataDir=/d\nclientPort=2181", ""},
		{"an ensemble", "dataDir=/d" + members, ""},
		{"an ensemble of one", "dataDir=/d\nstandaloneEnabled=false\ninitLimit=1\nsyncLimit=1\nserver.1=a:1:2", ""},
		{"one server line is a standalone server", "dataDir=/d\nserver.1=a:1:2", ""},
		{"no dataDir", "", "dataDir: is required"},
		{"timeouts that cross", "dataDir=/d\nminSessionTimeout=9000\nmaxSessionTimeout=8000", "minSessionTimeout: 9s is above maxSessionTimeout, 8s"},
		{"a least timeout above the default of the most", "dataDir=/d\ntickTime=100\nminSessionTimeout=9000", "minSessionTimeout: 9s is above maxSessionTimeout, 2s"},
		{"a tick that makes timeouts overflow", "dataDir=/d\ntickTime=2000000000", "maxSessionTimeout: 11111h6m40s is more than the protocol can say"},
		{"one port for two", "dataDir=/d\nclientPort=1\nsecureClientPort=1\nssl.keyStore.location=k.pem\nssl.trustStore.location=t.pem", "secureClientPort: 1 is the clientPort too"},
		{"an address without a port", "dataDir=/d\nclientPortAddress=a\nsecureClientPortAddress=b", "clientPortAddress: is set, clientPort is not\nsecureClientPortAddress: is set, secureClientPort is not"},
		{"TLS without a certificate", "dataDir=/d\nsecureClientPort=2281", "ssl.keyStore.location: is required for a secure client port"},
		{"TLS in a server line without a certificate", "dataDir=/d\nserver.1=a:1:2;;2281", "ssl.keyStore.location: is required for a secure client port"},
		{"certificates asked for and nothing to check them with", "dataDir=/d\nsecureClientPort=2281\nssl.keyStore.location=k.pem", "ssl.trustStore.location: is required where ssl.clientAuth is need"},
		{"TLS between members without stores", "dataDir=/d\ninitLimit=1\nsyncLimit=1\nserver.1=a:1:2\nserver.2=b:1:2\nportUnification=true", "ssl.quorum.keyStore.location: is required where sslQuorum or portUnification is true\nssl.quorum.trustStore.location: is required where sslQuorum or portUnification is true"},
		{"TLS between members where there are none", "dataDir=/d\nsslQuorum=true", ""},
		{"TLS without certificates of clients", "dataDir=/d\nsecureClientPort=2281\nssl.keyStore.location=k.pem\nssl.clientAuth=none", ""},
		{"an ensemble without limits", "dataDir=/d\nserver.1=a:1:2\nserver.2=b:1:2", "initLimit: is required in an ensemble\nsyncLimit: is required in an ensemble"},
		{"one id under two names", "dataDir=/d" + members + "server.01=c:1:2", "server.1: is named twice"},
		{"one address for two", "dataDir=/d" + members + "server.3=A:1:9", "server.3: server.1 has the address a:1 too"},
		{"one client address for two", "dataDir=/d" + members + "server.3=c:1:2;c:9\nserver.4=d:1:2;c:9", "server.4: server.3 has the client address c:9 too"},
		{"client addresses of any host are not the same", "dataDir=/d" + members + "server.3=c:1:2;9\nserver.4=d:1:2;0.0.0.0:9", ""},
		{"observers alone", "dataDir=/d\ninitLimit=1\nsyncLimit=1\nserver.1=a:1:2:observer\nserver.2=b:1:2:observer", "server: no member is a participant"},
		{"an observer of one server", "dataDir=/d\nserver.1=a:1:2\nserver.2=b:1:2:observer", "server: an observer needs an ensemble"},
		{"a lonely observer", "dataDir=/d\npeerType=observer", "server: an observer needs an ensemble"},
		{"nobody at all", "dataDir=/d\nstandaloneEnabled=false", "standaloneEnabled: is false, and there is no server"},
		{"a dynamic file that was not read", "dataDir=/d\ndynamicConfigFile=/x", "dynamicConfigFile: names no server"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, _ := parse(t, tt.text)
			got := ""
			if err := cfg.Validate(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestADynamicFileHoldsTheMembers(t *testing.T) {
	cfg, _ := parse(t, "dataDir=/d\ninitLimit=1\nsyncLimit=1\ndynamicConfigFile=/d/zoo.cfg.dynamic.100000000")
	err := cfg.ReadDynamic(strings.NewReader("server.2=b:1:2:participant;2181\nserver.1=a:1:2:participant;2181\nweight.1=1\nversion=1b00000004\n"))
	if err != nil || cfg.Validate() != nil {
		t.Fatal(err, cfg.Validate())
	}
	if len(cfg.Servers) != 2 || cfg.Servers[0].ID != 1 || cfg.Version != 0x1b00000004 {
		t.Errorf("got %v at version %v", cfg.Servers, cfg.Version)
	}
	err = cfg.ReadDynamic(strings.NewReader("clientPort=2181\nweight.1=2\nversion=x\nserver.9=q"))
	want := "line 1: clientPort: does not belong into a dynamic configuration file\n" +
		"line 2: weight.1: " + weights + "\n" +
		"line 3: version: \"x\" is not a hexadecimal number\n" +
		"line 4: server.9: \"q\" is no host and port"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestMembersAreWrittenAsZooKeeperShowsThem(t *testing.T) {
	// Captured from a voter of Apache ZooKeeper 3.8.0.
	const captured = "server.1=127.0.0.1:21831:21841:participant\n" +
		"server.2=127.0.0.1:21832:21842:participant\n" +
		"server.3=127.0.0.1:21833:21843:participant\n" +
		"server.4=127.0.0.1:21834:21844:observer\n" +
		"version=100000000"
	cfg := DefaultConfig()
	if err := cfg.ReadDynamic(strings.NewReader(captured)); err != nil {
		t.Fatal(err)
	}
	if got := FormatDynamic(cfg.Servers, cfg.Version); got != captured {
		t.Errorf("got\n%s\nwant\n%s", got, captured)
	}
}

func TestResolve(t *testing.T) {
	const members = "server.1=a:1:2;10.0.0.1:2181;10.0.0.1:2281\nserver.2=b:1:2:observer\n"
	tests := []struct {
		name, text string
		id         core.PeerID
		client     Endpoint
		want       string
	}{
		{"the server line gives the client address", members, 1, Endpoint{Host: "10.0.0.1", Port: 2181}, ""},
		{"the file gives it where the line does not", members + "clientPort=2182", 2, Endpoint{Host: "", Port: 2182}, ""},
		{"both say the same", members + "clientPort=2181\nclientPortAddress=10.0.0.1", 1, Endpoint{Host: "10.0.0.1", Port: 2181}, ""},
		{"two ports", members + "clientPort=2182", 1, Endpoint{}, "clientPort: is 2182, the server line says 2181"},
		{"two addresses", members + "clientPort=2181\nclientPortAddress=10.0.0.9", 1, Endpoint{}, "clientPortAddress: is 10.0.0.9, the server line says 10.0.0.1:2181"},
		{"two secure ports", members + "secureClientPort=1", 1, Endpoint{}, "secureClientPort: is 1, the server line says 2281"},
		{"nobody of that id", members, 3, Endpoint{}, "server.3: this server is not among the members"},
		{"two roles", members + "peerType=participant", 2, Endpoint{}, "peerType: is participant, server.2 says observer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, _ := parse(t, tt.text)
			s, err := cfg.Resolve(tt.id)
			if tt.want != "" {
				if err == nil || err.Error() != tt.want {
					t.Errorf("got %v, want %s", err, tt.want)
				}
				return
			}
			if err != nil || s.ID != tt.id || (Endpoint{Host: cfg.ClientPortAddress, Port: cfg.ClientPort}) != tt.client {
				t.Errorf("got %v at %s:%d, %v", s, cfg.ClientPortAddress, cfg.ClientPort, err)
			}
		})
	}
}

func TestTheAdminServerOpensOnlyWhenAskedFor(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "admin.enableServer=true": true, "admin.serverPort=9": true,
		"admin.serverPort=9\nadmin.enableServer=false": false, "admin.serverAddress=1.2.3.4": false,
	} {
		if cfg, _ := parse(t, text); cfg.Admin.Enabled != want {
			t.Errorf("%q: got %v", text, cfg.Admin.Enabled)
		}
	}
}

func TestFourLetterWords(t *testing.T) {
	for text, want := range map[string]string{"*": "[*]", "stat, *": "[*]", "": "[]", " , ruok,": "[ruok]"} {
		if cfg, _ := parse(t, "4lw.commands.whitelist="+text); fmt.Sprint(cfg.FourLetterWords) != want {
			t.Errorf("%q: got %v, want %s", text, cfg.FourLetterWords, want)
		}
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	cfg, _ := parse(t, "DigestAuthenticationProvider.superDigest=super:hashhash\nssl.keyStore.password=hushhush\nssl.trustStore.password=hushhush")
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, *cfg); strings.Contains(text, "hash") || strings.Contains(text, "hush") {
			t.Errorf("%s prints a secret", format)
		}
	}
	if cfg.SuperDigest != "super:hashhash" {
		t.Error("the secret itself is lost")
	}
}
