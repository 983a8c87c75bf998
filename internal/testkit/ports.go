package testkit

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// Ports below those that the system gives to outgoing connections, so that a
// port stays free while its server is down between two starts.
const (
	portMin = 12000
	portMax = 30000
)

// grpcOffset is how far above the HTTP port the clients of Nacos look for gRPC.
const grpcOffset = 1000

// FreePort returns a port of the loopback address that nobody listens on. The
// ports at the offsets from it are free as well.
func FreePort(t testing.TB, offsets ...int) int {
	t.Helper()
	for range 1000 {
		port := portMin + rand.IntN(portMax-portMin)
		free := isFree(port)
		for _, o := range offsets {
			free = free && isFree(port+o)
		}
		if free {
			return port
		}
	}
	t.Fatal("testkit: no free port found")
	return 0
}

func isFree(port int) bool {
	l, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
