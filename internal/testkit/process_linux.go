package testkit

import "syscall"

// dieWithParent has the kernel kill the child when this process is gone.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
