package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
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
server.*: an ensemble of 2 is not in this release, which runs a single server: leave the line of this server alone, or none
line 4: ssl.keyStore.location: "x.jks" is no .pem file: only PEM can be read`)
	require.Contains(t, notes, "line 2: forceSync: ignored", "a refused file still has its warnings")

	_, _, err = serveCheck(t, "zensus.yaml", "members: ['1=a', '2=b']\nengine: {tick_time: 1ms}\n")
	require.EqualError(t, err, "zensus.yaml: members: an ensemble of 2 is not in this release, which runs a single server")
	_, _, err = serveCheck(t, "zensus.yaml", "engine: {backend: 'zookeeper://'}\n")
	require.ErrorContains(t, err, "not in this release")
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
	require.EqualError(t, err, "zoo.cfg: server.*: an ensemble of 1 is not in this release, which runs a single server: leave standaloneEnabled at true, and this server a participant")

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

func TestCheckTellsWhatFollowsFromTheSettings(t *testing.T) {
	out, _, err := serveCheck(t, "zensus.yaml", "listen: {http: '127.0.0.1:18848'}\n")
	require.NoError(t, err)
	require.Contains(t, out, "# resolved: listen.grpc: \"127.0.0.1:19848\"\n# resolved: auth.enabled: false\n")
}
