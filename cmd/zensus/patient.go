package main

import (
	"io"
	"net"
	"net/http"
	"time"

	"github.com/zensus-io/zensus/internal/plainhttp"
)

// bodyPatience is how long so many bytes of a request's body may take to come, or all of
// it: who sends it for ever would have a connection, and what it sent, for ever.
const (
	bodyPatience = 10 * time.Second
	bodyProgress = 64 << 10
)

// patient serves what h does, and is not patient for ever with those who send a body.
func patient(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			b := &patientBody{ReadCloser: r.Body, conn: http.NewResponseController(w)}
			b.wait()
			r.Body = b
		}
		h.ServeHTTP(w, r)
	})
}

// patientBody moves the deadline of its connection on while something comes. What h has
// not read the server reads, under the last of them, and sets its own for what follows.
type patientBody struct {
	io.ReadCloser
	conn *http.ResponseController
	left int // until the deadline moves
}

func (b *patientBody) wait() {
	b.left = bodyProgress
	_ = b.conn.SetReadDeadline(time.Now().Add(bodyPatience)) // a closed connection tells it with the next Read
}

// Read implements io.Reader.
func (b *patientBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; err == io.EOF {
		// All is there: from here on the server waits for the client to go away, which is
		// to take as long as the answer does.
		_ = b.conn.SetReadDeadline(time.Time{})
	} else if err == nil && b.left <= 0 {
		b.wait()
	}
	return n, err
}

// patientListener is a listener whose connections do not wait for ever for clients who
// ask and do not read, but for as long as those of internal/plainhttp.
type patientListener struct{ net.Listener }

// Accept implements net.Listener.
func (l patientListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &patientConn{Conn: c}, nil
}

// patientConn is written to by one at a time.
type patientConn struct {
	net.Conn
	writeBy time.Time
}

// Write implements net.Conn.
func (c *patientConn) Write(p []byte) (int, error) { return plainhttp.Write(c.Conn, &c.writeBy, p) }

// CloseWrite passes a half close on, where the connection knows one.
func (c *patientConn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return nil
}
