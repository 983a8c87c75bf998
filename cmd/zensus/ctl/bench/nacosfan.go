package bench

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zensus-io/zensus/cmd/zensus/ctl/bench/lean"
)

// The scenarios in which many are told of one change.

// mark is what a change can be told by. Whoever has seen it counts once.
type mark struct {
	text       []byte
	told, seen atomic.Int64 // who have been told of a change, and who have its content
	lastTold   atomic.Int64 // nanoseconds after the change began
	lastSeen   atomic.Int64
	began      time.Time
	want       int64
	done       chan struct{} // closed when all have seen it
}

func newMark(text string, want int) *mark {
	return &mark{text: []byte(text), want: int64(want), done: make(chan struct{})}
}

func (m *mark) isTold() {
	if m.told.Add(1) == m.want {
		m.lastTold.Store(int64(time.Since(m.began)))
	}
}

func (m *mark) isSeen() {
	if m.seen.Add(1) == m.want {
		m.lastSeen.Store(int64(time.Since(m.began)))
		close(m.done)
	}
}

// fan is the change under way.
type fan struct {
	mark  atomic.Pointer[mark]
	stale atomic.Int64 // times that somebody was told, and did not get what is new
	group string       // what the figures call those who are told
	fetch bool         // they fetch what has changed
}

const (
	fanTime  = time.Minute            // in which all have to be told
	fanPause = 300 * time.Millisecond // between changes, until all listen again
)

// run makes changes, one after the other, and waits each time until all have seen it. The
// n-th is known by the text of mark, which change is given too.
func (f *fan) run(srv *Server, mark func(n int) string, changes, listeners int, change func(n int, text string) error) ([]Figure, error) {
	var told, seen []float64
	cpu := srv.cpu()
	for n := range changes {
		time.Sleep(fanPause)
		m := newMark(mark(n), listeners)
		m.began = time.Now()
		f.mark.Store(m)
		if err := change(n, string(m.text)); err != nil {
			return nil, err
		}
		select {
		case <-m.done:
		case <-time.After(fanTime):
			return nil, fmt.Errorf("of %d %s, %d were told of a change and %d have seen it after %v", listeners, f.group, m.told.Load(), m.seen.Load(), fanTime)
		}
		told = append(told, float64(m.lastTold.Load())/1e6)
		seen = append(seen, float64(m.lastSeen.Load())/1e6)
	}
	used := srv.cpu() - cpu
	what := fmt.Sprintf("one change, %d %s, until the last ", listeners, f.group)
	figures := []Figure{{what + "is told, median", "ms", median(told)}, {what + "is told, p99", "ms", quantile(told, 0.99)}}
	if f.fetch {
		figures = append(figures, Figure{what + "has fetched it, median", "ms", median(seen)}, Figure{what + "has fetched it, p99", "ms", quantile(seen, 0.99)},
			Figure{"times that a listener was told and found the old content, or had to ask again", "times", float64(f.stale.Load())})
	}
	if srv.Command != "" {
		figures = append(figures, Figure{fmt.Sprintf("server CPU of one change, %d %s", listeners, f.group), "ms", float64(used.Microseconds()) / 1000 / float64(changes)})
	}
	return figures, nil
}

// contentMark is how contents that a round publishes are told apart.
func (g *ground) contentMark(n int) string { return g.prefix + "m" + strconv.Itoa(n) + "z" }

// quantile is the value that so many are not above.
func quantile(v []float64, q float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[max(0, int(math.Ceil(q*float64(len(v))))-1)]
}

// push is one instance that changes, to subscribers of its service.
func push(srv *Server, p *nacosParams) ([]Figure, error) {
	return pushTo(srv, p, p.subscribers, p.changes)
}

// pushed is how many other instances the service has.
const pushed = 9

func pushTo(srv *Server, p *nacosParams, subscribers, changes int) ([]Figure, error) {
	g, err := newGround(srv, &p.shape, p.api)
	if err != nil {
		return nil, err
	}
	defer g.keeper.close()
	if _, err := g.keeper.call("BatchInstanceRequest", g.appendBatch(nil, 0, 1, pushed)); err != nil {
		return nil, err
	}
	changer, err := dialClient(srv.grpcAt(0))
	if err != nil {
		return nil, err
	}
	defer changer.close()
	changer.listenAlone()
	f := &fan{group: "subscribers"}
	f.mark.Store(newMark("nothing yet", -1))
	last := make([]*mark, subscribers)
	subscribe := append(g.appendService([]byte{'{'}, 0), `,"subscribe":true,"clusters":""}`...)
	all, err := gather(srv, subscribers, func(i int, c *client) error {
		c.heard = func(_ *client, m lean.Message) {
			if now := f.mark.Load(); now != last[i] && m.Told && bytes.Contains(m.JSON, now.text) {
				last[i] = now
				now.isTold()
				now.isSeen()
			}
		}
		return c.many(1, 1, func(b []byte, _ int) (string, []byte) { return "SubscribeServiceRequest", append(b, subscribe...) })
	})
	if err != nil {
		return nil, err
	}
	defer all.close()
	time.Sleep(p.settle) // the first push, of what was there, has come
	figures, err := f.run(srv, weightMark, changes, subscribers, func(n int, _ string) error {
		b := append(g.appendService([]byte{'{'}, 0), `,"type":"registerInstance","instance":`...)
		_, err := changer.call("InstanceRequest", append(appendWeighed(b, 0, weightOf(n), "1"), '}'))
		return err
	})
	if n, cause := all.lost(); n > 0 {
		err = errors.Join(err, fmt.Errorf("%d subscribers were cut off, the first: %w", n, cause))
	}
	return figures, err
}

// weightOf is that of the instance behind the n-th change: another one each time, and
// never that of the others. It is not the metadata that change, since r-nacos keeps for
// good those with which an instance came first.
func weightOf(n int) int { return 2 + n }

// weightMark is how all servers write that weight, and no other as a part of it.
func weightMark(n int) string { return `"weight":` + strconv.Itoa(weightOf(n)) + ".0" }

// listen is one config that changes, to listeners over gRPC that fetch it then.
func listen(srv *Server, p *nacosParams) ([]Figure, error) {
	g, err := newGround(srv, &p.shape, p.api)
	if err != nil {
		return nil, err
	}
	defer g.keeper.close()
	first := g.content(0, 0)
	if err := g.publish(g.config(0), first); err != nil {
		return nil, err
	}
	f := &fan{group: "listeners", fetch: true}
	fetch := append(g.appendConfig([]byte{'{'}, g.config(0)), '}')
	listen := fmt.Appendf(nil, `{"module":"config","requestId":"","listen":true,"configListenContexts":[{"dataId":"%s","group":"DEFAULT_GROUP","tenant":"","md5":"%s"}]}`,
		g.config(0), md5Of([]byte(first)))
	told, seen := make([]*mark, p.subscribers), make([]*mark, p.subscribers)
	all, err := gather(srv, p.subscribers, func(i int, c *client) error {
		c.heard = func(c *client, m lean.Message) {
			now := f.mark.Load()
			if now == nil || now == seen[i] {
				return
			}
			switch {
			case string(m.Kind) == "ConfigChangeNotifyRequest":
				if told[i] != now {
					told[i] = now
					now.isTold()
				}
			case string(m.Kind) != "ConfigQueryResponse":
				return
			case bytes.Contains(m.JSON, now.text):
				seen[i] = now
				now.isSeen()
				return
			default:
				f.stale.Add(1)
			}
			c.Call("ConfigQueryRequest", fetch)
		}
		return c.many(1, 1, func(b []byte, _ int) (string, []byte) { return "ConfigBatchListenRequest", append(b, listen...) })
	})
	if err != nil {
		return nil, err
	}
	defer all.close()
	figures, err := f.run(srv, g.contentMark, p.changes, p.subscribers, func(_ int, text string) error { return g.publish(g.config(0), text+g.filler) })
	if n, cause := all.lost(); n > 0 {
		err = errors.Join(err, fmt.Errorf("%d listeners were cut off, the first: %w", n, cause))
	}
	return figures, errors.Join(err, g.remove(g.config(0)))
}

// md5Of is how Nacos tells contents apart.
func md5Of(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}

// poll is likewise to listeners of HTTP v1, each with a request that waits.
func poll(srv *Server, p *nacosParams) ([]Figure, error) {
	g, err := newGround(srv, &p.shape, p.api)
	if err != nil {
		return nil, err
	}
	defer g.keeper.close()
	first := g.content(0, 0)
	if err := g.publish(g.config(0), first); err != nil {
		return nil, err
	}
	if err := g.eventually(func() error { // all of them begin with what is there
		answer, err := g.keeper.call("ConfigQueryRequest", append(g.appendConfig([]byte{'{'}, g.config(0)), '}'))
		return errors.Join(err, has(answer, first))
	}); err != nil {
		return nil, err
	}
	f := &fan{group: "long polls", fetch: true}
	conns := make([]*lean.HTTP, p.subscribers)
	if err := inBatches(len(conns), func(i int) (err error) {
		conns[i], err = lean.DialHTTP(srv.httpAt(i), 2*pollTime)
		return err
	}); err != nil {
		return nil, err
	}
	var over sync.WaitGroup
	var stop atomic.Bool
	errs := make(chan error, len(conns))
	for i, c := range conns {
		over.Go(func() {
			errs <- pollOn(c, g, f, i, md5Of([]byte(first)), &stop)
		})
	}
	time.Sleep(p.settle) // until all of them wait
	figures, err := f.run(srv, g.contentMark, p.changes, p.subscribers, func(_ int, text string) error { return g.publish(g.config(0), text+g.filler) })
	stop.Store(true)
	err = errors.Join(err, g.publish(g.config(0), "the end"+g.filler)) // of which all are told
	over.Wait()
	close(errs)
	for lost := range errs {
		if lost != nil {
			err = errors.Join(err, fmt.Errorf("a long poll: %w", lost))
			break // one of many
		}
	}
	return figures, errors.Join(err, g.remove(g.config(0)))
}

// pollTime is how long a poll waits, as those of the SDKs.
const pollTime = 30 * time.Second

// pollOn polls, and fetches what has changed, until it is told of a change after stop.
func pollOn(c *lean.HTTP, g *ground, f *fan, i int, md5 string, stop *atomic.Bool) (err error) {
	defer func() { err = errors.Join(err, c.Close()) }()
	addr := g.srv.httpAt(i)
	wait := "Long-Pulling-Timeout: " + strconv.FormatInt(pollTime.Milliseconds(), 10) + "\r\n"
	fetch := lean.AppendRequest(nil, "GET", "/nacos/v1/cs/configs?group=DEFAULT_GROUP&dataId="+g.config(0), addr, "", "")
	var b []byte
	var last *mark
	for {
		b = lean.AppendRequest(b[:0], "POST", "/nacos/v1/cs/configs/listener", addr, wait, listening(g.config(0), md5))
		status, answer, err := c.Do(b)
		switch {
		case err != nil:
			return err
		case status != 200:
			return fmt.Errorf("status %d: %.300s", status, answer)
		case stop.Load():
			return nil
		case len(bytes.TrimSpace(answer)) == 0:
			continue // it has waited long enough
		}
		now := f.mark.Load()
		if now == nil || now == last {
			return fmt.Errorf("told of a change that nobody made: %.300q", answer)
		}
		last = now
		now.isTold()
	fetching:
		for {
			status, answer, err := c.Do(fetch)
			switch {
			case err != nil:
				return err
			case status == 409: // of Nacos, which is about to change the file that it reads
			case status != 200:
				return fmt.Errorf("status %d: %.300s", status, answer)
			case bytes.Contains(answer, now.text):
				md5 = md5Of(answer)
				break fetching
			}
			f.stale.Add(1)
			if stop.Load() {
				return nil
			}
		}
		now.isSeen()
	}
}
