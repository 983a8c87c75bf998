package ctl

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/term"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/internal/testkit"
)

func TestLinesFallIntoWords(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		want       []string
		wrong      string
	}{
		{"spaces and tabs divide", " get \t /a ", []string{"get", "/a"}, ""},
		{"nothing is no word", "  ", nil, ""},
		{"a remark has no words", " # get /a", nil, ""},
		{"quotes keep together", `set /a "two words"`, []string{"set", "/a", "two words"}, ""},
		{"the other quotes too", `set /a '"x" \n'`, []string{"set", "/a", `"x" \n`}, ""},
		{"quotes in the middle of a word", `a"b c"d`, []string{"ab cd"}, ""},
		{"an empty word", `set /a ""`, []string{"set", "/a", ""}, ""},
		{"a backslash takes the next as it is", `get /a\ b\\c\"`, []string{"get", `/a b\c"`}, ""},
		{"a # within is none", "get /a#b", []string{"get", "/a#b"}, ""},
		{"Chinese", "get /订单 服务", []string{"get", "/订单", "服务"}, ""},
		{"an open quote", `get "/a`, nil, "quote"},
		{"a backslash at the end", `get /a\`, nil, "backslash"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := splitLine(tt.line)
			if tt.wrong != "" {
				require.ErrorContains(t, err, tt.wrong)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func FuzzLine(f *testing.F) {
	f.Add(`set /a "two words"`)
	f.Add(`\`)
	f.Add("'")
	f.Fuzz(func(t *testing.T, s string) {
		if words, err := splitLine(s); err == nil {
			escaped := make([]string, len(words))
			for i, w := range words {
				if escaped[i] = escapeWord(w); w == "" {
					escaped[i] = `""`
				}
			}
			again, err := splitLine(strings.Join(escaped, " "))
			require.NoError(t, err)
			require.Equal(t, words, again)
		}
		// What multi reads never takes the process down.
		_, _ = parseOps(strings.NewReader(s))
		_, _ = parseACL(s)
	})
}

func TestHistoryOutlivesTheShellAndKeepsNoCredentials(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history")
	h := openHistory(file)
	for _, line := range []string{"get /a", "get /a", "", "addauth digest ann:secret", "ls /"} {
		h.Add(line)
	}
	require.NoError(t, h.err)
	require.Equal(t, 2, h.Len())
	require.Equal(t, "ls /", h.At(0))
	st, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), st.Mode().Perm())

	again := openHistory(file)
	require.NoError(t, again.err)
	require.Equal(t, []string{"get /a", "ls /"}, again.lines)
}

func TestHistoryIsBounded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history")
	lines := strings.Repeat("x\ny\n", 3*historyMax)
	require.NoError(t, os.WriteFile(file, []byte(lines+"last\n"), 0o600))
	h := openHistory(file)
	require.NoError(t, h.err)
	require.Equal(t, historyMax, h.Len())
	require.Equal(t, "last", h.At(0))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, historyMax, bytes.Count(text, []byte("\n")))
	h.Add("newer")
	require.Equal(t, historyMax, h.Len())
	require.Equal(t, "newer", h.At(0))

	require.Error(t, openHistory(t.TempDir()).err, "a folder is no history")
	none := openHistory("")
	none.Add("get /a")
	require.NoError(t, none.err)
	require.Equal(t, 1, none.Len())
}

func shellOn(t *testing.T) *zk {
	t.Helper()
	addr, _ := serve(t, t.TempDir())
	z := &zk{server: addr, timeout: 10 * time.Second, output: text, shell: true, out: io.Discard, notes: io.Discard}
	t.Cleanup(z.close)
	c, err := z.session(t.Context())
	require.NoError(t, err)
	for _, path := range []string{"/app", "/app/orders", "/app/order book", "/app/users", "/订单", "/订单/服务"} {
		_, _, err := c.Create(t.Context(), path, nil, core.CreateOptions{})
		require.NoError(t, err)
	}
	return z
}

func TestTabCompletesVerbsAndPaths(t *testing.T) {
	z := shellOn(t)
	for _, tt := range []struct {
		name, line, want string
		choices          []string
	}{
		{"a verb", "deletea", "deleteall ", nil},
		{"verbs that begin alike", "delete", "delete", []string{"delete", "deleteall"}},
		{"a verb of a verb", "acl g", "acl get ", nil},
		{"what only the shell knows", "his", "history ", nil},
		{"a path from nothing", "get ", "get /", nil},
		{"a path", "get /ap", "get /app", nil},
		{"a child", "get /app/u", "get /app/users", nil},
		{"as far as it is certain", "get /app/o", "get /app/order", nil},
		{"and then the possibilities", "get /app/order", "get /app/order", []string{"/app/order book", "/app/orders"}},
		{"a blank is escaped", `get /app/order\ `, `get /app/order\ book`, nil},
		{"Chinese", "ls /订单/服", "ls /订单/服务", nil},
		{"behind flags", "ls -R /ap", "ls -R /app", nil},
		{"nothing there", "get /none/x", "get /none/x", nil},
		{"nothing for a flag", "ls -", "ls -", nil},
		{"nothing within quotes", `get "/ap`, `get "/ap`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			line, pos, choices := z.complete(t.Context(), tt.line, len(tt.line))
			require.Equal(t, tt.want, line)
			require.Equal(t, len(tt.want), pos)
			require.Equal(t, tt.choices, choices)
		})
	}
	line, pos, _ := z.complete(t.Context(), "get /ap -s", len("get /ap"))
	require.Equal(t, "get /app -s", line)
	require.Equal(t, len("get /app"), pos)
}

// screen is a terminal without a machine behind it: keys go in, what is shown
// comes out.
type screen struct {
	io.Reader
	testkit.Buffer
}

func TestShellEditsLinesAndShowsEventsBetweenThem(t *testing.T) {
	z := shellOn(t)
	keys, hands := io.Pipe()
	s := &screen{Reader: keys}
	console := term.NewTerminal(s, "")
	h := openHistory("")
	z.converse(t.Context(), console, h)
	ended := make(chan bool)
	go func() {
		defer close(ended)
		for {
			line, err := console.ReadLine()
			if err != nil || z.answer(t.Context(), line, h, nil) {
				return
			}
		}
	}()
	types := func(s string) { _, err := io.WriteString(hands, s); require.NoError(t, err) }
	showsTimes := func(text string, n int) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); strings.Count(s.String(), text) < n; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%q is not shown %d times in %q", text, n, s.String())
			}
		}
	}
	shows := func(text string) { t.Helper(); showsTimes(text, 1) }
	types("set /app/u\t hello\r")
	types("get /app/users\r")
	shows("hello")
	types("watch /app/users\r")
	types("set /app/users again\r")
	shows("WatchedEvent type:NodeDataChanged path:/app/users")
	types("watch /app/users\r")
	shows("there is one on /app/users already")
	types("watch --stop /app/users\r")
	types("watch --stop /app/users\r")
	shows("there is none on /app/users")
	types("get /missing\r")
	shows("get /missing: no node")
	types(strings.Repeat("\x1b[A", 6) + "\r") // six lines up: get /app/users
	showsTimes("again\r\n", 2)
	types("history\r")
	shows("set /app/users hello")
	types("quit\r")
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("the shell does not end")
	}
	require.Equal(t, "quit", h.At(0))
}

func TestShellOpensAnotherSessionWhenItsOwnIsOver(t *testing.T) {
	z := shellOn(t)
	first := z.client.Session().ID
	require.NoError(t, z.client.Close())
	require.NoError(t, z.runLine(t.Context(), "get /app"))
	require.NotEqual(t, first, z.client.Session().ID)
	require.ErrorIs(t, z.runLine(t.Context(), "quit"), errQuit)
}

func TestCtrlCEndsOneLineAndNotTheShell(t *testing.T) {
	z := shellOn(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // main's context after a Ctrl-C of an earlier line
	signals := make(chan os.Signal, 1)
	signals <- os.Interrupt
	var out bytes.Buffer
	z.out = &out
	require.False(t, z.answer(ctx, "get /app", openHistory(""), signals), "a line that was interrupted does not end the shell")
	require.False(t, z.answer(ctx, "count /app", openHistory(""), make(chan os.Signal)))
	require.Contains(t, out.String(), "3\n")
}

func TestShellOnATerminalOfTheSystem(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the binary")
	}
	if runtime.GOOS != "linux" {
		t.Skip("the script(1) of other systems takes other flags")
	}
	tool, err := exec.LookPath("script")
	if err != nil {
		testkit.Missing(t, "there is no script(1) of util-linux to make a terminal")
	}
	addr, _ := serve(t, t.TempDir())
	file := filepath.Join(t.TempDir(), "history")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, tool, "-qec", testkit.Binary(t)+" zk --server "+addr+" --history "+file, "/dev/null")
	keys, err := cmd.StdinPipe()
	require.NoError(t, err)
	s := &screen{}
	cmd.Stdout = s
	require.NoError(t, cmd.Start())
	shows := func(text string) {
		t.Helper()
		for !strings.Contains(s.String(), text) {
			if ctx.Err() != nil {
				t.Fatalf("%q is not shown in %q", text, s.String())
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	types := func(s string) { _, err := io.WriteString(keys, s); require.NoError(t, err) }
	shows("help lists the verbs, quit ends")
	shows("[zk: " + addr + "] ")
	types("create -e /here me\r")
	shows("Created /here")
	types("get /h\t\r")
	shows("me\r\n")
	types("get /missing\r")
	shows("no node")
	for prompt := "[zk: " + addr + "] "; ; time.Sleep(5 * time.Millisecond) {
		if _, after, _ := strings.Cut(s.String(), "no node"); strings.Contains(after, prompt) {
			break // before it is shown Ctrl-C is no key
		}
		require.NoError(t, ctx.Err(), "there is no prompt behind %q", s.String())
	}
	types("\x03") // Ctrl-C at the prompt
	require.NoError(t, cmd.Wait(), s.String())
	lines, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "create -e /here me\nget /here\nget /missing\n", string(lines))

	z := &zk{server: addr, timeout: 10 * time.Second, output: text, notes: io.Discard}
	defer z.close()
	c, err := z.session(t.Context())
	require.NoError(t, err)
	_, err = c.Exists(t.Context(), "/here")
	require.ErrorIs(t, err, core.NoNode, "the session has ended with the shell")
}
