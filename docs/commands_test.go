//go:build unix

package docs_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

// block is the commands of one fenced block: "console" and how it is held to.
//
//	run       the commands run, and print what the document shows, but for numbers
//	run=slow  likewise, if ZENSUS_DOCS_SLOW is set
//	by=NAME   something else runs them: NAME says what
type block struct {
	line  int
	mode  string
	steps []step
}

type step struct {
	command string
	shown   []string // what the document says it prints
}

var fence = regexp.MustCompile("(?m)^```console(.*)$")

func blocks(t *testing.T, file string) []block {
	t.Helper()
	var out []block
	text := read(t, file)
	for _, at := range fence.FindAllStringSubmatchIndex(text, -1) {
		b := block{line: strings.Count(text[:at[0]], "\n") + 1, mode: strings.TrimSpace(text[at[2]:at[3]])}
		body, _, closed := strings.Cut(text[at[1]+1:], "\n```")
		require.True(t, closed, "%s:%d: the block does not end", file, b.line)
		for line := range strings.SplitSeq(body, "\n") {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				b.steps = append(b.steps, step{command: command})
				continue
			}
			require.NotEmpty(t, b.steps, "%s:%d: no command", file, b.line)
			last := &b.steps[len(b.steps)-1]
			if strings.HasSuffix(last.command, "\\") && len(last.shown) == 0 {
				last.command += "\n" + line
				continue
			}
			last.shown = append(last.shown, line)
		}
		out = append(out, b)
	}
	return out
}

func TestEveryBlockOfCommandsSaysWhoRunsIt(t *testing.T) {
	runners := map[string]bool{"run": true, "run=slow": true, "by=make": true, "by=machine": true, "by=go": true}
	n := 0
	for _, file := range documents(t) {
		for _, b := range blocks(t, file) {
			n++
			if !runners[b.mode] {
				t.Errorf("%s:%d: nobody runs these commands: %q", file, b.line, b.mode)
			}
		}
		for _, other := range []string{"```sh", "```bash", "```shell"} {
			if strings.Contains(read(t, file), other) {
				t.Errorf("%s: %s: commands stand in blocks of console", file, other)
			}
		}
	}
	require.Greater(t, n, 5)
}

// TestMakefileHasTheTargetsThatAreNamed stands in for running make within make.
func TestMakefileHasTheTargetsThatAreNamed(t *testing.T) {
	makefile := read(t, filepath.Join(root, "Makefile"))
	for _, file := range documents(t) {
		for _, b := range blocks(t, file) {
			for _, s := range b.steps {
				target, ok := strings.CutPrefix(s.command, "make ")
				if !ok {
					require.NotEqual(t, "by=make", b.mode, "%s:%d: %s", file, b.line, s.command)
					continue
				}
				require.Contains(t, makefile, "\n"+strings.Fields(target)[0]+": ", "%s:%d", file, b.line)
			}
		}
	}
}

func TestCommandsDoWhatTheDocumentsSay(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and runs the binary")
	}
	slow := os.Getenv("ZENSUS_DOCS_SLOW") != ""
	for _, file := range documents(t) {
		var run []block
		for _, b := range blocks(t, file) {
			if b.mode == "run" || b.mode == "run=slow" && slow {
				run = append(run, b)
			}
		}
		if len(run) == 0 {
			continue
		}
		name, err := filepath.Rel(root, file)
		require.NoError(t, err)
		t.Run(name, func(t *testing.T) {
			w := newWalk(t)
			for _, b := range run {
				for _, s := range b.steps {
					w.step(t, fmt.Sprintf("%s:%d", name, b.line), s)
				}
			}
		})
	}
}

// walk is a reader who goes through a document and types what it says, in a
// folder of his own. The usual ports are not his: others stand in their place.
type walk struct {
	dir    string
	env    []string
	ports  *strings.Replacer
	http   string
	zk     string
	server *exec.Cmd
}

func newWalk(t *testing.T) *walk {
	t.Helper()
	w := &walk{dir: t.TempDir()}
	bin := filepath.Join(w.dir, ".bin")
	require.NoError(t, os.Mkdir(bin, 0o755))
	binary, err := filepath.Abs(testkit.Binary(t))
	require.NoError(t, err)
	repository, err := filepath.Abs(root)
	require.NoError(t, err)
	require.NoError(t, os.Symlink(filepath.Join(repository, "deploy"), filepath.Join(w.dir, "deploy")))
	http, zk := testkit.FreePort(t, 1000), testkit.FreePort(t) // gRPC is 1000 above HTTP
	w.http, w.zk = fmt.Sprintf("127.0.0.1:%d", http), fmt.Sprintf("127.0.0.1:%d", zk)
	// What clients take for granted is a port that the walk does not have.
	wrapper := "#!/bin/sh\ncmd=$1; shift\ncase $cmd in\n" +
		"zk) exec " + binary + " zk --server " + w.zk + " \"$@\";;\n" +
		"user) exec " + binary + " user --server http://" + w.http + " \"$@\";;\n" +
		"*) exec " + binary + " $cmd \"$@\";;\nesac\n"
	require.NoError(t, os.WriteFile(filepath.Join(bin, "zensus"), []byte(wrapper), 0o755))
	w.ports = strings.NewReplacer(
		"go run ./cmd/zensus", "zensus", "127.0.0.1:8848", w.http, "127.0.0.1:2181", w.zk,
		"127.0.0.1/2181", "127.0.0.1/"+strings.TrimPrefix(w.zk, "127.0.0.1:"), "clientPort=2181", fmt.Sprintf("clientPort=%d", zk))
	w.env = append(os.Environ(), "HOME="+w.dir, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"),
		"ZENSUS_LISTEN_HTTP="+w.http, "ZENSUS_LISTEN_ZOOKEEPER="+w.zk)
	t.Cleanup(func() { w.stop(t) })
	return w
}

const stepTime = 2 * time.Minute

func (w *walk) step(t *testing.T, where string, s step) {
	t.Helper()
	command := w.ports.Replace(s.command)
	if starts, _ := startsServer(command); starts {
		w.serve(t, where, strings.TrimSuffix(command, " &"))
		return
	}
	if command == stopServer {
		w.stop(t)
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), stepTime)
	defer cancel()
	cmd := w.command(ctx, command)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s: %s\n%s", where, s.command, out)
	if err := compare(s.shown, string(out)); err != nil {
		t.Fatalf("%s: %s: %v; it prints\n%s", where, s.command, err, out)
	}
}

// stopServer ends the server that a document has started in the background.
const stopServer = "kill %1; wait"

// startsServer reports whether a command starts a server, and whether the shell
// goes on.
func startsServer(command string) (starts, background bool) {
	command = strings.Replace(command, "go run ./cmd/zensus", "zensus", 1)
	starts = isServe.MatchString(command) && !strings.Contains(command, "--check")
	return starts, starts && strings.HasSuffix(command, " &")
}

// A reader has a shell, not our runner: what stands behind a server is typed only
// if that runs in the background, and the next one finds its ports free only if
// the one before was ended.
func TestServersOfDocumentsLeaveTheShellToTheReader(t *testing.T) {
	n := 0
	for _, file := range documents(t) {
		running := false
		for _, b := range blocks(t, file) {
			for i, s := range b.steps {
				starts, background := startsServer(s.command)
				switch {
				case s.command == stopServer:
					if !running {
						t.Errorf("%s:%d: %s: nothing runs in the background", file, b.line, s.command)
					}
					running = false
				case starts && running:
					t.Errorf("%s:%d: %s: another server runs", file, b.line, s.command)
				case starts && !background && i < len(b.steps)-1:
					t.Errorf("%s:%d: %s: what follows is never reached", file, b.line, s.command)
				case starts:
					n++
					running = background
				}
			}
		}
		if running {
			t.Errorf("%s: a server is left running", file)
		}
	}
	require.Greater(t, n, 5)
}

var isServe = regexp.MustCompile(`^(ZENSUS\S+ )*zensus serve\b`)

func (w *walk) command(ctx context.Context, command string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "bash", "-c", command)
	cmd.Dir, cmd.Env = w.dir, w.env
	if strings.Contains(command, "zoo.cfg") { // which has its ports in it; variables would be warned of
		cmd.Env = slices.DeleteFunc(slices.Clone(w.env), func(v string) bool { return strings.HasPrefix(v, "ZENSUS_LISTEN_") })
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// serve starts a server in place of the one that runs.
func (w *walk) serve(t *testing.T, where, command string) {
	t.Helper()
	w.stop(t)
	w.server = w.command(context.WithoutCancel(t.Context()), "exec "+command)
	log, err := os.Create(filepath.Join(w.dir, ".log"))
	require.NoError(t, err)
	defer log.Close()
	w.server.Stdout, w.server.Stderr = log, log
	require.NoError(t, w.server.Start())
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		word, err := testkit.FourLetterWord(w.zk, "srvr")
		if err == nil && strings.Contains(word, "Mode:") && (strings.Contains(command, "zoo.cfg") || w.ready()) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %s: no answer\n%s", where, command, read(t, log.Name()))
		}
	}
}

func (w *walk) ready() bool {
	res, err := http.Get("http://" + w.http + "/readyz")
	if err != nil {
		return false
	}
	return res.Body.Close() == nil && res.StatusCode == http.StatusOK
}

func (w *walk) stop(t *testing.T) {
	t.Helper()
	if w.server == nil {
		return
	}
	require.NoError(t, w.server.Process.Signal(syscall.SIGTERM))
	require.NoError(t, w.server.Wait(), "a server that is asked to end does so with status 0")
	w.server = nil
}

var (
	number = regexp.MustCompile(`0x[0-9a-fA-F]+|[0-9]+`)
	spaces = regexp.MustCompile(`\s+`)
)

// mask leaves of a line what does not change from run to run.
func mask(line string) string {
	return strings.TrimSpace(spaces.ReplaceAllString(number.ReplaceAllString(line, "#"), " "))
}

// compare looks for the lines that a document shows, in their order. Between
// them nothing else may stand, but where the document has "...", in a line of its
// own or at the end of one. Numbers may differ.
func compare(shown []string, out string) error {
	got := strings.Split(strings.TrimRight(out, "\n"), "\n")
	if len(shown) == 0 {
		return nil
	}
	at, gap := 0, false
	for _, line := range shown {
		if strings.TrimSpace(line) == "..." {
			gap = true
			continue
		}
		for gap && at < len(got) && !same(line, got[at]) {
			at++
		}
		if at >= len(got) || !same(line, got[at]) {
			return fmt.Errorf("no line %q where it is said to be", line)
		}
		at, gap = at+1, false
	}
	if !gap && at < len(got) {
		return fmt.Errorf("a line more than is shown: %q", got[at])
	}
	return nil
}

// same compares a line with the one that a document shows, which may end in "...".
func same(shown, got string) bool {
	if begin, cut := strings.CutSuffix(mask(shown), "..."); cut {
		return strings.HasPrefix(mask(got), strings.TrimSpace(begin))
	}
	return mask(shown) == mask(got)
}

func TestCompareFindsWhatDiffers(t *testing.T) {
	for _, tt := range []struct {
		name, shown, out string
		same             bool
	}{
		{"numbers may differ", "took 12 ms at 0xff", "took 7 ms at 0x1a", true},
		{"words may not", "took 12 ms", "took 12 s", false},
		{"a gap passes over lines", "a\n...\nc", "a\nb\nc", true},
		{"without a gap they are missed", "a\nc", "a\nb\nc", false},
		{"the end is part of it", "a", "a\nb", false},
		{"unless it is left out", "a\n...", "a\nb", true},
		{"a line may be cut", "a 1 ...", "a 2 b", true},
		{"what is left of it counts", "a x ...", "a 2 b", false},
		{"a line that is not there", "a\n...\nx", "a\nb", false},
	} {
		err := compare(strings.Split(tt.shown, "\n"), tt.out)
		require.Equal(t, tt.same, err == nil, tt.name)
	}
}
