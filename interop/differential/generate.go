package differential

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/wire"
)

// rootOf is the root of the n-th script that is played on a server; all have the
// same length.
func rootOf(n int) string { return fmt.Sprintf("/s%05d", n) }

// Options say what scripts may do.
type Options struct {
	Steps int
	// Large lets a few requests be about as long as a frame may be.
	Large bool
	// Enforced says that the servers enforce quotas.
	Enforced bool
}

// Generate makes the script of a seed.
func Generate(seed uint64, o Options) *Script {
	g := &generator{rng: rand.New(rand.NewPCG(seed, 38)), root: rootOf(99999), large: o.Large, enforced: o.Enforced, seed: seed}
	g.mixed = g.rng.IntN(6) == 0
	s := &Script{Seed: seed, Root: g.root, Mixed: g.mixed}
	g.limits()
	if g.enforced && g.quota { // so that some of it is used up
		q := "/zookeeper/quota" + g.root
		for _, n := range [][2]string{
			{q, ""},
			{q + "/zookeeper_limits", fmt.Sprintf("count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=%d", 3+g.rng.IntN(6))},
			{q + "/zookeeper_stats", ""},
		} {
			b := new(body).buffer([]byte(n[0])).buffer([]byte(n[1])).acl([]rawACL{{31, []byte("world"), []byte("anyone")}}).int(0)
			s.Steps = append(s.Steps, Step{ID: -1 - len(s.Steps), Requests: []Request{g.make(wire.OpCreate, b, quote([]byte(n[0]))+" "+n[1])}})
		}
	}
	for i := range o.Steps {
		st := g.step()
		st.ID = i
		s.Steps = append(s.Steps, st)
	}
	return s
}

type generator struct {
	rng      *rand.Rand
	seed     uint64
	root     string
	mixed    bool
	large    bool
	enforced bool
	quota    bool // this script sets quotas
	xid      int32
	conn     int           // of the step
	expanded []byte        // the path of a creation whose access list the server expands
	added    [conns][]byte // the path that an addWatch of each connection was last about
}

func (g *generator) one(in int) bool { return g.rng.IntN(in) == 0 }

// pick chooses one of the values.
func pick[T any](g *generator, values ...T) T { return values[g.rng.IntN(len(values))] }

// limits chooses the profile of a script.
func (g *generator) limits() { g.quota = g.one(3) }

// step is the next step.
func (g *generator) step() Step {
	st := Step{Conn: g.rng.IntN(conns)}
	g.conn = st.Conn
	switch k := g.rng.IntN(1000); {
	case k < 30:
		st.Kind = Drop
	case k < 45:
		st.Kind = Mark
	case k < 48:
		st.Kind = Expire
	case k < 68:
		st.Kind = Raw
		st.Bytes = g.rawFrame()
	case k < 128:
		g.connect(&st)
	case k < 175:
		st.Requests = []Request{g.final(&st)}
		st.Ends = len(st.Drops) == 0
	default:
		g.burst(&st)
	}
	return st
}

// burst is one to eight requests that leave the connection open.
func (g *generator) burst(st *Step) {
	n := 1
	if g.one(3) {
		n = 2 + g.rng.IntN(7)
	}
	g.requests(st, n)
	if g.one(12) {
		st.Split = 1 + g.rng.IntN(40)
	}
}

// nextXid is an xid. Those of auth and of sasl are unlike any other, since their
// replies may overtake.
func (g *generator) nextXid(op wire.OpCode) int32 {
	g.xid++
	if overtakes(op) {
		return 1_000_000 + g.xid
	}
	if g.one(12) {
		return pick[int32](g, 0, -3, -4, -8, -9, -100, 1<<31-1, -1<<31, 1, 7)
	}
	return g.xid
}

// rawFrame is what ends a connection without an answer.
func (g *generator) rawFrame() []byte {
	switch g.rng.IntN(6) {
	case 0:
		return wire.AppendInt(nil, -1-int32(g.rng.IntN(1000)))
	case 1:
		return wire.AppendInt(nil, wire.FrameBytesMax+1+int32(g.rng.IntN(3)))
	case 2:
		return wire.AppendInt(nil, pick[int32](g, 1<<31-1, -1<<31, 1<<24))
	case 3:
		return frameOf(make([]byte, g.rng.IntN(8)))
	case 4:
		return []byte(pick(g, "ruok", "srvr", "stat", "mntr", "GET / HTTP/1.1\r\n\r\n"))
	}
	return frameOf(wire.AppendInt(nil, 3))
}

// connect is a step that connects anew: to the connection's own session, to
// another's, which takes it from there, or to none.
func (g *generator) connect(st *Step) {
	st.Kind = Connect
	h := &st.Hello
	h.Of = st.Conn
	h.Timeout = sessionTimeout
	h.ReadOnly = int8(g.rng.IntN(3) - 1)
	switch k := g.rng.IntN(20); {
	case k < 6: // as a client would
	case k < 9:
		h.New = true
	case k < 11:
		h.Of = g.rng.IntN(conns)
	case k < 13:
		h.Password = passwordKind(1 + g.rng.IntN(3))
		h.Of = g.rng.IntN(conns)
		for i := range conns { // whichever has the session may or may not be gone
			st.Drops = append(st.Drops, i)
		}
	case k < 14:
		h.Unknown = true
	case k < 15:
		h.Zxid = zxidAhead
		h.New = g.one(2)
	case k < 16:
		h.Cut = 1 + g.rng.IntN(44)
		h.New = g.one(2)
	case k < 17:
		h.Extra = 1 + g.rng.IntN(20)
	case k < 18:
		h.New, h.Password = true, passwordKind(1+g.rng.IntN(3))
	case k < 19:
		h.Timeout = pick[int32](g, 60_001, 1<<31-1, 30_000, 45_678)
	default:
		h.Zxid = pick(g, zxidZero, zxidNegative)
	}
	if g.one(3) && h.Password == rightPassword && !h.Unknown && h.Zxid != zxidAhead && h.Cut == 0 {
		g.requests(st, 1+g.rng.IntN(3))
	}
}

// requests adds up to n requests to a step. What comes behind some would depend on
// how far the reference's threads have come (Excluded).
func (g *generator) requests(st *Step, n int) {
	wrote := false
	for range n {
		g.expanded = nil
		q := g.request()
		if q.Op == wire.OpAuth && wrote {
			st.Requests = slices.Insert(st.Requests, 0, q)
			continue
		}
		wrote = wrote || state.IsWrite(q.Op)
		st.Requests = append(st.Requests, q)
		if path := g.expanded; path != nil && q.Op != wire.OpMulti && g.one(2) {
			st.Requests = append(st.Requests, g.make(wire.OpGetACL, new(body).buffer(path), quote(path)))
		}
		if q.Op == wire.OpSetACL || g.enforced && g.quota && oneOf(q.Op, wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer,
			wire.OpCreateTTL, wire.OpDelete, wire.OpSetData, wire.OpMulti) || isAccident(&q) || isEphemeralContainer(&q) {
			return
		}
	}
}

// isEphemeralContainer reports whether a request asks for a container and, by its
// flags, for an ephemeral znode.
func isEphemeralContainer(q *Request) bool {
	d := Difference{Request: q}
	return q.Op == wire.OpCreateContainer && d.creates(func(c *wire.Create) bool { return core.CreateMode(c.Flags).IsEphemeral() })
}

// isAccident reports whether a request is a multi that the reference may give up
// half way, without taking back what it has prepared.
func isAccident(q *Request) bool {
	if q.Op != wire.OpMulti {
		return false
	}
	d := Difference{Request: q}
	found := d.creates(func(c *wire.Create) bool {
		return c.Path == nil || hasNull(c.ACL) || core.CreateMode(c.Flags).IsTTL() && c.TTL < 0
	})
	d.parts(func(op wire.OpCode, r *wire.Reader) {
		switch op {
		case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
			wire.DecodeCreate(r, op)
		case wire.OpSetData:
			found = wire.DecodeSetData(r).Path == nil || found
		default:
			found = wire.DecodePathVersion(r).Path == nil || found
		}
	})
	return found
}

// final is a request behind which the connection is not open, or servers may
// disagree on whether it is.
func (g *generator) final(st *Step) Request {
	switch g.rng.IntN(8) {
	case 0, 1, 2, 3:
		return g.make(wire.OpCloseSession, &body{}, "")
	case 4:
		op := pick[wire.OpCode](g, 0, 10, 23, 24, 50, 99, 108, 1000, -1, -2, -9, -12, 1<<31-1, -1<<31)
		b := &body{b: make([]byte, g.rng.IntN(20))}
		return g.make(op, b, "unknown")
	case 5:
		scheme := pick(g, "world", "auth", "sasl", "x509", "nonsense", "", "super", "zensus", "Digest")
		b := new(body).int(0).buffer([]byte(scheme)).buffer(g.secret())
		return g.make(wire.OpAuth, b, fmt.Sprintf("scheme %q", scheme))
	case 6:
		switch g.rng.IntN(5) {
		case 0:
			return g.make(wire.OpSASL, new(body).buffer(nil), "null token")
		case 1:
			return g.make(wire.OpSASL, &body{b: make([]byte, g.rng.IntN(4))}, "cut")
		case 2:
			return g.make(wire.OpAuth, new(body).int(0).buffer([]byte("digest")).buffer(nil), "digest of null")
		case 3:
			return g.make(wire.OpAuth, new(body).int(0).buffer(nil).buffer([]byte("x")), "null scheme")
		}
		b := new(body).int(0).buffer([]byte("digest")).buffer([]byte("who:ever"))
		b.b = b.b[:g.rng.IntN(len(b.b))]
		return g.make(wire.OpAuth, b, "cut")
	}
	st.Drops = []int{st.Conn}
	if g.one(2) {
		return g.make(wire.OpCreateSession, new(body).int(sessionTimeout), "")
	}
	path := g.path()
	return g.make(wire.OpDeleteContainer, new(body).buffer(path), quote(path))
}

// kindOf is the one mode that watches on a path have, in a script in which modes
// do not meet.
func (g *generator) kindOf(path []byte) watchMode {
	h := fnv.New32a()
	_, _ = h.Write(path)
	switch (uint64(h.Sum32()) + g.seed) % 4 {
	case 0:
		return modePersistent
	case 1:
		return modeRecursive
	}
	return modeData | modeChild
}

// mayWatch reports whether a watch of the mode may be set on the path.
func (g *generator) mayWatch(path []byte, mode watchMode) bool {
	return g.mixed || g.kindOf(path)&mode != 0
}

// Reaping is a script in which containers and znodes with a time to live come to
// their end, before the eyes of several watches.
func Reaping(rounds int) *Script {
	g := &generator{rng: rand.New(rand.NewPCG(0, 38)), root: rootOf(99999)}
	s := &Script{Root: g.root}
	open := []rawACL{{31, []byte("world"), []byte("anyone")}}
	create := func(op wire.OpCode, path string, flags int32) Request {
		b := new(body).buffer([]byte(path)).buffer([]byte("x")).acl(open).int(flags)
		if op == wire.OpCreateTTL {
			b.long(1)
		}
		return g.make(op, b, quote([]byte(path)))
	}
	watch := func(path string, mode int32) Request {
		return g.make(wire.OpAddWatch, new(body).buffer([]byte(path)).int(mode), fmt.Sprintf("%q mode %d", path, mode))
	}
	add := func(st Step) {
		st.ID = len(s.Steps)
		s.Steps = append(s.Steps, st)
	}
	add(Step{Conn: 1, Requests: []Request{watch(g.root, 1)}})
	add(Step{Conn: 2, Requests: []Request{watch(g.root, 0)}})
	for i := range rounds {
		c, ttl := fmt.Sprintf("%s/c%d", g.root, i), fmt.Sprintf("%s/t%d", g.root, i)
		exists := new(body).buffer([]byte(c)).bool(true)
		add(Step{Requests: []Request{
			create(wire.OpCreateContainer, c, 4), create(wire.OpCreate, c+"/x", 0), g.make(wire.OpExists, exists, quote([]byte(c))),
			g.make(wire.OpDelete, new(body).buffer([]byte(c+"/x")).int(-1), quote([]byte(c+"/x"))),
		}, Until: c})
		add(Step{Conn: 3, Requests: []Request{create(wire.OpCreateTTL, ttl, 5)}, Until: ttl})
	}
	return s
}
