package state

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/tree"
	"github.com/zensus-io/zensus/core/wire"
)

// traffic makes requests of all kinds on a few paths.
type traffic struct {
	rng *rand.Rand
	m   *machine
	ids int64
}

var trafficPaths = []string{"/a", "/b", "/a/a", "/a/b", "/b/a", "/a/a/a", "/t", "/t/x", "/none/x", "/a/", "abc", "/"}

func (g *traffic) path() string { return trafficPaths[g.rng.IntN(len(trafficPaths))] }

func (g *traffic) version() int32 { return int32(g.rng.IntN(4)) - 1 }

func (g *traffic) data() []byte { return make([]byte, g.rng.IntN(300)) }

func (g *traffic) session() core.SessionID {
	ids := []core.SessionID{alice, alice, bob, bob, nobody, core.SessionID(0x100000000000100 + g.ids)}
	return ids[g.rng.IntN(len(ids))]
}

// list is an access list, at times one that its author's identities make long.
func (g *traffic) list() []core.ACL {
	switch g.rng.IntN(8) {
	case 0:
		return only("alice", core.PermAll)
	case 1:
		return []core.ACL{{Perms: core.PermAll, Scheme: "auth"}, {Perms: core.PermRead, Scheme: "auth"}}
	case 2:
		return []core.ACL{{Perms: core.PermAll, Scheme: "auth"}}
	}
	return core.OpenACL()
}

func (g *traffic) identities() []core.Identity {
	var ids []core.Identity
	for i := range g.rng.IntN(4) {
		ids = append(ids, user([]string{"alice", "bob", fmt.Sprintf("%0100d", i), "carol"}[i]))
	}
	return ids
}

func (g *traffic) create(op wire.OpCode) []byte {
	flags := int32(g.rng.IntN(4))
	if op == wire.OpCreateTTL {
		flags = int32(core.PersistentTTL)
	}
	return wire.AppendCreate(nil, op, g.path(), g.data(), g.list(), flags, 1000)
}

func (g *traffic) part() part {
	switch g.rng.IntN(4) {
	case 0:
		return deletePart(g.path(), g.version())
	case 1:
		return setPart(g.path(), g.version())
	}
	return createPart(wire.OpCreate, g.path(), int32(g.rng.IntN(5)), 0)
}

// next is the next request.
func (g *traffic) next() *Request {
	req := &Request{Session: g.session(), Cxid: 1, IDs: g.identities()}
	switch g.rng.IntN(14) {
	case 0, 1, 2:
		req.Op = []wire.OpCode{wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL}[g.rng.IntN(4)]
		req.Body = g.create(req.Op)
	case 3, 4:
		req.Op, req.Body = wire.OpSetData, wire.AppendSetData(nil, g.path(), g.data(), g.version())
	case 5, 6:
		req.Op, req.Body = wire.OpDelete, wire.AppendPathVersion(nil, g.path(), g.version())
	case 7:
		req.Op, req.Body = wire.OpSetACL, wire.AppendSetACL(nil, g.path(), g.list(), g.version())
	case 8, 9, 10:
		parts := make([]part, g.rng.IntN(12))
		for i := range parts {
			parts[i] = g.part()
		}
		req.Op, req.Body = wire.OpMulti, multiBody(parts...)
	case 11:
		if g.rng.IntN(3) > 0 {
			g.ids++
			return &Request{Session: core.SessionID(0x100000000000100 + g.ids), Op: wire.OpCreateSession, Body: wire.AppendInt(nil, 4000), Internal: true}
		}
		if g.ids > 0 {
			return &Request{Session: core.SessionID(0x100000000000100 + g.ids), Op: wire.OpCloseSession, Internal: true}
		}
		fallthrough
	case 12:
		return &Request{Op: wire.OpDeleteContainer, Body: wire.AppendBuffer(nil, []byte(g.path())), Internal: true}
	case 13:
		parts := make([]part, 20)
		for i := range parts {
			parts[i] = createPart(wire.OpCreate, "/b/s", 3, 0)
		}
		req.Op, req.Body = wire.OpMulti, multiBody(parts...)
	}
	return req
}

func eachSeed(t *testing.T, seeds int, test func(t *testing.T, g *traffic)) {
	for seed := range seeds {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			m := newMachine(t, Config{TTLNodes: true})
			test(t, &traffic{rng: rand.New(rand.NewPCG(uint64(seed), 1)), m: m})
		})
	}
}

// What Prepare sees with changes outstanding is what the tree holds when these
// are applied: otherwise a transaction is made for a state that never comes.
func TestOutstandingLooksLikeTheTreeWillBe(t *testing.T) {
	eachSeed(t, 40, func(t *testing.T, g *traffic) {
		m := g.m
		for range 60 {
			for range 1 + g.rng.IntN(25) {
				m.prepare(g.next())
				if g.rng.IntN(3) == 0 && m.applied < len(m.log) {
					m.applyNext()
				}
			}
			want := map[string]node{}
			paths := append([]string{}, trafficPaths[:9]...)
			for _, t := range m.pending.queue[m.pending.head:] {
				paths = append(paths, t.change.path)
			}
			for _, path := range paths {
				want[string([]byte(path))] = m.at(path).node
			}
			m.applyAll()
			m.settled()
			for path, w := range want {
				require.Equal(t, w, m.at(path).node, path)
			}
		}
	})
}

// image is everything that a state replicates, as a view encodes it.
func image(t testing.TB, s *State) []byte {
	t.Helper()
	v := s.View()
	defer v.Close()
	var out []byte
	require.NoError(t, v.Encode(func(chunk []byte) error {
		out = append(wire.AppendInt(out, int32(len(chunk))), chunk...)
		return nil
	}))
	return out
}

// A transaction that is applied a second time changes nothing: what it says is
// what is, not what is to be done (lessons B3).
func TestEveryTransactionCanBeAppliedTwice(t *testing.T) {
	eachSeed(t, 6, func(t *testing.T, g *traffic) {
		m := g.m
		for range 250 {
			m.prepare(g.next())
			x := m.log[len(m.log)-1]
			m.applyNext()
			digest, before := m.tree.Digest(), image(t, m.State)
			m.State.applied = x.zxid - 1
			m.Apply(x.zxid, x.payload)
			require.Equal(t, digest, m.tree.Digest(), "%v", m.result.Op)
			require.Equal(t, before, image(t, m.State))
		}
	})
}

// loadView encodes a view, as a snapshot does, and loads it.
func loadView(t testing.TB, v *View) *State {
	t.Helper()
	var chunks [][]byte
	require.NoError(t, v.Encode(func(chunk []byte) error {
		chunks = append(chunks, slices.Clone(chunk))
		return nil
	}))
	s, err := Load(Config{TTLNodes: true}, func() ([]byte, error) {
		if len(chunks) == 0 {
			return nil, io.EOF
		}
		c := chunks[0]
		chunks = chunks[1:]
		return c, nil
	})
	require.NoError(t, err)
	return s
}

// A view that is written while the state goes on holds the state of its zxid,
// and with the log behind it leads to the same state.
func TestViewInTheMiddleOfTrafficLoadsAndCatchesUp(t *testing.T) {
	eachSeed(t, 30, func(t *testing.T, g *traffic) {
		m := g.m
		for range 100 {
			m.prepare(g.next())
		}
		for m.applied < 60 {
			m.applyNext()
		}
		v := m.View()
		at, digest, sessions := m.applied, m.tree.Digest(), m.Sessions()
		for range 100 {
			m.prepare(g.next())
			m.applyNext()
		}
		loaded := loadView(t, v)
		v.Close()
		require.Equal(t, digest, loaded.tree.Digest())
		require.Equal(t, sessions, loaded.Sessions())
		require.Equal(t, m.log[at-1].zxid, loaded.Applied())
		m.applyAll()
		for _, x := range m.log[at:] {
			loaded.Apply(x.zxid, x.payload)
		}
		require.Equal(t, m.Sessions(), loaded.Sessions())
		require.Equal(t, m.highest, loaded.highest)
		require.Equal(t, m.tree.Digest(), loaded.tree.Digest())
		require.Equal(t, image(t, m.State), image(t, loaded))
	})
}

// I15: the owner of an ephemeral znode lives.
func TestNoEphemeralOutlivesItsSession(t *testing.T) {
	eachSeed(t, 20, func(t *testing.T, g *traffic) {
		m := g.m
		for range 1000 {
			m.prepare(g.next())
			if g.rng.IntN(8) == 0 {
				m.applyAll()
			}
		}
		for _, id := range []core.SessionID{alice, bob} {
			m.prepare(&Request{Session: id, Op: wire.OpCloseSession, Internal: true})
		}
		for i := range g.ids {
			m.prepare(&Request{Session: core.SessionID(0x100000000000101 + i), Op: wire.OpCloseSession, Internal: true})
		}
		m.applyAll()
		m.settled()
		require.Zero(t, m.tree.EphemeralCount())
		require.Zero(t, m.SessionCount())
	})
}

func TestCreatesBehindTheEndOfTheirSessionAreRefused(t *testing.T) {
	m := newMachine(t, Config{})
	make := func(path string) {
		body := wire.AppendCreate(nil, wire.OpCreate, path, nil, core.OpenACL(), int32(core.Ephemeral), 0)
		m.prepare(&Request{Session: alice, Cxid: 1, Op: wire.OpCreate, Body: body})
	}
	make("/before")
	m.prepare(&Request{Session: alice, Op: wire.OpCloseSession, Internal: true})
	make("/behind")
	m.prepare(&Request{Session: alice, Op: wire.OpCloseSession, Internal: true})
	require.Equal(t, core.OK, m.applyNext().Err)
	require.Len(t, m.applyNext().Effects, 1, "what was under way goes with it")
	require.Equal(t, core.SessionExpired, m.applyNext().Err)
	require.Equal(t, core.SessionExpired, m.applyNext().Err, "it ends once")
	require.Equal(t, tree.None, m.tree.Find("/before"))
	m.settled()
}

func TestPathsThatOneSessionOwnsAreBounded(t *testing.T) {
	m := newMachine(t, Config{EphemeralPathBytesMax: 50})
	body := wire.AppendCreate(nil, wire.OpCreate, "/eeeeeeeeee", nil, core.OpenACL(), int32(core.EphemeralSequential), 0)
	req := &Request{Session: alice, Op: wire.OpCreate, Body: body}
	m.prepare(req) // 25 bytes each
	m.prepare(req)
	m.prepare(req)
	require.Equal(t, core.OK, m.applyNext().Err)
	require.Equal(t, core.OK, m.applyNext().Err)
	require.Equal(t, core.QuotaExceeded, m.applyNext().Err, "also counted while under way")
	require.Equal(t, core.QuotaExceeded, m.do(req).Err)
}

func TestContainerWithAChangeUnderWayIsNotReaped(t *testing.T) {
	m := newMachine(t, Config{TTLNodes: true})
	body := wire.AppendCreate(nil, wire.OpCreateTTL, "/ttl", nil, core.OpenACL(), int32(core.PersistentTTL), 10)
	require.Equal(t, core.OK, m.code(wire.OpCreateTTL, body))
	reap := &Request{Op: wire.OpDeleteContainer, Body: wire.AppendBuffer(nil, []byte("/ttl")), Internal: true}
	m.prepare(&Request{Session: alice, Op: wire.OpSetData, Body: wire.AppendSetData(nil, "/ttl", []byte("again"), -1)})
	m.prepare(reap)
	require.Equal(t, core.OK, m.applyNext().Err)
	require.Equal(t, core.BadVersion, m.applyNext().Err, "it was written to after its time was looked at")
	require.Equal(t, core.OK, m.do(reap).Err)
	require.Equal(t, tree.None, m.tree.Find("/ttl"))
}

func TestHighestSessionIdIsKeptBeyondItsEnd(t *testing.T) {
	m := newMachine(t, Config{})
	m.do(&Request{Session: bob, Op: wire.OpCloseSession, Internal: true})
	other := core.SessionID(-0x7e00000000000000) // of server 130: above half, unsigned
	m.do(&Request{Session: other, Op: wire.OpCreateSession, Body: wire.AppendInt(nil, 1), Internal: true})
	v := m.View()
	defer v.Close()
	loaded := loadView(t, v)
	for _, s := range []*State{m.State, loaded} {
		require.Equal(t, bob, s.HighestSession(1))
		require.Equal(t, other, s.HighestSession(130))
		require.Zero(t, s.HighestSession(2))
	}
}

func TestSequenceGoesOnBeyond31Bits(t *testing.T) {
	require.Equal(t, "2147483647", string(appendSequence(nil, 1<<31-1)))
	require.Equal(t, "2147483648", string(appendSequence(nil, nextCreates(1<<31-1))))
	require.Equal(t, "4294967295", string(appendSequence(nil, -1)))
}

func TestVersionPassesOverMinusOne(t *testing.T) {
	require.EqualValues(t, -1<<31, nextVersion(1<<31-1))
	require.EqualValues(t, 0, nextVersion(-2))
}

func TestLoadRefusesWhatIsNotAView(t *testing.T) {
	m := newMachine(t, Config{})
	m.create("/a", core.Persistent, core.OpenACL())
	v := m.View()
	defer v.Close()
	var chunks [][]byte
	require.NoError(t, v.Encode(func(c []byte) error { chunks = append(chunks, slices.Clone(c)); return nil }))
	load := func(chunks [][]byte) error {
		_, err := Load(Config{}, func() ([]byte, error) {
			if len(chunks) == 0 {
				return nil, io.EOF
			}
			c := chunks[0]
			chunks = chunks[1:]
			return c, nil
		})
		return err
	}
	require.NoError(t, load(chunks))
	for i := range chunks {
		require.Error(t, load(chunks[:i]), "only %d chunks", i)
		for _, n := range []int{0, 1, len(chunks[i]) / 2, len(chunks[i]) - 1} {
			cut := slices.Clone(chunks)
			cut[i] = cut[i][:n]
			require.Error(t, load(cut), "chunk %d cut at %d", i, n)
		}
	}
	wrong := slices.Clone(chunks)
	wrong[0] = slices.Clone(wrong[0])
	wrong[0][12] ^= 1
	require.ErrorContains(t, load(wrong), "digest")
	failing := errors.New("cannot read")
	_, err := Load(Config{}, func() ([]byte, error) { return nil, failing })
	require.ErrorIs(t, err, failing)
}
