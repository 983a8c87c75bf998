package server_test

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core/server"
	"github.com/zensus-io/zensus/core/wire"
)

// TestDescriptorThatIsUsedAgainAtOnce has many clients end their sessions while as
// many come: what the system told of one descriptor must not be taken for another
// connection's.
func TestDescriptorThatIsUsedAgainAtOnce(t *testing.T) {
	addr, s := serve(t, server.Config{})
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				_ = c.SetDeadline(time.Now().Add(time.Minute))
				_, _ = c.Write(connectFrame())
				if _, err := io.ReadFull(c, make([]byte, 41)); err != nil {
					t.Error("a connection is not welcomed: ", err)
				}
				_, _ = c.Write(ask(1, wire.OpCloseSession, nil))
				_, _ = io.ReadAll(c)
				_ = c.Close()
			}
		})
	}
	all.Wait()
	require.Eventually(t, func() bool { return connections(t, s) == 0 }, time.Minute, 10*time.Millisecond)
}
