package ctl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/zensus-io/zensus/core"
)

// shellWords are what a line of the shell can begin with beside the verbs.
var shellWords = []string{"addauth", "exit", "help", "history", "quit"}

// errQuit ends a shell.
var errQuit = errors.New("quit")

// runShell reads lines from the terminal, or from whatever stands in its place.
func (z *zk) runShell(cmd *cobra.Command) error {
	z.shell = true
	defer z.close()
	stdin, isFile := z.in.(*os.File)
	if !isFile || !term.IsTerminal(int(stdin.Fd())) {
		return z.runScript(cmd.Context())
	}
	return z.interact(cmd.Context(), stdin)
}

// runScript runs lines until the first that fails.
func (z *zk) runScript(ctx context.Context) error {
	lines := bufio.NewScanner(z.in)
	lines.Buffer(nil, opBytesMax)
	for n := 1; lines.Scan(); n++ {
		err := z.runLine(ctx, lines.Text())
		if errors.Is(err, errQuit) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return lines.Err()
}

// runLine runs one line.
func (z *zk) runLine(ctx context.Context, line string) error {
	words, err := splitLine(line)
	if err != nil || len(words) == 0 {
		return err
	}
	root := z.lineCommand()
	if _, _, err := root.Find(words); err != nil {
		return fmt.Errorf("unknown command %q; help lists them", words[0])
	}
	defer func(o output) { z.output = o }(z.output) // it holds for one line
	root.SetArgs(words)
	root.SetOut(z.out)
	root.SetErr(z.notes)
	return root.ExecuteContext(ctx)
}

// lineCommand is what the words of a line are arguments of. Its help does not name
// it: nobody typed it.
func (z *zk) lineCommand() *cobra.Command {
	root := &cobra.Command{
		Use: "zk", SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Annotations:       map[string]string{cobra.CommandDisplayNameAnnotation: ""},
	}
	root.SetUsageTemplate(strings.NewReplacer(
		"{{.UseLine}}", "{{trim .UseLine}}",
		`Use "{{.CommandPath}} [command] --help"`, `Use "help {{trim .CommandPath}}{{if .HasParent}} {{end}}[command]"`,
		"{{.CommandPath}} [command]", `{{trim (print .CommandPath " [command]")}}`,
	).Replace(root.UsageTemplate()))
	root.PersistentFlags().VarP(&z.output, "output", "o", "form of results")
	root.AddCommand(z.verbs()...)
	root.AddCommand(
		&cobra.Command{
			Use: "addauth SCHEME CREDENTIAL", Short: "show an identity, as in: addauth digest user:password",
			Args: exactArgs(2),
			RunE: func(cmd *cobra.Command, args []string) error {
				c, err := z.session(cmd.Context())
				if err != nil {
					return err
				}
				return c.AddAuth(cmd.Context(), args[0], []byte(args[1]))
			},
		},
		&cobra.Command{
			Use: "history", Short: "list former lines", Args: NoArgs,
			RunE: func(*cobra.Command, []string) error { return errors.New("history: only a terminal has one") },
		},
		&cobra.Command{
			Use: "quit", Aliases: []string{"exit", "close"}, Short: "end the session and the shell",
			RunE: func(*cobra.Command, []string) error { return errQuit },
		},
	)
	root.InitDefaultHelpCmd() // so that it is found
	return root
}

// terminal is the screen and keyboard of a shell.
type terminal struct {
	*term.Terminal
	fd int
}

func (z *zk) interact(ctx context.Context, stdin *os.File) error {
	t := &terminal{fd: int(stdin.Fd()), Terminal: term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{stdin, os.Stdout}, "")}
	h := openHistory(z.history)
	z.converse(ctx, t.Terminal, h)
	if _, err := z.session(ctx); err != nil {
		return err
	}
	fmt.Fprintf(t, "session %v at %s; help lists the verbs, quit ends\n", z.client.Session().ID, z.server)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	for {
		line, err := t.readLine(signals)
		if err != nil {
			fmt.Fprintln(t)
			if h.err != nil {
				fmt.Fprintln(z.notes, "history:", h.err)
			}
			return nil
		}
		if quit := z.answer(ctx, line, h, signals); quit {
			return nil
		}
	}
}

// converse makes a terminal the place where the shell reads and writes.
func (z *zk) converse(ctx context.Context, t *term.Terminal, h *history) {
	z.out, z.notes = t, t
	t.History = h
	t.SetPrompt("[zk: " + z.server + "] ")
	ctx = context.WithoutCancel(ctx)
	t.AutoCompleteCallback = func(line string, pos int, key rune) (string, int, bool) {
		if key != '\t' {
			return "", 0, false
		}
		newLine, newPos, choices := z.complete(ctx, line, pos)
		if len(choices) > 0 {
			more := ""
			if len(choices) > completionsMax {
				more = fmt.Sprintf("  and %d more", len(choices)-completionsMax)
				choices = choices[:completionsMax]
			}
			fmt.Fprintln(t, strings.Join(choices, "  ")+more)
		}
		return newLine, newPos, true
	}
}

// readLine reads a line with the terminal in raw mode. It also ends on SIGTERM;
// the terminal is as before in any case. Ctrl-C is a key here.
func (t *terminal) readLine(signals <-chan os.Signal) (string, error) {
	if width, height, err := term.GetSize(t.fd); err == nil && width > 0 {
		if err := t.SetSize(width, height); err != nil {
			return "", err
		}
	}
	before, err := term.MakeRaw(t.fd)
	if err != nil {
		return "", err
	}
	defer func() { _ = term.Restore(t.fd, before) }() // there is nothing else to try
	type read struct {
		line string
		err  error
	}
	done := make(chan read, 1)
	// At a SIGTERM it is left behind, waiting for a key until the process has ended.
	go func() {
		line, err := t.ReadLine()
		done <- read{line, err}
	}()
	for {
		select {
		case r := <-done:
			return r.line, r.err
		case s := <-signals:
			if s == syscall.SIGTERM {
				return "", io.EOF
			}
		}
	}
}

// answer runs a line, which Ctrl-C interrupts, and reports whether the shell ends.
func (z *zk) answer(ctx context.Context, line string, h *history, signals <-chan os.Signal) (quit bool) {
	if strings.TrimSpace(line) == "history" {
		for i := h.Len() - 1; i >= 0; i-- {
			fmt.Fprintln(z.out, h.At(i))
		}
		return false
	}
	// Main's context ends for good at the first Ctrl-C; here it ends one line.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- z.runLine(ctx, line) }()
	for {
		select {
		case s := <-signals:
			quit = quit || s == syscall.SIGTERM
			cancel()
		case err := <-done:
			switch {
			case errors.Is(err, errQuit):
				return true
			case err != nil && ctx.Err() == nil:
				fmt.Fprintln(z.notes, err)
			}
			if core.IsSessionOver(err) {
				z.close()
			}
			return quit
		}
	}
}
