package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
)

// clock is a wall clock that a test moves.
type clock struct{ now int64 }

const day = 24 * 3600 * 1000

func newStore(t *testing.T, limits configcenter.Limits) (*Store, core.Client, *clock) {
	t.Helper()
	client, err := coretest.NewFake().Open(t.Context(), core.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{now: 1_700_000_000_000}
	s := New(client, limits, func() int64 { return c.now })
	if err := s.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, client, c
}

var key = configcenter.MakeKey("dev", "g", "d")

func publish(t *testing.T, s *Store, content string) Result {
	t.Helper()
	r, err := s.Publish(t.Context(), &configcenter.Publish{Key: key, Content: content})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func remove(t *testing.T, s *Store) {
	t.Helper()
	if r, err := s.Remove(t.Context(), &configcenter.Remove{Key: key}); err != nil || r.Item == nil {
		t.Fatalf("remove: %+v, %v", r, err)
	}
}

// noise is content that does not compress.
func noise(n int) string {
	b := make([]byte, n)
	rnd := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return string(b)
}

func TestAConfigAndItsHistoryChangeInOneTransaction(t *testing.T) {
	for name, content := range map[string]string{"small": "x", "large": noise(2*ChunkBytes + 1)} {
		t.Run(name, func(t *testing.T) {
			s, client, _ := newStore(t, configcenter.DefaultLimits())
			r := publish(t, s, content)
			for _, path := range []string{"/zensus/config/dev/g/d", "/zensus/history/dev/g/d", "/zensus/history/dev/g/d/0000000001"} {
				if st, err := client.Exists(t.Context(), path); err != nil || st.Mzxid != r.Zxid {
					t.Errorf("%s: %+v, %v; want mzxid %v", path, st, err, r.Zxid)
				}
			}
		})
	}
}

// sized refuses what the client port of ZooKeeper would refuse.
type sized struct{ core.Client }

const requestBytesMax = 1 << 20

func (c *sized) Create(ctx context.Context, path string, data []byte, opt core.CreateOptions) (string, core.Stat, error) {
	if len(data) > requestBytesMax-1024 {
		return "", core.Stat{}, core.BadArguments
	}
	return c.Client.Create(ctx, path, data, opt)
}

func (c *sized) Multi(ctx context.Context, ops ...core.Op) ([]core.OpResult, core.Zxid, error) {
	size := 0
	for _, op := range ops {
		switch op := op.(type) {
		case core.CreateOp:
			size += len(op.Path) + len(op.Data) + 100
		case core.SetOp:
			size += len(op.Path) + len(op.Data) + 20
		case core.DeleteOp:
			size += len(op.Path) + 20
		case core.CheckOp:
			size += len(op.Path) + 20
		}
	}
	if size > requestBytesMax-1 {
		return nil, 0, core.BadArguments
	}
	return c.Client.Multi(ctx, ops...)
}

func TestNoRequestIsTooLargeForZooKeeper(t *testing.T) {
	_, client, _ := newStore(t, configcenter.DefaultLimits())
	s := New(&sized{client}, configcenter.DefaultLimits(), func() int64 { return 1 })
	long := configcenter.Key{
		Namespace: strings.Repeat("n", configcenter.NamespaceBytesMax), Group: strings.Repeat("g", configcenter.GroupBytesMax),
		DataID: strings.Repeat("d", configcenter.DataIDBytesMax),
	}
	for _, size := range []int{1, ChunkBytes - 1, ChunkBytes, ChunkBytes + 1, 10 << 20, 3 * ChunkBytes, 1} {
		p := &configcenter.Publish{Key: long, Content: noise(size), Attributes: configcenter.Attributes{
			Schema: strings.Repeat("中", 32768), Desc: strings.Repeat("中", 128), EncryptedDataKey: strings.Repeat("中", 1024),
		}}
		if size == 1 {
			p.Content = "x"
		}
		if _, err := s.Publish(t.Context(), p); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		it, err := s.Get(t.Context(), long)
		if err != nil || it.Content != p.Content {
			t.Fatalf("%d bytes: got %v", size, err)
		}
	}
	if children, _, err := client.Children(t.Context(), ItemPath(long)); err != nil || len(children) != 0 {
		t.Errorf("of former contents are left: %v, %v", children, err)
	}
	for seq := uint64(1); seq <= 7; seq++ {
		if v, err := s.Version(t.Context(), long, seq); err != nil || configcenter.Sum(v.Content) != v.MD5 {
			t.Errorf("version %d: %v", seq, err)
		}
	}
	if _, err := s.Remove(t.Context(), &configcenter.Remove{Key: long}); err != nil {
		t.Error(err)
	}
}

func TestLargePublishesAtOnceLeaveOneWinnerAndNoRemnants(t *testing.T) {
	s, client, _ := newStore(t, configcenter.DefaultLimits())
	var writers sync.WaitGroup
	for i := range 4 {
		writers.Go(func() {
			for n := range 5 {
				p := &configcenter.Publish{Key: key, Content: noise(ChunkBytes + 10*i + n + 1)}
				// A try fails only where another publish succeeded: 15 others cannot use
				// up all of them.
				if _, err := s.Publish(t.Context(), p); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	it, err := s.Get(t.Context(), key)
	if err != nil || len(it.Content) <= ChunkBytes {
		t.Fatalf("got %v", err)
	}
	children, _, err := client.Children(t.Context(), ItemPath(key))
	if err != nil || len(children) != 2 {
		t.Errorf("pieces: %v, %v", children, err)
	}
}

func TestWhatANodeLeftThatDiedIsInvisibleAndSwept(t *testing.T) {
	s, client, clock := newStore(t, configcenter.DefaultLimits())
	dying := &meddler{Client: client, fail: core.ConnectionLoss}
	_, err := New(dying, s.limits, s.now).Publish(t.Context(), &configcenter.Publish{Key: key, Content: noise(ChunkBytes + 1)})
	if !core.IsUnknownOutcome(err) {
		t.Fatalf("got %v", err)
	}
	if _, err := s.Get(t.Context(), key); !errors.Is(err, configcenter.ErrNotFound) {
		t.Fatalf("a place counts as a config: %v", err)
	}
	if r, err := s.Remove(t.Context(), &configcenter.Remove{Key: key}); err != nil || r.Item != nil {
		t.Fatalf("remove: %+v, %v", r, err)
	}
	clock.now = time.Now().UnixMilli()
	if err := s.Sweep(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if children, _, err := client.Children(t.Context(), ItemPath(key)); err != nil || len(children) != 2 {
		t.Fatalf("swept while a publish may be under way: %v, %v", children, err)
	}
	clock.now += 2 * remnantAge
	if err := s.Sweep(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Exists(t.Context(), "/zensus/config/dev/g"); !errors.Is(err, core.NoNode) {
		t.Errorf("the place stays: %v", err)
	}
	if children, _, err := client.Children(t.Context(), "/zensus/history/dev/g/d"); !errors.Is(err, core.NoNode) {
		t.Errorf("the history stays: %v, %v", children, err)
	}
	publish(t, s, noise(ChunkBytes+2))
	clock.now += 2 * remnantAge
	if err := s.Sweep(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Version(t.Context(), key, 1); err != nil || len(v.Content) != ChunkBytes+2 {
		t.Errorf("the sweep took what is used: %v", err)
	}
	if _, err := s.Get(t.Context(), key); err != nil {
		t.Errorf("the sweep took what is used: %v", err)
	}
}

func TestRemovingWhatDoesNotExistLeavesNoTrace(t *testing.T) {
	s, client, _ := newStore(t, configcenter.DefaultLimits())
	if _, err := s.Remove(t.Context(), &configcenter.Remove{Key: key}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/zensus/config/dev", "/zensus/history/dev"} {
		if _, err := client.Exists(t.Context(), path); !errors.Is(err, core.NoNode) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestNothingIsLeftOfARemovedConfigButItsHistory(t *testing.T) {
	s, client, _ := newStore(t, configcenter.DefaultLimits())
	publish(t, s, strings.Repeat("x", 2*ChunkBytes))
	remove(t, s)
	for path, want := range map[string]error{
		"/zensus/config/dev/g":    core.NoNode,
		"/zensus/history/dev/g/d": nil,
	} {
		if _, err := client.Exists(t.Context(), path); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
	if r, err := s.Remove(t.Context(), &configcenter.Remove{Key: key}); err != nil || r.Item != nil || r.Zxid != 0 {
		t.Errorf("a second remove: %+v, %v", r, err)
	}
	if _, err := s.Remove(t.Context(), &configcenter.Remove{Key: key, Revision: 1}); !errors.Is(err, configcenter.ErrCASMismatch) {
		t.Errorf("a remove that expects a revision: %v", err)
	}
}

// meddler changes the tree just before a Multi.
type meddler struct {
	core.Client
	before func()
	fail   error // of every Multi
}

func (m *meddler) Multi(ctx context.Context, ops ...core.Op) ([]core.OpResult, core.Zxid, error) {
	if f := m.before; f != nil {
		m.before = nil
		f()
	}
	if m.fail != nil {
		return nil, 0, m.fail
	}
	return m.Client.Multi(ctx, ops...)
}

func TestAConfigCreatedAgainIsNotTakenForTheOneThatWasRead(t *testing.T) {
	s, client, _ := newStore(t, configcenter.DefaultLimits())
	first := publish(t, s, "A")
	between := &meddler{Client: client}
	cas := New(between, s.limits, s.now)
	// The item's znode has version 0 again afterwards: only the history tells.
	between.before = func() {
		remove(t, s)
		publish(t, s, "B")
	}
	_, err := cas.Publish(t.Context(), &configcenter.Publish{Key: key, Content: "C", CASMD5: first.Item.MD5})
	if !errors.Is(err, configcenter.ErrCASMismatch) {
		t.Fatalf("got %v, want a mismatch", err)
	}
	between.before = func() {
		remove(t, s)
		publish(t, s, "D")
	}
	if _, err := cas.Publish(t.Context(), &configcenter.Publish{Key: key, Content: "E"}); err != nil {
		t.Fatal(err)
	}
	v, err := s.Version(t.Context(), key, 6)
	if err != nil || v.Op != configcenter.Updated || v.Before.Content != "D" || v.Content != "E" {
		t.Fatalf("the history says %+v, %v", v, err)
	}
}

func TestMustCreateAndRevisionAreKept(t *testing.T) {
	s, _, _ := newStore(t, configcenter.DefaultLimits())
	first := publish(t, s, "A")
	second := publish(t, s, "B")
	for name, c := range map[string]struct {
		p    configcenter.Publish
		want error
	}{
		"must create":      {configcenter.Publish{MustCreate: true}, configcenter.ErrCASMismatch},
		"former revision":  {configcenter.Publish{Revision: first.Zxid}, configcenter.ErrCASMismatch},
		"former md5":       {configcenter.Publish{CASMD5: first.Item.MD5}, configcenter.ErrCASMismatch},
		"current revision": {configcenter.Publish{Revision: second.Zxid}, nil},
	} {
		c.p.Key, c.p.Content = key, "C"
		if _, err := s.Publish(t.Context(), &c.p); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func TestWhatAPublishDoesNotSpeakOfIsKept(t *testing.T) {
	s, _, _ := newStore(t, configcenter.DefaultLimits())
	for _, c := range []struct {
		publish configcenter.Publish
		app     string
		tags    string
	}{
		{configcenter.Publish{KeepAppName: true, KeepTags: true}, "", ""},
		{configcenter.Publish{Attributes: configcenter.Attributes{AppName: "shop", Tags: "a,b"}}, "shop", "a,b"},
		{configcenter.Publish{KeepAppName: true, KeepTags: true}, "shop", "a,b"},
		{configcenter.Publish{KeepAppName: true}, "shop", ""},
		{configcenter.Publish{KeepTags: true, Attributes: configcenter.Attributes{Tags: "c"}}, "", ""},
	} {
		c.publish.Key, c.publish.Content = key, "x"
		r, err := s.Publish(t.Context(), &c.publish)
		if err != nil || r.Item.AppName != c.app || r.Item.Tags != c.tags {
			t.Errorf("%+v: %+v, %v; want %q and %q", c.publish, r.Item, err, c.app, c.tags)
		}
	}
}

func TestHistoryIsBoundedByNumberAndKeepsWhatExplainsTheRest(t *testing.T) {
	limits := configcenter.DefaultLimits()
	limits.HistoryEntriesMax = 3
	s, _, _ := newStore(t, limits)
	for _, content := range []string{"1", "2", "3", "4", "5", "6"} {
		publish(t, s, content)
	}
	if n, err := s.Prune(t.Context(), key); err != nil || n != 2 {
		t.Fatalf("pruned %d, %v; want 2", n, err)
	}
	entries, total, err := s.History(t.Context(), key, 0, 10)
	if err != nil || total != 4 || entries[0].Seq != 6 || entries[3].Seq != 3 {
		t.Fatalf("kept %+v, %v", entries, err)
	}
	v, err := s.Version(t.Context(), key, 4)
	if err != nil || v.Before == nil || v.Before.Content != "3" {
		t.Fatalf("the oldest of the three: %+v, %v", v, err)
	}
	if v, err := s.Version(t.Context(), key, 3); err != nil || v.Before != nil {
		t.Fatalf("the one before: %+v, %v", v, err)
	}
	if _, err := s.Version(t.Context(), key, 2); !errors.Is(err, configcenter.ErrNotFound) {
		t.Fatalf("a pruned one: %v", err)
	}
}

func TestHistoryIsBoundedByAge(t *testing.T) {
	s, client, clock := newStore(t, configcenter.DefaultLimits())
	publish(t, s, "old")
	publish(t, s, "older by a day than the limit")
	clock.now += 31 * day
	publish(t, s, "new")
	if n, err := s.Prune(t.Context(), key); err != nil || n != 1 {
		t.Fatalf("pruned %d, %v; want 1", n, err)
	}
	clock.now += 31 * day
	if n, err := s.Prune(t.Context(), key); err != nil || n != 1 {
		t.Fatalf("pruned %d, %v; want 1, and the newest of a living config kept", n, err)
	}
	remove(t, s)
	if n, err := s.Prune(t.Context(), key); err != nil || n != 0 {
		t.Fatalf("pruned %d, %v; what was deleted today must be there", n, err)
	}
	clock.now += 31 * day
	if n, err := s.Prune(t.Context(), key); err != nil || n != 2 {
		t.Fatalf("pruned %d, %v; want the last 2", n, err)
	}
	if _, err := client.Exists(t.Context(), "/zensus/history/dev/g"); !errors.Is(err, core.NoNode) {
		t.Errorf("an empty history stays: %v", err)
	}
	publish(t, s, "again")
	if entries, _, err := s.History(t.Context(), key, 0, 1); err != nil || len(entries) != 1 || entries[0].Seq != 1 {
		t.Errorf("a new life begins with %+v, %v", entries, err)
	}
}

func TestLargeHistoryIsPrunedWithItsPieces(t *testing.T) {
	limits := configcenter.DefaultLimits()
	limits.HistoryEntriesMax = 1
	s, client, _ := newStore(t, limits)
	large := noise(2 * ChunkBytes)
	publish(t, s, large)
	if v, err := s.Version(t.Context(), key, 1); err != nil || v.Content != large {
		t.Fatalf("a large version: %d bytes, %v", len(v.Content), err)
	}
	publish(t, s, "2")
	publish(t, s, "3")
	if n, err := s.Prune(t.Context(), key); err != nil || n != 1 {
		t.Fatalf("pruned %d, %v", n, err)
	}
	if children, _, err := client.Children(t.Context(), "/zensus/history/dev/g/d"); err != nil || len(children) != 2 {
		t.Errorf("left are %v, %v", children, err)
	}
}

func TestHistoriesListsDeletedConfigsToo(t *testing.T) {
	s, _, _ := newStore(t, configcenter.DefaultLimits())
	publish(t, s, "1")
	remove(t, s)
	var got []configcenter.Key
	if err := s.Histories(t.Context(), func(k configcenter.Key) error { got = append(got, k); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0] != key {
		t.Errorf("got %v", got)
	}
}

func TestParsePathFindsWhatAPathIs(t *testing.T) {
	odd := configcenter.Key{Namespace: "zookeeper", Group: "a/b", DataID: "~%"}
	for path, want := range map[string]struct {
		key   configcenter.Key
		child string
		depth int
		ok    bool
	}{
		"/zensus/config":              {depth: 0, ok: true},
		"/zensus/config/dev":          {depth: 1, ok: true},
		"/zensus/config/dev/g":        {depth: 2, ok: true},
		"/zensus/config/dev/g/d":      {key, "", 3, true},
		"/zensus/config/dev/g/d/~0":   {key, "~0", 4, true},
		"/zensus/config/dev/g/d/~0/x": {depth: 5},
		"/zensus/config/dev/g/d%":     {depth: 3},
		"/zensus/configs/dev/g/d":     {},
		"/other":                      {},
		ItemPath(odd):                 {odd, "", 3, true},
	} {
		k, child, depth, ok := ParsePath(path)
		if k != want.key || child != want.child || depth != want.depth || ok != want.ok {
			t.Errorf("%s: got %v, %q, %d, %v", path, k, child, depth, ok)
		}
	}
}

func sample() (*configcenter.Item, *configcenter.Entry) {
	a := configcenter.Attributes{Type: "yaml", AppName: "app", Tags: "x,y", Desc: "d", Use: "u", Effect: "e", Schema: "{}", EncryptedDataKey: "k"}
	it := &configcenter.Item{
		Content: "中文: 1\n", Attributes: a, Created: 1, Modified: 2,
		CreatedBy: configcenter.Origin{IP: "1.2.3.4", User: "a"}, ChangedBy: configcenter.Origin{IP: "::1", User: "b"},
	}
	it.MD5 = configcenter.Sum(it.Content)
	e := &configcenter.Entry{Op: configcenter.Updated, Origin: it.ChangedBy, Time: -3, Attributes: a, Content: strings.Repeat(it.Content, 9)}
	e.MD5 = configcenter.Sum(e.Content)
	return it, e
}

func TestValuesSurviveTheirEncoding(t *testing.T) {
	it, e := sample()
	value := encodeItem(it, 0)
	h, err := decodeItem(value)
	if err != nil {
		t.Fatal(err)
	}
	h.item.Content = string(h.body.inline)
	if !reflect.DeepEqual(&h.item, it) {
		t.Errorf("got %+v, want %+v", h.item, *it)
	}
	gray, back, grayBack := *e, *e, *e
	gray.Gray, gray.Rule = "some", configcenter.TagRule("x")
	back.Restored = 1 << 40
	grayBack.Gray, grayBack.Rule, grayBack.Restored = gray.Gray, gray.Rule, 3
	for _, e := range []*configcenter.Entry{e, &gray, &back, &grayBack} {
		eh, err := decodeEntry(encodeEntry(e, pack(e.Content), 0))
		if err != nil {
			t.Fatal(err)
		}
		if eh.entry.Content, err = unpack(eh.packed, eh.body.inline, eh.size); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(&eh.entry, e) {
			t.Errorf("got %+v, want %+v", eh.entry, *e)
		}
	}
}

func TestAValueOfAnUnknownVersionIsRefused(t *testing.T) {
	it, e := sample()
	value := encodeItem(it, 0)
	value[0] = 2
	if _, err := decodeItem(value); err == nil || !strings.Contains(err.Error(), "format version 2") {
		t.Errorf("item: %v", err)
	}
	value = encodeEntry(e, parcel{packed: packedRaw, stored: e.Content}, 0)
	value[0] = 4
	if _, err := decodeEntry(value); err == nil || !strings.Contains(err.Error(), "format version 4") {
		t.Errorf("entry: %v", err)
	}
}

// FuzzDecodeItem: no bytes make the decoder panic, and what it takes it would
// write again.
func FuzzDecodeItem(f *testing.F) {
	it, _ := sample()
	f.Add(encodeItem(it, 0))
	it.Content = strings.Repeat("x", ChunkBytes+1)
	f.Add(encodeItem(it, 7))
	f.Add(place())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, value []byte) {
		h, err := decodeItem(value)
		if err != nil || h.isPlace || h.body.chunks > 0 {
			return
		}
		h.item.Content = string(h.body.inline)
		back, err := decodeItem(encodeItem(&h.item, 0))
		if err != nil {
			t.Fatalf("%x: %v", value, err)
		}
		back.item.Content = string(back.body.inline)
		if !reflect.DeepEqual(back.item, h.item) {
			t.Fatalf("%x decodes to %+v, then to %+v", value, h.item, back.item)
		}
	})
}

// FuzzDecodeEntry: likewise, and nothing unpacks to more than it says.
func FuzzDecodeEntry(f *testing.F) {
	_, e := sample()
	f.Add(encodeEntry(e, pack(e.Content), 0))
	e.Restored = 7
	f.Add(encodeEntry(e, pack(e.Content), 0))
	f.Add(encodeEntry(e, parcel{packed: packedRaw, stored: e.Content}, 0))
	f.Fuzz(func(t *testing.T, value []byte) {
		h, err := decodeEntry(value)
		if err != nil || h.body.chunks > 0 {
			return
		}
		content, err := unpack(h.packed, h.body.inline, h.size)
		if err == nil && len(content) != h.size {
			t.Fatalf("unpacked %d bytes, want %d", len(content), h.size)
		}
	})
}

func BenchmarkPublish(b *testing.B) {
	client, err := coretest.NewFake().Open(b.Context(), core.SessionOptions{})
	if err != nil {
		b.Fatal(err)
	}
	s := New(client, configcenter.DefaultLimits(), func() int64 { return 1 })
	content := strings.Repeat("key: value\n", 200)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Publish(b.Context(), &configcenter.Publish{Key: key, Content: content}); err != nil {
			b.Fatal(err)
		}
	}
}
