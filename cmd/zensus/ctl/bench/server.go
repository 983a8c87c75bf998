package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// Server is one side of a comparison. With a Command bench starts it, kills it
// and starts it again; else it is only spoken to.
type Server struct {
	Name    string
	Addr    string
	Command string // for the shell; it must stay in the foreground

	round    int      // which it is started for, from 0
	roots    []string // znodes that rounds made for themselves
	madeRoot bool     // and their parent

	process *exec.Cmd
	log     bytes.Buffer
}

// roundVariable tells a command which round it starts a server for.
const roundVariable = "BENCH_ROUND"

// startTime is how long a server may take to answer its first read.
const startTime = 5 * time.Minute

// Start runs the command, if there is one, and waits for the first read; it says
// how long that took.
func (s *Server) Start(ctx context.Context) (time.Duration, error) {
	if s.Command == "" {
		return 0, nil
	}
	s.log.Reset()
	s.process = exec.CommandContext(ctx, "/bin/sh", "-c", "exec "+s.Command) //nolint:gosec // what the user asks for
	s.process.Stdout, s.process.Stderr = &s.log, &s.log
	s.process.Env = append(os.Environ(), fmt.Sprintf("%s=%d", roundVariable, s.round))
	ownGroup(s.process)
	s.process.WaitDelay = time.Second
	began := time.Now()
	if err := s.process.Start(); err != nil {
		return 0, err
	}
	for {
		if err := s.read(); err == nil {
			return time.Since(began), nil
		}
		if time.Since(began) > startTime || ctx.Err() != nil {
			return 0, errors.Join(fmt.Errorf("%s does not answer at %s:\n%s", s.Name, s.Addr, tail(s.log.Bytes())), s.Kill())
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func tail(b []byte) []byte { return b[max(0, len(b)-2000):] }

// patience is how long each step of an attempt to read from a server that is just
// starting may take (to connect, to get a session, to read): one that listens before
// it serves may forget who came too early.
const patience = time.Second

// read is one correct read, at each address.
func (s *Server) read() error {
	for addr := range strings.SplitSeq(s.Addr, ",") {
		if err := readAt(addr); err != nil {
			return err
		}
	}
	return nil
}

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

// Kill ends the process at once, without a chance to tidy up.
func (s *Server) Kill() error {
	if s.process == nil {
		return nil
	}
	killGroup(s.process)
	_ = s.process.Wait()
	s.process = nil
	return nil
}

// cpu is the processor time that the server has used; 0 where it is not known.
func (s *Server) cpu() time.Duration {
	if s.process == nil {
		return 0
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.process.Process.Pid))
	if err != nil {
		return 0
	}
	// Fields 14 and 15, counted from behind the name in parentheses.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err1 != nil || err2 != nil {
		return 0
	}
	return time.Duration(user+system) * time.Second / ticksPerSecond
}

// ticksPerSecond is the unit of /proc/pid/stat; Linux has shown 100 everywhere
// for as long as it has had the file.
const ticksPerSecond = 100

// Memory is the resident memory in bytes; 0 where it is not known.
func (s *Server) Memory() int64 {
	if s.process == nil {
		return 0
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			if kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64); err == nil {
				return kb << 10
			}
		}
	}
	return 0
}
