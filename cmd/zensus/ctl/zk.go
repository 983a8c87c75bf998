package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/zkclient"
)

// zk is one use of `zensus zk`: a session that is opened when it is first needed,
// and where its verbs read and write. A verb of the command line has it for
// itself, the lines of a shell share one.
type zk struct {
	server  string
	timeout time.Duration
	auth    []string
	output  output
	history string

	// shell says that verbs share the session, and so do not wait for events:
	// these are printed as they come.
	shell bool
	in    io.Reader
	out   io.Writer
	notes io.Writer // remarks, not results

	// patient sessions end when a server says so, and not before: this side may have been
	// out of contact while nobody counted their time.
	patient bool

	client  *zkclient.Client
	watches watches
}

func zkCommand() *cobra.Command {
	z := &zk{output: text}
	cmd := &cobra.Command{
		Use:   "zk",
		Short: "read and change znodes of any ZooKeeper; without a verb, a shell",
		Long: `Read and change znodes of a server that speaks ZooKeeper's protocol, ours or any other.

Without a verb it is a shell with the same verbs: the arrow keys find earlier lines,
tab completes verbs and paths, and one session lives until the shell ends. Lines from
a pipe are run until the first that fails.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return z.runShell(cmd) },
		PersistentPreRun: func(cmd *cobra.Command, _ []string) {
			z.in, z.out, z.notes = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
		},
	}
	f := cmd.PersistentFlags()
	f.StringVar(&z.server, "server", "127.0.0.1:2181", "addresses, host:port,..., and an optional /path to work below")
	f.DurationVar(&z.timeout, "timeout", 10*time.Second, "session timeout, and how long to wait for a server")
	f.StringArrayVar(&z.auth, "auth", nil, "identity as scheme:credential, such as digest:user:password; may be repeated")
	f.VarP(&z.output, "output", "o", "form of results")
	cmd.Flags().StringVar(&z.history, "history", defaultHistoryFile(), "file with the lines of former shells; empty for none")
	cmd.AddCommand(z.verbs()...)
	return cmd
}

// verbs are the commands of a line.
func (z *zk) verbs() []*cobra.Command {
	all := []*cobra.Command{
		z.lsVerb(), z.getVerb(), z.statVerb(), z.countVerb(), z.ephemeralsVerb(),
		z.createVerb(), z.setVerb(), z.deleteVerb(), z.deleteAllVerb(), z.multiVerb(),
		z.watchVerb(), z.aclVerb(), z.syncVerb(), z.whoamiVerb(),
	}
	for _, old := range []*cobra.Command{z.getACLVerb("getAcl"), z.setACLVerb("setAcl")} {
		old.Hidden = true // zkCli's names
		all = append(all, old)
	}
	return all
}

// run gives a verb its session, and ends that after the verb unless it is shared.
func (z *zk) run(verb func(ctx context.Context, c *zkclient.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := z.session(cmd.Context())
		if err != nil {
			return err
		}
		if !z.shell {
			defer z.close()
		}
		return inWords(cmd, verb(cmd.Context(), c, args))
	}
}

// inWords names in an error what was typed, where the protocol has another name
// for it: "get /a: no node", not getData.
func inWords(cmd *cobra.Command, err error) error {
	var op *core.OpError
	if !errors.As(err, &op) || op.Op == opHold {
		return err
	}
	name := cmd.Name()
	if p := cmd.Parent(); p != nil && p.Name() == "acl" {
		name = p.Name() + " " + name
	}
	return &core.OpError{Op: name, Path: op.Path, Err: op.Err}
}

// checkPath says what is wrong with the commonest of mistakes.
func checkPath(verb, path string) error {
	if !strings.HasPrefix(path, "/") {
		return fmt.Errorf("%s %q: a path begins with /", verb, path)
	}
	if err := core.ValidatePath(path); err != nil {
		return &core.OpError{Op: verb, Path: path, Err: err}
	}
	return nil
}

// at is run for verbs whose first argument, if they have any, is a path. It is
// checked here: servers answer reads of an impossible path with "no node".
func (z *zk) at(verb func(ctx context.Context, c *zkclient.Client, args []string) error) func(*cobra.Command, []string) error {
	run := z.run(verb)
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			if err := checkPath(cmd.Name(), args[0]); err != nil {
				return err
			}
		}
		return run(cmd, args)
	}
}

// session is the session, opened if there is none that lives.
func (z *zk) session(ctx context.Context) (*zkclient.Client, error) {
	if z.client != nil {
		select {
		case <-z.client.Done():
			fmt.Fprintln(z.notes, "the session is over, opening another")
			z.close()
		default:
			return z.client, nil
		}
	}
	credentials, err := parseAuth(z.auth)
	if err != nil {
		return nil, err
	}
	if strings.Contains(z.server, "://") { // as the other commands take it
		return nil, fmt.Errorf("--server: %q is a URL: want host:port,..., with an optional /path behind them", z.server)
	}
	addresses, chroot := zkclient.SplitConnect(z.server)
	asking := ctx
	ctx, cancel := context.WithTimeout(ctx, z.timeout)
	defer cancel()
	tries := &tries{failed: map[string]error{}, of: len(addresses), hopeless: cancel}
	c, err := zkclient.Dial(ctx, addresses, zkclient.Options{Timeout: z.timeout, Auth: credentials, Chroot: chroot, Dialer: tries.dial, Patient: z.patient})
	if all, unknown := tries.unknown(); err != nil && all {
		return nil, fmt.Errorf("--server: %w", unknown)
	} else if errors.Is(err, context.DeadlineExceeded) && unknown != nil {
		return nil, fmt.Errorf("no answer from %s within %v: %w", strings.Join(addresses, ", "), z.timeout, unknown)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		if why := tries.refusals(asking); why != "" {
			return nil, fmt.Errorf("nobody lets this client in: %s", why)
		}
		return nil, fmt.Errorf("no answer from %s within %v: start a server with zensus serve, or name one with --server", strings.Join(addresses, ", "), z.timeout)
	}
	if err != nil {
		return nil, err
	}
	z.client = c
	return c, nil
}

// tries are what became of the connections to a connect string's addresses, which
// the client tries until somebody answers.
type tries struct {
	of       int    // addresses
	hopeless func() // is called when none of their hosts exists

	mu     sync.Mutex
	failed map[string]error // by address
}

func (t *tries) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	t.mu.Lock()
	t.failed[address] = err
	t.mu.Unlock()
	if all, _ := t.unknown(); all {
		t.hopeless()
	}
	return conn, err
}

// unknown names the hosts whose address is not to be found. All of them do not
// exist if all is true, and waiting is of no use.
func (t *tries) unknown() (all bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var errs []error
	missing := 0
	for _, address := range slices.Sorted(maps.Keys(t.failed)) {
		var dns *net.DNSError
		switch {
		case !errors.As(t.failed[address], &dns):
		case dns.IsNotFound:
			missing++
			errs = append(errs, fmt.Errorf("there is no host %q", dns.Name))
		default:
			errs = append(errs, fmt.Errorf("no address is found for %q: %s", dns.Name, dns.Err))
		}
	}
	return missing > 0 && missing == t.of, errors.Join(errs...)
}

// close ends the session, if there is one.
func (z *zk) close() {
	if z.client == nil {
		return
	}
	z.watches.closeAll()
	// Without contact the server ends the session at its timeout.
	if err := z.client.Close(); err != nil && !core.IsUnknownOutcome(err) {
		fmt.Fprintln(z.notes, "close:", err)
	}
	z.client = nil
}

func parseAuth(list []string) ([]zkclient.Auth, error) {
	var out []zkclient.Auth
	for _, a := range list {
		scheme, credential, ok := strings.Cut(a, ":")
		if !ok || scheme == "" {
			return nil, errors.New("--auth: want scheme:credential, such as digest:user:password")
		}
		out = append(out, zkclient.Auth{Scheme: scheme, Auth: []byte(credential)})
	}
	return out, nil
}

// watches are those of a shell that print as events come.
type watches struct {
	mu     sync.Mutex
	byPath map[string]core.Watch
	ended  sync.WaitGroup
}

func (w *watches) add(path string, watch core.Watch) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, taken := w.byPath[path]; taken {
		return false
	}
	if w.byPath == nil {
		w.byPath = map[string]core.Watch{}
	}
	w.byPath[path] = watch
	return true
}

func (w *watches) remove(path string) bool {
	w.mu.Lock()
	watch, ok := w.byPath[path]
	delete(w.byPath, path)
	w.mu.Unlock()
	if ok {
		_ = watch.Close() // it never fails
	}
	return ok
}

func (w *watches) closeAll() {
	w.mu.Lock()
	all := w.byPath
	w.byPath = nil
	w.mu.Unlock()
	for _, watch := range all {
		_ = watch.Close() // it never fails
	}
	w.ended.Wait()
}

// content is data from the command line, or from a file, or standard input
// where the file is "-". null says that no data was given.
func (z *zk) content(args []string, file string) (data []byte, null bool, err error) {
	switch {
	case file != "" && len(args) > 0:
		return nil, false, errors.New("data is given twice, as an argument and by --file")
	case file == "-":
		data, err = io.ReadAll(io.LimitReader(z.in, contentBytesMax+1))
	case file != "":
		data, err = os.ReadFile(file)
	case len(args) > 0:
		data = []byte(args[0])
	default:
		return nil, true, nil
	}
	if err == nil && len(data) > contentBytesMax {
		err = fmt.Errorf("%d bytes of data and more: no server takes that", contentBytesMax)
	}
	return data, false, err
}

// contentBytesMax bounds what is read to be sent; servers take 1 MiB by default.
const contentBytesMax = 64 << 20
