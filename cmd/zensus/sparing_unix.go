//go:build unix

package main

import (
	"net"
	"syscall"
)

// descriptorsMax is how many descriptors the process may have, 0 if that is not
// known or beyond counting.
func descriptorsMax() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	if n := limit.Cur; n <= 1<<30 {
		return int(n)
	}
	return 0
}

// descriptorOf is a connection's, 0 if it has none.
func descriptorOf(c net.Conn) (n int) {
	t, ok := c.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) { n = int(fd) })
	return n
}
