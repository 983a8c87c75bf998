package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// Scenario measures what is not a rate of requests. Those marked Starts need
// servers that bench starts itself.
type Scenario struct {
	Name   string
	Starts bool
	// Servers is how many an ensemble must have, of which three vote; if the scenario
	// also Starts, it starts and kills each of them. 0 are scenarios for single servers
	// as well.
	Servers int
	// run may find the same figure more than once.
	run func(ctx context.Context, srv *Server, p *Params) ([]Figure, error)
}

// Figure is one number that a scenario found.
type Figure struct {
	Name  string
	Unit  string
	Value float64
}

// Params size the scenarios.
type Params struct {
	Shape    Shape
	Znodes   int // of the big tree
	Sessions int // that are idle
	Watchers int
	Kills    int // of leaders, in each round
	Writes   int // that a follower misses
	Storm    int // sessions that lose their server
}

var scenarios = []*Scenario{
	{Name: "latency", run: latency},
	{Name: "fanout", run: fanout},
	{Name: "idle", Starts: true, run: idle},
	{Name: "big", Starts: true, run: big},
	{Name: "follower", Servers: 2, run: throughFollower},
	{Name: "failover", Starts: true, Servers: 3, run: failover},
	{Name: "catchup", Starts: true, Servers: 3, run: catchUp},
	{Name: "join", Starts: true, Servers: 4, run: join},
	{Name: "observers", Starts: true, Servers: 5, run: observers},
	{Name: "storm", Starts: true, Servers: 3, run: storm},
}

// FindScenario is the scenario of that name, nil if there is none.
func FindScenario(name string) *Scenario {
	for _, s := range scenarios {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Scenarios lists them by name.
func Scenarios() []*Scenario { return scenarios }

// CompareScenario runs a scenario, one round of which is run, on each server in turn,
// rounds times, each time on a server that was just started if it needs that.
func CompareScenario(servers []*Server, name string, rounds int, run func(*Server) ([]Figure, error), tell Progress) ([]Row, error) {
	var names []Figure
	values := map[string][][]float64{}
	for round := range rounds {
		for i := range servers {
			side := (i + round) % len(servers)
			servers[side].round = round
			if tell != nil {
				tell(fmt.Sprintf("%s on %s", name, servers[side].Name), round*len(servers)+i, rounds*len(servers))
			}
			figures, err := run(servers[side])
			err = errors.Join(err, servers[side].running())
			if err != nil {
				return nil, fmt.Errorf("%s on %s: %w", name, servers[side].Name, err)
			}
			for _, f := range figures {
				if values[f.Name] == nil {
					values[f.Name] = make([][]float64, len(servers))
					names = append(names, f)
				}
				values[f.Name][side] = append(values[f.Name][side], f.Value)
			}
		}
	}
	var rows []Row
	for _, f := range names {
		row := Row{Workload: name + ": " + f.Name}
		for i, srv := range servers {
			row.Sides = append(row.Sides, Side{Server: srv.Name, Unit: f.Unit, Values: values[f.Name][i], Median: median(values[f.Name][i])})
		}
		row.relate()
		rows = append(rows, row)
	}
	return rows, nil
}

// latency is a set with one connection and one request in flight.
func latency(_ context.Context, srv *Server, p *Params) ([]Figure, error) {
	s := p.Shape
	s.Conns, s.Depth = 1, 1
	sample, err := Run(srv, Find("set"), s)
	return []Figure{
		{"set, one in flight, median", "us", micros(sample.P50)},
		{"set, one in flight, p99", "us", micros(sample.P99)},
	}, err
}

// fanout is one change to many watchers, each on a connection of its own: until
// the last is told.
func fanout(_ context.Context, srv *Server, p *Params) ([]Figure, error) {
	control, err := dial(srv.target())
	if err != nil {
		return nil, err
	}
	defer control.close()
	root, err := freshRoot(srv, control, "fanout")
	if err != nil {
		return nil, err
	}
	conns := make([]*conn, p.Watchers)
	defer closeAll(conns)
	if err := inBatches(p.Watchers, func(i int) (err error) {
		conns[i], err = dial(srv.target())
		return err
	}); err != nil {
		return nil, err
	}
	g, err := newGatherer(conns)
	if err != nil {
		return nil, err
	}
	defer func() { _ = g.close() }()
	const changes = 20
	var spent []float64
	cpuBegan := srv.cpu()
	for range changes {
		if err := watchAll(g, conns, root); err != nil {
			return nil, err
		}
		took, err := tellAll(g, control, root)
		if err != nil {
			return nil, err
		}
		spent = append(spent, micros(took))
	}
	figures := []Figure{{fmt.Sprintf("one change to %d watchers, until the last is told", p.Watchers), "us", median(spent)}}
	if used := srv.cpu() - cpuBegan; used > 0 {
		figures = append(figures, Figure{
			fmt.Sprintf("server CPU to arm and tell %d watchers", p.Watchers), "ms",
			float64(used.Milliseconds()) / changes,
		})
	}
	return figures, nil
}

// watchAll has every connection watch a znode.
func watchAll(g *gatherer, conns []*conn, path string) error {
	for _, c := range conns {
		mark := c.begin(wire.OpGetData)
		c.out = wire.AppendPathWatch(c.out, path, true)
		c.end(mark)
		if err := c.flush(); err != nil {
			return err
		}
	}
	_, err := g.gather(func(c *conn) error {
		h, err := c.header()
		switch {
		case err != nil:
			return err
		case h.Xid == wire.XidNotification: // else the next change would seem to be told of already
			return errors.New("an event came in place of a reply")
		case h.Err != core.OK:
			return h.Err
		}
		return nil
	})
	return err
}

// tellAll makes one change and waits until every connection has its event.
func tellAll(g *gatherer, control *conn, path string) (time.Duration, error) {
	var last time.Time
	told := make(chan error, 1)
	go func() {
		var err error
		last, err = g.gather((*conn).event)
		told <- err
	}()
	time.Sleep(5 * time.Millisecond) // until it waits
	began := time.Now()
	h, _, err := control.call(wire.OpSetData, wire.AppendSetData(nil, path, zeros[:100], core.AnyVersion))
	if err == nil && h.Err != core.OK {
		err = h.Err
	}
	err = errors.Join(err, <-told)
	return last.Sub(began), err
}

// header reads a reply or an event.
func (c *conn) header() (wire.ReplyHeader, error) {
	f, err := c.frame()
	if err != nil {
		return wire.ReplyHeader{}, err
	}
	r := wire.NewReader(f)
	h := wire.DecodeReplyHeader(&r)
	return h, r.Err()
}

// event reads an event.
func (c *conn) event() error {
	h, err := c.header()
	if err == nil && h.Xid != wire.XidNotification {
		err = errors.New("a reply came in place of an event")
	}
	return err
}

// inBatches calls f for 0 to n-1, a hundred at once.
func inBatches(n int, f func(i int) error) error {
	const at = 100
	for from := 0; from < n; from += at {
		if err := parallel(min(at, n-from), func(i int) error { return f(from + i) }); err != nil {
			return err
		}
	}
	return nil
}

func closeAll(conns []*conn) {
	_ = inBatches(len(conns), func(i int) error {
		if conns[i] != nil {
			conns[i].close()
		}
		return nil
	})
}

// settleTime is how long a server is left alone before its memory is read.
const settleTime = 3 * time.Second

// idle opens many sessions that do nothing but ping.
func idle(ctx context.Context, srv *Server, p *Params) ([]Figure, error) {
	if _, err := srv.Start(ctx); err != nil {
		return nil, err
	}
	defer func() { _ = srv.Kill() }()
	// Let the server warm up, so that what it needs anyway is not counted.
	if _, err := Run(srv, Find("get"), Shape{Conns: 16, Depth: 16, Bytes: 100, Time: 2 * time.Second}); err != nil {
		return nil, err
	}
	time.Sleep(settleTime)
	before := srv.Memory()
	conns := make([]*conn, p.Sessions)
	defer func() {
		for _, c := range conns {
			if c != nil {
				_ = c.net.Close()
			}
		}
	}()
	var opened atomic.Int64
	stop := make(chan struct{})
	pinged := make(chan error, 1)
	go func() { pinged <- pingAll(conns, &opened, stop) }()
	err := inOrder(p.Sessions, 100, func(i int) (err error) {
		conns[i], err = dial(srv.target())
		return err
	}, &opened)
	if err != nil {
		close(stop)
		return nil, errors.Join(err, <-pinged)
	}
	time.Sleep(settleTime)
	cpu := srv.cpu()
	const watched = 20 * time.Second
	time.Sleep(watched)
	used := srv.cpu() - cpu
	close(stop)
	if err := <-pinged; err != nil {
		return nil, err
	}
	return []Figure{
		{fmt.Sprintf("resident memory added by %d idle sessions", p.Sessions), "MB", float64(srv.Memory()-before) / (1 << 20)},
		{fmt.Sprintf("CPU of %d idle sessions", p.Sessions), "% of a core", 100 * used.Seconds() / watched.Seconds()},
	}, nil
}

// pingEvery is how often a client that is idle shows that it lives.
const pingEvery = 10 * time.Second

// pingAll pings the connections that are open, each once in pingEvery, until stop.
func pingAll(conns []*conn, opened *atomic.Int64, stop <-chan struct{}) error {
	ping := wire.AppendRequestHeader(wire.AppendInt(nil, 8), wire.XidPing, wire.OpPing)
	const portions = 100
	tick := time.NewTicker(pingEvery / portions)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return nil
		case <-tick.C:
		}
		for i := n % portions; i < int(opened.Load()); i += portions {
			if _, err := conns[i].net.Write(ping); err != nil {
				return err
			}
		}
	}
}

// inOrder calls f for 0 to n-1, some at once, and counts in done how many of the
// first have been called.
func inOrder(n, atOnce int, f func(i int) error, done *atomic.Int64) error {
	for from := 0; from < n; from += atOnce {
		to := min(from+atOnce, n)
		if err := parallel(to-from, func(i int) error { return f(from + i) }); err != nil {
			return err
		}
		done.Store(int64(to))
	}
	return nil
}

// big fills a tree and measures what it costs to have it: memory, a restart after
// kill -9, and the processor time of single requests against a small tree.
func big(ctx context.Context, srv *Server, p *Params) ([]Figure, error) {
	if _, err := srv.Start(ctx); err != nil {
		return nil, err
	}
	defer func() { _ = srv.Kill() }()
	shape := Shape{Conns: 16, Depth: 16, Bytes: 100, Time: p.Shape.Time}
	if err := Fill(srv, 10_000); err != nil {
		return nil, err
	}
	small, err := cpuOf(srv, shape)
	if err != nil {
		return nil, err
	}
	if err := Fill(srv, p.Znodes-10_000); err != nil {
		return nil, err
	}
	large, err := cpuOf(srv, shape)
	if err != nil {
		return nil, err
	}
	stall, told, err := stallOfSnapshot(srv, shape)
	if err != nil {
		return nil, err
	}
	time.Sleep(settleTime)
	memory := srv.Memory()
	if err := srv.Kill(); err != nil {
		return nil, err
	}
	took, err := srv.Start(ctx)
	if err != nil {
		return nil, err
	}
	if n, err := count(srv); err != nil || n < p.Znodes {
		return nil, fmt.Errorf("%d znodes after the restart, %w", n, err)
	}
	figures := []Figure{
		{fmt.Sprintf("resident memory with %d znodes", p.Znodes), "MB", float64(memory) / (1 << 20)},
		{fmt.Sprintf("kill -9 with %d znodes, until the first read", p.Znodes), "ms", float64(took.Milliseconds())},
	}
	if told {
		figures = append(figures, Figure{"longest Step while a snapshot is written", "us", stall})
	}
	for i, name := range cpuWorkloads {
		figures = append(figures, Figure{fmt.Sprintf("CPU of a %s, %d znodes over 10000", name, p.Znodes), "x", ratio(large[i], small[i])})
	}
	return figures, nil
}

// stallOfSnapshot writes until the server has written a snapshot and says how long
// its loop was busy with one thing meanwhile, by its own account. told is false for
// servers that give none.
func stallOfSnapshot(srv *Server, s Shape) (micros float64, told bool, err error) {
	if _, ok := srv.reading("zk_longest_step_us"); !ok {
		return 0, false, nil
	}
	_, _ = word(srv.target(), "srst")
	before, _ := srv.reading("zk_cnt_snapshottime")
	for range 60 {
		if _, err := Run(srv, Find("set"), s); err != nil {
			return 0, false, err
		}
		if now, ok := srv.reading("zk_cnt_snapshottime"); ok && now >= before+2 {
			v, ok := srv.reading("zk_longest_step_us")
			return v, ok, nil
		}
	}
	return 0, false, errors.New("no snapshot was written within 60 rounds")
}

// word asks a server one of the four-letter words.
func word(addr, w string) (string, error) { return wordWithin(addr, w, 10*time.Second) }

func wordWithin(addr, w string, within time.Duration) (string, error) {
	c, err := net.DialTimeout("tcp", addr, within)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(within))
	if _, err := c.Write([]byte(w)); err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(c, 1<<20))
	return string(text), err
}

// reading is one line of a server's mntr.
func (s *Server) reading(key string) (float64, bool) { return readingOf(s.target(), key) }

func readingOf(addr, key string) (float64, bool) {
	text, err := word(addr, "mntr")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok && k == key {
			f, err := strconv.ParseFloat(v, 64)
			return f, err == nil
		}
	}
	return 0, false
}

var cpuWorkloads = []string{"set", "create", "get"}

func ratio(a, b time.Duration) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// cpuOf is the server's processor time per request of some workloads.
func cpuOf(srv *Server, s Shape) ([]time.Duration, error) {
	var all []time.Duration
	for _, name := range cpuWorkloads {
		var rounds []float64
		for range 3 {
			sample, err := Run(srv, Find(name), s)
			if err != nil {
				return nil, err
			}
			rounds = append(rounds, float64(sample.CPU))
		}
		all = append(all, time.Duration(median(rounds)))
	}
	return all, nil
}

// Fill creates n znodes of 100 bytes, a thousand to a parent, several in each
// multi.
func Fill(srv *Server, n int) error {
	control, err := dial(srv.target())
	if err != nil {
		return err
	}
	defer control.close()
	root, err := freshRoot(srv, control, "fill")
	if err != nil {
		return err
	}
	const perParent, perMulti, conns = 1000, 50, 8
	parents := (n + perParent - 1) / perParent
	return parallel(conns, func(k int) error {
		c, err := dial(srv.target())
		if err != nil {
			return err
		}
		defer c.close()
		for p := k; p < parents; p += conns {
			parent := fmt.Sprintf("%s/p%d", root, p)
			if err := c.mustCreate(parent, nil); err != nil {
				return err
			}
			sent := 0
			for from := 0; from < perParent && p*perParent+from < n; from += perMulti {
				request(c, wire.OpMulti, func(b []byte) []byte {
					for i := from; i < from+perMulti && p*perParent+i < n; i++ {
						b = wire.AppendMultiHeader(b, wire.OpCreate, false, -1)
						b = wire.AppendCreate(b, wire.OpCreate, fmt.Sprintf("%s/n%d", parent, i), zeros[:100], openACL, 0, 0)
					}
					return wire.AppendMultiEnd(b)
				})
				sent++
			}
			if err := c.flush(); err != nil {
				return err
			}
			for range sent {
				if h, _, err := c.reply(); err != nil || h.Err != core.OK {
					return errors.Join(err, h.Err)
				}
			}
		}
		return nil
	})
}

// count is the number of znodes below the root.
func count(srv *Server) (int, error) {
	c, err := dial(srv.target())
	if err != nil {
		return 0, err
	}
	defer c.close()
	h, body, err := c.call(wire.OpGetAllChildrenNumber, wire.AppendString(nil, "/"))
	if err != nil {
		return 0, err
	}
	if h.Err != core.OK {
		return 0, h.Err
	}
	r := wire.NewReader(body)
	return int(r.Int()), nil
}
