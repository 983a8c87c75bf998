package tree

import (
	"encoding/binary"
	"hash/crc32"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/zensus-io/zensus/core"
)

// model is the naive tree that Tree must agree with: a map from path to znode,
// and every sum computed anew. It shares no code with Tree.
type model struct {
	nodes  map[string]*modelNode
	births int
}

type modelNode struct {
	data    []byte
	acl     []core.ACL
	stat    core.Stat // without what is computed
	owner   int64
	creates int32
	birth   int // order of creation
}

func newModel() *model {
	m := &model{nodes: map[string]*modelNode{}}
	for _, path := range []string{"/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"} {
		m.births++
		m.nodes[path] = &modelNode{data: []byte{}, acl: core.OpenACL(), birth: m.births}
	}
	m.nodes["/zookeeper/config"].acl = core.ReadACL()
	m.nodes["/zookeeper/config"].stat.Aversion = -1
	return m
}

func (m *model) clone() *model {
	c := &model{nodes: map[string]*modelNode{}, births: m.births}
	for path, n := range m.nodes {
		copied := *n
		c.nodes[path] = &copied
	}
	return c
}

func (m *model) children(path string) []string {
	var names []string
	prefix := strings.TrimSuffix(path, "/") + "/"
	for p := range m.nodes {
		if p != "/" && strings.HasPrefix(p, prefix) && !strings.Contains(p[len(prefix):], "/") {
			names = append(names, p)
		}
	}
	sort.Slice(names, func(i, j int) bool { return m.nodes[names[i]].birth < m.nodes[names[j]].birth })
	for i, p := range names {
		names[i] = p[len(prefix):]
	}
	return names
}

func (m *model) isSession(owner int64) bool {
	return owner != 0 && owner != -1<<63 && uint64(owner)>>40 != 0xff0000
}

func (m *model) create(c Creation) core.Code {
	if c.Path == "/" {
		return core.NodeExists
	}
	parent, ok := m.nodes[core.ParentPath(c.Path)]
	if !ok {
		return core.NoNode
	}
	raise := func(to int32) {
		if uint32(to) > uint32(parent.creates) {
			parent.creates, parent.stat.Pzxid = to, c.Zxid
		}
	}
	if _, ok := m.nodes[c.Path]; ok {
		if c.ParentCreates != -1 {
			raise(c.ParentCreates)
		}
		return core.NodeExists
	}
	if m.isSession(parent.owner) {
		return core.NoChildrenForEphemerals
	}
	m.births++
	n := &modelNode{data: slices.Clone(c.Data), acl: c.ACL, owner: c.Owner, birth: m.births}
	if c.Data != nil && n.data == nil {
		n.data = []byte{}
	}
	if n.acl == nil {
		n.acl = core.OpenACL()
	}
	n.stat = core.Stat{Czxid: c.Zxid, Mzxid: c.Zxid, Pzxid: c.Zxid, Ctime: c.Time, Mtime: c.Time}
	m.nodes[c.Path] = n
	if c.ParentCreates == -1 {
		raise(parent.creates + 1)
	} else {
		raise(c.ParentCreates)
	}
	base, target, under := m.quotaNode(c.Path)
	if under && base == "zookeeper_stats" && target != "" { // the root's quota never applies
		count, bytes := 0, 0
		for p, n := range m.nodes {
			if core.HasPathPrefix(p, target) {
				count++
				bytes += len(n.data)
			}
		}
		n.data = []byte("count=" + strconv.Itoa(count) + ",bytes=" + strconv.Itoa(bytes))
	}
	m.use(c.Path, 1, len(c.Data)) // what the client wrote, even for a stats znode
	return core.OK
}

// quotaNode says whether path is directly or deeper below /zookeeper/quota.
func (m *model) quotaNode(path string) (base, target string, ok bool) {
	parent := core.ParentPath(path)
	if !core.HasPathPrefix(parent, "/zookeeper/quota") {
		return "", "", false
	}
	return core.BaseName(path), strings.TrimPrefix(parent, "/zookeeper/quota"), true
}

// limited is the deepest path at or above path that has a limits znode.
func (m *model) limited(path string) string {
	for p := path; p != "/" && p != ""; p = core.ParentPath(p) {
		if _, ok := m.nodes["/zookeeper/quota"+p+"/zookeeper_limits"]; ok {
			if p == "/zookeeper" {
				return ""
			}
			return p
		}
	}
	return ""
}

func (m *model) use(path string, count, bytes int) {
	p := m.limited(path)
	if p == "" {
		return
	}
	stats, ok := m.nodes["/zookeeper/quota"+p+"/zookeeper_stats"]
	if !ok {
		return
	}
	c, b := -1, -1
	for _, kv := range strings.FieldsFunc(string(stats.data), func(r rune) bool { return r == ',' }) {
		k, v, _ := strings.Cut(kv, "=")
		n, err := strconv.Atoi(v)
		if err != nil {
			c, b = -1, -1
			break
		}
		switch k {
		case "count":
			c = n
		case "bytes":
			b = n
		}
	}
	stats.data = []byte("count=" + strconv.Itoa(c+count) + ",bytes=" + strconv.Itoa(b+bytes))
}

func (m *model) delete(path string, z core.Zxid) core.Code {
	if path == "/" {
		return core.BadArguments
	}
	parent, ok := m.nodes[core.ParentPath(path)]
	if !ok {
		return core.NoNode
	}
	n, ok := m.nodes[path]
	if ok && len(m.children(path)) > 0 {
		return core.NotEmpty
	}
	parent.stat.Pzxid = max(parent.stat.Pzxid, z)
	if !ok {
		return core.NoNode
	}
	delete(m.nodes, path)
	m.use(path, -1, -len(n.data))
	return core.OK
}

func (m *model) setData(path string, data []byte, version int32, z core.Zxid, time int64) {
	n := m.nodes[path]
	grown := len(data) - len(n.data)
	n.data = slices.Clone(data)
	if data != nil && n.data == nil {
		n.data = []byte{}
	}
	n.stat.Mzxid, n.stat.Mtime, n.stat.Version = z, time, version
	if grown != 0 {
		m.use(path, 0, grown)
	}
}

func (m *model) setACL(path string, acl []core.ACL, aversion int32) {
	n := m.nodes[path]
	if n.acl = acl; acl == nil {
		n.acl = core.OpenACL()
	}
	n.stat.Aversion = aversion
}

func (m *model) stat(path string) core.Stat {
	n := m.nodes[path]
	st := n.stat
	st.NumChildren = int32(len(m.children(path)))
	st.Cversion = 2*n.creates - st.NumChildren
	st.DataLength = int32(len(n.data))
	if m.isSession(n.owner) {
		st.EphemeralOwner = core.SessionID(n.owner)
	}
	return st
}

func (m *model) digest() uint64 {
	sum := uint64(0)
	for path, n := range m.nodes {
		if strings.HasPrefix(path, "/zookeeper/") {
			continue
		}
		if path == "/" {
			path = ""
		}
		b := append([]byte(path), n.data...)
		for _, v := range []any{n.stat.Czxid, n.stat.Mzxid, n.stat.Pzxid, n.stat.Ctime, n.stat.Mtime, n.stat.Version, n.creates, n.stat.Aversion, n.owner} {
			b, _ = binary.Append(b, binary.BigEndian, v)
		}
		sum += uint64(crc32.ChecksumIEEE(b))
	}
	return sum
}

func (m *model) dataSize() int64 {
	size := int64(0)
	for path, n := range m.nodes {
		size += int64(len(path) + len(n.data))
	}
	return size
}

// ephemerals is the paths of each session's ephemerals in order of creation.
func (m *model) ephemerals() map[core.SessionID][]string {
	all := map[core.SessionID][]string{}
	paths := slices.Collect(maps.Keys(m.nodes))
	sort.Slice(paths, func(i, j int) bool { return m.nodes[paths[i]].birth < m.nodes[paths[j]].birth })
	for _, p := range paths {
		if n := m.nodes[p]; m.isSession(n.owner) {
			all[core.SessionID(n.owner)] = append(all[core.SessionID(n.owner)], p)
		}
	}
	return all
}
