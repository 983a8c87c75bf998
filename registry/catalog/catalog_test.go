package catalog

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/mirror"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/store"
)

var shop = registry.NewServiceKey("", "", "shop")

// tree is a mirror that a test fills by hand.
type tree struct {
	*Catalog
	nodes   map[string]*mirror.Node
	zxid    core.Zxid
	seq     int
	gone    []Removed
	covered []Covered
	named   []registry.ServiceKey
	changed int
}

func (t *tree) Going([]Removed)                  {}
func (t *tree) Gone(removed []Removed)           { t.gone = append(t.gone, removed...) }
func (t *tree) Covered(covered []Covered)        { t.covered = append(t.covered, covered...) }
func (t *tree) Named(keys []registry.ServiceKey) { t.named = append(t.named, keys...) }
func (t *tree) Changed([]registry.ServiceKey)    { t.changed++ }

func newTree() *tree {
	t := &tree{nodes: make(map[string]*mirror.Node)}
	t.Catalog = New(t, Plain)
	return t
}

func (t *tree) apply(path string, node *mirror.Node) {
	old := t.nodes[path]
	if node == nil {
		delete(t.nodes, path)
	} else {
		t.nodes[path] = node
	}
	if parent := core.ParentPath(path); parent == store.ServicePath(shop) && t.nodes[parent] != nil { // as mirror.Freshest has it
		n := *t.nodes[parent]
		n.Stat.Cversion++
		n.Stat.Pzxid = t.zxid
		t.nodes[parent] = &n
	}
	t.ApplyNaming([]mirror.Change{{Path: path, Old: old, New: node, Zxid: t.zxid}}, func(p string) (*mirror.Node, bool) {
		n, ok := t.nodes[p]
		return n, ok
	})
}

func (t *tree) service(k registry.ServiceKey, with func(*registry.Service)) {
	t.zxid++
	s := registry.Service{Key: k, Ephemeral: true}
	if with != nil {
		with(&s)
	}
	st := core.Stat{Czxid: t.zxid, Mzxid: t.zxid, Pzxid: t.zxid, Ctime: 1000}
	if old := t.nodes[store.ServicePath(k)]; old != nil {
		st = old.Stat
		st.Mzxid, st.Version = t.zxid, st.Version+1
	}
	t.apply(store.ServicePath(k), &mirror.Node{Path: store.ServicePath(k), Data: store.EncodeService(&s), Stat: st})
}

func at(ip string) registry.Instance {
	return registry.Instance{IP: ip, Port: 80, Cluster: "DEFAULT", Weight: 1, Enabled: true, Healthy: true, Ephemeral: true}
}

// create adds an instance znode of a session and returns its path.
func (t *tree) create(owner core.SessionID, i registry.Instance) string {
	t.zxid++
	t.seq++
	path := fmt.Sprintf("%s/%s~%s:%d-e%010d", store.ServicePath(shop), i.Cluster, i.IP, i.Port, t.seq)
	t.apply(path, &mirror.Node{Path: path, Data: store.EncodeRecord(&store.Record{Instance: i}), Stat: core.Stat{Czxid: t.zxid, Mzxid: t.zxid, EphemeralOwner: owner}})
	return path
}

func (t *tree) remove(path string) {
	t.zxid++
	t.seq++
	t.apply(path, nil)
}

func (t *tree) list() *View { return t.Lookup(shop, registry.Filter{}) }

func weights(v *View) []float64 {
	found := []float64{}
	for _, i := range v.Instances {
		found = append(found, i.Weight)
	}
	return found
}

func TestNewestZnodeOfAKeyCounts(t *testing.T) {
	tr := newTree()
	tr.service(shop, nil)
	first, second := at("10.0.0.1"), at("10.0.0.1")
	second.Weight = 2
	a := tr.create(1, first)
	b := tr.create(2, second)
	require.Equal(t, []float64{2}, weights(tr.list()))
	require.Len(t, tr.Entries(shop, first.Key()), 2)
	tr.remove(b)
	require.Equal(t, []float64{1}, weights(tr.list()), "the older one shows again")
	tr.remove(a)
	require.Empty(t, weights(tr.list()))
	require.Len(t, tr.gone, 2)
}

func TestLastRefTimeIsTheRevision(t *testing.T) {
	tr := newTree()
	tr.service(shop, nil)
	require.EqualValues(t, 1000, tr.list().LastRefTime)
	a := tr.create(1, at("10.0.0.1"))
	one := tr.list()
	require.EqualValues(t, 1001, one.LastRefTime)
	b := tr.create(2, at("10.0.0.1")) // the same instance of another session: the list is as before
	require.EqualValues(t, 1002, tr.list().LastRefTime)
	require.True(t, one.SameHosts(tr.list()))
	tr.remove(a)
	tr.remove(b)
	require.EqualValues(t, 1004, tr.list().LastRefTime)
	tr.service(shop, func(s *registry.Service) { s.ProtectThreshold = .5 })
	require.EqualValues(t, 1005, tr.list().LastRefTime)
	tr.create(3, at("10.0.0.2"))
	require.EqualValues(t, 1006, tr.list().LastRefTime)

	// A node that reads all of it at once comes to the same number.
	fresh := newTree()
	st := tr.nodes[store.ServicePath(shop)].Stat
	st.Cversion, st.Pzxid = 5, tr.zxid
	service := &mirror.Node{Path: store.ServicePath(shop), Data: tr.nodes[store.ServicePath(shop)].Data, Stat: st}
	changes := []mirror.Change{{Path: service.Path, New: service, Zxid: st.Mzxid}}
	for path, n := range tr.nodes {
		if path != service.Path {
			changes = append(changes, mirror.Change{Path: path, New: n, Zxid: n.Stat.Czxid})
		}
	}
	fresh.ApplyNaming(changes, func(string) (*mirror.Node, bool) { return service, true })
	require.EqualValues(t, 1006, fresh.list().LastRefTime)
}

// A client that had the list in between from another node must not take this one for older.
func TestListThatIsAgainAsItWasHasAnotherNumber(t *testing.T) {
	tr := newTree()
	tr.service(shop, nil)
	a := tr.create(1, at("10.0.0.1"))
	v := tr.list()
	b := tr.create(1, at("10.0.0.2")) // which nobody looks at here
	tr.remove(b)
	require.True(t, v.SameHosts(tr.list()))
	require.EqualValues(t, 1003, tr.list().LastRefTime)
	// The mirror saw neither come nor go: it tells a path with nothing before or after.
	unseen := store.ServicePath(shop) + "/DEFAULT~10.0.0.3:80-e0000000009"
	tr.remove(unseen)
	require.EqualValues(t, 1004, tr.list().LastRefTime)
	require.Equal(t, v.Shown(), tr.list().Shown())
	tr.remove(a)
	require.NotEqual(t, v.Shown(), tr.list().Shown())
	tr.create(1, at("10.0.0.1"))
	require.True(t, tr.list().SameHosts(v))
	require.NotEqual(t, v.Shown(), tr.list().Shown(), "who looked meanwhile saw another list")

	// What is this node's own business and does not show, does not count.
	shown := tr.list()
	tr.SetOverlay(shop, "c1", Overlay{Session: 1, Wants: []Want{{Record: store.Record{Instance: at("10.0.0.1")}, Rank: 1}}})
	require.Equal(t, shown.LastRefTime, tr.list().LastRefTime)
}

func TestMissedChangesOfChildrenAreCountedFromTheNewStat(t *testing.T) {
	tr := newTree()
	tr.service(shop, nil)
	a := tr.create(1, at("10.0.0.1"))
	require.EqualValues(t, 1001, tr.list().LastRefTime)
	// A gap: two more came and went. The mirror lists again; what it reports is the
	// removal, and the service's Stat has all of it.
	tr.zxid += 5
	st := tr.nodes[store.ServicePath(shop)].Stat
	st.Cversion, st.Pzxid = 5, tr.zxid
	tr.nodes[store.ServicePath(shop)] = &mirror.Node{Path: store.ServicePath(shop), Stat: st}
	tr.apply(a, nil)
	require.EqualValues(t, 1006, tr.list().LastRefTime)
}

func TestOverlayTakesThePlaceOfAClientsZnodes(t *testing.T) {
	tr := newTree()
	tr.service(shop, nil)
	tr.create(1, at("10.0.0.1"))
	tr.create(2, at("10.0.0.2"))
	before := tr.list()
	want := at("10.0.0.3")
	tr.SetOverlay(shop, "c1", Overlay{Session: 1, Wants: []Want{{Record: store.Record{Instance: want}, Rank: ^core.Zxid(0)}}})
	v := tr.list()
	require.Equal(t, "10.0.0.2", v.Instances[0].IP)
	require.Equal(t, "10.0.0.3", v.Instances[1].IP)
	require.Greater(t, v.LastRefTime, before.LastRefTime)

	// A want that is no fresh registration yields to a newer znode.
	stale := at("10.0.0.2")
	stale.Weight = 9
	tr.SetOverlay(shop, "c1", Overlay{Session: 1, Wants: []Want{{Record: store.Record{Instance: stale}, Rank: 1}}})
	require.Equal(t, []float64{1}, weights(tr.list()))

	shown := tr.list().LastRefTime
	tr.ClearOverlay(shop, "c1")
	require.Len(t, tr.list().Instances, 2)
	require.Greater(t, tr.list().LastRefTime, shown)
	changed := tr.changed
	tr.ClearOverlay(shop, "c1")
	require.Equal(t, changed, tr.changed, "what is not there cannot be cleared")
}

func TestOverridesShowAndSurviveTheirInstance(t *testing.T) {
	tr := newTree()
	tr.service(shop, nil)
	i := at("10.0.0.1")
	path := tr.create(1, i)
	off := false
	set := func(o *registry.Override) {
		p := store.OverridePath(shop, i.Key())
		tr.ApplyOverrides([]mirror.Change{{Path: p, New: &mirror.Node{Path: p, Data: store.EncodeOverride(o)}}})
	}
	set(&registry.Override{Enabled: &off})
	require.Empty(t, tr.list().Instances)
	require.Len(t, tr.Instances(shop), 1, "the console sees it")
	tr.remove(path)
	tr.create(2, i)
	require.Empty(t, tr.list().Instances)
	set(&registry.Override{})
	require.Len(t, tr.list().Instances, 1)
}

func TestNamesArePagedInOrder(t *testing.T) {
	tr := newTree()
	for n := range 10 {
		tr.service(registry.ServiceKey{Namespace: "public", Group: "g", Name: fmt.Sprintf("s%d", 9-n)}, nil)
	}
	tr.service(registry.ServiceKey{Namespace: "public", Group: "g2", Name: "other"}, nil)
	tr.service(registry.ServiceKey{Namespace: "public2", Group: "g", Name: "other"}, nil)
	names, total := tr.Names("public", "g", 3, 4)
	require.Equal(t, 10, total)
	require.Equal(t, []string{"s3", "s4", "s5", "s6"}, names)
	names, total = tr.Names("public", "g", 10, 4)
	require.Equal(t, 10, total)
	require.Empty(t, names)
	require.Equal(t, 11, tr.Count("public"))
	require.Equal(t, 12, tr.Count(""))
	found, total := tr.Search(Query{Namespace: "public", Name: "s", Offset: 8, Limit: 5})
	require.Equal(t, 10, total)
	require.Len(t, found, 2)
	found, total = tr.Search(Query{Namespace: "public", Group: "g", Name: "other", Exact: true, Limit: 5})
	require.Equal(t, 0, total)
	require.Empty(t, found)
	asked := 0
	found, total = tr.Search(Query{Namespace: "public", Limit: 2, Offset: 1, Pattern: func(grouped string) bool {
		if asked++; !tr.mu.TryLock() {
			t.Error("everybody waits for a pattern")
			return false
		}
		tr.mu.Unlock()
		return grouped == "g@@s3" || grouped == "g2@@other"
	}})
	require.Equal(t, 11, asked)
	require.Equal(t, 2, total)
	require.Len(t, found, 1)
	require.Equal(t, "other", found[0].Key.Name)
	for n := range 10 {
		k := registry.ServiceKey{Namespace: "public", Group: "g", Name: fmt.Sprintf("s%d", n)}
		tr.zxid++
		tr.apply(store.ServicePath(k), nil)
	}
	_, total = tr.Names("public", "g", 0, 4)
	require.Zero(t, total)
	require.Equal(t, 2, tr.Count(""))
}

func TestListsAreEncodedInTheirForm(t *testing.T) {
	tr := newTree()
	tr.service(shop, nil)
	i := at("10.0.0.1")
	tr.create(1, i)
	tr.create(2, at("10.0.0.2"))
	var got []registry.Instance
	require.NoError(t, json.Unmarshal(tr.list().Encoded(), &got))
	require.Len(t, got, 2)
	require.Equal(t, i.IP, got[0].IP)
	require.Equal(t, "[]", string(tr.Lookup(registry.NewServiceKey("", "", "unknown"), registry.Filter{}).Encoded()))
}

func TestOneListServesAllCallersUntilSomethingChanges(t *testing.T) {
	tr := newTree()
	tr.service(shop, nil)
	tr.create(1, at("10.0.0.1"))
	f := registry.Filter{Clusters: []string{"B", "DEFAULT"}}
	require.Same(t, tr.Lookup(shop, f), tr.Lookup(shop, registry.Filter{Clusters: []string{"DEFAULT", "B"}}))
	made := 0
	form := func() []byte { made++; return []byte("x") }
	tr.list().Memo("form", form)
	tr.list().Memo("form", form)
	tr.SetOverlay(shop, "c1", Overlay{Session: 1, Wants: []Want{{Record: store.Record{Instance: at("10.0.0.1")}, Rank: 1}}}) // changes nothing that shows
	tr.list().Memo("form", form)
	require.Equal(t, 1, made)
	tr.create(2, at("10.0.0.2"))
	tr.list().Memo("form", form)
	require.Equal(t, 2, made)
}

func TestForeignAndUnreadableZnodesArePassedOver(t *testing.T) {
	tr := newTree()
	tr.service(shop, nil)
	tr.zxid++
	for _, name := range []string{"junk", "a~b:c-e1", "DEFAULT~1.1.1.1:80-x1", "%zz~1.1.1.1:80-e1"} {
		path := store.ServicePath(shop) + "/" + name
		tr.apply(path, &mirror.Node{Path: path, Data: []byte("x")})
	}
	require.Zero(t, tr.Undecodable())
	path := store.ServicePath(shop) + "/DEFAULT~1.1.1.1:80-e0000000001"
	tr.apply(path, &mirror.Node{Path: path, Data: []byte{9, '{', '}'}, Stat: core.Stat{Czxid: tr.zxid}})
	require.Equal(t, 1, tr.Undecodable())
	require.Empty(t, tr.list().Instances)
	tr.remove(path)
	require.Empty(t, tr.gone)
}

// BenchmarkChange is one instance that changes in a service of many, and the new
// list for all subscribers.
func BenchmarkChange(b *testing.B) {
	for _, n := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprintf("instances=%d", n), func(b *testing.B) {
			tr := newTree()
			tr.service(shop, nil)
			for i := range n {
				tr.create(core.SessionID(i), at(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)))
			}
			tr.list()
			b.ReportAllocs()
			for b.Loop() {
				path := tr.create(1, at("10.9.9.9"))
				tr.list()
				tr.remove(path)
				tr.list()
			}
		})
	}
}

func BenchmarkLookup(b *testing.B) {
	tr := newTree()
	tr.service(shop, nil)
	for i := range 1000 {
		tr.create(core.SessionID(i), at(fmt.Sprintf("10.0.%d.%d", i>>8, i&255)))
	}
	b.ReportAllocs()
	for b.Loop() {
		tr.list()
	}
}

// TestListsOfFiltersThatAreKeptAreBounded: one who asks for ever other clusters does not
// have the catalog keep a large list for each. Some stay, however large, and that of all
// instances.
func TestListsOfFiltersThatAreKeptAreBounded(t *testing.T) {
	for _, metadata := range []int{400, 2_000} {
		tr := newTree()
		tr.service(shop, nil)
		for n := range 1_000 {
			i := at(fmt.Sprintf("10.0.%d.%d", n/250, n%250))
			i.Metadata = map[string]string{"x": strings.Repeat("x", metadata)}
			tr.create(1, i)
		}
		all := tr.list()
		ask := func(n int) *View {
			return tr.Lookup(shop, registry.Filter{Clusters: []string{registry.DefaultCluster, fmt.Sprint("x", n)}})
		}
		for n := range 2 * viewsMax {
			v := ask(n)
			require.True(t, v.SameHosts(all))
			require.Same(t, v, ask(n))
			bytes := 0
			for name, v := range tr.mu.services[shop].views {
				if name != "" {
					bytes += len(v.hosts)
				}
			}
			require.LessOrEqual(t, bytes, max(viewBytesMax, viewsFew*len(all.hosts)))
		}
		require.Same(t, all, tr.list())
		var few [viewsFew]*View
		for range 2 {
			for n := range few {
				few[n] = ask(n)
			}
		}
		for n, v := range few {
			require.Same(t, v, ask(n))
		}
	}
}

// TestAListOfFewInstancesTakesLittle: of a service with many, under a filter that nearly
// none of them passes.
func TestAListOfFewInstancesTakesLittle(t *testing.T) {
	tr := newTree()
	tr.service(shop, nil)
	for n := range 1_000 {
		tr.create(1, at(fmt.Sprintf("10.0.%d.%d", n/250, n%250)))
		large := at(fmt.Sprintf("10.1.%d.%d", n/250, n%250))
		large.Cluster, large.Metadata = "large", map[string]string{"x": strings.Repeat("x", 2_000)}
		tr.create(1, large)
	}
	one := at("10.0.9.1")
	one.Cluster = "x"
	tr.create(1, one)
	all := tr.list()
	require.Len(t, all.Instances, 2_001)
	for cluster, hosts := range map[string]int{"none": 0, "x": 1, "DEFAULT": 1_000, "large": 1_000} {
		v := tr.Lookup(shop, registry.Filter{Clusters: []string{cluster}})
		require.Len(t, v.Instances, hosts)
		require.LessOrEqual(t, cap(v.Instances), hosts*3/2, cluster)
		require.LessOrEqual(t, cap(v.hosts), 600+len(v.hosts)*2, cluster)
	}
}

// TestAListThatIsNotKeptIsKnownAgain: who subscribes to one of many large clusters is not
// told of what changes in the others.
func TestAListThatIsNotKeptIsKnownAgain(t *testing.T) {
	const clusters = 3 * viewsFew
	tr := newTree()
	tr.service(shop, nil)
	var first string
	for n := range clusters * 100 {
		i := at(fmt.Sprintf("10.0.%d.%d", n/250, n%250))
		i.Cluster = fmt.Sprint("c", n%clusters)
		i.Metadata = map[string]string{"x": strings.Repeat("x", 9_000)}
		if path := tr.create(1, i); n == 0 {
			first = path
		}
	}
	ask := func(n int) *View {
		return tr.Lookup(shop, registry.Filter{Clusters: []string{fmt.Sprint("c", n)}})
	}
	var before [clusters]*View
	for n := range before {
		before[n] = ask(n)
	}
	tr.remove(first)
	require.NotEqual(t, before[0].Shown(), ask(0).Shown())
	for range 2 {
		for n := 1; n < clusters; n++ {
			v := ask(n)
			require.True(t, v.SameHosts(before[n]))
			require.Equal(t, before[n].Shown(), v.Shown())
			require.Len(t, v.Instances, 100)
		}
	}
}
