package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

// serveCheck runs `serve --check` in a folder with one file.
func serveCheck(t *testing.T, name, text string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	cmd := serveCommand()
	var out, notes bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&notes)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(append([]string{"--check", "-c", name}, args...))
	err = cmd.ExecuteContext(t.Context())
	return out.String(), notes.String(), err
}

func TestWhatThisReleaseDoesNotDoIsSaidBeforeItsDetails(t *testing.T) {
	_, notes, err := serveCheck(t, "zoo.cfg", "dataDir=d\nforceSync=no\nsecureClientPort=1\nssl.keyStore.location=x.jks\nserver.1=a:1:2\nserver.2=b:1:2\n")
	require.EqualError(t, err, `zoo.cfg:
secureClientPort: not in this release, which speaks no TLS on the client port
line 4: ssl.keyStore.location: "x.jks" is no .pem file: only PEM can be read`)
	require.NotContains(t, err.Error(), "initLimit", "the details of what is not done do not matter")
	require.Contains(t, notes, "line 2: forceSync: ignored", "a refused file still has its warnings")
}

// The check let pass what the start refuses.
func TestACheckRefusesAServerWithoutAPort(t *testing.T) {
	_, _, err := serveCheck(t, "zensus.yaml", "listen: {http: \"off\", zookeeper: \"off\"}\n")
	require.EqualError(t, err, "zensus.yaml: no port to listen on")
	_, _, err = serveCheck(t, "zoo.cfg", "dataDir=d\n")
	require.EqualError(t, err, "zoo.cfg: no port to listen on")
	_, _, err = serveCheck(t, "zensus.yaml", "listen: {http: \"off\", grpc: 127.0.0.1:9848, zookeeper: \"off\"}\n")
	require.NoError(t, err)
}

// Settings under another name were told that they lack a dataDir, which is no setting.
func TestSettingsUnderTheNameOfSomethingElseAreToldSo(t *testing.T) {
	const file = "listen:\n  http: 127.0.0.1:8848\n"
	_, _, err := serveCheck(t, "zensus.conf", file)
	require.EqualError(t, err, "zensus.conf: dataDir: is required\nzensus.conf was read as a zoo.cfg: the name of a zensus.yaml ends with .yaml or .yml")
	_, _, err = serveCheck(t, "zensus.YAML", file)
	require.NoError(t, err)
	_, _, err = serveCheck(t, "zoo.cfg", "clientPort=2181\n")
	require.EqualError(t, err, "zoo.cfg: dataDir: is required")
}

func TestFlagsBesideAZooCfgAreRefused(t *testing.T) {
	const file = "dataDir=d\nclientPort=2181\n"
	_, _, err := serveCheck(t, "zoo.cfg", file, "--http", ":1", "--insecure")
	require.ErrorContains(t, err, "zoo.cfg: --http, --insecure: not beside a zoo.cfg")
	t.Setenv("ZENSUS_LISTEN_HTTP", ":1")
	out, _, err := serveCheck(t, "zoo.cfg", file)
	require.NoError(t, err)
	require.Contains(t, out, "# warning: ZENSUS_LISTEN_HTTP: ignored beside a zoo.cfg\n")
	require.Contains(t, out, "\nengine.tick_time: 3s\n")
}

// ZooKeeper runs such a file standalone, and asks for no myid.
func TestASingleServerLineNeedsNoMyID(t *testing.T) {
	file := func(dir, more string) string {
		return "dataDir=" + dir + "\nclientPort=2181\nserver.7=localhost:2888:3888\n" + more
	}
	out, _, err := serveCheck(t, "zoo.cfg", file("not-there-yet", ""))
	require.NoError(t, err)
	require.Contains(t, out, "\nnode.id: 7\n")
	_, _, err = serveCheck(t, "zoo.cfg", file("d", "standaloneEnabled=false\ninitLimit=1\nsyncLimit=1\n"))
	require.EqualError(t, err, "zoo.cfg: server.*: d/myid is missing: it holds the id of this server")

	dir := t.TempDir()
	myid := filepath.Join(dir, "myid")
	for text, want := range map[string]string{
		"7\n": "",
		"2\n": "zoo.cfg: server.7: is the only server, but " + myid + " says 2: correct the one or the other",
		"x\n": "zoo.cfg: " + myid + `: "x" is not a number from 1 to 254`,
	} {
		require.NoError(t, os.WriteFile(myid, []byte(text), 0o600))
		_, _, err := serveCheck(t, "zoo.cfg", file(dir, ""))
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.EqualError(t, err, want)
	}
}

func TestDatadirAutocreateIsHeldTo(t *testing.T) {
	const file = "dataDir=nowhere\nclientPort=2181\ndatadir.autocreate=false\n"
	_, _, err := serveCheck(t, "zoo.cfg", file)
	require.ErrorContains(t, err, "datadir.autocreate is false")
	dir, err := filepath.Abs(t.TempDir())
	require.NoError(t, err)
	_, _, err = serveCheck(t, "zoo.cfg", "dataDir="+dir+"\nclientPort=2181\ndatadir.autocreate=false\n")
	require.NoError(t, err)
}

// The missing dataDir was told only when nothing else was wrong.
func TestEverythingThatIsWrongWithAZooCfgIsToldAtOnce(t *testing.T) {
	_, _, err := serveCheck(t, "zoo.cfg", "clientPort=x\nclientPortAddress=127.0.0.1\ntickTime=y\nzensus.b=1\nzensus.a=1\nzensus.log.level=loud\nzensus.listen.http=foo\nserver.1=a:1:2\nserver.2=b:1:2\n")
	require.EqualError(t, err, `zoo.cfg:
line 1: clientPort: "x" is no port
line 3: tickTime: "y" is not a number
dataDir: is required
initLimit: is required in an ensemble
syncLimit: is required in an ensemble
zensus.a: unknown key
zensus.b: unknown key
zensus.secret_file: is blank: members that open zensus.listen.http or zensus.listen.grpc must share one
zensus.listen.http: "foo" is no address of the form host:port
zensus.log.level: "loud" is none of trace, debug, info, warn, error, off`)

	_, _, err = serveCheck(t, "zoo.cfg", "dynamicConfigFile=nowhere\nclientPort=2181\n")
	require.EqualError(t, err, `zoo.cfg:
dynamicConfigFile: open nowhere: no such file or directory
dataDir: is required`)
}

func TestCheckRefusesWhatTheStartRefusesAtAGlance(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "version-2"), 0o700))
	_, _, err := serveCheck(t, "zoo.cfg", "dataDir="+dir+"\nclientPort=2181\ntickTime=y\nzensus.secret_file=nowhere\n")
	require.EqualError(t, err, `zoo.cfg:
line 3: tickTime: "y" is not a number
dataDir: storage: `+dir+`: holds data of Apache ZooKeeper (version-2); this release does not read it: name an empty directory
zensus.secret_file: open nowhere: no such file or directory`)
	_, _, err = serveCheck(t, "zensus.yaml", "data_dir: "+dir+"\nlog: {level: loud}\n")
	require.ErrorContains(t, err, "log.level: ")
	require.ErrorContains(t, err, "data_dir: storage: "+dir+": holds data of Apache ZooKeeper")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1, "nothing was created")
}

func TestAllPortsThatAreInUseAreToldWithWhatMovesThem(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	addr := taken.Addr().String()
	p := &plan{http: addr, zookeeper: addr}
	_, err = (&instance{plan: p}).listen()
	require.EqualError(t, err, "listen.http: listen tcp "+addr+": bind: address already in use (--http names another)\n"+
		"listen.zookeeper: listen tcp "+addr+": bind: address already in use (--zookeeper names another)")
	p = &plan{zookeeper: addr, admin: "127.0.0.1:0", names: zooNames}
	_, err = (&instance{plan: p}).listen()
	require.EqualError(t, err, "clientPort: listen tcp "+addr+": bind: address already in use (the file names another)")
}

func TestCheckTellsWhatFollowsFromTheSettings(t *testing.T) {
	out, _, err := serveCheck(t, "zensus.yaml", "listen: {http: '127.0.0.1:18848'}\n")
	require.NoError(t, err)
	require.Contains(t, out, "# resolved: listen.grpc: \"127.0.0.1:19848\"\n# resolved: auth.enabled: false\n")
}

func TestNodeOnAnApacheZooKeeperHasNoEngineOfItsOwn(t *testing.T) {
	const backend = "engine: {backend: 'zookeeper://a:2181,b:2181/apps'}\n"
	out, _, err := serveCheck(t, "zensus.yaml", backend)
	require.NoError(t, err)
	require.Contains(t, out, "# resolved: listen.zookeeper: \"off\"\n")
	require.NotContains(t, out, "# resolved: engine.")
	_, _, err = serveCheck(t, "zensus.yaml", backend+"members: ['1=a:2888']\nsecret_file: /s\n")
	require.ErrorContains(t, err, "members: there is no engine of this node's own beside engine.backend")

	// What an engine has left in the directory is not overlooked.
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "meta"), nil, 0o600))
	p, _, err := readPlan("zensus.yaml", func() *cobra.Command {
		require.NoError(t, os.WriteFile("zensus.yaml", []byte(backend+"data_dir: "+dir+"\n"), 0o600))
		return serveCommand()
	}())
	require.NoError(t, err)
	require.Equal(t, []string{"a:2181", "b:2181"}, p.backend)
	require.Equal(t, "/apps", p.chroot)
	require.Empty(t, p.zookeeper)
	require.Len(t, p.warnings, 1)
	require.Contains(t, p.warnings[0], "data_dir: what an engine has stored there is not used")
}

// Nothing was said of the others, of the links, or of what the data directory says.
func TestCheckTellsWhoTheMembersAre(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "myid"), []byte("2\n"), 0o600))
	text := "dataDir=" + dir + "\nclientPort=2181\ninitLimit=10\nsyncLimit=5\nserver.1=a:2881:3881\nserver.2=b:2882:3882|b2:2882:3882\nserver.3=c:2883:3883:observer\n"
	out, _, err := serveCheck(t, "zoo.cfg", text)
	require.NoError(t, err)
	require.Contains(t, out, `
data directory: new, it waits for all voters, or for who has data
members.1: a:2881, participant
members.2: b:2882 or b2:2882, participant, this server
members.3: c:2883, observer
quorum: 2 of 2 voters
listen.peer: :2882, elections too
links between members: plain text
initLimit: 10 ticks, 30s
syncLimit: 5 ticks, 15s
`)

	// The first of an ensemble that is to be, and one that was claimed.
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, make([]byte, 32), 0o600))
	first := "data_dir: " + dir + "\nnode: {id: 2}\nmembers: ['2=b:2888']\nsecret_file: " + secret + "\n"
	out, _, err = serveCheck(t, "zensus.yaml", first)
	require.NoError(t, err)
	require.Contains(t, out, "\n# resolved: data directory: new, it begins alone, unless one of an ensemble claims it within 2s\n")
	require.NoError(t, os.WriteFile(filepath.Join(dir, claimFile), []byte("server 1 has it for one of its own\n"), 0o600))
	_, _, err = serveCheck(t, "zensus.yaml", first)
	require.ErrorContains(t, err, "this server seems to have lost its disk: server 1 has it for one of its own.")
	require.NoError(t, os.Remove(filepath.Join(dir, claimFile)))

	// A directory on which a server has run.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "meta"), nil, 0o600))
	note := func(text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, membersFile), []byte(text), 0o600))
	}
	note("self=1\nvoters=1,2\n")
	_, _, err = serveCheck(t, "zoo.cfg", text)
	require.ErrorContains(t, err, "this data directory is of server 1, and the configuration says that this is server 2")

	authority := testkit.NewAuthority(t, "ours")
	cert, key := authority.Issue(time.Now().Add(time.Hour), "b")
	pem := filepath.Join(t.TempDir(), "pem")
	testkit.WriteFile(t, pem, cert, key, authority.PEM())
	note("self=2\nvoters=1,2,5\nversion=100000007\n")
	out, _, err = serveCheck(t, "zensus.yaml", "data_dir: "+dir+"\nnode: {id: 2}\nmembers: ['1=a:2888', '2=b:2888']\nsecret_file: "+secret+
		"\npeer: {tls: {mode: require, cert_file: "+pem+", ca_file: "+pem+", verify_hosts: false}}\n")
	require.NoError(t, err)
	for _, line := range []string{
		"data directory: of server 2, voters [1 2 5]; its members, of version 100000007, hold and not those below",
		"members.2: b:2888, participant, this server",
		"quorum: 2 of 3 voters",
		"links between members: TLS; who dials must show a certificate; not every certificate is compared with the member's host",
		"initLimit: 10 ticks, 20s",
	} {
		require.Contains(t, out, "\n# resolved: "+line+"\n")
	}
}

// It said that all was well with directories that no start goes on with.
func TestCheckRefusesTheDirectoriesThatTheStartRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(file, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
	}
	check := func(members string) (string, error) {
		secret := filepath.Join(t.TempDir(), "secret")
		require.NoError(t, os.WriteFile(secret, make([]byte, 32), 0o600))
		out, _, err := serveCheck(t, "zensus.yaml", "data_dir: "+dir+"\nmembers: ["+members+"]\nsecret_file: "+secret+"\n")
		return out, err
	}
	out, err := check("'1=a:2888'")
	require.NoError(t, err)
	require.Contains(t, out, "# resolved: data directory: new, it begins alone, unless one of an ensemble claims it within 2s\n")

	write("meta", "")
	write(membersFile, "self=1\nvoters=1,2\nversion=100000007\n")
	_, err = check("")
	require.ErrorContains(t, err, dir+": it is of a member of an ensemble, and the configuration is that of a single server")
	_, _, err = serveCheck(t, "zoo.cfg", "dataDir="+dir+"\nclientPort=2181\nserver.1=a:2888:3888\n")
	require.ErrorContains(t, err, "standaloneEnabled=false")
	_, err = check("'1=a:2888'")
	require.NoError(t, err)

	write(membersFile, "self=1\nvoters=1,2,3\n")
	_, err = check("")
	require.ErrorContains(t, err, "the voters were [1 2 3] and would be [1]")
	write(membersFile, "self=1\nvoters=1\n")
	_, err = check("")
	require.NoError(t, err)
	_, err = check("'1=a:2888', '2=b:2888', '3=c:2888'")
	require.ErrorContains(t, err, "a single server does not become one of [1 2 3] by a restart")

	write(claimFile, "server 2, a member of [] since then, has server 1 for one of them\n")
	_, err = check("'1=a:2888'")
	require.ErrorContains(t, err, "this server seems to have lost its disk: server 2, a member of")
}
