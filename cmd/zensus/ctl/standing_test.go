package ctl

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhyAServerLetsNobodyIn(t *testing.T) {
	for answer, want := range map[string]string{
		"This ZooKeeper instance is not currently serving requests\n": "it starts, or has no quorum",
		"Zookeeper version: x\nMode: follower\nNode count: 5\n":       "it was drained",
		"Zookeeper version: x\nMode: read-only\nNode count: 5\n":      "has no quorum",
		"srvr is not executed because it is not in the whitelist.\n":  "lets no client in",
		"": "takes connections, and answers nothing",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_ = c.SetDeadline(time.Now().Add(10 * time.Second))
				word := make([]byte, 4)
				if _, err := io.ReadFull(c, word); err == nil && string(word) == "srvr" {
					_, _ = io.WriteString(c, answer)
				}
				_ = c.Close()
			}
		}()
		for timeout := 300 * time.Millisecond; timeout < time.Minute; timeout *= 4 { // the machine may be busy
			z := &zk{server: l.Addr().String(), timeout: timeout, notes: io.Discard}
			_, err = z.session(t.Context())
			require.Error(t, err)
			if strings.Contains(err.Error(), want) {
				break
			}
		}
		require.ErrorContains(t, err, want, "%q", answer)
		require.NotContains(t, err.Error(), "start a server")
		require.NoError(t, l.Close())
		<-ended
	}
	z := &zk{server: "127.0.0.1:1", timeout: 300 * time.Millisecond, notes: io.Discard}
	_, err := z.session(t.Context())
	require.ErrorContains(t, err, "start a server with zensus serve")
}
