package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// storm lets many sessions lose their server, a follower, at once: until each of them
// has its session, with its ephemeral znode, at another one.
func storm(ctx context.Context, srv *Server, p *Params) ([]Figure, error) {
	if _, err := srv.Start(ctx); err != nil {
		return nil, err
	}
	defer func() { _ = srv.Kill() }()
	if err := warm(srv, p); err != nil {
		return nil, err
	}
	victim := slices.Index(srv.roles(), "follower")
	if victim < 0 {
		return nil, errors.New("nobody follows")
	}
	control, err := dialOne(srv.without(victim)[0], patience)
	if err != nil {
		return nil, err
	}
	defer control.close()
	root, err := freshRoot(srv, control, "storm")
	if err != nil {
		return nil, err
	}
	clients, conns := make([]*stormClient, p.Storm), make([]*conn, p.Storm)
	defer func() {
		for _, c := range clients {
			if c != nil && c.conn != nil {
				_ = c.conn.net.Close()
			}
		}
	}()
	// That may take a server longer than sessions live that give no sign of life.
	var opened atomic.Int64
	stop, pinged := make(chan struct{}), make(chan error, 1)
	go func() { pinged <- pingAll(conns, &opened, stop) }()
	err = inOrder(len(clients), 100, func(i int) (err error) {
		if clients[i], err = newStormClient(srv.addresses()[victim], fmt.Sprintf("%s/s%d", root, i)); err == nil {
			conns[i] = clients[i].conn
		}
		return err
	}, &opened)
	time.Sleep(time.Second) // so that every server knows all of them
	close(stop)
	if err := errors.Join(err, <-pinged); err != nil {
		return nil, err
	}
	others := srv.without(victim)
	var back sync.WaitGroup
	var lost, failed atomic.Int64
	for i, c := range clients {
		back.Go(func() {
			switch err := c.comeBack(others, i); {
			case errors.Is(err, errOver):
				lost.Add(1)
			case err != nil:
				failed.Add(1)
			}
		})
	}
	began := time.Now()
	if err := srv.killOne(victim); err != nil {
		return nil, err
	}
	back.Wait()
	took := time.Since(began)
	if n := failed.Load(); n > 0 {
		return nil, fmt.Errorf("%d of %d sessions found no server within %v", n, p.Storm, stormTime)
	}
	return []Figure{
		{fmt.Sprintf("%d sessions lose their server, until all are at another one", p.Storm), "ms", float64(took.Milliseconds())},
		{fmt.Sprintf("of %d sessions, lost", p.Storm), "sessions", float64(lost.Load())},
	}, nil
}

// stormClient is a client that will lose its server.
type stormClient struct {
	conn *conn
	path string // of its ephemeral znode
}

// stormBuffer is small: there are many.
const stormBuffer = 512

func newStormClient(addr, path string) (*stormClient, error) {
	c, err := resume(addr, 30*time.Second, session{}, stormBuffer)
	if err != nil {
		return nil, err
	}
	h, _, err := c.call(wire.OpCreate, wire.AppendCreate(nil, wire.OpCreate, path, nil, openACL, int32(core.Ephemeral), 0))
	if err == nil && h.Err != core.OK {
		err = h.Err
	}
	if err != nil {
		return nil, errors.Join(err, c.net.Close())
	}
	return &stormClient{conn: c, path: path}, nil
}

const (
	stormTime     = 2 * time.Minute // after which a client gives up
	stormPatience = 10 * time.Second
	stormPause    = 10 * time.Millisecond
)

// comeBack waits until the server is lost, and goes from one of the others to the next
// until one takes the session. It returns errOver if the session is lost.
func (c *stormClient) comeBack(addrs []string, n int) error {
	was := c.conn.session
	for {
		if _, err := c.conn.frame(); err != nil { // what comes before are replies to pings
			break
		}
	}
	_ = c.conn.net.Close() // it is lost
	for began := time.Now(); ; n++ {
		var err error
		if c.conn, err = resume(addrs[n%len(addrs)], stormPatience, was, stormBuffer); err == nil {
			if err = c.hasItsZnode(); err == nil {
				return nil
			}
			_ = c.conn.net.Close()
		}
		if errors.Is(err, errOver) || time.Since(began) > stormTime {
			return err
		}
		time.Sleep(stormPause)
	}
}

// hasItsZnode makes sure that the session is what it was.
func (c *stormClient) hasItsZnode() error {
	_ = c.conn.net.SetDeadline(time.Now().Add(stormPatience))
	h, _, err := c.conn.call(wire.OpExists, wire.AppendPathWatch(nil, c.path, false))
	switch {
	case err != nil:
		return err
	case h.Err == core.NoNode:
		return errOver
	case h.Err != core.OK:
		return h.Err
	}
	return nil
}
