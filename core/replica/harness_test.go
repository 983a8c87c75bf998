package replica

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// server is a replica on a disk that is a slice: what was appended is durable
// when the test says so.
type server struct {
	t       *testing.T
	cfg     Config
	r       *Replica
	now     Now
	log     []wire.Record
	epochs  zab.Epochs
	out     Output
	unsaved []wire.Record // appended, not yet synced
	manual  bool          // syncs wait for sync()
	lateCut bool          // that the log was cut is told by cut()
	reads   []LogRange    // of the log, so far

	away        []*ViewRead
	manualViews bool // long reads wait for bringViews()

	more       bool
	manualMore bool // connections that rest wait for bringMore()

	// drainLate keeps what was asked to be told of from leaving.
	drainLate bool
	conns     map[ConnID]*peer
	nextID    ConnID
	holds     map[ConnID]bool
	snaps     []SnapshotJob
	notes     []Note
	network   *network // of the ensemble that it belongs to
}

// peer is the client's end of a connection.
type peer struct {
	t      *testing.T
	s      *server
	id     ConnID
	in     []byte
	closed bool
	xid    int32
	resp   wire.ConnectResponse
}

func startServer(t *testing.T, cfg Config) *server {
	t.Helper()
	s := &server{t: t, cfg: cfg, now: Now{Mono: 1000, Wall: 1_800_000_000_000}, epochs: zab.Epochs{Voteable: true}}
	s.cfg.Zab = zab.Config{Self: 1, Voters: []core.PeerID{1}, CounterMax: cfg.Zab.CounterMax}
	s.cfg.Secret = []byte("a secret of this test")
	s.boot()
	return s
}

// begin makes a new replica of what the disk holds; Start is its first input.
func (s *server) begin(hasSnapshot bool) {
	s.t.Helper()
	d := zab.Durable{AcceptedEpoch: s.epochs.Accepted, CurrentEpoch: s.epochs.Current, Voteable: s.epochs.Voteable}
	for _, r := range s.log {
		d.LastLogged, d.LastChain = r.Zxid, r.Chain()
		d.CommitHint = max(d.CommitHint, r.CommitHint)
		if k := len(d.Epochs); k > 0 && d.Epochs[k-1].Last.Epoch() == r.Zxid.Epoch() {
			d.Epochs = d.Epochs[:k-1]
		}
		d.Epochs = append(d.Epochs, zab.EpochEnd{Last: r.Zxid, Chain: r.Chain()})
	}
	r, err := New(s.cfg, d, hasSnapshot, 0)
	require.NoError(s.t, err)
	s.r = r
	s.conns, s.holds = make(map[ConnID]*peer), make(map[ConnID]bool)
	s.unsaved, s.snaps, s.reads = nil, nil, nil
}

// boot starts a replica on what the disk holds.
func (s *server) boot() {
	s.t.Helper()
	s.begin(false)
	s.step(Start{})
	require.True(s.t, s.r.Serving())
}

func (s *server) step(in Input) {
	s.r.Step(s.now, in, &s.out)
	s.perform()
}

func (s *server) perform() {
	out := s.out
	s.out = Output{}
	for _, c := range out.Conns {
		bytes, closed, want := c.Take(nil)
		p := s.conns[c.Conn]
		if p == nil {
			continue
		}
		p.in = append(p.in, bytes...)
		p.closed = p.closed || closed
		if want && !s.drainLate {
			s.step(Drained{Conn: c.Conn})
		}
	}
	for _, h := range out.Holds {
		s.holds[h.Conn] = h.On
	}
	s.notes = append(s.notes, out.Notes...)
	if out.More {
		s.more = true
		if !s.manualMore {
			s.bringMore()
		}
	}
	for _, v := range out.ViewReads {
		s.away = append(s.away, v)
		if !s.manualViews {
			s.bringViews()
		}
	}
	if out.Snapshot != nil {
		s.snaps = append(s.snaps, *out.Snapshot)
	}
	if out.Truncate != nil {
		for len(s.log) > 0 && s.log[len(s.log)-1].Zxid > out.Truncate.Zxid {
			s.log = s.log[:len(s.log)-1]
		}
		if !s.lateCut {
			s.step(Truncated{})
		}
	}
	for i := range out.Send {
		s.network.send(s.cfg.Zab.Self, &out.Send[i])
	}
	for i := range out.Append { // the payload must not be touched after it was handed over
		rec := out.Append[i]
		rec.Payload = append([]byte(nil), rec.Payload...)
		s.unsaved = append(s.unsaved, rec)
	}
	if !s.manual || out.Epochs != nil {
		s.sync(out.Generation)
	}
	if out.Epochs != nil {
		s.epochs = *out.Epochs
		s.step(MetaSynced{Generation: out.Generation})
	}
	s.reads = append(s.reads, out.ReadLog...)
	for _, r := range out.ReadLog {
		s.step(LogRead{Generation: r.Generation, Records: s.logged(r.After, r.UpTo), Done: true})
	}
	for _, f := range out.Feeds {
		s.step(Fed{Feed: f, Records: s.logged(f.After, f.UpTo), Done: true})
	}
}

// logged is a part of the log.
func (s *server) logged(after, upTo core.Zxid) (records []wire.Record) {
	for _, r := range s.log {
		if r.Zxid > after && r.Zxid <= upTo {
			records = append(records, r)
		}
	}
	return records
}

// sync makes everything that was appended durable.
func (s *server) sync(gen uint64) {
	if len(s.unsaved) == 0 {
		return
	}
	s.log = append(s.log, s.unsaved...)
	s.unsaved = nil
	s.step(Synced{Generation: gen, UpTo: s.log[len(s.log)-1].Zxid})
}

func (s *server) syncNow() { s.sync(s.r.zab.Generation()) }

func (s *server) advance(millis int64) {
	for range millis / 50 {
		s.now.Mono += 50
		s.now.Wall += 50
		s.step(Tick{})
	}
}

func (s *server) dial() *peer {
	s.nextID++
	p := &peer{t: s.t, s: s, id: s.nextID}
	s.conns[p.id] = p
	s.step(Connected{Conn: p.id, Remote: netip.MustParseAddrPort("127.0.0.1:4000")})
	return p
}

// open connects with a session of its own.
func (s *server) open(timeoutMillis int32) *peer {
	s.t.Helper()
	p := s.dial()
	p.connect(wire.ConnectRequest{TimeoutMillis: timeoutMillis, HasReadOnly: true})
	require.NotZero(s.t, p.resp.SessionID)
	return p
}

func (p *peer) connect(q wire.ConnectRequest) {
	p.t.Helper()
	p.send(q.Append(nil))
	p.welcome()
}

func (p *peer) welcome() {
	p.t.Helper()
	f, ok := p.frame()
	if !ok {
		return
	}
	resp, err := wire.DecodeConnectResponse(f)
	require.NoError(p.t, err)
	p.resp = resp
}

func (p *peer) send(bodies ...[]byte) {
	var frames []byte
	for _, b := range bodies {
		frames = append(wire.AppendInt(frames, int32(len(b))), b...)
	}
	p.s.step(Requests{Conn: p.id, Frames: frames})
	for i := range frames { // the frames are not the replica's any more
		frames[i] = 0xee
	}
}

func (p *peer) request(op wire.OpCode, body []byte) []byte {
	p.xid++
	return append(wire.AppendRequestHeader(nil, p.xid, op), body...)
}

func (p *peer) frame() ([]byte, bool) {
	if len(p.in) < 4 {
		return nil, false
	}
	n := int(binary.BigEndian.Uint32(p.in))
	f := p.in[4 : 4+n]
	p.in = p.in[4+n:]
	return f, true
}

// reply reads the next frame.
func (p *peer) reply() (wire.ReplyHeader, wire.Reader) {
	p.t.Helper()
	f, ok := p.frame()
	require.True(p.t, ok, "no frame")
	r := wire.NewReader(f)
	return wire.DecodeReplyHeader(&r), r
}

// do sends one request and reads its reply.
func (p *peer) do(op wire.OpCode, body []byte) (wire.ReplyHeader, wire.Reader) {
	p.t.Helper()
	p.send(p.request(op, body))
	h, r := p.reply()
	require.Equal(p.t, p.xid, h.Xid)
	return h, r
}

func (p *peer) code(op wire.OpCode, body []byte) core.Code {
	p.t.Helper()
	h, _ := p.do(op, body)
	return h.Err
}

func (p *peer) create(path, data string, mode core.CreateMode) string {
	p.t.Helper()
	h, r := p.do(wire.OpCreate, wire.AppendCreate(nil, wire.OpCreate, path, []byte(data), core.OpenACL(), int32(mode), 0))
	require.Equal(p.t, core.OK, h.Err)
	return r.String()
}

func (p *peer) noFrame() {
	p.t.Helper()
	require.Empty(p.t, p.in)
}

// bringViews makes the long reads that are away.
func (s *server) bringViews() {
	away := s.away
	s.away = nil
	for _, v := range away {
		v.Make()
		s.step(*v)
	}
}

// drain tells that a connection's output was read.
func (s *server) drain(id ConnID) { s.step(Drained{Conn: id}) }

// bringMore lets the connection go on that has rested longest.
func (s *server) bringMore() {
	if s.more {
		s.more = false
		s.step(More{})
	}
}
