package settings

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "zensus.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func flags(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	Flags(fs)
	require.NoError(t, fs.Parse(args))
	return fs
}

func TestDefaultsAreASingleServerOnLoopback(t *testing.T) {
	s, err := Load("", flags(t))
	require.NoError(t, err)
	d := Default()
	require.Equal(t, &d, s)
	require.False(t, s.AuthEnabled())
	require.False(t, s.Exposed())
	require.Equal(t, map[string]string{"listen.http": "127.0.0.1:8848", "listen.grpc": "127.0.0.1:9848", "listen.zookeeper": "127.0.0.1:2181"}, s.Opened())
}

func TestEachSourceOverridesThoseBeforeIt(t *testing.T) {
	file := write(t, "listen: {http: '127.0.0.1:1001', zookeeper: 'off'}\nengine: {tick_time: 1s, four_letter_words: [ruok]}\nlog: {level: warn}\nauth: {enabled: true}\n")
	t.Setenv("ZENSUS_LISTEN_HTTP", "127.0.0.1:1002")
	t.Setenv("ZENSUS_ENGINE_SNAPSHOT_TXNS", "500")
	t.Setenv("ZENSUS_LOG_LEVEL", "debug")
	t.Setenv("ZENSUS_ENGINE_FOUR_LETTER_WORDS", "srvr,mntr")
	s, err := Load(file, flags(t, "--log-level=trace"))
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:1002", s.Listen.HTTP, "the environment over the file")
	require.Equal(t, "trace", s.Log.Level, "a flag over the environment")
	require.Equal(t, time.Second, s.Engine.TickTime)
	require.Equal(t, 500, s.Engine.SnapshotTxns)
	require.Equal(t, []string{"srvr", "mntr"}, s.Engine.FourLetterWords)
	require.Equal(t, map[string]string{"listen.http": "127.0.0.1:1002", "listen.grpc": "127.0.0.1:2002"}, s.Opened())
	require.True(t, s.AuthEnabled(), "YAML's true stands for the word")
	require.Equal(t, 50_000, s.Limits.GRPCConnections, "what nobody says keeps its default")
}

func TestEveryKeyCanBeSetInTheEnvironment(t *testing.T) {
	values := map[string]string{
		"members": "1=a:2888", "secret_file": "/s", "engine.backend": "zookeeper://h:1", "auth.enabled": "true", "audit.age_max": "59m", "audit.records_max": "5",
		"peer.tls.mode": "require", "peer.tls.cert_file": "/c", "peer.tls.key_file": "/k", "peer.tls.ca_file": "/a", "peer.tls.client_auth": "want", "peer.tls.verify_hosts": "false",
		"log.level": "warn", "log.format": "text", "data_dir": "/d", "engine.ttl_nodes": "false", "engine.enforce_quota": "true", "engine.read_only_mode": "true", "engine.four_letter_words": "ruok", "engine.frame_bytes_max": "5000000",
	}
	for i, key := range Keys() {
		value, ok := values[key]
		switch {
		case ok:
		case strings.HasPrefix(key, "listen."):
			value = fmt.Sprintf("127.0.0.1:%d", 3000+i)
		case strings.HasSuffix(key, "_time") || strings.HasSuffix(key, "_timeout") || strings.HasSuffix(key, "_ttl"):
			value = "59s"
			if key == "auth.token_ttl" {
				value = "61m"
			}
		case key == "node.id":
			value = "1"
		default:
			value = fmt.Sprint(10_000_000 + i)
		}
		t.Setenv(envName(key), value)
	}
	s, err := Read("", nil) // some of them exclude one another
	require.NoError(t, err)
	d := Default()
	var before, after []string
	require.NoError(t, eachKey("", reflectOf(d), func(key string, v any) { before = append(before, fmt.Sprint(key, "=", v)) }))
	require.NoError(t, eachKey("", reflectOf(*s), func(key string, v any) { after = append(after, fmt.Sprint(key, "=", v)) }))
	for i := range before {
		if before[i] != "node.id=1" {
			require.NotEqual(t, before[i], after[i], "the variable was not seen")
		}
	}
}

func TestTypingMistakesAreErrors(t *testing.T) {
	for what, text := range map[string]string{
		"an unknown key":          "data_dirr: x\n",
		"an unknown key below":    "listen: {htp: 'x'}\n",
		"a duration without unit": "engine: {tick_time: 2000}\n",
		"no YAML":                 "listen: [\n",
		"a word for a number":     "node: {id: one}\n",
	} {
		_, err := Load(write(t, text), nil)
		require.Error(t, err, what)
	}
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"), nil)
	require.Error(t, err, "a file that is named must be there")
	for _, name := range []string{"ZENSUS_LISTEN_HTPP", "ZENSUS_CONFIGS_VALIDAT", "ZENSUS_AUTH", "ZENSUS_HTTP", "ZENSUS_INSECURE"} {
		t.Setenv(name, "x")
		_, err = Load("", nil)
		require.ErrorContains(t, err, name+": there is no such setting")
	}
}

func TestMistakesAreToldInTheWordsOfTheFile(t *testing.T) {
	_, err := Load(write(t, "listen: {zookeper: 'x'}\ndata_dirr: y\n"), nil)
	require.EqualError(t, err, "data_dirr: unknown key\nlisten.zookeper: unknown key")
	_, err = Load(write(t, "node: {id: one}\nlog: {level: loud, form: x}\n"), nil)
	require.ErrorContains(t, err, "log.form: unknown key\nnode.id: ", "mistakes of one kind do not hide those of another")
	require.ErrorContains(t, err, "\nlog.level: ")
	require.NotContains(t, err.Error(), "is not from 1 to 254", "what cannot be read is not wrong in its value too")
	require.NotContains(t, err.Error(), "decoding failed")
	_, err = Load(write(t, "engine: {tick_time: 2000}\n"), nil)
	require.ErrorContains(t, err, "2000 has no unit, as in 2s")
	_, err = Load(filepath.Join(t.TempDir(), "none.yaml"), nil)
	require.EqualError(t, err, "no such file or directory", "the caller names the file")
}

func TestFlagsThatContradictOneAnotherAreRefused(t *testing.T) {
	_, err := Load("", flags(t, "--auth", "--insecure"))
	require.EqualError(t, err, "--auth and --insecure exclude each other")
}

func TestWhatWasGivenIsKnown(t *testing.T) {
	require.Empty(t, Given(flags(t)))
	require.ElementsMatch(t, []string{"--http", "--insecure"}, Given(flags(t, "--http=:1", "--insecure")))
	t.Setenv("ZENSUS_LISTEN_HTTP", ":1")
	require.Equal(t, []string{"ZENSUS_LISTEN_HTTP"}, GivenInEnvironment())
}

func TestWhatFollowsFromOtherSettingsIsTold(t *testing.T) {
	s := Default()
	require.Equal(t, []string{
		`secret_file: "zensus-data/secret"`, `listen.grpc: "127.0.0.1:9848"`, "auth.enabled: false",
		"engine.min_session_timeout: 4s", "engine.max_session_timeout: 40s",
	}, s.Resolved())
	s.Listen.GRPC, s.SecretFile, s.Auth.Enabled = "127.0.0.1:1", "s", AuthOn
	s.Engine.MinSessionTimeout, s.Engine.MaxSessionTimeout = time.Second, time.Minute
	require.Empty(t, s.Resolved(), "what is said is not told again")
}

func TestAllProblemsAreNamedTogether(t *testing.T) {
	_, err := Load(write(t, `
data_dir: ""
listen: {http: nonsense, zookeeper: "127.0.0.1:99999"}
node: {id: 300, address: "a:8848"}
members: ["1=a:2888", "1=b:2888", "2=c", "x", "3=d:2888;king"]
peer: {tls: {mode: on, client_auth: maybe}}
auth: {enabled: maybe, token_ttl: 1s}
engine: {backend: "mysql://", tick_time: 1ms, min_session_timeout: 1h, snapshots_retained: 1, four_letter_words: [hello]}
limits: {grpc_connections: 0}
log: {level: loud, format: xml}
`), nil)
	require.Error(t, err)
	for _, key := range []string{
		"data_dir:", "listen.http:", "listen.zookeeper:", "node.id:", "node.address:", `members: "1=b:2888"`, `members: "2=c"`, `members: "x"`, `members: "3=d:2888;king"`,
		"peer.tls.mode:", "peer.tls.cert_file: is blank", "peer.tls.ca_file: is blank", "peer.tls.client_auth:", "auth.enabled:", "auth.token_ttl:", "engine.backend:", "engine.tick_time: 1ms", "engine.min_session_timeout:", "engine.snapshots_retained:", "engine.four_letter_words:",
		"limits.grpc_connections:", "log.level:", "log.format:",
	} {
		require.ErrorContains(t, err, key)
	}
}

func TestAuthenticationTurnsItselfOn(t *testing.T) {
	for _, c := range []struct {
		what    string
		args    []string
		enabled bool
		exposed bool
	}{
		{"all on loopback", nil, false, false},
		{"IPv6 loopback and a name", []string{"--http=[::1]:8848", "--zookeeper=localhost:2181"}, false, false},
		{"one port for everybody", []string{"--http=0.0.0.0:8848"}, true, false},
		{"no host is everybody", []string{"--zookeeper=:2181"}, true, false},
		{"a host name may be anything", []string{"--grpc=myhost:9848"}, true, false},
		{"a closed port does not count", []string{"--http=off", "--zookeeper=127.0.0.1:2181"}, false, false},
		{"asked for", []string{"--auth"}, true, false},
		{"kept off", []string{"--http=0.0.0.0:8848", "--insecure"}, false, true},
	} {
		s, err := Load("", flags(t, c.args...))
		require.NoError(t, err, c.what)
		require.Equal(t, c.enabled, s.AuthEnabled(), c.what)
		require.Equal(t, c.exposed, s.Exposed(), c.what)
	}
}

func TestPorts(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string // "" is closed, "error" wrong
	}{
		{nil, "127.0.0.1:9848"},
		{[]string{"--http=0.0.0.0:80"}, "0.0.0.0:1080"},
		{[]string{"--http=127.0.0.1:0"}, "127.0.0.1:0"},
		{[]string{"--http=off"}, ""},
		{[]string{"--grpc=off"}, ""},
		{[]string{"--http=off", "--grpc=127.0.0.1:7"}, "127.0.0.1:7"},
		{[]string{"--http=127.0.0.1:65000"}, "error"},
		{[]string{"--grpc=127.0.0.1:8848"}, "error"}, // that of listen.http
	} {
		s, err := Load("", flags(t, c.args...))
		if c.want == "error" {
			require.ErrorContains(t, err, "listen.grpc:", c.args)
			continue
		}
		require.NoError(t, err, c.args)
		got, err := s.GRPCAddress()
		require.NoError(t, err)
		require.Equal(t, c.want, got, c.args)
	}
}

func TestMembers(t *testing.T) {
	s, err := Load(write(t, "members: ['2=b:2888', '1=a:2888', '3=c:2888;observer']\nnode: {id: 2}\nsecret_file: /s\n"), nil)
	require.NoError(t, err)
	members, err := s.ParseMembers()
	require.NoError(t, err)
	require.Equal(t, []Member{{1, "a:2888", false}, {2, "b:2888", false}, {3, "c:2888", true}}, members)
	require.Contains(t, s.Opened(), "listen.peer")
	_, err = Load(write(t, "members: ['2=b:2888']\n"), nil)
	require.ErrorContains(t, err, "node.id: 1 is none of the members")
	require.ErrorContains(t, err, "secret_file: is blank")
}

func TestNodeOnAnEnsembleOfOthersHasNoPortsOfAnEngine(t *testing.T) {
	s, err := Load(write(t, "engine: {backend: 'zookeeper://a:2181,[::1]:2182'}\n"), nil)
	require.NoError(t, err)
	require.Equal(t, []string{"a:2181", "[::1]:2182"}, s.Engine.Servers())
	require.Equal(t, map[string]string{"listen.http": "127.0.0.1:8848", "listen.grpc": "127.0.0.1:9848"}, s.Opened())
	require.Contains(t, s.Resolved(), `listen.zookeeper: "off"`)
	_, err = Load(write(t, "engine: {backend: 'zookeeper://a'}\nmembers: ['1=a:2888']\nsecret_file: /s\nlisten: {zookeeper: ':1', peer: ':2'}\n"), nil)
	for _, want := range []string{`engine.backend: "a" is no server's address`, "members: there is no engine", "listen.zookeeper: there is no engine", "listen.peer: there is no engine"} {
		require.ErrorContains(t, err, want)
	}
	s, err = Load(write(t, "engine: {backend: 'zookeeper://a:1,b:2/apps/zensus'}\n"), nil)
	require.NoError(t, err)
	require.Equal(t, []string{"a:1", "b:2"}, s.Engine.Servers())
	require.Equal(t, "/apps/zensus", s.Engine.Chroot())
	for _, bad := range []string{"zookeeper://", "zookeeper://a:1/", "zookeeper://a:1/x/", "zookeeper://a:1,/x"} {
		_, err = Load(write(t, "engine: {backend: '"+bad+"'}\n"), nil)
		require.ErrorContains(t, err, "engine.backend:", bad)
	}
}

func TestWhatIsPrintedCanBeReadBack(t *testing.T) {
	s, err := Load(write(t, "members: ['1=a:2888']\nsecret_file: \"/s \\\"x\\\"\"\nengine: {tick_time: 1500ms}\n"), nil)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, s.Print(&b))
	again, err := Load(write(t, b.String()), nil)
	require.NoError(t, err, b.String())
	require.Equal(t, s, again)
}

func TestSecretIsMadeOnceAndKept(t *testing.T) {
	s := Default()
	s.DataDir = filepath.Join(t.TempDir(), "data")
	var wg sync.WaitGroup
	keys := make([][]byte, 8)
	for i := range keys {
		wg.Go(func() {
			secret, err := s.LoadSecret()
			if err == nil {
				keys[i], err = secret.Derive(PurposeTokens)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, key := range keys {
		require.Equal(t, keys[0], key, "two starts at once agree")
	}
	file := filepath.Join(s.DataDir, "secret")
	st, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), st.Mode().Perm())
	entries, err := os.ReadDir(s.DataDir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left lying about")

	secret, err := s.LoadSecret()
	require.NoError(t, err)
	sessions, err := secret.Derive(PurposeSessions)
	require.NoError(t, err)
	require.Len(t, sessions, 32)
	require.NotEqual(t, keys[0], sessions)
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	asJSON, err := json.Marshal(map[string]any{"s": secret})
	require.NoError(t, err)
	for _, shown := range []string{fmt.Sprint(secret), fmt.Sprintf("%v %+v %#v %s %q", secret, secret, secret, secret, secret), string(asJSON)} {
		require.Contains(t, shown, "[redacted]")
		require.NotContains(t, shown, string(raw))
	}
}

// It said listen.grpc, which follows from it and which nobody had named.
func TestAnAddressThatIsNoneIsToldOnceAndWhereItWasSaid(t *testing.T) {
	_, err := Load("", flags(t, "--http=foo"))
	require.EqualError(t, err, `listen.http: "foo" is no address of the form host:port`)
	_, err = Load("", flags(t, "--grpc=foo"))
	require.EqualError(t, err, `listen.grpc: "foo" is no address of the form host:port`)
	_, err = Load("", flags(t, "--http=127.0.0.1:65000"))
	require.EqualError(t, err, "listen.grpc: the port of listen.http plus 1000 is no port; name one")
	require.Equal(t, "--http", FlagOf("listen.http"))
	require.Empty(t, FlagOf("node.id"))
}

func TestAShorterListReplacesTheDefault(t *testing.T) {
	s, err := Load(write(t, "engine: {four_letter_words: [ruok]}\n"), nil)
	require.NoError(t, err)
	require.Equal(t, []string{"ruok"}, s.Engine.FourLetterWords)
}

func TestADataDirectoryThatCannotBeMadeIsCalledThat(t *testing.T) {
	s := Default()
	s.DataDir = "/proc/nowhere"
	_, err := s.LoadSecret()
	require.ErrorContains(t, err, "data_dir: mkdir")
}

func TestCheckingTheSecretMakesNone(t *testing.T) {
	s := Default()
	s.DataDir = filepath.Join(t.TempDir(), "data")
	require.NoError(t, s.CheckSecret())
	require.NoDirExists(t, s.DataDir)
	s.SecretFile = s.DataDir
	require.ErrorContains(t, s.CheckSecret(), "secret_file:")
	require.NoError(t, os.WriteFile(s.SecretFile, make([]byte, 32), 0o644))
	require.ErrorContains(t, s.CheckSecret(), "can be read by everybody")
}

func TestSecretsThatAreNone(t *testing.T) {
	dir := t.TempDir()
	s := Default()
	for what, make := range map[string]func(file string) error{
		"not there":            func(string) error { return nil },
		"too short":            func(file string) error { return os.WriteFile(file, make([]byte, 31), 0o600) },
		"too long to be one":   func(file string) error { return os.WriteFile(file, make([]byte, 5000), 0o600) },
		"for everybody to see": func(file string) error { return os.WriteFile(file, make([]byte, 32), 0o644) },
	} {
		s.SecretFile = filepath.Join(dir, strings.ReplaceAll(what, " ", "-"))
		require.NoError(t, make(s.SecretFile))
		_, err := s.LoadSecret()
		require.ErrorContains(t, err, "secret_file:", what)
	}
	_, err := Secret{}.Derive(PurposeNodes)
	require.Error(t, err)
}
