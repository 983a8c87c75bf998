package server

import (
	"os"
	"syscall"
	"unsafe"
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

// rawBytesMax is how many bytes a call may move that the scheduler is not told of.
const rawBytesMax = 64 << 10

// The calls below do not wait for the other side, and with little to move they are
// short: then the scheduler is not told of them as it is of a call that may take
// long. A process that has nothing to do but a ping now and then would wake the
// runtime's monitor for each. The race detector does not see them either.

func readDescriptor(fd int32, b []byte) (int, error) {
	return callNow(syscall.SYS_READ, fd, b)
}

func writeDescriptor(fd int32, b []byte) (int, error) {
	return callNow(syscall.SYS_WRITE, fd, b)
}

func callNow(call uintptr, fd int32, b []byte) (int, error) {
	for {
		var n uintptr
		var errno syscall.Errno
		if len(b) <= rawBytesMax {
			n, _, errno = syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		} else {
			n, _, errno = syscall.Syscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		}
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}

// eventsNow says what an epoll instance has to tell at the moment.
func eventsNow(epoll int, events []syscall.EpollEvent) (int, error) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(epoll),
		uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

func shutdownDescriptor(fd int32) error { return syscall.Shutdown(int(fd), syscall.SHUT_WR) }

func closeDescriptor(fd int32) { _ = syscall.Close(int(fd)) }
