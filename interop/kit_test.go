package interop

import (
	"context"
	"crypto/md5"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/zensus-io/zensus/internal/testkit"
)

func TestMain(m *testing.M) {
	// The tests mostly wait for others: more of them than there are cores may run.
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(max(4, runtime.GOMAXPROCS(0)))); err != nil {
		panic(err)
	}
	code := m.Run()
	testkit.Cleanup()
	os.Exit(code)
}

// The administrator of servers that require logins.
const (
	adminName     = "root"
	adminPassword = "correct horse battery"
)

// missing skips the test, or fails it where nothing may be missing.
func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	testkit.Missing(t, fmt.Sprintf(format, args...)+" (make deps)")
}

// runs reports whether a command ends with success.
func runs(name string, args ...string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return exec.CommandContext(ctx, name, args...).Run() == nil
}

// eventually demands that what holds within the time given.
func eventually(t *testing.T, within time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		if holds() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// receive returns what the channel brings within the time given.
func receive[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v, open := <-c:
		if !open {
			t.Fatalf("the channel was closed: %s", what)
		}
		return v
	case <-time.After(15 * time.Second):
		t.Fatalf("nothing came within 15s: %s", what)
	}
	panic("unreachable")
}

// program is a client in another language, at work.
type program struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *lines
	done chan error
}

// startProgram runs a command; its output is read line by line. It ends with
// the test, and with whatever it started.
func startProgram(t *testing.T, limit time.Duration, name string, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	p := &program{t: t, cmd: exec.CommandContext(ctx, name, args...), out: &lines{changed: make(chan struct{}, 1)}, done: make(chan error, 1)}
	p.cmd.Stdout = ownLog(t, p.out, filepath.Base(name))
	p.cmd.Stderr = p.cmd.Stdout
	p.cmd.Dir = t.TempDir()
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Cancel = func() error { return syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) }
	p.cmd.WaitDelay = 5 * time.Second
	var err error
	if p.in, err = p.cmd.StdinPipe(); err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		p.done <- p.cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		if t.Failed() {
			t.Logf("%s printed:\n%s", filepath.Base(name), p.out.tail(120))
		}
	})
	return p
}

// ownLog also keeps what a program prints in a file of the directory ZENSUS_LOGS, if that is set.
func ownLog(t *testing.T, out io.Writer, name string) io.Writer {
	t.Helper()
	dir := os.Getenv("ZENSUS_LOGS")
	if dir == "" {
		return out
	}
	f, err := os.CreateTemp(dir, name+"-*.log")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return io.MultiWriter(f, out)
}

// expect waits until the program has printed every line, in this order.
func (p *program) expect(want ...string) {
	p.t.Helper()
	for _, line := range want {
		p.expectTimes(line, 1)
	}
}

// expectTimes waits until the program has printed the line so many times.
func (p *program) expectTimes(line string, times int) {
	p.t.Helper()
	for p.out.count(line) < times {
		select {
		case <-p.out.changed:
		case err := <-p.done:
			p.done <- err
			if p.out.count(line) < times {
				p.t.Fatalf("the program ended (%v) without the line %q", err, line)
			}
		}
	}
}

// say gives the program a line to read.
func (p *program) say(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		p.t.Fatal(err)
	}
}

// end waits until the program has ended, with success.
func (p *program) end() {
	p.t.Helper()
	if err := <-p.done; err != nil {
		p.done <- err
		p.t.Fatalf("the program ended with %v", err)
	}
	p.done <- nil
}

// kill ends the program at once.
func (p *program) kill() {
	p.t.Helper()
	if err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		p.t.Fatal(err)
	}
	p.done <- <-p.done
}

// interrupt asks the program to end and waits until it has.
func (p *program) interrupt() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	p.done <- <-p.done
}

// steps demands the lines "ok STEP" and then success.
func (p *program) steps(steps ...string) {
	p.t.Helper()
	for _, s := range steps {
		p.expect("ok " + s)
	}
	p.end()
}

func md5Hex(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }
