package cache

import (
	"strings"
	"testing"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/store"
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
)

// picture is a tree that a test shows to a Cache bit by bit.
type picture map[string]struct {
	data []byte
	st   core.Stat
}

func (p picture) Get(path string) ([]byte, core.Stat, bool) {
	n, ok := p[path]
	return n.data, n.st, ok
}

// copyOf reads the znode at path of the engine into the picture.
func (p picture) Children(path string) (names []string) {
	for at := range p {
		if name, ok := strings.CutPrefix(at, path+"/"); ok && !strings.Contains(name, "/") {
			names = append(names, name)
		}
	}
	return names
}

func (p picture) copyOf(t *testing.T, client core.Client, path string) {
	t.Helper()
	data, st, err := client.Get(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	p[path] = struct {
		data []byte
		st   core.Stat
	}{data, st}
}

func TestALargeItemAppearsWhenItsLastPieceIsThere(t *testing.T) {
	client, err := coretest.NewFake().Open(t.Context(), core.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(client, configcenter.DefaultLimits(), func() int64 { return 1 })
	k := configcenter.MakeKey("", "g", "d")
	path := store.ItemPath(k)
	p := picture{}
	c := New(p, func(k configcenter.Key, err error) { t.Errorf("%s: %v", k, err) })
	for _, content := range []string{strings.Repeat("a", store.ChunkBytes+1), strings.Repeat("b", store.ChunkBytes+1)} {
		former := c.Get(k)
		r, err := s.Publish(t.Context(), &configcenter.Publish{Key: k, Content: content})
		if err != nil {
			t.Fatal(err)
		}
		pieces, _, err := client.Children(t.Context(), path)
		if err != nil || len(pieces) != 2 {
			t.Fatalf("pieces %v, %v", pieces, err)
		}
		// The worst of orders: the item first, as a mirror that has to read may have it.
		first, last := path+"/"+pieces[0], path+"/"+pieces[1]
		for _, piece := range []string{path, first} {
			p.copyOf(t, client, piece)
			if changes := c.Refresh([]string{piece}, r.Zxid); len(changes) != 0 || c.Get(k) != former {
				t.Fatalf("%s made %v of it", piece, changes)
			}
		}
		p.copyOf(t, client, last)
		changes := c.Refresh([]string{last, path}, r.Zxid)
		if len(changes) != 1 || changes[0].Config.MD5(nil) != configcenter.Sum(content) || changes[0].Zxid != r.Zxid || c.Get(k).Content != content {
			t.Fatalf("complete, but %v", changes)
		}
	}
	delete(p, path)
	if changes := c.Refresh([]string{path}, 99); len(changes) != 1 || changes[0].Config.MD5(nil) != "" || c.Len() != 0 || c.Count("public") != 0 {
		t.Fatalf("gone, but %v", changes)
	}
}

func TestAnItemThatCannotBeReadKeepsItsFormerState(t *testing.T) {
	client, err := coretest.NewFake().Open(t.Context(), core.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(client, configcenter.DefaultLimits(), func() int64 { return 1 })
	k := configcenter.MakeKey("", "g", "d")
	path := store.ItemPath(k)
	if _, err := s.Publish(t.Context(), &configcenter.Publish{Key: k, Content: "good"}); err != nil {
		t.Fatal(err)
	}
	p := picture{}
	bad := 0
	c := New(p, func(configcenter.Key, error) { bad++ })
	p.copyOf(t, client, path)
	c.Refresh([]string{path}, 1)
	if _, err := client.Set(t.Context(), path, []byte{77}, core.AnyVersion); err != nil {
		t.Fatal(err)
	}
	p.copyOf(t, client, path)
	if changes := c.Refresh([]string{path, "/zensus/config/x", "/elsewhere"}, 2); len(changes) != 0 || bad != 1 || c.Get(k).Content != "good" {
		t.Errorf("changes %v, %d bad, content %q", changes, bad, c.Get(k).Content)
	}
	if it := c.ByID(c.Get(k).ID); it == nil || it.Key != k {
		t.Errorf("by id: %+v", it)
	}
}

func TestGrayVersionsComeAndGo(t *testing.T) {
	client, err := coretest.NewFake().Open(t.Context(), core.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(client, configcenter.DefaultLimits(), func() int64 { return 1 })
	k := configcenter.MakeKey("", "g", "d")
	path, gray := store.ItemPath(k), store.ItemPath(k)+"/gray-beta"
	p := picture{}
	c := New(p, func(k configcenter.Key, err error) { t.Errorf("%s: %v", k, err) })
	who := &configcenter.Reader{IP: "10.0.0.1"}
	publish := func(content, ips string) store.GrayResult {
		t.Helper()
		r, err := s.PublishGray(t.Context(), &configcenter.GrayPublish{
			Name: configcenter.GrayBeta, Rule: configcenter.BetaRule(ips), Publish: configcenter.Publish{Key: k, Content: content},
		})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := publish("for one", "10.0.0.1")
	p.copyOf(t, client, path)
	p.copyOf(t, client, gray)
	changes := c.Refresh([]string{path, gray}, r.Zxid)
	if len(changes) != 1 || changes[0].Named || changes[0].Zxid != r.Zxid || c.MD5(k, who) != configcenter.Sum("for one") || c.MD5(k, nil) != "" || c.Len() != 0 {
		t.Fatalf("a gray version alone: %+v, %q, %q", changes, c.MD5(k, who), c.MD5(k, nil))
	}
	if changes := c.Refresh([]string{gray}, r.Zxid); len(changes) != 0 {
		t.Fatalf("told again: %+v", changes)
	}
	formal, err := s.Publish(t.Context(), &configcenter.Publish{Key: k, Content: "for all"})
	if err != nil {
		t.Fatal(err)
	}
	p.copyOf(t, client, path)
	if changes := c.Refresh([]string{path}, formal.Zxid); len(changes) != 1 || !changes[0].Named || c.MD5(k, nil) != configcenter.Sum("for all") ||
		c.MD5(k, who) != configcenter.Sum("for one") {
		t.Fatalf("the formal one beside it: %+v", changes)
	}
	// The same content for somebody else is a change, too.
	r = publish("for one", "10.0.0.2")
	p.copyOf(t, client, gray)
	if changes := c.Refresh([]string{gray}, r.Zxid); len(changes) != 1 || changes[0].Named || c.MD5(k, who) != configcenter.Sum("for all") {
		t.Fatalf("another rule: %+v", changes)
	}
	if _, err := s.Remove(t.Context(), &configcenter.Remove{Key: k}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Exists(t.Context(), gray); err == nil {
		t.Fatal("the gray version outlived its config")
	}
	delete(p, path)
	delete(p, gray)
	if changes := c.Refresh([]string{gray, path}, 99); len(changes) != 1 || !changes[0].Named || changes[0].Config != nil || c.Config(k) != nil {
		t.Fatalf("gone, but %+v", changes)
	}
}

// published is a Cache that is shown what is published.
func published(t *testing.T) (c *Cache, publish func(*configcenter.Publish)) {
	t.Helper()
	client, err := coretest.NewFake().Open(t.Context(), core.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(client, configcenter.DefaultLimits(), func() int64 { return 1 })
	p := picture{}
	c = New(p, func(k configcenter.Key, err error) { t.Errorf("%s: %v", k, err) })
	return c, func(what *configcenter.Publish) {
		t.Helper()
		r, err := s.Publish(t.Context(), what)
		if err != nil {
			t.Fatal(err)
		}
		p.copyOf(t, client, store.ItemPath(what.Key))
		c.Refresh([]string{store.ItemPath(what.Key)}, r.Zxid)
	}
}

func TestMatchingConfigsAreThoseOfTheNamespaceInOrder(t *testing.T) {
	c, publish := published(t)
	for _, k := range []configcenter.Key{
		configcenter.MakeKey("n", "g", "b"), configcenter.MakeKey("n", "g", "a"), configcenter.MakeKey("n", "f", "c"),
		configcenter.MakeKey("n", "f", "a"), configcenter.MakeKey("n-2", "g", "a"), configcenter.MakeKey("", "g", "a"),
	} {
		publish(&configcenter.Publish{Key: k, Content: "x"})
	}
	notC := func(k configcenter.Key) bool { return k.DataID != "c" }
	for limit, want := range map[int]string{9: "n/f/a n/g/a n/g/b", 2: "n/f/a n/g/a"} {
		var got []string
		for _, k := range c.Matching("n", notC, limit) {
			got = append(got, k.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%d of them: %v", limit, got)
		}
	}
}

func TestSearchByType(t *testing.T) {
	c, publish := published(t)
	for dataID, kind := range map[string]string{"a": "yaml", "b": "json", "c": "yaml", "d": ""} {
		k := configcenter.MakeKey("", "g", dataID)
		publish(&configcenter.Publish{Key: k, Content: "{}", Attributes: configcenter.Attributes{Type: configcenter.NormalType(kind)}})
	}
	many := make([]string, 1_000_000)
	for i := range many {
		many[i] = []string{"x", "yml", "yaml", "YAML"}[i%4]
	}
	for _, test := range []struct {
		types []string
		want  int
	}{
		{nil, 4}, {[]string{"yaml"}, 2}, {[]string{"json", "yaml", "json"}, 3}, {[]string{"text"}, 1}, {[]string{"x"}, 0}, {[]string{""}, 0}, {many, 2},
	} {
		page := c.Search(Query{Namespace: configcenter.Namespace(""), Types: test.types, PageSize: 10})
		if page.Total != test.want || len(page.Items) != test.want || page.Page != 1 {
			t.Errorf("%.80v: %d of %d, page %d", test.types, len(page.Items), page.Total, page.Page)
		}
	}
}
