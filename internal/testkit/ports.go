package testkit

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
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

// given are the ports that FreePort has given to this process, the offsets included:
// nobody may listen on one yet.
var given struct {
	sync.Mutex
	ports map[int]bool
}

// FreePort returns a port of the loopback address that nobody listens on, and that it
// has not returned before. The same holds for the ports at the offsets from it.
func FreePort(t testing.TB, offsets ...int) int {
	t.Helper()
	given.Lock()
	defer given.Unlock()
	if given.ports == nil {
		given.ports = make(map[int]bool)
	}
	for range 1000 {
		port := portMin + rand.IntN(portMax-portMin)
		all := []int{port}
		for _, o := range offsets {
			all = append(all, port+o)
		}
		if slices.ContainsFunc(all, func(p int) bool { return given.ports[p] || !isFree(p) }) {
			continue
		}
		for _, p := range all {
			given.ports[p] = true
		}
		return port
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
