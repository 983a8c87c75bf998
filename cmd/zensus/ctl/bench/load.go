package bench

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// Shape is how a workload is put on a server.
type Shape struct {
	Conns int
	Depth int // requests in flight on each connection
	Bytes int // of data
	Time  time.Duration
}

// String is "16 x 16".
func (s Shape) String() string { return fmt.Sprintf("%d x %d", s.Conns, s.Depth) }

// Workload is one kind of request.
type Workload struct {
	Name string
	// count is how many requests there are for a connection; 0 is as many as the
	// time takes.
	count func(s *Shape) int
	// prepare makes what the requests need, below root, on one connection.
	prepare func(c *conn, root string, s *Shape) error
	// each prepares one connection, the i-th.
	each func(c *conn, root string, i int, s *Shape) error
	// made is how many znodes of its own (ownPath) a request leaves behind.
	made int
	// next appends the n-th request of the i-th connection to c.out.
	next func(c *conn, root string, i, n int, s *Shape)
}

// Workloads lists them by name.
func Workloads() []*Workload { return workloads }

// Find is the workload of that name, nil if there is none.
func Find(name string) *Workload {
	for _, w := range workloads {
		if w.Name == name {
			return w
		}
	}
	return nil
}

func request(c *conn, op wire.OpCode, body func([]byte) []byte) {
	mark := c.begin(op)
	c.out = body(c.out)
	c.end(mark)
}

// nodes is how many znodes the reading workloads spread over.
const nodes = 64

func nodePath(root string, n int) string {
	var stack [96]byte
	b := append(append(stack[:0], root...), "/n"...)
	return string(strconv.AppendInt(b, int64(n%nodes), 10))
}

func makeNodes(c *conn, root string, s *Shape) error {
	for n := range nodes {
		if err := c.mustCreate(nodePath(root, n), make([]byte, s.Bytes)); err != nil {
			return err
		}
	}
	return nil
}

var openACL = core.OpenACL()

var workloads = []*Workload{
	{
		Name: "get", prepare: makeNodes,
		next: func(c *conn, root string, i, n int, _ *Shape) {
			request(c, wire.OpGetData, func(b []byte) []byte { return wire.AppendPathWatch(b, nodePath(root, i+n), false) })
		},
	},
	{
		Name: "exists", prepare: makeNodes,
		next: func(c *conn, root string, i, n int, _ *Shape) {
			request(c, wire.OpExists, func(b []byte) []byte { return wire.AppendPathWatch(b, nodePath(root, i+n), false) })
		},
	},
	{
		Name: "children", // of a znode that has 100
		prepare: func(c *conn, root string, s *Shape) error {
			for n := range 100 {
				if err := c.mustCreate(fmt.Sprintf("%s/child%03d", root, n), nil); err != nil {
					return err
				}
			}
			return nil
		},
		next: func(c *conn, root string, _, _ int, _ *Shape) {
			request(c, wire.OpGetChildren, func(b []byte) []byte { return wire.AppendPathWatch(b, root, false) })
		},
	},
	{
		Name: "set", prepare: makeNodes,
		next: func(c *conn, root string, i, n int, s *Shape) {
			request(c, wire.OpSetData, func(b []byte) []byte {
				return wire.AppendSetData(b, nodePath(root, i+n), zeros[:s.Bytes], core.AnyVersion)
			})
		},
	},
	{
		Name: "create", each: makeOwn, made: 1,
		next: func(c *conn, root string, i, n int, s *Shape) { create(c, ownPath(root, i, n), 0, s) },
	},
	{
		Name: "delete", each: fillOwn,
		count: ownDeletes,
		next: func(c *conn, root string, i, n int, _ *Shape) {
			request(c, wire.OpDelete, func(b []byte) []byte {
				return wire.AppendPathVersion(b, ownPath(root, i, n), core.AnyVersion)
			})
		},
	},
	{
		Name: "ephemeral", each: makeOwn, // sequential ones
		next: func(c *conn, root string, i, n int, s *Shape) {
			create(c, strings.TrimSuffix(ownPath(root, i, 0), "0")+"e-", core.EphemeralSequential, s)
		},
	},
	{
		Name: "multi", each: makeOwn, made: 10, // ten creations
		next: func(c *conn, root string, i, n int, s *Shape) {
			request(c, wire.OpMulti, func(b []byte) []byte {
				for k := range 10 {
					b = wire.AppendMultiHeader(b, wire.OpCreate, false, -1)
					b = wire.AppendCreate(b, wire.OpCreate, ownPath(root, i, n*10+k), zeros[:s.Bytes], openACL, 0, 0)
				}
				return wire.AppendMultiEnd(b)
			})
		},
	},
	{
		Name: "mixed", prepare: makeNodes, // nine gets to a set
		next: func(c *conn, root string, i, n int, s *Shape) {
			if n%10 == 9 {
				request(c, wire.OpSetData, func(b []byte) []byte {
					return wire.AppendSetData(b, nodePath(root, i+n), zeros[:s.Bytes], core.AnyVersion)
				})
				return
			}
			request(c, wire.OpGetData, func(b []byte) []byte { return wire.AppendPathWatch(b, nodePath(root, i+n), false) })
		},
	},
}

const deletesPerRound = 100_000

var zeros [1 << 20]byte // not a slice, which every start of the program would make

// ownPath is the n-th znode of the i-th connection. It is made for every request,
// so it is made without fmt.
func ownPath(root string, i, n int) string {
	var stack [96]byte
	b := append(append(stack[:0], root...), "/c"...)
	b = append(strconv.AppendInt(b, int64(i), 10), '/')
	return string(strconv.AppendInt(b, int64(n), 10))
}

func create(c *conn, path string, mode core.CreateMode, s *Shape) {
	request(c, wire.OpCreate, func(b []byte) []byte {
		return wire.AppendCreate(b, wire.OpCreate, path, zeros[:s.Bytes], openACL, int32(mode), 0)
	})
}

func makeOwn(c *conn, root string, i int, _ *Shape) error {
	return c.mustCreate(fmt.Sprintf("%s/c%d", root, i), nil)
}

// fillOwn makes what the delete workload will remove.
func fillOwn(c *conn, root string, i int, s *Shape) error {
	if err := makeOwn(c, root, i, s); err != nil {
		return err
	}
	n := ownDeletes(s)
	return inMultis(c, root, i, n, 100, func(b []byte, j int) []byte {
		b = wire.AppendMultiHeader(b, wire.OpCreate, false, -1)
		return wire.AppendCreate(b, wire.OpCreate, ownPath(root, i, j), zeros[:s.Bytes], openACL, 0, 0)
	})
}

// ownDeletes is how many znodes a connection deletes in a round.
func ownDeletes(s *Shape) int { return max(s.Depth, deletesPerRound/s.Conns) }

// inMultis sends what add appends for 0 to n-1 in multis of at most each.
func inMultis(c *conn, root string, i, n, each int, add func(b []byte, j int) []byte) error {
	r := runner{shape: &Shape{Depth: 4}, root: root, meter: meter{limit: (n + each - 1) / each}}
	r.w = &Workload{Name: "set up", next: func(c *conn, _ string, _, k int, _ *Shape) {
		request(c, wire.OpMulti, func(b []byte) []byte {
			for j := k * each; j < min((k+1)*each, n); j++ {
				b = add(b, j)
			}
			return wire.AppendMultiEnd(b)
		})
	}}
	return r.drive(c, i, nil)
}

// Sample is what one round measured.
type Sample struct {
	Requests  int64
	Elapsed   time.Duration
	PerSecond float64
	P50, P99  time.Duration
	// CPU is the server's processor time per request; 0 where it is not known.
	CPU time.Duration
	// Refused are requests that the server did not do, by its own account, and that do
	// not count; Refusal is the first of these answers.
	Refused int64
	Refusal string
}

// meter measures requests that others make.
type meter struct {
	limit int         // requests of a connection, 0 none
	stop  atomic.Bool // no new requests
	done  atomic.Int64
}

// runner drives one workload on one server.
type runner struct {
	meter
	w     *Workload
	shape *Shape
	root  string
	sent  []int // requests that each connection has sent
}

// drive keeps the connection busy until the limit is reached or stop is set, and
// reads what is then still under way.
func (r *runner) drive(c *conn, i int, lat *hdrhistogram.Histogram) error {
	depth := r.shape.Depth
	sent := make([]int64, depth) // when the requests in flight were sent, in a ring
	began := time.Now()
	n, got := 0, 0
	more := func() bool { return (r.limit == 0 || n < r.limit) && !r.stop.Load() }
	for {
		now := time.Since(began).Nanoseconds()
		for n-got < depth && more() {
			sent[n%depth] = now
			r.w.next(c, r.root, i, n, r.shape)
			n++
		}
		if err := c.flush(); err != nil {
			return err
		}
		if got == n {
			if r.sent != nil {
				r.sent[i] = n
			}
			return nil
		}
		batch := int64(0)
		for {
			h, _, err := c.reply()
			if err != nil {
				return err
			}
			if h.Err != core.OK {
				return fmt.Errorf("%s: %w", r.w.Name, h.Err)
			}
			if lat != nil {
				if batch == 0 {
					now = time.Since(began).Nanoseconds()
				}
				_ = lat.RecordValue((now - sent[got%depth]) / 1000)
			}
			got++
			batch++
			if got == n || !c.buffered() {
				break
			}
		}
		r.done.Add(batch)
	}
}

// Run puts a workload on a server for one round, in a fresh part of the tree. What
// it created is removed again, so that the faster of two servers does not go on
// with the larger tree.
func Run(srv *Server, w *Workload, s Shape) (Sample, error) {
	control, err := dial(srv.target())
	if err != nil {
		return Sample{}, err
	}
	defer control.close()
	root, err := freshRoot(srv, control, w.Name)
	if err != nil {
		return Sample{}, err
	}
	if w.prepare != nil {
		if err := w.prepare(control, root, &s); err != nil {
			return Sample{}, err
		}
	}
	conns := make([]*conn, s.Conns)
	defer func() {
		var closing sync.WaitGroup
		for _, c := range conns {
			if c != nil {
				closing.Go(c.close)
			}
		}
		closing.Wait()
	}()
	r := &runner{w: w, shape: &s, root: root, sent: make([]int, s.Conns)}
	if w.count != nil {
		r.limit = w.count(&s)
	}
	if err := parallel(s.Conns, func(i int) (err error) {
		if conns[i], err = dial(srv.target()); err == nil && w.each != nil {
			err = w.each(conns[i], root, i, &s)
		}
		return err
	}); err != nil {
		return Sample{}, err
	}
	sample, err := r.measure(srv, &s, func(i int, lat *hdrhistogram.Histogram) error { return r.drive(conns[i], i, lat) })
	if err == nil && w.made > 0 {
		err = parallel(s.Conns, func(i int) error { return removeOwn(conns[i], root, i, r.sent[i]*w.made) })
	}
	return sample, err
}

// removeOwn removes the first n znodes of the i-th connection.
func removeOwn(c *conn, root string, i, n int) error {
	return inMultis(c, root, i, n, 200, func(b []byte, j int) []byte {
		b = wire.AppendMultiHeader(b, wire.OpDelete, false, -1)
		return wire.AppendPathVersion(b, ownPath(root, i, j), core.AnyVersion)
	})
}

// warmUp is the part of a timed round that is not counted.
const warmUp = 5 // one fifth

// measure measures a round, in which drive keeps the i-th connection busy until stop is
// set or there are limit requests.
func (r *meter) measure(srv *Server, shape *Shape, drive func(i int, lat *hdrhistogram.Histogram) error) (Sample, error) {
	lats := make([]*hdrhistogram.Histogram, shape.Conns)
	errs := make(chan error, 1)
	go func() {
		errs <- parallel(len(lats), func(i int) error {
			lats[i] = hdrhistogram.New(1, 60_000_000, 3)
			return drive(i, lats[i])
		})
	}()
	var from int64
	began, cpu := time.Now(), srv.cpu()
	if r.limit == 0 {
		time.Sleep(shape.Time / warmUp)
		from, began, cpu = r.done.Load(), time.Now(), srv.cpu()
		time.Sleep(shape.Time - shape.Time/warmUp)
	} else if err := <-errs; err != nil {
		return Sample{}, err
	}
	requests, elapsed, used := r.done.Load()-from, time.Since(began), srv.cpu()-cpu
	if r.limit == 0 {
		r.stop.Store(true)
		if err := <-errs; err != nil {
			return Sample{}, err
		}
	}
	all := hdrhistogram.New(1, 60_000_000, 3)
	for _, l := range lats {
		all.Merge(l)
	}
	s := Sample{
		Requests: requests, Elapsed: elapsed, PerSecond: float64(requests) / elapsed.Seconds(),
		P50: time.Duration(all.ValueAtQuantile(50)) * time.Microsecond,
		P99: time.Duration(all.ValueAtQuantile(99)) * time.Microsecond,
	}
	if used > 0 && requests > 0 {
		s.CPU = used / time.Duration(requests)
	}
	return s, nil
}

// parallel calls f for 0 to n-1 at once and returns the first error.
func parallel(n int, f func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
