package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// The scenarios of ensembles, but for storm. Those that kill begin with servers that
// have just been started, on empty directories, and have warmed up.

// warm puts load on servers that were just started, so that they get up to speed.
func warm(srv *Server, p *Params) error {
	for _, name := range []string{"set", "get"} {
		if _, err := Run(srv, Find(name), Shape{Conns: 16, Depth: 16, Bytes: 100, Time: p.Shape.Time}); err != nil {
			return err
		}
	}
	return nil
}

// throughFollower is a set with one connection and one request in flight, at a server
// that does not lead.
func throughFollower(_ context.Context, srv *Server, p *Params) ([]Figure, error) {
	i := slices.Index(srv.roles(), "follower")
	if i < 0 {
		return nil, errors.New("nobody follows")
	}
	srv.only = srv.addresses()[i]
	defer func() { srv.only = "" }()
	sample, err := Run(srv, Find("set"), Shape{Conns: 1, Depth: 1, Bytes: p.Shape.Bytes, Time: p.Shape.Time})
	return []Figure{
		{"set through a follower, one in flight, median", "us", micros(sample.P50)},
		{"set through a follower, one in flight, p99", "us", micros(sample.P99)},
	}, err
}

// without are all addresses but one.
func (s *Server) without(i int) []string { return slices.Delete(s.addresses(), i, i+1) }

// failover kills the leader under a client that writes, again and again.
func failover(ctx context.Context, srv *Server, p *Params) ([]Figure, error) {
	if _, err := srv.Start(ctx); err != nil {
		return nil, err
	}
	defer func() { _ = srv.Kill() }()
	if err := warm(srv, p); err != nil {
		return nil, err
	}
	var figures []Figure
	for range p.Kills {
		leader, err := srv.leader()
		if err != nil {
			return nil, err
		}
		took, err := failOnce(srv, leader)
		if err != nil {
			return nil, err
		}
		figures = append(figures, Figure{"kill -9 of the leader, until the next write of a client is acknowledged", "ms", float64(took.Microseconds()) / 1000})
		if err := srv.launch(ctx, leader); err != nil {
			return nil, err
		}
		if err := srv.await(ctx, srv.addresses()...); err != nil {
			return nil, err
		}
		time.Sleep(time.Second) // until all is quiet again
	}
	return figures, nil
}

// failTime is how long an ensemble may take to write again.
const failTime = time.Minute

func failOnce(srv *Server, leader int) (time.Duration, error) {
	w := &closedLoop{addrs: srv.without(leader), took: make(chan time.Duration, 1), ended: make(chan error, 1), began: time.Now()}
	go func() { w.ended <- w.run() }()
	defer w.stop.Store(true)
	for began := time.Now(); w.done.Load() < 100; time.Sleep(time.Millisecond) {
		if time.Since(began) > failTime {
			return 0, errors.New("nothing is written")
		}
	}
	w.killed.Store(int64(time.Since(w.began)))
	if err := srv.killOne(leader); err != nil {
		return 0, err
	}
	select {
	case took := <-w.took:
		w.stop.Store(true)
		return took, <-w.ended
	case err := <-w.ended:
		return 0, err
	case <-time.After(failTime):
		return 0, fmt.Errorf("no write within %v", failTime)
	}
}

// closedLoop is a client with one session that writes again as soon as a write is
// acknowledged. When it loses its server it goes to the next one, with its session.
type closedLoop struct {
	addrs  []string
	began  time.Time
	killed atomic.Int64 // nanoseconds after began; 0 before
	done   atomic.Int64 // writes
	stop   atomic.Bool
	took   chan time.Duration // of capacity 1: the first write that was begun after the kill
	ended  chan error         // of capacity 1
}

const (
	loopPath     = "/closed-loop"
	loopPatience = 2 * time.Second      // for one request
	loopPause    = 2 * time.Millisecond // before it tries again
)

func (w *closedLoop) run() error {
	var was session
	var c *conn
	defer func() {
		if c != nil {
			c.close()
		}
	}()
	for at := 0; !w.stop.Load(); {
		if c == nil {
			var err error
			if c, err = resume(w.addrs[at%len(w.addrs)], patience, was, 4<<10); err != nil {
				if errors.Is(err, errOver) {
					return fmt.Errorf("the writer: %w", err)
				}
				at++
				time.Sleep(loopPause)
				continue
			}
			fresh := was.id == 0
			was = c.session
			if fresh {
				if err := c.mustCreate(loopPath, nil); err != nil {
					return err
				}
			}
		}
		_ = c.net.SetDeadline(time.Now().Add(loopPatience))
		sent := time.Since(w.began)
		h, _, err := c.call(wire.OpSetData, wire.AppendSetData(nil, loopPath, zeros[:100], core.AnyVersion))
		if err != nil {
			_ = c.net.Close() // it is lost
			c = nil
			at++
			continue
		}
		if h.Err != core.OK { // the server says that it cannot
			time.Sleep(loopPause)
			continue
		}
		w.done.Add(1)
		if killed := w.killed.Load(); killed > 0 && int64(sent) > killed {
			select {
			case w.took <- time.Since(w.began) - time.Duration(killed):
			default: // it has been told
			}
		}
	}
	return nil
}

// catchUp kills a follower, writes, and starts it again.
func catchUp(ctx context.Context, srv *Server, p *Params) ([]Figure, error) {
	if _, err := srv.Start(ctx); err != nil {
		return nil, err
	}
	defer func() { _ = srv.Kill() }()
	if err := warm(srv, p); err != nil {
		return nil, err
	}
	roles := srv.roles()
	leader, follower := slices.Index(roles, "leader"), slices.Index(roles, "follower")
	if leader < 0 || follower < 0 {
		return nil, errors.New("nobody leads, or nobody follows")
	}
	if err := srv.killOne(follower); err != nil {
		return nil, err
	}
	srv.only = strings.Join(srv.without(follower), ",")
	defer func() { srv.only = "" }()
	const conns, depth = 16, 16
	set := *Find("set")
	set.count = func(*Shape) int { return p.Writes / conns }
	if _, err := Run(srv, &set, Shape{Conns: conns, Depth: depth, Bytes: p.Shape.Bytes}); err != nil {
		return nil, err
	}
	took, err := srv.comesUp(ctx, follower, leader)
	return []Figure{{fmt.Sprintf("a follower that was down for %d writes, until it is in sync", p.Writes), "ms", float64(took.Milliseconds())}}, err
}

// comesUp starts a server and says how long it took until it serves and has all that
// the leader had when it was started.
func (s *Server) comesUp(ctx context.Context, i, leader int) (time.Duration, error) {
	addrs := s.addresses()
	want := statusOf(addrs[leader])
	if want.role != "leader" || want.zxid == 0 {
		return 0, errors.New("the leader does not say how far it is")
	}
	began := time.Now()
	if err := s.launch(ctx, i); err != nil {
		return 0, err
	}
	for {
		if st := statusOf(addrs[i]); st.role != "" && st.zxid >= want.zxid {
			break
		}
		if time.Since(began) > startTime || ctx.Err() != nil {
			return 0, fmt.Errorf("server %d is not in sync within %v", i+1, startTime)
		}
		time.Sleep(2 * time.Millisecond)
	}
	took := time.Since(began)
	return took, readAt(addrs[i])
}

// join starts a server that was never there, an observer, when there is a large tree.
func join(ctx context.Context, srv *Server, p *Params) ([]Figure, error) {
	srv.observers = 1
	defer func() { srv.observers = 0 }()
	if _, err := srv.startFirst(ctx, srv.Voters); err != nil {
		return nil, err
	}
	defer func() { _ = srv.Kill() }()
	if err := Fill(srv, p.Znodes); err != nil {
		return nil, err
	}
	time.Sleep(settleTime)
	leader, err := srv.leader()
	if err != nil {
		return nil, err
	}
	at := srv.addresses()[leader]
	_, told := readingOf(at, "zk_longest_step_us")
	if told {
		if _, err := word(at, "srst"); err != nil {
			return nil, err
		}
	}
	took, err := srv.comesUp(ctx, srv.Voters, leader)
	if err != nil {
		return nil, err
	}
	figures := []Figure{{fmt.Sprintf("a fresh server, until it serves %d znodes", p.Znodes), "ms", float64(took.Milliseconds())}}
	if told {
		stall, ok := readingOf(at, "zk_longest_step_us")
		if !ok {
			return nil, errors.New("the leader does not say how long its loop was busy")
		}
		figures = append(figures, Figure{"longest Step of the leader meanwhile", "us", stall})
	}
	srv.only = srv.addresses()[srv.Voters]
	defer func() { srv.only = "" }()
	if n, err := count(srv); err != nil || n < p.Znodes {
		return nil, fmt.Errorf("the fresh server has %d znodes, %w", n, err)
	}
	return figures, nil
}

// observers compares what writes cost the leader without observers and with two, and
// how long they take when these stand still.
func observers(ctx context.Context, srv *Server, p *Params) ([]Figure, error) {
	alone, err := withObservers(ctx, srv, p, 0)
	if err != nil {
		return nil, err
	}
	two, err := withObservers(ctx, srv, p, 2)
	if err != nil {
		return nil, err
	}
	return []Figure{
		{"the leader's CPU of a set, without observers", "us", micros(alone.cpu)},
		{"the leader's CPU of a set, with two observers", "us", micros(two.cpu)},
		{"the leader's CPU of a set, with two observers over without", "x", ratio(two.cpu, alone.cpu)},
		{"set, one in flight, median, without observers", "us", micros(alone.wait)},
		{"set, one in flight, median, with two observers that are stopped", "us", micros(two.wait)},
	}, nil
}

// cost is what writes cost: processor time of the leader, and time.
type cost struct{ cpu, wait time.Duration }

func withObservers(ctx context.Context, srv *Server, p *Params, n int) (cost, error) {
	srv.observers = n
	defer func() { srv.observers, srv.counted = 0, 0 }()
	if _, err := srv.Start(ctx); err != nil {
		return cost{}, err
	}
	defer func() { _ = srv.Kill() }()
	if err := warm(srv, p); err != nil {
		return cost{}, err
	}
	leader, err := srv.leader()
	if err != nil {
		return cost{}, err
	}
	srv.counted = leader + 1
	var cpu []float64
	for range 3 {
		sample, err := Run(srv, Find("set"), p.Shape)
		if err != nil {
			return cost{}, err
		}
		cpu = append(cpu, float64(sample.CPU))
	}
	for i := srv.Voters; i < srv.Voters+n; i++ {
		c := srv.processes[i].cmd
		if err := holdGroup(c, true); err != nil {
			return cost{}, err
		}
		defer func() { _ = holdGroup(c, false) }() // it is about to be killed
	}
	sample, err := Run(srv, Find("set"), Shape{Conns: 1, Depth: 1, Bytes: p.Shape.Bytes, Time: p.Shape.Time})
	return cost{cpu: time.Duration(median(cpu)), wait: sample.P50}, err
}
