package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// Server is one side of a comparison: a server, or an ensemble with several addresses.
// With a Command bench starts it, kills it and starts it again; else it is only spoken
// to.
type Server struct {
	Name    string
	Addr    string
	Command string // for the shell; it must stay in the foreground
	// Each says that Command starts one server of the ensemble, the one that
	// serverVariable names, and not all of them.
	Each bool
	// Voters is how many of the addresses are those of voters, with Each: those
	// behind them are of observers.
	Voters int

	// answers is what await asks an address; nil is readAt.
	answers   func(addr string) error
	ownDir    bool     // a directory for the data is made for the command
	round     int      // which it is started for, from 0
	observers int      // that the ensemble is to have, with Each
	dir       string   // where the data are to be, with Each or ownDir
	only      string   // addresses to which alone connections are made; blank are all
	counted   int      // the server, from 1, of which alone processor time counts; 0 is all
	roots     []string // znodes that rounds made for themselves
	madeRoot  bool     // and their parent

	processes []*process // by server, nil for one that does not run; without Each the first is all
}

// process is one run of the command.
type process struct {
	cmd   *exec.Cmd
	log   bytes.Buffer  // to be read when it has ended
	ended chan struct{} // closed then
}

// What a command finds in its environment: which round it starts a server for, and,
// where it starts one of an ensemble, which, how many voters and observers there are,
// and a directory for the data that is empty when the scenario begins.
const (
	roundVariable     = "BENCH_ROUND"
	serverVariable    = "BENCH_SERVER"
	votersVariable    = "BENCH_VOTERS"
	observersVariable = "BENCH_OBSERVERS"
	dirVariable       = "BENCH_DIR"
)

// startTime is how long a server may take to answer its first read.
const startTime = 5 * time.Minute

// addresses are those of the servers that there are, voters first.
func (s *Server) addresses() []string {
	list := strings.Split(s.Addr, ",")
	if s.Each {
		list = list[:s.Voters+s.observers]
	}
	return list
}

// target is where connections are made: to one address, or to several in turn. Load
// is not put on observers.
func (s *Server) target() string {
	switch {
	case s.only != "":
		return s.only
	case s.Each:
		return strings.Join(s.addresses()[:s.Voters], ",")
	}
	return s.Addr
}

// Start runs the command, if there is one, and waits for the first read; it says
// how long that took. Of an ensemble that is started server by server it starts all.
func (s *Server) Start(ctx context.Context) (time.Duration, error) {
	return s.startFirst(ctx, len(s.addresses()))
}

// startFirst is Start of no more than the first n servers of an ensemble.
func (s *Server) startFirst(ctx context.Context, n int) (time.Duration, error) {
	if s.Command == "" {
		return 0, nil
	}
	began := time.Now()
	if err := s.launchFirst(ctx, n); err != nil {
		return 0, err
	}
	if err := s.await(ctx, s.addresses()[:n]...); err != nil {
		return 0, errors.Join(err, s.Kill())
	}
	return time.Since(began), nil
}

// launchFirst is startFirst without the wait.
func (s *Server) launchFirst(ctx context.Context, n int) error {
	if (s.Each || s.ownDir) && s.dir == "" {
		var err error
		if s.dir, err = os.MkdirTemp("", "zensus-bench-"); err != nil {
			return err
		}
	}
	commands := 1
	if s.Each {
		commands = n
	}
	s.processes = make([]*process, len(s.addresses()))
	for i := range commands {
		if err := s.launch(ctx, i); err != nil {
			return errors.Join(err, s.Kill())
		}
	}
	return nil
}

// launch starts one process, the i-th from 0, and does not wait for it.
func (s *Server) launch(ctx context.Context, i int) error {
	p := &process{ended: make(chan struct{})}
	p.cmd = exec.CommandContext(ctx, "/bin/sh", "-c", "exec "+s.Command) //nolint:gosec // what the user asks for
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	p.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", roundVariable, s.round))
	if s.dir != "" {
		p.cmd.Env = append(p.cmd.Env, dirVariable+"="+s.dir)
	}
	if s.Each {
		p.cmd.Env = append(p.cmd.Env, fmt.Sprintf("%s=%d", serverVariable, i+1), fmt.Sprintf("%s=%d", votersVariable, s.Voters),
			fmt.Sprintf("%s=%d", observersVariable, s.observers))
	}
	ownGroup(p.cmd)
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in its log
		close(p.ended)
	}()
	s.processes[i] = p
	return nil
}

// running returns what a command said that has ended by itself: who answers at its
// address then is another.
func (s *Server) running() error {
	for _, p := range s.processes {
		if p == nil {
			continue
		}
		select {
		case <-p.ended:
			return fmt.Errorf("the command of %s has ended\n%s", s.Name, tail(p.log.Bytes()))
		default:
		}
	}
	return nil
}

// await waits until a read at each of the addresses is answered.
func (s *Server) await(ctx context.Context, addrs ...string) error {
	ask := s.answers
	if ask == nil {
		ask = readAt
	}
	for began := time.Now(); ; {
		err := ask(addrs[0])
		if ended := s.running(); ended != nil {
			return ended
		}
		if err == nil {
			if addrs = addrs[1:]; len(addrs) == 0 {
				return nil
			}
			continue
		}
		if time.Since(began) > startTime || ctx.Err() != nil {
			err := fmt.Errorf("%s does not answer at %s: %w", s.Name, addrs[0], err)
			for i, p := range s.processes {
				if p != nil {
					_ = s.killOne(i) // so that nothing is written to the log any more
					err = fmt.Errorf("%w\n%s", err, tail(p.log.Bytes()))
				}
			}
			return err
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func tail(b []byte) []byte { return b[max(0, len(b)-2000):] }

// patience is how long each step of an attempt to read from a server that is just
// starting may take (to connect, to get a session, to read): one that listens before
// it serves may forget who came too early.
const patience = time.Second

// readAt is one correct read.
func readAt(addr string) error {
	c, err := dialOne(addr, patience)
	if err != nil {
		return err
	}
	defer c.close()
	_ = c.net.SetDeadline(time.Now().Add(patience))
	h, _, err := c.call(wire.OpExists, wire.AppendPathWatch(nil, "/zookeeper", false))
	if err == nil && h.Err != core.OK {
		err = h.Err
	}
	return err
}

// Kill ends everything at once, without a chance to tidy up, and removes the
// directory that bench made.
func (s *Server) Kill() error {
	for i := range s.processes {
		if err := s.killOne(i); err != nil {
			return err
		}
	}
	s.processes = nil
	if s.dir == "" {
		return nil
	}
	err := os.RemoveAll(s.dir)
	s.dir = ""
	return err
}

// killOne is kill -9 of one process, the i-th from 0.
func (s *Server) killOne(i int) error {
	if p := s.processes[i]; p != nil {
		killGroup(p.cmd)
		<-p.ended
		s.processes[i] = nil
	}
	return nil
}

// roles asks every server what it is: leader, follower, observer or standalone. One
// that does not serve has a blank.
func (s *Server) roles() []string {
	var list []string
	for _, addr := range s.addresses() {
		list = append(list, statusOf(addr).role)
	}
	return list
}

// leader is the number of the server that leads, from 0.
func (s *Server) leader() (int, error) {
	if i := slices.Index(s.roles(), "leader"); i >= 0 {
		return i, nil
	}
	return 0, fmt.Errorf("%s: nobody leads", s.Name)
}

// status is what a server says of itself.
type status struct {
	role string // blank while it does not serve
	zxid core.Zxid
}

func statusOf(addr string) (st status) {
	text, err := wordWithin(addr, "srvr", patience)
	if err != nil {
		return st
	}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "Mode":
			st.role = value
		case "Zxid":
			_, _ = fmt.Sscanf(value, "0x%x", &st.zxid) // 0 if it cannot be read
		}
	}
	return st
}
