package server

import (
	"os"
	"syscall"
)

// ownDescriptor gives a socket a descriptor that the runtime's poller does not
// know: what it keeps for each, and waking for it, is saved. It does not block.
func ownDescriptor(raw syscall.RawConn) (own int32, err error) {
	failed := raw.Control(func(fd uintptr) {
		dup, _, errno := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_DUPFD_CLOEXEC, 0)
		if own = int32(dup); errno != 0 {
			err = os.NewSyscallError("fcntl", errno)
		}
	})
	if failed != nil {
		return 0, failed
	}
	return own, err
}

func writeDescriptor(fd int32, b []byte) (int, error) {
	n, err := ignoringEINTR(syscall.Write, int(fd), b)
	return max(n, 0), err
}

func shutdownDescriptor(fd int32) error { return syscall.Shutdown(int(fd), syscall.SHUT_WR) }

func closeDescriptor(fd int32) { _ = syscall.Close(int(fd)) }
