package tree

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"

	"github.com/zensus-io/zensus/core"
)

// reader is what a Tree and a View have in common.
type reader interface {
	Count() int
	Digest() uint64
	DataSize() int64
	Stat(Ref) core.Stat
	Owner(Ref) int64
	Creates(Ref) int32
	NumChildren(Ref) int32
	Data(Ref) []byte
	ACL(Ref) []core.ACL
	Parent(Ref) Ref
	Name(Ref) []byte
	AppendPath([]byte, Ref) []byte
	AppendChildren([]byte, Ref) []byte
	Walk(Ref, func(Ref, int) bool)
	Children(Ref, func([]byte, Ref) bool)
	Descendants(Ref) int
	Ephemerals(core.SessionID, func(Ref) bool)
	EphemeralOwners(func(core.SessionID, int) bool)
}

// difference compares everything that can be read with the model.
func difference(r reader, m *model) error {
	if r.Count() != len(m.nodes)+1 || r.DataSize() != m.dataSize() {
		return fmt.Errorf("count %d, size %d; want %d, %d", r.Count(), r.DataSize(), len(m.nodes)+1, m.dataSize())
	}
	if got, want := r.Digest(), m.digest(); got != want {
		return fmt.Errorf("digest %#x, want %#x", got, want)
	}
	seen := map[string]bool{}
	var err error
	r.Walk(Root, func(ref Ref, depth int) bool {
		path := string(r.AppendPath(nil, ref))
		n := m.nodes[path]
		switch {
		case n == nil || seen[path]:
			err = fmt.Errorf("unexpected %s", path)
		case path != "/" && !seen[core.ParentPath(path)]:
			err = fmt.Errorf("%s before its parent", path)
		case string(r.Name(ref)) != core.BaseName(path):
			err = fmt.Errorf("%s is named %q", path, r.Name(ref))
		case r.Stat(ref) != m.stat(path):
			err = fmt.Errorf("%s: stat %+v, want %+v", path, r.Stat(ref), m.stat(path))
		case r.Owner(ref) != n.owner || r.Creates(ref) != n.creates:
			err = fmt.Errorf("%s: owner %#x creates %d, want %#x, %d", path, r.Owner(ref), r.Creates(ref), n.owner, n.creates)
		case !bytes.Equal(r.Data(ref), n.data) || (r.Data(ref) == nil) != (n.data == nil):
			err = fmt.Errorf("%s: data %q, want %q", path, r.Data(ref), n.data)
		case !slices.Equal(r.ACL(ref), n.acl):
			err = fmt.Errorf("%s: acl %v, want %v", path, r.ACL(ref), n.acl)
		default:
			err = differentChildren(r, m, ref, path)
		}
		seen[path] = true
		return err == nil
	})
	if err != nil {
		return err
	}
	if len(seen) != len(m.nodes) || r.Descendants(Root) != len(m.nodes)-1 {
		return fmt.Errorf("walk saw %d znodes of %d", len(seen), len(m.nodes))
	}
	return differentEphemerals(r, m)
}

func differentChildren(r reader, m *model, ref Ref, path string) error {
	want := m.children(path)
	var got []string
	r.Children(ref, func(name []byte, child Ref) bool {
		if r.Parent(child) == ref {
			got = append(got, string(name))
		}
		return true
	})
	if !slices.Equal(got, want) || int(r.NumChildren(ref)) != len(want) {
		return fmt.Errorf("%s: children %q (%d), want %q", path, got, r.NumChildren(ref), want)
	}
	encoded := binary.BigEndian.AppendUint32([]byte("x"), uint32(len(want)))
	for _, name := range want {
		encoded = binary.BigEndian.AppendUint32(encoded, uint32(len(name)))
		encoded = append(encoded, name...)
	}
	for range 2 { // the second time perhaps from the cache
		if list := r.AppendChildren([]byte("x"), ref); !bytes.Equal(list, encoded) {
			return fmt.Errorf("%s: encoded children %q, want %q", path, list, encoded)
		}
	}
	return nil
}

func differentEphemerals(r reader, m *model) error {
	got := map[core.SessionID][]string{}
	var ids []core.SessionID
	var err error
	r.EphemeralOwners(func(id core.SessionID, count int) bool {
		ids = append(ids, id)
		r.Ephemerals(id, func(ref Ref) bool {
			got[id] = append(got[id], string(r.AppendPath(nil, ref)))
			return true
		})
		if count != len(got[id]) {
			err = fmt.Errorf("session %s owns %d, not %d", id, len(got[id]), count)
		}
		return true
	})
	if err != nil {
		return err
	}
	want := m.ephemerals()
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("ephemerals %v, want %v", got, want)
	}
	if !slices.Equal(ids, slices.Sorted(maps.Keys(want))) {
		return fmt.Errorf("sessions %v are not in order", ids)
	}
	return nil
}

// broken checks what must hold inside the tree whatever was done to it.
func broken(t *Tree) error {
	live := int64(0)
	perChunk := map[uint32]int{}
	counts := map[string]int{}
	acls := map[uint32]int64{}
	var err error
	t.Walk(Root, func(r Ref, _ int) bool {
		n := t.node(r)
		size := len(t.chunks.bytes(n.block))
		live += int64(size)
		perChunk[n.block.chunk()] += size
		acls[n.acl]++
		if n.mod != 0 {
			counts["mods"]++
		}
		if n.dir != 0 {
			counts["dirs"]++
		}
		path := string(t.AppendPath(nil, r))
		if t.Find(path) != r || t.FindBytes([]byte(path)) != r {
			err = fmt.Errorf("%s is not found", path)
		}
		if r != Root && t.Child(n.parent, string(t.Name(r))) != r {
			err = fmt.Errorf("%s is not found below its parent", path)
		}
		if reapable := t.reapableBit(r); reapable != (n.owner != 0 && !IsSession(t.Owner(r))) {
			err = fmt.Errorf("%s: mark for reaping is %v", path, reapable)
		}
		return err == nil
	})
	if err != nil {
		return err
	}
	if live != t.arena.live {
		return fmt.Errorf("arena has %d living bytes, not %d", live, t.arena.live)
	}
	used := int64(0)
	for id, c := range t.chunks {
		if c == nil {
			continue
		}
		used += int64(c.used)
		if c.live != perChunk[uint32(id)] || c.used < c.live || c.used > len(c.buf) {
			return fmt.Errorf("chunk %d: %d living of %d, not %d", id, perChunk[uint32(id)], c.used, c.live)
		}
	}
	if used != t.arena.used {
		return fmt.Errorf("arena used %d, not %d", used, t.arena.used)
	}
	if t.mods.live != counts["mods"] || t.dirs.live != counts["dirs"] || t.nodes.live != t.count {
		return fmt.Errorf("side tables hold %d and %d records, not %v", t.mods.live, t.dirs.live, counts)
	}
	for i := uint32(1); i < t.acls.top; i++ {
		if e := t.acls.get(i); e.refs != acls[i] {
			return fmt.Errorf("access list %d has %d users, not %d", i, acls[i], e.refs)
		}
	}
	entries := 0
	for i, s := range t.index.directory {
		if i == 0 || s != t.index.directory[i-1] {
			entries += s.used
		}
	}
	if entries != t.count-1 {
		return fmt.Errorf("index has %d entries for %d znodes", entries, t.count)
	}
	return nil
}

func (t *Tree) reapableBit(r Ref) bool {
	return int(r/64) < len(t.reapable) && t.reapable[r/64]&(1<<(r%64)) != 0
}

func encode(v *View) (chunks [][]byte, err error) {
	err = v.Encode(func(c []byte) error {
		if len(c) > snapshotChunkMax {
			return errors.New("chunk too large")
		}
		chunks = append(chunks, slices.Clone(c))
		return nil
	})
	return chunks, err
}

func load(chunks [][]byte) (*Tree, error) {
	return Load(func() ([]byte, error) {
		if len(chunks) == 0 {
			return nil, io.ErrUnexpectedEOF
		}
		c := chunks[0]
		chunks = chunks[1:]
		return c, nil
	})
}
