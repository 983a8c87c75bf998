package health

import (
	"bufio"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/registry"
)

func TestAskTellsTheAnswersApart(t *testing.T) {
	status := http.StatusOK
	var got *http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	defer server.Close()
	host, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	number, err := strconv.Atoi(port)
	require.NoError(t, err)
	i := &registry.Instance{IP: host, Port: number}
	tcp := &registry.Cluster{Checker: registry.Checker{Type: registry.CheckTCP}, UseInstancePort: true}
	web := &registry.Cluster{Checker: registry.Checker{Type: registry.CheckHTTP, Path: "health", Headers: "a:1|Host:shop"}, CheckPort: number}
	require.Equal(t, Up, Ask(t.Context(), i, tcp))
	for code, want := range map[int]Result{200: Up, 204: DownHard, 302: Down, 404: DownHard, 500: DownHard, 503: Down} {
		status = code
		require.Equal(t, want, Ask(t.Context(), i, web), code)
		require.Equal(t, []string{"/health", "1", "shop"}, []string{got.URL.Path, got.Header.Get("a"), got.Host})
	}
	server.Close()
	require.Equal(t, Down, Ask(t.Context(), i, tcp))
	require.Equal(t, DownHard, Ask(t.Context(), i, web))
}

// hostile is an instance that answers a request with begin, and then with more for as long
// as it is read. sent is what was written, in bytes, though not all of it need be read.
func hostile(t *testing.T, begin, more string) (i *registry.Instance, sent *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	sent = new(atomic.Int64)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = c.(*net.TCPConn).SetWriteBuffer(16 << 10)
				if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
					return
				}
				for text := begin; ; text = more {
					n, err := c.Write([]byte(text))
					sent.Add(int64(n))
					if err != nil {
						return
					}
					if more == "" {
						_, _ = c.Read(make([]byte, 1)) // until the other side ends it
						return
					}
				}
			}()
		}
	}()
	host, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	number, err := strconv.Atoi(port)
	require.NoError(t, err)
	return &registry.Instance{IP: host, Port: number}, sent
}

// readMax is more than a check reads and the buffers of a connection hold, and less than
// what it read before it had bounds.
const readMax = 7 << 20

func TestAnEndlessAnswerIsReadUpToABound(t *testing.T) {
	line := "X-More: " + strings.Repeat("x", 1<<10) + "\r\n"
	chunk := "10000\r\n" + strings.Repeat("x", 0x10000) + "\r\n"
	for name, c := range map[string]struct {
		begin, more string
		want        Result
	}{
		"headers":                    {"HTTP/1.1 200 OK\r\n", line, Down},
		"one header":                 {"HTTP/1.1 200 OK\r\nX: ", strings.Repeat("x", 1<<10), Down},
		"a status":                   {"HTTP/1.1 200 ", strings.Repeat("x", 1<<10), Down},
		"answers that come first":    {"", "HTTP/1.1 103 Early Hints\r\n" + line + "\r\n", Down},
		"short ones that come first": {"", strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 40), Down},
		"a body":                     {"HTTP/1.1 200 OK\r\n\r\n", line, Up},
		"chunks":                     {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk, Up},
		"an extension of a chunk":    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", strings.Repeat("x", 1<<10), Up},
		"trailers":                   {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-More\r\n\r\n0\r\n", line, Up},
		"another protocol":           {"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", line, DownHard},
		"a packed body of nothing": {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", strings.Repeat(
			"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00", 100), Up},
	} {
		t.Run(name, func(t *testing.T) {
			i, sent := hostile(t, c.begin, c.more)
			settings := &registry.Cluster{Checker: registry.Checker{Type: registry.CheckHTTP, Path: "/"}, UseInstancePort: true}
			require.Equal(t, c.want, Ask(t.Context(), i, settings))
			require.Less(t, sent.Load(), int64(readMax))
		})
	}
}

// Who says that another protocol follows owns the connection, as far as net/http is
// concerned: no context ends what is read of it.
func TestWhoeverFallsSilentIsGivenUp(t *testing.T) {
	for name, begin := range map[string]string{
		"at once":                 "\r\n",
		"within the headers":      "HTTP/1.1 200 OK\r\nX: ",
		"within the body":         "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
		"after another protocol":  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
		"after an early response": "HTTP/1.1 103 Early Hints\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i, _ := hostile(t, begin, "")
			settings := &registry.Cluster{Checker: registry.Checker{Type: registry.CheckHTTP, Path: "/"}, UseInstancePort: true}
			done := make(chan struct{})
			go func() { defer close(done); Ask(t.Context(), i, settings) }()
			select {
			case <-done:
			case <-time.After(answerTimeout + 8*time.Second):
				t.Fatal("the check holds its place for ever")
			}
		})
	}
}
