package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/zensus-io/zensus/cmd/zensus/ctl/bench/lean"
)

// The scenarios in which a server has much to hold.

// holdNacos measures memory, and processor time, of many instances whose clients do no
// more than live on.
func holdNacos(ctx context.Context, srv *Server, p *nacosParams) ([]Figure, error) {
	if _, err := srv.Start(ctx); err != nil {
		return nil, err
	}
	defer func() { _ = srv.Kill() }()
	g, err := newGround(srv, &p.shape, p.api)
	if err != nil {
		return nil, err
	}
	defer g.keeper.close()
	all, err := gather(srv, p.connections, func(i int, c *client) error { return registerShare(g, c, i, p.connections, p) })
	if err != nil {
		return nil, err
	}
	defer all.close()
	time.Sleep(p.settle)
	cpu := srv.cpu()
	time.Sleep(p.watched)
	used := srv.cpu() - cpu
	memory := srv.Memory()
	if n, cause := all.lost(); n > 0 {
		return nil, fmt.Errorf("%d clients were cut off, the first: %w", n, cause)
	}
	what := fmt.Sprintf(" with %d services, %d instances, %d connections", p.services, p.instances, p.connections)
	return []Figure{
		{"resident memory" + what, "MB", float64(memory) / (1 << 20)},
		{"CPU at rest" + what, "% of a core", 100 * used.Seconds() / p.watched.Seconds()},
	}, countAll(g, p)
}

// registerShare registers the instances of the i-th of so many clients, one in each of as
// many services, so that all of the services have equally many.
func registerShare(g *ground, c *client, i, clients int, p *nacosParams) error {
	share := p.instances / clients
	return c.many(share, callsInFlight, func(b []byte, k int) (string, []byte) {
		return "InstanceRequest", g.appendInstance(b, true, (i*share+k)%p.services, i)
	})
}

// counted is how many services are asked for their instances.
const counted = 100

// countAll makes sure that services have the instances that were registered.
func countAll(g *ground, p *nacosParams) error {
	lack, surplus, err := missing(g, p)
	if err == nil && lack+surplus != 0 {
		err = fmt.Errorf("%d instances are missing in %d services, %d are too many", lack, counted, surplus)
	}
	return err
}

// missing is how many instances some of the services lack, and how many others show too
// many: one does not make up for the other.
func missing(g *ground, p *nacosParams) (lack, surplus int, err error) {
	for k := range min(counted, p.services) {
		answer, err := g.keeper.call("ServiceQueryRequest", append(g.appendService([]byte{'{'}, k), `,"cluster":"","healthyOnly":false}`...))
		if err != nil {
			return 0, 0, err
		}
		n := p.instances/p.services - hosts(answer)
		lack += max(n, 0)
		surplus += max(-n, 0)
	}
	return lack, surplus, nil
}

// churn has clients come and go, a tenth of them in a minute, while another registers and
// deregisters.
func churn(ctx context.Context, srv *Server, p *nacosParams) ([]Figure, error) {
	if _, err := srv.Start(ctx); err != nil {
		return nil, err
	}
	defer func() { _ = srv.Kill() }()
	g, err := newGround(srv, &p.shape, p.api)
	if err != nil {
		return nil, err
	}
	defer g.keeper.close()
	enter := func(i int, c *client) error { return registerShare(g, c, i, p.clients, p) }
	all, err := gather(srv, p.clients, enter)
	if err != nil {
		return nil, err
	}
	defer all.close()
	time.Sleep(p.settle)
	var comings atomic.Int64
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- comeAndGo(all, enter, p, stop, &comings) }()
	began, cpu := time.Now(), srv.cpu()
	sample, err := runAct(srv, findAct("register"), Shape{Conns: 1, Depth: 1, Time: p.churnTime}, p.api)
	used, elapsed := srv.cpu()-cpu, time.Since(began)
	close(stop)
	if err := errors.Join(err, <-ended); err != nil {
		return nil, err
	}
	time.Sleep(p.settle)
	cut, _ := all.lost()
	lack, surplus, err := missing(g, p)
	what := fmt.Sprintf(" while %d of %d clients come and go each minute, %d instances", p.clients/10, p.clients, p.instances)
	return []Figure{
		{"register, one in flight, median," + what, "us", micros(sample.P50)},
		{"register, one in flight, p99," + what, "us", micros(sample.P99)},
		{"CPU" + what, "% of a core", 100 * used.Seconds() / elapsed.Seconds()},
		{"resident memory" + what, "MB", float64(srv.Memory()) / (1 << 20)},
		{"clients that came and went", "clients", float64(comings.Load())},
		{"clients that the server cut off", "clients", float64(cut)},
		{fmt.Sprintf("instances missing in %d services afterwards", counted), "instances", float64(lack)},
		{fmt.Sprintf("instances too many in %d services afterwards", counted), "instances", float64(surplus)},
	}, err
}

// comeAndGo replaces clients, one after the other: one dies, and another comes in its
// place and registers what it had.
func comeAndGo(all *crowd, enter func(int, *client) error, p *nacosParams, stop <-chan struct{}, comings *atomic.Int64) error {
	tick := time.NewTicker(10 * time.Minute / time.Duration(p.clients))
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return nil
		case <-tick.C:
		}
		i := rand.IntN(len(all.slots))
		c := all.slots[i].Swap(nil)
		c.close()
		<-c.ended
		if err := all.open(i, enter); err != nil {
			return err
		}
		comings.Add(1)
	}
}

// growth measures the same requests with more and more instances stored.
func growth(ctx context.Context, srv *Server, p *nacosParams) ([]Figure, error) {
	if _, err := srv.Start(ctx); err != nil {
		return nil, err
	}
	defer func() { _ = srv.Kill() }()
	g, err := newGround(srv, &p.shape, p.api)
	if err != nil {
		return nil, err
	}
	defer g.keeper.close()
	all, err := gather(srv, growthClients, func(int, *client) error { return nil })
	if err != nil {
		return nil, err
	}
	defer all.close()
	var figures []Figure
	stored := 0
	for _, size := range p.sizes {
		if err := fill(g, all, stored, size); err != nil {
			return figures, &brokenError{fmt.Errorf("on the way to %d instances: %w", size, err)}
		}
		stored = size
		more, err := atSize(srv, p, size)
		figures = append(figures, more...)
		if err != nil {
			return figures, &brokenError{fmt.Errorf("with %d instances: %w", size, err)}
		}
	}
	return figures, nil
}

// brokenError says that a server did not get as far as it was to. What it did counts.
type brokenError struct{ error }

const (
	growthClients     = 100 // that hold the instances
	growthPerService  = 10
	growthSubscribers = 100
	growthChanges     = 5
)

// fill registers instances up to a number, those of a service at once.
func fill(g *ground, all *crowd, from, to int) error {
	first, last := from/growthPerService, to/growthPerService
	return parallel(len(all.slots), func(i int) error {
		c := all.slots[i].Load()
		var b []byte
		for s := first + i; s < last; s += len(all.slots) {
			b = g.appendBatch(b[:0], s, s*growthPerService, growthPerService)
			if _, err := c.call("BatchInstanceRequest", b); err != nil {
				return err
			}
		}
		return nil
	})
}

func atSize(srv *Server, p *nacosParams, size int) ([]Figure, error) {
	time.Sleep(p.settle)
	memory := srv.Memory()
	at := fmt.Sprintf("%d instances: ", size)
	figures := []Figure{{at + "resident memory", "MB", float64(memory) / (1 << 20)}}
	for _, name := range []string{"register", "query"} {
		sample, err := runAct(srv, findAct(name), Shape{Conns: 16, Depth: 16, Time: p.shape.Time}, p.api)
		if err != nil {
			return figures, err
		}
		figures = append(figures, Figure{at + name, "requests/s", sample.PerSecond}, Figure{at + "server CPU of a " + name, "us", micros(sample.CPU)})
	}
	more, err := pushTo(srv, p, growthSubscribers, growthChanges)
	for _, f := range more {
		f.Name = at + f.Name
		figures = append(figures, f)
	}
	return figures, err
}

// startNacos measures how long a server takes to the first right answer, with nothing and
// with configs.
func startNacos(ctx context.Context, srv *Server, p *nacosParams) ([]Figure, error) {
	defer func() { _ = srv.Kill() }()
	wrong := 0
	empty, err := firstAnswer(ctx, srv, func() string { return "bench-nothing" }, "", &wrong)
	if err != nil {
		return nil, err
	}
	if err := srv.await(ctx, srv.addresses()...); err != nil {
		return nil, err
	}
	s := p.shape
	g, err := newGround(srv, &s, p.api)
	if err != nil {
		return nil, err
	}
	defer g.keeper.close()
	for k := range p.configs {
		if err := g.publish(g.config(k), g.content(0, 0)); err != nil {
			return nil, err
		}
	}
	time.Sleep(p.settle) // what is not synced at once has a chance to be
	for i := range srv.processes {
		if err := srv.killOne(i); err != nil {
			return nil, err
		}
	}
	one := func() string { return g.config(rand.IntN(p.configs)) }
	full, err := firstAnswer(ctx, srv, one, g.content(0, 0), &wrong)
	if err != nil {
		return nil, err
	}
	for range counted { // it was no accident
		if status, answer := askConfig(srv.httpAt(0), one()); status != 200 || has(answer, g.content(0, 0)) != nil {
			wrong++
		}
	}
	return []Figure{
		{"empty directory, until the first right answer", "ms", float64(empty.Microseconds()) / 1000},
		{fmt.Sprintf("%d configs, until the first right answer", p.configs), "ms", float64(full.Microseconds()) / 1000},
		{"wrong answers on the way", "answers", float64(wrong)},
	}, nil
}

// firstAnswer starts a server and asks it for configs until it answers right: that there
// is none, or with the content. It counts answers that are wrong.
func firstAnswer(ctx context.Context, srv *Server, dataID func() string, content string, wrong *int) (time.Duration, error) {
	began := time.Now()
	if err := srv.launchFirst(ctx, len(srv.addresses())); err != nil {
		return 0, err
	}
	for time.Since(began) < startTime && ctx.Err() == nil {
		switch status, answer := askConfig(srv.httpAt(0), dataID()); {
		case status == 404 && content == "" && has(answer, "config data not exist") == nil,
			status == 200 && content != "" && has(answer, content) == nil:
			return time.Since(began), nil
		case status == 200, status == 404 && content != "" && has(answer, "config data not exist") == nil:
			*wrong++
		}
		time.Sleep(2 * time.Millisecond)
	}
	return 0, fmt.Errorf("no right answer within %v, and %d wrong ones", startTime, *wrong)
}

// askConfig asks for a config over HTTP; the status is 0 where nobody answers.
func askConfig(addr, dataID string) (status int, answer []byte) {
	c, err := lean.DialHTTP(addr, patience)
	if err != nil {
		return 0, nil
	}
	defer func() { _ = c.Close() }()
	target := "/nacos/v1/cs/configs?group=DEFAULT_GROUP&dataId=" + dataID
	status, answer, err = c.Do(lean.AppendRequest(nil, "GET", target, addr, "", ""))
	if err != nil {
		return 0, nil
	}
	return status, answer
}
