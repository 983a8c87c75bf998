package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
)

// pipes is a listener whose connections are made by its test.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// talk serves h in a bubble with a clock of its own.
func talk(t *testing.T, h http.HandlerFunc, client func(t *testing.T, c net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		in := &instance{log: hclog.NewNullLogger()}
		srv, l := in.httpServer(h), make(pipes)
		go func() { _ = srv.Serve(patientListener{l}) }()
		here, there := net.Pipe()
		l <- there
		client(t, here)
		_ = here.Close()
		close(l)
		_ = srv.Close()
	})
}

const bodied = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n"

func TestWhoStopsInTheMiddleOfABodyIsNotWaitedFor(t *testing.T) {
	talk(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
	}, func(t *testing.T, c net.Conn) {
		began := time.Now()
		_, err := c.Write([]byte(bodied + strings.Repeat("x", 1000)))
		require.NoError(t, err)
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusBadRequest, answer.StatusCode)
		require.Less(t, time.Since(began), time.Minute)
	})
}

func TestABodyThatNobodyReadsIsNotWaitedForEither(t *testing.T) {
	talk(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, func(t *testing.T, c net.Conn) {
		began := time.Now()
		go func() { _, _ = c.Write([]byte(bodied + "x")) }()
		_, _ = io.ReadAll(c)
		require.Less(t, time.Since(began), time.Minute)
	})
}

// A body that comes slowly, and an answer that takes its time, are both waited for.
func TestABodyThatComesIsWaitedFor(t *testing.T) {
	for _, name := range []string{"with its length", "in chunks"} {
		t.Run(name, func(t *testing.T) {
			talk(t, func(w http.ResponseWriter, r *http.Request) {
				b, err := io.ReadAll(r.Body)
				select {
				case <-time.After(time.Minute):
				case <-r.Context().Done():
					err = context.Cause(r.Context())
				}
				if err == nil && len(b) == 300_000 {
					w.WriteHeader(http.StatusNoContent)
				}
			}, func(t *testing.T, c net.Conn) {
				part := strings.Repeat("x", 50_000)
				head := bodied
				if name != "with its length" {
					head, part = strings.Replace(bodied, "Content-Length: 300000", "Transfer-Encoding: chunked", 1), "c350\r\n"+part+"\r\n"
				}
				for range 2 { // the second on the same connection
					_, err := c.Write([]byte(head))
					require.NoError(t, err)
					for range 6 {
						_, err := c.Write([]byte(part))
						require.NoError(t, err)
						time.Sleep(4 * time.Second)
					}
					if name != "with its length" {
						_, err := c.Write([]byte("0\r\n\r\n"))
						require.NoError(t, err)
					}
					answer, err := http.ReadResponse(bufio.NewReader(c), nil)
					require.NoError(t, err)
					require.Equal(t, http.StatusNoContent, answer.StatusCode)
				}
			})
		})
	}
}

func TestWhoDoesNotTakeAnAnswerIsNotWaitedForForEver(t *testing.T) {
	for _, x := range []struct {
		size, reads int // the latter every 55 seconds
		patience    time.Duration
	}{{600 << 10, 0, time.Minute}, {5<<20 + 8<<10, 0, time.Minute}, {5<<20 + 8<<10, 256 << 10, 6 * time.Minute}} {
		var failed chan time.Duration // of the bubble
		talk(t, func(w http.ResponseWriter, _ *http.Request) {
			began := time.Now()
			_, err := w.Write(make([]byte, x.size))
			if err == nil {
				t.Error("it was taken")
			}
			failed <- time.Since(began)
		}, func(t *testing.T, c net.Conn) {
			failed = make(chan time.Duration, 1)
			_, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
			require.NoError(t, err)
			_, err = io.ReadFull(c, make([]byte, 4096)) // the head, and the beginning, are written first
			require.NoError(t, err)
			for x.reads > 0 && len(failed) == 0 {
				time.Sleep(55 * time.Second)
				_, _ = io.ReadFull(c, make([]byte, x.reads)) // it ends
			}
			require.Equal(t, x.patience, <-failed)
		})
	}
}

func TestWhoTakesALargeAnswerIsServedOn(t *testing.T) {
	talk(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 600<<10)) // the client says whether it came
	}, func(t *testing.T, c net.Conn) {
		r := bufio.NewReader(c)
		for range 3 {
			_, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
			require.NoError(t, err)
			answer, err := http.ReadResponse(r, nil)
			require.NoError(t, err)
			body, err := io.ReadAll(answer.Body)
			require.NoError(t, err)
			require.Len(t, body, 600<<10)
			time.Sleep(time.Minute + time.Second)
		}
	})
}
