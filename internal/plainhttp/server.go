package plainhttp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Server serves plain requests. Its members are set before its first use; it is then safe
// for concurrent use.
type Server struct {
	Handler http.Handler
	// Takes reports whether a request may be served here, by its method, exact path and raw
	// query.
	Takes func(method, path, query string) bool
	// FirstTime bounds the wait for the first request, IdleTime that for the next one; the
	// latter may be up to a tenth shorter.
	FirstTime, IdleTime time.Duration
	// GraceTime is how long a request may still take once the context of Serve has ended.
	GraceTime time.Duration
	// Log hears of handlers that panic.
	Log hclog.Logger

	answers sync.Pool
}

// bufferBytes is what a request may have, and a connection costs while it is idle.
const bufferBytes = 4 << 10

// Serve serves the requests of c, of which first was read already, as long as they are
// plain. It returns what was read and is not served: the connection is the caller's again,
// without a deadline, and begins with these bytes. It returns nil where the connection is
// over, and closed.
//
// When ctx ends, a request under way is finished, and an idle connection is closed.
func (s *Server) Serve(ctx context.Context, c net.Conn, first []byte) (unserved []byte) {
	conn := conn{Server: s, net: c, remote: c.RemoteAddr().String(), buf: make([]byte, bufferBytes)}
	if conn.n = copy(conn.buf, first); conn.n == len(conn.buf) {
		return first
	}
	var cancel context.CancelFunc
	conn.ctx, cancel = context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		_ = c.SetReadDeadline(time.Now())
		time.AfterFunc(s.GraceTime, func() {
			select {
			case <-conn.ctx.Done(): // it is over, or the caller's
			default:
				cancel()
				_ = c.Close()
			}
		})
	})
	defer stop()
	if conn.serve(ctx) && stop() && c.SetDeadline(time.Time{}) == nil {
		return conn.buf[:conn.n]
	}
	_ = c.Close()
	return nil
}

// conn is one connection.
type conn struct {
	*Server
	net      net.Conn
	ctx      context.Context // of its requests
	remote   string
	buf      []byte
	n        int       // of buf was read and not served
	deadline time.Time // of reads, as it was set last
	writeBy  time.Time // of writes, likewise
}

// serve reports whether the connection goes on elsewhere.
func (c *conn) serve(ctx context.Context) (goesOn bool) {
	if err := c.read(c.FirstTime); err != nil {
		return false
	}
	for {
		if c.n == 0 {
			if err := c.read(c.IdleTime); err != nil {
				return false
			}
		}
		reqCtx, cancel := context.WithCancel(c.ctx)
		r, size := parse(reqCtx, c.buf[:c.n], c.Takes)
		if r == nil {
			cancel()
			return true
		}
		r.RemoteAddr = c.remote
		alive := c.answer(r)
		cancel()
		if !alive || ctx.Err() != nil {
			return false
		}
		c.n = copy(c.buf, c.buf[size:c.n])
	}
}

// read reads what comes next. The deadline is left as it is while it is right but for a
// tenth: to set it is a good part of what a request costs.
func (c *conn) read(within time.Duration) error {
	if now := time.Now(); c.deadline.Sub(now) < within-within/10 || c.deadline.Sub(now) > within {
		c.deadline = now.Add(within)
		if err := c.net.SetReadDeadline(c.deadline); err != nil {
			return err
		}
	}
	n, err := c.net.Read(c.buf[c.n:])
	c.n += n
	if n > 0 {
		return nil // what else there is to say is said again
	}
	return err
}

// answer serves one request, and reports whether the connection lives on.
func (c *conn) answer(r *http.Request) (alive bool) {
	a, _ := c.answers.Get().(*answer)
	if a == nil {
		a = &answer{header: make(http.Header, 16)}
	}
	if !c.handle(a, r) {
		a.release()
		return false // the answer is not used again: who panicked may hold it
	}
	alive = c.send(a.finish()) == nil && !a.closes
	if a.reset() {
		c.answers.Put(a)
	}
	return alive
}

// Bounds of how long a client may take for an answer, which lies in memory here until then.
const (
	// All of it must be taken within writeTime, and as much again for every writeBytes.
	writeTime  = time.Minute
	writeBytes = 1 << 20
	// Of a longer one, so much must be taken within writeTime.
	pieceBytes = 256 << 10
)

// WriteTime is how long so many bytes of an answer may take.
func WriteTime(bytes int) time.Duration { return writeTime * time.Duration(1+bytes/writeBytes) }

// Write writes to a connection, without waiting longer than WriteTime, or for longer than
// a minute for one who takes nothing. by is the deadline of writes as it was set last. It
// is left as it is while it is right but for a tenth: to set it costs something.
func Write(c net.Conn, by *time.Time, b []byte) (n int, err error) {
	now := time.Now()
	end := now.Add(WriteTime(len(b)))
	for {
		within := min(writeTime, end.Sub(now))
		if left := by.Sub(now); left < within-within/10 || left > within {
			*by = now.Add(within)
			if err := c.SetWriteDeadline(*by); err != nil {
				return n, err
			}
		}
		m, err := c.Write(b[n:min(len(b), n+pieceBytes)])
		if n += m; err != nil || n == len(b) {
			return n, err
		}
		now = time.Now()
	}
}

func (c *conn) send(out, long []byte) error {
	_, err := Write(c.net, &c.writeBy, out)
	if err == nil && long != nil {
		_, err = Write(c.net, &c.writeBy, long)
	}
	return err
}

// handle calls the handler and reports whether it returned.
func (c *conn) handle(a *answer, r *http.Request) (returned bool) {
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				c.Log.Error("handler panicked", "remote", c.remote, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			}
			returned = false
		}
	}()
	c.Handler.ServeHTTP(a, r)
	return true
}
