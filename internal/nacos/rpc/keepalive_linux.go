package rpc

import (
	"net"
	"syscall"
)

const (
	tcpUserTimeout    = 0x12 // TCP_USER_TIMEOUT of Linux
	userTimeoutMillis = 30_000
)

// userTimeout bounds how long written bytes may stay without an acknowledgement
// of the other machine.
func userTimeout(c net.Conn) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return // the connection is over
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, userTimeoutMillis)
	})
}
