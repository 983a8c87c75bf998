package testkit

import (
	"fmt"
	"math/rand/v2"
	"net"
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

// besides are the other ports at which a server of Nacos would listen, as far from its HTTP
// port: tests look whether somebody does.
var besides = []int{grpcOffset, -1000, 1001, 1002}

// given are the ports that FreePort has given to this process, the offsets included:
// nobody may listen on one yet. The UDP port of the same number is held for as long as the
// process lives, so that those of tests that run beside it are given others: a port may be
// free for long, until its server starts, or is started again.
var given struct {
	sync.Mutex
	held []net.PacketConn
}

// FreePort returns a port of the loopback address that nobody listens on, and that it
// has not returned before, nor to another process that lives. The same holds for the ports
// at the offsets from it.
func FreePort(t testing.TB, offsets ...int) int {
	t.Helper()
	given.Lock()
	defer given.Unlock()
	for range 1000 {
		port := portMin + rand.IntN(portMax-portMin)
		all := []int{port}
		for _, o := range offsets {
			all = append(all, port+o)
		}
		if held := take(all); held != nil {
			given.held = append(given.held, held...)
			return port
		}
	}
	t.Fatal("testkit: no free port found")
	return 0
}

// take holds ports if all of them are free.
func take(ports []int) (held []net.PacketConn) {
	for _, port := range ports {
		c, err := net.ListenPacket("udp", loopback(port))
		if err == nil {
			held = append(held, c)
		}
		if err != nil || !isFree(port) {
			for _, c := range held {
				_ = c.Close() // nothing was written to it
			}
			return nil
		}
	}
	return held
}

func isFree(port int) bool {
	l, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
