package interop

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

var rewrite = flag.Bool("rewrite", false, "record what the clients printed as what they are to print")

// changing are the parts of the command line's output that differ by time.
var changing = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`(?m)^([cmp]Zxid) = 0x[0-9a-f]+$`), "$1 = ZXID"},
	{regexp.MustCompile(`(?m)^([cm]time) = .*$`), "$1 = TIME"},
}

// notes are lines of libraries, and empty ones.
var notes = regexp.MustCompile(`(?m)^(SLF4J: .*|Connecting to .*|)\n`)

// events are printed by another thread: line by line, between any others.
var events = regexp.MustCompile(`(?m)^(?:WATCHER::|WatchedEvent (.*))\n`)

// members are the lines of the command config.
var members = regexp.MustCompile(`(?m)^(server\.\d+=.*|version=0)\n`)

func TestZKCliPrintsWhatApacheZooKeeperMakesItPrint(t *testing.T) {
	t.Parallel()
	const command = "/usr/share/zookeeper/bin/zkCli.sh"
	if _, err := os.Stat(command); err != nil {
		missing(t, "Debian's package zookeeper is not installed")
	}
	commands, err := os.ReadFile(filepath.Join("testdata", "zkcli.in"))
	require.NoError(t, err)
	s := testkit.Start(t, testkit.Options{})
	p := startProgram(t, time.Minute, command, "-server", s.ZooKeeper)
	p.say(strings.TrimRight(string(commands), "\n"))
	p.end()

	got := p.out.text()
	var seen []string
	for _, e := range events.FindAllStringSubmatch(got+"\n", -1) {
		if e[1] != "" {
			seen = append(seen, e[1])
		}
	}
	require.Equal(t, []string{
		"state:SyncConnected type:None path:null",
		"state:SyncConnected type:NodeDataChanged path:/cli/box",
		"state:SyncConnected type:PersistentWatchRemoved path:/cli",
		"state:Closed type:None path:null",
	}, seen)
	got = events.ReplaceAllString(got+"\n", "")
	for _, c := range changing {
		got = c.pattern.ReplaceAllString(got, c.instead)
	}
	if testkit.RoleAsked() != "standalone" {
		got = members.ReplaceAllString(got, "") // which a single server has none of
	}
	got = strings.TrimSpace(notes.ReplaceAllString(got, "")) + "\n"
	golden := filepath.Join("testdata", "zkcli.out")
	if *rewrite {
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}
