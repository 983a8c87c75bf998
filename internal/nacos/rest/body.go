package rest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/sync/semaphore"

	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// Bounds of the bodies that are held at once, over all requests. What is made of a body
// takes two or three times as much for a moment.
const (
	// bodyBytesHeld is for those of whom it is known who they are, strangerBytesHeld for
	// all others, who so keep nobody out but one another.
	bodyBytesHeld     = 256 << 20
	strangerBytesHeld = 32 << 20
	// strangerBodyBytes bounds a body that is read before it is known whose it is: it may
	// have the token in it, as with clients of Nacos 1.x.
	strangerBodyBytes = 1 << 20
	// bodyBytesFree are not counted: a connection costs as much without a body.
	bodyBytesFree = 16 << 10
	// bodyStep is how many bytes are asked for at once.
	bodyStep = 64 << 10
	// bodyPatience is how long a body waits until others have gone.
	bodyPatience = 3 * time.Second
)

// errBusy refuses a body that there is no room for.
var errBusy = wire.Refuse(wire.Busy, "too many large requests are under way, please try again later")

// bodies are those that are held now.
type bodies struct{ known, strange *semaphore.Weighted }

func newBodies() *bodies {
	return &bodies{semaphore.NewWeighted(bodyBytesHeld), semaphore.NewWeighted(strangerBytesHeld)}
}

// body counts what was read of a request's body until the request has been answered.
type body struct {
	io.ReadCloser
	ctx   context.Context // of the request, which it ends with
	all   *bodies
	known bool  // whose it is
	bytes int64 // read
	held  int64 // of all.known or all.strange
}

// of puts a body in place of that of r, which has one.
func (all *bodies) of(r *http.Request) *body {
	b := &body{ReadCloser: r.Body, ctx: r.Context(), all: all}
	r.Body = b
	return b
}

// bodyOf is the body of a request that is still to be read, nil if it has none.
func bodyOf(r *http.Request) *body {
	if r.Body == http.NoBody {
		return nil
	}
	b, _ := r.Body.(*body)
	return b
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.bytes += int64(n)
	if !b.known && b.bytes > strangerBodyBytes {
		return 0, &http.MaxBytesError{Limit: strangerBodyBytes}
	}
	if b.bytes > max(bodyBytesFree, b.held) {
		step := max(bodyStep, b.bytes-b.held)
		if acquireErr := b.acquire(b.room(), step); acquireErr != nil {
			return 0, acquireErr
		}
		b.held += step
	}
	return n, err
}

func (b *body) room() *semaphore.Weighted {
	if b.known {
		return b.all.known
	}
	return b.all.strange
}

func (b *body) acquire(room *semaphore.Weighted, n int64) error {
	if room.TryAcquire(n) {
		return nil
	}
	ctx, cancel := context.WithTimeout(b.ctx, bodyPatience)
	defer cancel()
	if room.Acquire(ctx, n) != nil {
		return errBusy
	}
	return nil
}

// Known says that it is known now whose the body is. The error is that there is no room
// among those for what was read of it already.
func (b *body) Known() error {
	if b.known {
		return nil
	}
	held := b.held
	if held > 0 {
		if err := b.acquire(b.all.known, held); err != nil {
			return err
		}
	}
	b.release()
	b.known, b.held = true, held
	return nil
}

// release gives back what is held, when the request has been answered.
func (b *body) release() {
	if b.held > 0 {
		b.room().Release(b.held)
		b.held = 0
	}
}

// meet finds out who sends a body before it is read, where that can be: the token is in
// the head or the query, or nobody has to be asked. It reports whether it could; an error
// refuses the request.
func (g *Guard) meet(c *gin.Context, b *body, needOf func(*parameters) auth.Need) (bool, error) {
	if g.checker == nil || g.checker.Allow(auth.Subject{}, auth.Need{Admin: true}) {
		return false, b.Known()
	}
	p, err := queryOf(c)
	if err != nil {
		return false, nil // paramsOf says so
	}
	who := credentials(c, p)
	// A name and a password among the parameters may be what the request is about.
	who.Username, who.Password = only(c.Request.Header["Username"]), only(c.Request.Header["Password"])
	if who.Token == "" && who.Username == "" {
		return false, nil
	}
	// What the parameters of the query name is looked at with those of the body.
	ctx, err := g.checker.Check(c.Request.Context(), who, auth.Need{Admin: needOf(&parameters{}).Admin})
	if ctx != c.Request.Context() {
		c.Request = c.Request.WithContext(ctx)
	}
	if errors.Is(err, auth.ErrUnauthenticated) && who.Token != "" && firstOf(p, "accessToken") == "" {
		// A proxy may have put a token of its own into the head: the body's counts before it.
		return false, nil
	}
	if err != nil {
		p.need, p.guarded = needOf(p), true
		return false, err
	}
	return true, b.Known()
}
