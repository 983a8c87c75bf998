//go:build unix

package bench

import (
	"os/exec"
	"syscall"
)

// ownGroup lets c start as the first of its own group of processes.
func ownGroup(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends what c started, with everything that was started by it.
func killGroup(c *exec.Cmd) { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }

// holdGroup stops what c started, or lets it go on.
func holdGroup(c *exec.Cmd, hold bool) error {
	sig := syscall.SIGCONT
	if hold {
		sig = syscall.SIGSTOP
	}
	return syscall.Kill(-c.Process.Pid, sig)
}
