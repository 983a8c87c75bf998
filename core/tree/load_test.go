package tree

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/zensus-io/zensus/core"
)

// rich is a tree with something of every kind.
func rich(t testing.TB) *Tree {
	tr := New()
	for i, c := range []Creation{
		{Path: "/null"},
		{Path: "/a", Data: []byte("x"), ACL: core.ReadACL(), Time: -5},
		{Path: "/a/b", Owner: 1 << 60},
		{Path: "/a/c", Owner: -9, Data: []byte{}},
		{Path: "/a/d", Owner: 1 << 60, ACL: core.NodeACL()},
		{Path: "/container", Owner: ContainerOwner},
		{Path: "/ttl", Owner: TTLOwner(77)},
		{Path: "/zookeeper/quota/a"},
		{Path: "/zookeeper/quota/a/zookeeper_limits", Data: []byte("count=3,bytes=4")},
		{Path: "/zookeeper/quota/a/zookeeper_stats"},
		{Path: "/none", ACL: []core.ACL{}},
	} {
		c.ParentCreates = -1
		c.Zxid = core.Zxid(1<<32 + i)
		if _, code := tr.Create(&c); code != core.OK {
			t.Fatal(c.Path, code)
		}
	}
	tr.SetData(tr.Find("/a"), bytes.Repeat([]byte("y"), 300), 1, 1<<33, 99)
	tr.SetACL(tr.Find("/null"), core.ReadACL(), 1)
	return tr
}

func snapshot(t testing.TB, tr *Tree) [][]byte {
	t.Helper()
	v := tr.View()
	defer v.Close()
	chunks, err := encode(v)
	if err != nil {
		t.Fatal(err)
	}
	return chunks
}

func TestLoadedTreeHasTheSameSnapshot(t *testing.T) {
	big := rich(t)
	for _, size := range []int{1000, snapshotChunkMax - 100, snapshotChunkMax, snapshotChunkMax + 1, 5 * snapshotChunkMax} {
		mustCreate(t, big, Creation{Path: fmt.Sprintf("/big%d", size), Data: bytes.Repeat([]byte{1}, size)})
	}
	mustCreate(t, big, Creation{Path: "/" + strings.Repeat("n", snapshotChunkMax)})
	mustCreate(t, big, Creation{Path: "/acl", ACL: []core.ACL{{Perms: 1, Scheme: "x", ID: strings.Repeat("i", 2*snapshotChunkMax)}}})
	many, _ := grown(5000)
	for name, tr := range map[string]*Tree{"fresh": New(), "rich": rich(t), "big": big, "many": many} {
		chunks := snapshot(t, tr)
		loaded, err := load(chunks)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := broken(loaded); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !slices.EqualFunc(snapshot(t, loaded), chunks, bytes.Equal) {
			t.Errorf("%s: the loaded tree has another snapshot", name)
		}
	}
}

func TestSnapshotsAgreeWhetherATreeWasLoadedOrNot(t *testing.T) {
	p := &play{rnd: rand.New(rand.NewPCG(8, 8)), tree: New(), model: newModel(), zxid: 100}
	for range 300 {
		if err := p.step(); err != nil {
			t.Fatal(err)
		}
	}
	loaded, err := load(snapshot(t, p.tree))
	if err != nil {
		t.Fatal(err)
	}
	q := &play{rnd: rand.New(rand.NewPCG(9, 9)), tree: loaded, model: p.model.clone(), zxid: p.zxid}
	p.rnd = rand.New(rand.NewPCG(9, 9))
	for range 300 {
		if err := errors.Join(p.step(), q.step()); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.EqualFunc(snapshot(t, p.tree), snapshot(t, q.tree), bytes.Equal) {
		t.Error("the same changes led to different snapshots")
	}
}

func TestLoadKeepsTheOrderOfEphemeralsAcrossReusedRefs(t *testing.T) {
	tr := New()
	for i := range 50 {
		mustCreate(t, tr, Creation{Path: fmt.Sprintf("/p%02d", i)})
	}
	for i := range 50 {
		tr.Delete(fmt.Sprintf("/p%02d", (i*7)%50), 1)
	}
	mustCreate(t, tr, Creation{Path: "/z"})
	var want []string
	for i := range 30 { // all of one transaction
		path := fmt.Sprintf("/e%02d", (i*11)%30)
		if i%2 == 0 {
			path = "/z" + path
		}
		want = append(want, path)
		mustCreate(t, tr, Creation{Path: path, Owner: 8, Zxid: 5})
	}
	loaded, err := load(snapshot(t, tr))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	loaded.Ephemerals(8, func(r Ref) bool { got = append(got, string(loaded.AppendPath(nil, r))); return true })
	if !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
}

func TestLoadRefusesWhatIsDamaged(t *testing.T) {
	good := snapshot(t, rich(t))
	znodes := slices.IndexFunc(good, func(c []byte) bool { return c[0] == kindZnodes })
	damage := map[string]func(c [][]byte) [][]byte{
		"nothing at all": func(c [][]byte) [][]byte { return nil },
		"without a head": func(c [][]byte) [][]byte { return c[1:] },
		"without an end": func(c [][]byte) [][]byte { return c[:len(c)-1] },
		"without znodes": func(c [][]byte) [][]byte {
			return slices.DeleteFunc(c, func(c []byte) bool { return c[0] == kindZnodes })
		},
		"znodes twice":             func(c [][]byte) [][]byte { return slices.Insert(c, znodes, c[znodes]) },
		"head twice":               func(c [][]byte) [][]byte { return slices.Insert(c, 0, c[0]) },
		"another magic":            func(c [][]byte) [][]byte { c[0][snapshotHeader]++; return c },
		"another digest":           func(c [][]byte) [][]byte { c[0][len(c[0])-1]++; return c },
		"an empty chunk":           func(c [][]byte) [][]byte { c[znodes] = nil; return c },
		"a chunk cut short":        func(c [][]byte) [][]byte { c[znodes] = c[znodes][:40]; return c },
		"an unknown kind":          func(c [][]byte) [][]byte { c[znodes][0] = 9; return c },
		"an unknown flag":          func(c [][]byte) [][]byte { c[znodes][1] = 2; return c },
		"a record without its end": func(c [][]byte) [][]byte { c[znodes][1] = flagUnfinished; return c },
		"a cut record": func(c [][]byte) [][]byte {
			z := c[znodes][:len(c[znodes])-1]
			binary.BigEndian.PutUint32(z[2:], uint32(len(z)-snapshotHeader))
			c[znodes] = z
			return c
		},
	}
	for name, spoil := range damage {
		c := make([][]byte, len(good))
		for i := range good {
			c[i] = slices.Clone(good[i])
		}
		if tr, err := load(spoil(c)); err == nil || tr != nil {
			t.Errorf("%s: was loaded", name)
		}
	}
	// Every flipped bit is found: what the digest does not cover changes lengths,
	// lists or the znodes below /zookeeper, and must at least leave a sound tree.
	for i := range good {
		for at := range good[i] {
			good[i][at] ^= 1 << (at % 8)
			if tr, err := load(good); err == nil {
				if err := broken(tr); err != nil {
					t.Errorf("chunk %d, byte %d: %v", i, at, err)
				}
			} else if !errors.Is(err, ErrCorrupt) {
				t.Errorf("chunk %d, byte %d: %v", i, at, err)
			}
			good[i][at] ^= 1 << (at % 8)
		}
	}
}

func TestLoadPassesOnTheErrorOfItsReader(t *testing.T) {
	gone := errors.New("disk gone")
	if _, err := Load(func() ([]byte, error) { return nil, gone }); !errors.Is(err, gone) || errors.Is(err, ErrCorrupt) {
		t.Errorf("error is %v", err)
	}
}

// FuzzLoad feeds hostile chunks: each is cut from the input behind its length.
func FuzzLoad(f *testing.F) {
	join := func(chunks [][]byte) (b []byte) {
		for _, c := range chunks {
			b = binary.BigEndian.AppendUint32(b, uint32(len(c)))
			b = append(b, c...)
		}
		return b
	}
	f.Add(join(snapshot(f, New())))
	f.Add(join(snapshot(f, rich(f))))
	f.Fuzz(func(t *testing.T, in []byte) {
		var chunks [][]byte
		for len(in) >= 4 {
			n := min(int(binary.BigEndian.Uint32(in)), len(in)-4)
			chunks = append(chunks, in[4:4+n])
			in = in[4+n:]
		}
		tr, err := load(chunks)
		if err != nil {
			return
		}
		if err := broken(tr); err != nil {
			t.Fatal(err)
		}
		again := snapshot(t, tr)
		loaded, err := load(again)
		if err != nil {
			t.Fatalf("own snapshot: %v", err)
		}
		if !slices.EqualFunc(snapshot(t, loaded), again, bytes.Equal) && len(tr.quotas) == 0 {
			t.Fatal("loaded twice, another snapshot")
		}
	})
}

// FuzzChanges plays the random changes of a seed, so that the fuzzer may look for
// one that the fixed seeds do not have.
func FuzzChanges(f *testing.F) {
	f.Add(uint64(1), uint16(300))
	f.Fuzz(func(t *testing.T, seed uint64, steps uint16) {
		p := &play{rnd: rand.New(rand.NewPCG(seed, uint64(steps))), tree: New(), model: newModel(), zxid: 100}
		for range steps % 500 {
			if err := p.step(); err != nil {
				t.Fatal(err)
			}
			if err := p.around(); err != nil {
				t.Fatal(err)
			}
		}
		if err := broken(p.tree); err != nil {
			t.Fatal(err)
		}
		if err := difference(p.tree, p.model); err != nil {
			t.Fatal(err)
		}
	})
}
