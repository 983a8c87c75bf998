package bench

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// answerFrom serves connections, of which the first are forgotten: a server may do
// that to those who come before it is ready.
func answerFrom(t *testing.T, first int) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var all sync.WaitGroup
	var forgotten []net.Conn
	all.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if n < first {
				forgotten = append(forgotten, c)
				continue
			}
			all.Go(func() { answer(c); _ = c.Close() })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		all.Wait()
		for _, c := range forgotten {
			_ = c.Close()
		}
	})
	return l.Addr().String()
}

// answer gives a session and says OK to everything.
func answer(c net.Conn) {
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	for begun := false; ; begun = true {
		head := make([]byte, 4)
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		size := wire.NewReader(head)
		body := make([]byte, size.Int())
		if _, err := io.ReadFull(c, body); err != nil {
			return
		}
		r := wire.NewReader(body)
		out := wire.AppendReplyHeader(nil, r.Int(), 1, core.OK)
		if !begun {
			resp := wire.ConnectResponse{TimeoutMillis: 1000, SessionID: 1}
			out = resp.Append(nil)
		}
		if _, err := c.Write(append(wire.AppendInt(nil, int32(len(out))), out...)); err != nil {
			return
		}
	}
}

func TestStartTriesAgainWhenItIsForgotten(t *testing.T) {
	name := filepath.Join(t.TempDir(), "round")
	s := &Server{Addr: answerFrom(t, 1), Command: "sh -c 'echo $BENCH_ROUND > " + name + "; sleep 60'", round: 3}
	took, err := s.Start(t.Context())
	require.NoError(t, err)
	require.GreaterOrEqual(t, took, patience)
	require.Less(t, took, 10*patience, "it waited for an answer that never comes")
	require.Eventually(t, func() bool { // it is another that answers
		text, err := os.ReadFile(name)
		return err == nil && string(text) == "3\n"
	}, 20*time.Second, time.Millisecond)
	require.NoError(t, s.Kill())
}

// Whoever listened at the address before was measured in its place.
func TestStartSaysThatItsCommandHasEnded(t *testing.T) {
	s := &Server{Name: "mine", Addr: answerFrom(t, 0), Command: "sh -c 'echo address already in use; exit 1'"}
	require.Eventually(t, func() bool {
		_, err := s.Start(t.Context())
		return err != nil && err.Error() == "the command of mine has ended\naddress already in use\n" && s.Kill() == nil
	}, 10*time.Second, time.Millisecond, "it may be asked before it has ended")
}
