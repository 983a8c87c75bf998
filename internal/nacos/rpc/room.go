package rpc

import (
	"context"
	"time"

	"golang.org/x/sync/semaphore"
)

// room bounds what requests take that are under way, over all connections. It is safe for
// concurrent use.
type room struct{ inside, before, strange *semaphore.Weighted }

// Bounds of the bytes of requests. What is made of one takes two or three times as much.
const (
	// roomBytes is for requests that are served, doorBytes for those that wait for that,
	// and strangeBytes for those that wait for the setup of their connection: they keep
	// nobody out but one another.
	roomBytes    = 256 << 20
	doorBytes    = 128 << 20
	strangeBytes = 32 << 20
	// requestBytesFree are not counted: a request costs as much without a body.
	requestBytesFree = 16 << 10
	// roomPatience is how long one waits; clients give up after three seconds.
	roomPatience = 2 * time.Second
)

func newRoom() *room {
	return &room{semaphore.NewWeighted(roomBytes), semaphore.NewWeighted(doorBytes), semaphore.NewWeighted(strangeBytes)}
}

// meet waits for the setup of a request's connection, and reports whether there is one.
func (r *room) meet(ctx context.Context, t *transport, bytes int64) bool {
	select {
	case <-t.setUp:
		return true
	default:
	}
	if !r.strange.TryAcquire(bytes) {
		return false
	}
	defer r.strange.Release(bytes)
	return t.registered(ctx) != nil
}

// enter waits until there is room for a request, and reports whether there is. leave must
// follow then.
func (r *room) enter(ctx context.Context, bytes int64) bool {
	if r.inside.TryAcquire(bytes) {
		return true
	}
	if !r.before.TryAcquire(bytes) {
		return false
	}
	defer r.before.Release(bytes)
	ctx, cancel := context.WithTimeout(ctx, roomPatience)
	defer cancel()
	return r.inside.Acquire(ctx, bytes) == nil
}

func (r *room) leave(bytes int64) { r.inside.Release(bytes) }
