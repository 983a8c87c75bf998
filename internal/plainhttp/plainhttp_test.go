package plainhttp

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
)

const path = "/plain"

// echo answers with what it was asked, so that a difference in the request shows, and
// does what the query says.
func echo(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	switch r.URL.RawQuery {
	case "untyped":
		h["Content-Type"] = nil
	case "typed":
		h.Set("Content-Type", "application/json")
	case "headers":
		h["x-as-written"] = []string{"1", "2"}
		h.Set("Date", "never")
		h.Set("X-Lines", " a\r\nSet-Cookie: b\n ")
		h["bad name"] = []string{"x"}
	case "none":
		w.WriteHeader(http.StatusNoContent)
	case "empty":
		w.WriteHeader(http.StatusTeapot)
		return
	case "silent":
		return
	case "late":
		w.WriteHeader(799)
		h.Set("X-Late", "1")
		w.WriteHeader(200)
	case "early":
		w.WriteHeader(http.StatusEarlyHints)
	case "close":
		h.Set("Connection", "close")
	case "length":
		h.Set("Content-Length", "3")
		_, _ = w.Write([]byte("abc"))
		return
	case "long":
		_, _ = w.Write(bytes.Repeat([]byte("long"), answerBytesKept))
		return
	case "panic":
		panic("the handler's own")
	case "abort":
		panic(http.ErrAbortHandler)
	}
	body, err := io.ReadAll(r.Body)
	_, _ = fmt.Fprintf(w, "%s %s %s %+v %s %d %s %v\n", r.Method, r.RequestURI, r.Proto, *r.URL, r.Host, r.ContentLength, body, err)
	_ = r.Header.Write(w)
}

func takes(method, p, _ string) bool {
	return p == path && (method == "GET" || method == "POST")
}

func testServer() *Server {
	return &Server{
		Handler: http.HandlerFunc(echo), Takes: takes, FirstTime: 10 * time.Second, IdleTime: 2 * time.Minute, GraceTime: time.Second,
		Log: hclog.NewNullLogger(),
	}
}

// talk sends bytes to whoever serves a connection, and reads all that it answers until it
// closes, or until quiet.
func talk(t *testing.T, serve func(net.Conn), send string) []byte {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := l.Accept(); err == nil {
			serve(c)
		}
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	_, err = io.WriteString(c, send)
	require.NoError(t, err)
	require.NoError(t, c.(*net.TCPConn).CloseWrite())
	got, _ := io.ReadAll(c)
	require.NoError(t, c.Close())
	<-done
	return got
}

// TestAnswersAreThoseOfTheLibrary sends the same bytes to a server of net/http and to one
// behind this package, to which what is not plain goes on.
func TestAnswersAreThoseOfTheLibrary(t *testing.T) {
	host := "Host: a.example:80\r\n"
	get := func(query, headers string) string {
		return "GET " + path + query + " HTTP/1.1\r\n" + host + headers + "\r\n"
	}
	cases := map[string]string{}
	for _, query := range []string{
		"", "?", "?a=b&c=%20", "?a#b", "?untyped", "?typed", "?headers", "?none", "?empty", "?silent", "?late", "?early", "?close", "?length",
		"?long", "?panic", "?abort", "?\x80", "?a b",
	} {
		cases["query "+query] = get(query, "") + get("?second", "")
	}
	for _, headers := range []string{
		"accept: */*\r\nUSER-agent:  x y \t\r\n", "X: 1\r\nX: 2\r\n", "X : 1\r\n", "X: a\r\n b\r\n", "X:\r\n", ": x\r\n", "noColon\r\n", "X: \x01\r\n", "X: \xff\r\n",
		"Connection: keep-alive\r\n", "Connection: close\r\n", "Connection: Keep-Alive, X\r\nX: 1\r\n", "Pragma: no-cache\r\n", "Host: b\r\n", "TE: trailers\r\n",
		"Content-Length: 0\r\n", "Content-Length: +0\r\n", "Content-Length: -1\r\n", "Content-Length: 1\r\nContent-Length: 1\r\n", "Content-Length:\r\n",
		"Upgrade: h2c\r\n", "Expect: 100-continue\r\nContent-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "Accept-Encoding: gzip\r\nCookie: a=b; c=d\r\n",
		"X: " + strings.Repeat("x", bufferBytes) + "\r\n",
	} {
		cases["headers "+headers] = get("", headers) + get("?second", "")
	}
	for name, request := range map[string]string{
		"a form":                "POST " + path + " HTTP/1.1\r\n" + host + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=b" + get("?second", ""),
		"a body that goes on":   "POST " + path + " HTTP/1.1\r\n" + host + "Content-Length: 9000\r\n\r\n" + strings.Repeat("y", 9000) + get("?second", ""),
		"a body cut off":        "POST " + path + " HTTP/1.1\r\n" + host + "Content-Length: 9\r\n\r\ny",
		"chunks and a length":   "POST " + path + " HTTP/1.1\r\n" + host + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + get("?second", ""),
		"chunks":                "POST " + path + " HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n" + get("?second", ""),
		"no host":               "GET " + path + " HTTP/1.1\r\n\r\n",
		"a bad host":            "GET " + path + " HTTP/1.1\r\nHost: a/b\r\n\r\n",
		"HTTP/1.0":              "GET " + path + " HTTP/1.0\r\n\r\n",
		"another path":          "GET /other HTTP/1.1\r\n" + host + "\r\n" + get("?second", ""),
		"an absolute target":    "GET http://a" + path + " HTTP/1.1\r\n" + host + "\r\n",
		"a path in disguise":    "GET /%70lain HTTP/1.1\r\n" + host + "\r\n",
		"two slashes":           "GET /" + path + " HTTP/1.1\r\n" + host + "\r\n",
		"no body to be read":    "HEAD " + path + " HTTP/1.1\r\n" + host + "\r\n",
		"lines with LF alone":   "GET " + path + " HTTP/1.1\nHost: a\n\n" + get("?second", ""),
		"LF within":             get("", "A: b\nC: d\r\n") + get("?second", ""),
		"a space too many":      "GET  " + path + " HTTP/1.1\r\n" + host + "\r\n",
		"an empty line before":  "\r\n" + get("", ""),
		"half a request":        get("", "")[:20],
		"a half behind a whole": get("", "") + get("", "")[:20],
		"nothing":               "",
		"many":                  strings.Repeat(get("?a", "X: y\r\n"), 200),
	} {
		cases[name] = request
	}
	s := testServer()
	for name, send := range cases {
		t.Run(name, func(t *testing.T) {
			want := talk(t, func(c net.Conn) { byLibrary(c, nil) }, send)
			got := talk(t, func(c net.Conn) {
				if rest := s.Serve(t.Context(), c, nil); rest != nil {
					byLibrary(c, rest)
				}
			}, send)
			method, _, _ := strings.Cut(send, " ")
			require.Equal(t, answers(t, method, want), answers(t, method, got))
		})
	}
}

// byLibrary serves a connection by net/http, of which some bytes were read.
func byLibrary(c net.Conn, before []byte) {
	l := &single{conn: make(chan net.Conn, 1), closed: make(chan struct{})}
	l.conn <- &begun{Conn: c, r: io.MultiReader(bytes.NewReader(before), c), over: l.closed}
	_ = (&http.Server{Handler: http.HandlerFunc(echo), ErrorLog: hclog.NewNullLogger().StandardLogger(nil)}).Serve(l)
}

type begun struct {
	net.Conn
	r    io.Reader
	over chan struct{}
}

func (b *begun) Read(p []byte) (int, error) { return b.r.Read(p) }
func (b *begun) Close() error {
	defer func() { _ = recover() }() // closed twice
	close(b.over)
	return b.Conn.Close()
}

// single is a listener of one connection, which ends with it.
type single struct {
	conn   chan net.Conn
	closed chan struct{}
}

func (s *single) Accept() (net.Conn, error) {
	select {
	case c := <-s.conn:
		return c, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}
func (s *single) Close() error   { return nil }
func (s *single) Addr() net.Addr { return &net.TCPAddr{} }

type told struct {
	Status string
	Header http.Header
	Body   string
}

// answers are those that were read, without what depends on the time and without the
// choice between a length and chunks.
func answers(t *testing.T, method string, b []byte) (all []told) {
	t.Helper()
	in := bufio.NewReader(bytes.NewReader(b))
	for {
		r, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%q", b)
			return all
		}
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		if d := r.Header["Date"]; len(d) == 1 && d[0] != "never" {
			_, err := time.Parse(http.TimeFormat, d[0])
			require.NoError(t, err)
			r.Header["Date"] = []string{"now"}
		}
		r.Header.Del("Content-Length")
		all = append(all, told{r.Status, r.Header, string(body)})
		if r.StatusCode == http.StatusEarlyHints {
			all = all[:len(all)-1] // not sent from here
		}
	}
}

func TestWhatIsPlainStaysHere(t *testing.T) {
	whole := "GET /plain?a=b HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r\n\r\n"
	r, size := parse(t.Context(), []byte(whole+"GET /"), takes)
	require.Equal(t, len(whole), size)
	require.Equal(t, "a=b", r.URL.RawQuery)
	require.Equal(t, http.Header{"User-Agent": {"x"}}, r.Header)
	for n := range whole {
		r, _ := parse(t.Context(), []byte(whole[:n]), takes)
		require.Nil(t, r, n)
	}
}

func TestConnectionsEndInTheirTime(t *testing.T) {
	get := "GET /plain HTTP/1.1\r\nHost: a\r\n\r\n"
	for _, c := range []struct {
		name     string
		requests int
		min, max time.Duration
	}{
		{"without a request", 0, 10 * time.Second, 10 * time.Second},
		{"with one", 1, 108 * time.Second, 120 * time.Second},
		{"with several", 5, 108*time.Second + 4*time.Minute, 6 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				began := time.Now()
				over := make(chan []byte)
				go func() { over <- testServer().Serve(t.Context(), &piped{Conn: server}, nil) }()
				in := bufio.NewReader(client)
				for n := range c.requests {
					if n > 0 {
						time.Sleep(time.Minute)
					}
					_, err := io.WriteString(client, get)
					require.NoError(t, err)
					r, err := http.ReadResponse(in, nil)
					require.NoError(t, err)
					_, err = io.Copy(io.Discard, r.Body)
					require.NoError(t, err)
				}
				_, err := in.ReadByte()
				require.ErrorIs(t, err, io.EOF)
				require.Nil(t, <-over)
				require.GreaterOrEqual(t, time.Since(began), c.min)
				require.LessOrEqual(t, time.Since(began), c.max)
			})
		})
	}
}

// piped has an address.
type piped struct{ net.Conn }

func (p *piped) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func TestAStopLetsARequestFinish(t *testing.T) {
	for name, takesSo := range map[string]time.Duration{"in time": 500 * time.Millisecond, "too late": time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := testServer()
				var cause error
				s.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					select {
					case <-r.Context().Done():
						cause = r.Context().Err()
					case <-time.After(takesSo):
					}
				})
				client, server := net.Pipe()
				ctx, cancel := context.WithCancel(t.Context())
				over := make(chan []byte)
				go func() { over <- s.Serve(ctx, &piped{Conn: server}, nil) }()
				_, err := io.WriteString(client, "GET /plain HTTP/1.1\r\nHost: a\r\n\r\n")
				require.NoError(t, err)
				synctest.Wait()
				began := time.Now()
				cancel()
				line, err := textproto.NewReader(bufio.NewReader(client)).ReadLine()
				if takesSo < s.GraceTime {
					require.NoError(t, err)
					require.Equal(t, "HTTP/1.1 200 OK", line)
				} else {
					require.Error(t, err)
				}
				_ = client.Close()
				require.Nil(t, <-over)
				require.Equal(t, takesSo > s.GraceTime, cause != nil)
				require.LessOrEqual(t, time.Since(began), s.GraceTime)
			})
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("GET /plain?a HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n"))
	f.Add([]byte("POST /plain HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, size := parse(t.Context(), b, takes)
		if r == nil {
			return
		}
		// What is taken, the library reads likewise.
		in := bytes.NewReader(b)
		buffered := bufio.NewReaderSize(in, len(b)+16)
		want, err := http.ReadRequest(buffered)
		require.NoError(t, err)
		wantBody, err := io.ReadAll(want.Body)
		require.NoError(t, err)
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.Equal(t, string(wantBody), string(body))
		require.Equal(t, size, len(b)-in.Len()-buffered.Buffered())
		require.Equal(t, want.Header, r.Header)
		require.Equal(t, *want.URL, *r.URL)
		require.Equal(t, []any{want.Method, want.Host, want.RequestURI, want.Proto, want.ContentLength, want.Close}, []any{r.Method, r.Host, r.RequestURI, r.Proto, r.ContentLength, r.Close})
	})
}

func BenchmarkServe(b *testing.B) {
	s := testServer()
	answer := []byte(strings.Repeat("x", 1024))
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{"text/plain"}
		_, _ = w.Write(answer)
	})
	c := &conn{Server: s, net: discard{}, ctx: b.Context(), buf: make([]byte, bufferBytes)}
	get := []byte("GET /plain?dataId=a&group=b HTTP/1.1\r\nHost: a\r\nUser-Agent: b\r\n\r\n")
	b.ReportAllocs()
	for b.Loop() {
		r, _ := parse(b.Context(), get, takes)
		if r == nil || !c.answer(r) {
			b.Fatal("not served")
		}
	}
}

type discard struct{ net.Conn }

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// TestALongTextIsSentAsItLies: it is told when it is not needed any more, and the answer is
// that of the library.
func TestALongTextIsSentAsItLies(t *testing.T) {
	long := strings.Repeat("long", answerBytesKept)
	for _, parts := range [][]string{{long}, {"short"}, {"before", long}, {long, "after"}, {long, long}} {
		sent := 0
		s := testServer()
		s.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			a := w.(*answer)
			a.Keep(func() { sent++ })
			for _, part := range parts {
				_, _ = a.WriteString(part)
			}
			if len(parts) == 1 && len(long) == len(parts[0]) {
				require.Empty(t, a.body, "it was copied")
			}
			require.Zero(t, sent)
		})
		got := talk(t, func(c net.Conn) { s.Serve(t.Context(), c, nil) }, "GET /plain HTTP/1.1\r\nHost: x\r\n\r\n")
		_, body, ok := bytes.Cut(got, []byte("\r\n\r\n"))
		require.True(t, ok)
		require.True(t, strings.Join(parts, "") == string(body))
		require.Equal(t, 1, sent)
	}
}
