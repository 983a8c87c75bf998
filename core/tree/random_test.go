package tree

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/zensus-io/zensus/core"
)

// play drives a tree and the model with the same random changes.
type play struct {
	rnd   *rand.Rand
	tree  *Tree
	model *model
	zxid  core.Zxid
	views []frozen
}

type frozen struct {
	view *View
	then *model
}

func (p *play) path() string {
	names := []string{"a", "b", "c", "dd", "näme", "zookeeper_stats", "zookeeper_limits", "a-name-that-is-rather-long-for-a-znode"}
	if p.rnd.IntN(6) == 0 {
		base := []string{"/zookeeper/quota", "/zookeeper/quota/a", "/zookeeper/quota/a/b", "/zookeeper", "/zookeeper/quota/zookeeper"}[p.rnd.IntN(5)]
		return base + "/" + []string{"zookeeper_stats", "zookeeper_limits", "a", "b", "zookeeper"}[p.rnd.IntN(5)]
	}
	path := ""
	for range 1 + p.rnd.IntN(3) {
		path += "/" + names[p.rnd.IntN(len(names))]
	}
	if p.rnd.IntN(4) == 0 {
		path = fmt.Sprintf("/a/s%d", p.rnd.IntN(60)) // enough for encoded lists to be kept
	}
	return path
}

func (p *play) data() []byte {
	switch p.rnd.IntN(8) {
	case 0:
		return nil
	case 1:
		return []byte{}
	case 2:
		return []byte("count=5,bytes=7")
	case 3:
		return bytes.Repeat([]byte{byte(p.rnd.Uint32())}, p.rnd.IntN(70_000))
	}
	return bytes.Repeat([]byte{byte(p.rnd.Uint32())}, p.rnd.IntN(300))
}

func (p *play) acl() []core.ACL {
	switch p.rnd.IntN(3) {
	case 0:
		return nil
	case 1:
		return core.OpenACL()
	}
	return []core.ACL{{Perms: core.Perms(p.rnd.IntN(32)), Scheme: "digest", ID: fmt.Sprint("u", p.rnd.IntN(5))}}
}

func (p *play) owner() int64 {
	switch p.rnd.IntN(8) {
	case 0:
		return ContainerOwner
	case 1:
		return TTLOwner(int64(p.rnd.IntN(3)) * 1000)
	case 2, 3, 4:
		return int64(p.rnd.IntN(4)-2)<<56 | 0x1234
	}
	return 0
}

// step does one change, twice if it is of a kind that must not count twice.
func (p *play) step() error {
	p.zxid++
	z, now := p.zxid, int64(p.zxid)*10
	if p.rnd.IntN(30) == 0 {
		z -= core.Zxid(p.rnd.IntN(20)) // a replay over a newer snapshot
	}
	path := p.path()
	times := 1 + p.rnd.IntN(2)
	switch p.rnd.IntN(10) {
	case 0, 1, 2, 3:
		c := Creation{Path: path, Data: p.data(), ACL: p.acl(), Owner: p.owner(), Zxid: z, Time: now}
		if n, ok := p.model.nodes[core.ParentPath(path)]; ok {
			c.ParentCreates = n.creates + int32(p.rnd.IntN(4)) - 1
			if p.rnd.IntN(500) == 0 {
				c.ParentCreates = math.MaxInt32
			}
		}
		for range times {
			want := p.model.create(c)
			r, got := p.tree.Create(&c)
			if got != want {
				return fmt.Errorf("create %s: %v, want %v", c.Path, got, want)
			}
			if (got == core.OK || got == core.NodeExists) != (r != None && p.tree.Find(c.Path) == r) {
				return fmt.Errorf("create %s: ref %d", c.Path, r)
			}
		}
	case 4, 5, 6:
		for range times {
			want := p.model.delete(path, z)
			if got := p.tree.Delete(path, z); got != want {
				return fmt.Errorf("delete %s: %v, want %v", path, got, want)
			}
		}
	case 7, 8:
		r := p.tree.Find(path)
		if _, ok := p.model.nodes[path]; ok != (r != None) {
			return fmt.Errorf("find %s: %d", path, r)
		}
		data, version := p.data(), int32(p.rnd.Uint32())
		for range times {
			if r != None {
				p.model.setData(path, data, version, z, now)
				p.tree.SetData(r, data, version, z, now)
			}
		}
	case 9:
		acl, aversion := p.acl(), int32(p.rnd.Uint32())
		if r := p.tree.Find(path); r != None {
			p.model.setACL(path, acl, aversion)
			p.tree.SetACL(r, acl, aversion)
		}
	}
	return nil
}

// around opens and closes views, tidies up, and goes on from a snapshot.
func (p *play) around() error {
	switch p.rnd.IntN(20) {
	case 0, 1:
		if len(p.views) < 3 {
			p.views = append(p.views, frozen{p.tree.View(), p.model.clone()})
		}
	case 2, 3:
		if len(p.views) > 0 {
			i := p.rnd.IntN(len(p.views))
			f := p.views[i]
			if err := difference(f.view, f.then); err != nil {
				return fmt.Errorf("view: %w", err)
			}
			f.view.Close()
			p.views = slices.Delete(p.views, i, i+1)
		}
	case 4:
		v := p.tree.View()
		chunks, err := encode(v)
		v.Close()
		if err != nil {
			return err
		}
		loaded, err := load(chunks)
		if err != nil {
			return err
		}
		if err := broken(loaded); err != nil {
			return fmt.Errorf("loaded: %w", err)
		}
		v2 := loaded.View()
		again, err := encode(v2)
		v2.Close()
		if err != nil {
			return err
		}
		if back, err := load(again); err != nil || back.Digest() != p.tree.Digest() {
			return fmt.Errorf("snapshot of a loaded tree: %w", err)
		}
		if p.rnd.IntN(2) == 0 && len(p.views) == 0 {
			p.tree = loaded
		}
		return difference(loaded, p.model)
	default:
		p.tree.Maintain(p.rnd.IntN(20))
	}
	return nil
}

func TestTreeAgreesWithTheModel(t *testing.T) {
	runs := 60
	if testing.Short() {
		runs = 10
	}
	for seed := range uint64(runs) {
		p := &play{rnd: rand.New(rand.NewPCG(seed, 1)), tree: New(), model: newModel(), zxid: 100}
		for i := range 1500 {
			if err := p.step(); err != nil {
				t.Fatalf("seed %d, step %d: %v", seed, i, err)
			}
			if i%23 != 0 {
				continue
			}
			if err := p.around(); err != nil {
				t.Fatalf("seed %d, step %d: %v", seed, i, err)
			}
			if err := broken(p.tree); err != nil {
				t.Fatalf("seed %d, step %d: %v", seed, i, err)
			}
			if err := difference(p.tree, p.model); err != nil {
				t.Fatalf("seed %d, step %d: %v", seed, i, err)
			}
		}
	}
}
