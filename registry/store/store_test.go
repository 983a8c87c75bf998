package store

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/registry"
)

var shop = registry.NewServiceKey("", "", "shop")

func at(ip string) registry.Instance {
	return registry.Instance{IP: ip, Port: 80, Cluster: "DEFAULT", Weight: 1, Enabled: true, Healthy: true, Ephemeral: true}
}

func open(t *testing.T, engine *coretest.Fake) (*Store, core.Client) {
	t.Helper()
	session, err := engine.Open(t.Context(), core.SessionOptions{ACL: core.NodeACL()})
	require.NoError(t, err)
	s := New(session, nil)
	require.NoError(t, s.Prepare(t.Context()))
	require.NoError(t, s.Prepare(t.Context()), "it can be called again")
	return s, session
}

func TestPathsAndPlacesAreInverse(t *testing.T) {
	keys := []registry.ServiceKey{shop, {Namespace: "n", Group: "g:1", Name: "providers:com.x.Y:1.0:"}, {Namespace: "n", Group: "g", Name: "a/b~c%d"}, {Namespace: "n", Group: ".", Name: "zookeeper"}}
	instances := []registry.InstanceKey{{Cluster: "DEFAULT", IP: "10.0.0.1", Port: 80}, {Cluster: "a-e1", IP: "fe80::1%eth0", Port: 0}, {Cluster: "c", IP: "web-p7.example", Port: 65535}}
	for _, k := range keys {
		require.NoError(t, core.ValidatePath(ServicePath(k)))
		p, ok := ParseNaming(ServicePath(k))
		require.True(t, ok)
		require.Equal(t, Place{Service: k}, p)
		for _, i := range instances {
			for _, ephemeral := range []bool{true, false} {
				for _, seq := range []string{"0000000000", "2147483647", "-2147483648"} {
					path := instancePath(k, i, ephemeral) + seq
					require.NoError(t, core.ValidatePath(path))
					p, ok := ParseNaming(path)
					require.True(t, ok, path)
					require.Equal(t, Place{Service: k, HasInstance: true, Instance: i, Ephemeral: ephemeral}, p)
				}
			}
			p, ok := ParseOverride(OverridePath(k, i))
			require.True(t, ok)
			require.Equal(t, Place{Service: k, HasInstance: true, Instance: i}, p)
		}
	}
}

func FuzzParseNaming(f *testing.F) {
	for _, s := range []string{"", "/public", "/a/b/c/DEFAULT~1.1.1.1:80-e0000000001", "/a/b/c/x", "/a/b/c/~:-e", "/a/b/c/d~e:1-x", "/a/b/c/d/e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, rest string) {
		path := NamingRoot + rest
		p, ok := ParseNaming(path)
		if !ok {
			return
		}
		want := ServicePath(p.Service)
		if p.HasInstance {
			want = instancePath(p.Service, p.Instance, p.Ephemeral)
		}
		if !strings.HasPrefix(path, want) {
			t.Fatalf("%q was read as %q", path, want)
		}
		ParseOverride(OverridesRoot + rest)
	})
}

func TestValuesAreInverse(t *testing.T) {
	r := Record{Instance: at("10.0.0.1"), Client: "c", Node: "n", Beat: true}
	r.Instance.Metadata, r.Instance.ID, r.Instance.Weight = map[string]string{"k": "v"}, "id", .5
	r.Instance.Healthy, r.Instance.Enabled = false, false
	got, err := new(Decoder).Record(Place{Service: shop, HasInstance: true, Instance: r.Instance.Key(), Ephemeral: true}, EncodeRecord(&r))
	require.NoError(t, err)
	require.Equal(t, r, got)

	s := registry.Service{
		Key: shop, Metadata: map[string]string{"k": "v"}, ProtectThreshold: .3, Selector: registry.Selector{Type: "label", Expression: "a=b"},
		Ephemeral: true, Explicit: true, Clusters: map[string]registry.Cluster{"A": {
			Name: "A", Checker: registry.Checker{Type: "HTTP", Path: "/", Headers: "a:b", ExpectedCode: 204}, CheckPort: 81, Metadata: map[string]string{"k": "v"},
		}},
	}
	svc, err := DecodeService(shop, EncodeService(&s))
	require.NoError(t, err)
	require.Equal(t, s, svc)

	off, weight := false, 2.5
	o := registry.Override{Weight: &weight, Enabled: &off, Metadata: map[string]string{"k": "v"}, Gone: time.UnixMilli(1_700_000_000_000)}
	back, err := DecodeOverride(EncodeOverride(&o))
	require.NoError(t, err)
	require.Equal(t, o, back)
}

func TestADecoderKeepsEqualPartsOnce(t *testing.T) {
	var d Decoder
	read := func(ip, client string, metadata map[string]string) Record {
		i := at(ip)
		i.Metadata = metadata
		p := Place{Service: shop, HasInstance: true, Instance: i.Key(), Ephemeral: true}
		r, err := d.Record(p, EncodeRecord(&Record{Instance: i, Client: client, Node: "n"}))
		require.NoError(t, err)
		require.Equal(t, Record{Instance: i, Client: client, Node: "n"}, r)
		return r
	}
	same := func(a, b map[string]string) bool { return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer() }
	one, two := read("10.0.0.1", "c", map[string]string{"a": "1", "b": "2"}), read("10.0.0.2", "c", map[string]string{"b": "2", "a": "1"})
	require.True(t, same(one.Instance.Metadata, two.Instance.Metadata))
	require.Same(t, unsafe.StringData(one.Client), unsafe.StringData(two.Client))
	require.Same(t, unsafe.StringData(one.Node), unsafe.StringData(two.Node))

	for n := range 3 * sharedTexts { // many more than it remembers
		read("10.0.0.3", fmt.Sprint(n), map[string]string{"a": fmt.Sprint(n)})
	}
	read("10.0.0.1", "c", map[string]string{"a": "1", "b": "2"})

	long := map[string]string{"a": strings.Repeat("x", sharedBytesMax)}
	require.False(t, same(read("10.0.0.1", "c", long).Instance.Metadata, read("10.0.0.2", "c", long).Instance.Metadata))
	require.Nil(t, read("10.0.0.1", "", nil).Instance.Metadata)
}

func FuzzDecode(f *testing.F) {
	r, s := Record{Instance: at("10.0.0.1")}, registry.Service{Key: shop}
	f.Add(EncodeRecord(&r))
	f.Add(EncodeService(&s))
	f.Add([]byte{})
	f.Add([]byte{2, '{', '}'})
	f.Add([]byte{1})
	var d Decoder // what it remembers must not show
	f.Fuzz(func(t *testing.T, value []byte) {
		place := Place{Service: shop, HasInstance: true, Instance: r.Instance.Key(), Ephemeral: true}
		if got, err := d.Record(place, value); err == nil {
			again, err := d.Record(place, EncodeRecord(&got))
			require.NoError(t, err)
			require.True(t, again.Instance.Equal(&got.Instance))
		}
		if got, err := DecodeService(shop, value); err == nil {
			_, err := DecodeService(shop, EncodeService(&got))
			require.NoError(t, err)
		}
		_, _ = DecodeOverride(value)
	})
}

func TestReplaceIsOneTransactionAndOwnedByTheSession(t *testing.T) {
	engine := coretest.NewFake()
	s, _ := open(t, engine)
	client, err := engine.Open(t.Context(), core.SessionOptions{ACL: core.NodeACL()})
	require.NoError(t, err)
	_, _, err = s.EnsureService(t.Context(), shop, true)
	require.NoError(t, err)
	made, z1, err := s.Replace(t.Context(), client, shop, nil, []*Record{{Instance: at("10.0.0.1")}, {Instance: at("10.0.0.2")}})
	require.NoError(t, err)
	require.Len(t, made, 2)
	require.Equal(t, []core.Zxid{z1, z1}, []core.Zxid{made[0].Czxid, made[1].Czxid})

	again, z2, err := s.Replace(t.Context(), client, shop, []string{made[0].Path}, []*Record{{Instance: at("10.0.0.1")}})
	require.NoError(t, err)
	require.Equal(t, z1+1, z2)
	_, st, err := client.Get(t.Context(), again[0].Path)
	require.NoError(t, err)
	require.Equal(t, client.Session().ID, st.EphemeralOwner)

	_, _, err = s.Replace(t.Context(), client, shop, []string{made[0].Path}, []*Record{{Instance: at("10.0.0.3")}})
	require.ErrorIs(t, err, core.NoNode)
	names, _, err := client.Children(t.Context(), ServicePath(shop))
	require.NoError(t, err)
	require.Len(t, names, 2, "all or nothing")
}

func TestLargeBatchIsSplitIntoTransactionsTheEngineTakes(t *testing.T) {
	engine := coretest.NewFake()
	s, client := open(t, engine)
	_, _, err := s.EnsureService(t.Context(), shop, true)
	require.NoError(t, err)
	var add []*Record
	for n := range 3*opsMax + 1 {
		add = append(add, &Record{Instance: at(fmt.Sprintf("10.0.%d.%d", n/256, n%256))})
	}
	before := engine.Zxid()
	made, zxid, err := s.Replace(t.Context(), client, shop, nil, add)
	require.NoError(t, err)
	require.Len(t, made, len(add))
	require.Equal(t, before+4, zxid)
	var drop []string
	for _, c := range made {
		drop = append(drop, c.Path)
	}
	_, _, err = s.Replace(t.Context(), client, shop, drop, nil)
	require.NoError(t, err)
}

func TestLongPathsAreSplitAmongTransactionsThatASessionHasRoomFor(t *testing.T) {
	engine := coretest.NewFake()
	s, client := open(t, engine)
	long := registry.NewServiceKey("", "", strings.Repeat("/", 500)) // three bytes each in a path
	_, _, err := s.EnsureService(t.Context(), long, true)
	require.NoError(t, err)
	var add []*Record
	for n := range opsMax {
		add = append(add, &Record{Instance: at(fmt.Sprintf("10.0.0.%d", n))})
	}
	made, _, err := s.Replace(t.Context(), client, long, nil, add)
	require.NoError(t, err)
	require.Len(t, made, opsMax)
	bytes := map[core.Zxid]int{}
	for _, c := range made {
		bytes[c.Czxid] += len(c.Path)
	}
	require.Greater(t, len(bytes), 2)
	for zxid, n := range bytes {
		require.Less(t, n, 128<<10, "at %v", zxid)
	}
}

func TestRevisionRisesWithEveryChangeAndAcrossLives(t *testing.T) {
	engine := coretest.NewFake()
	s, client := open(t, engine)
	last := int64(0)
	rises := func(what string) {
		t.Helper()
		st, err := client.Exists(t.Context(), ServicePath(shop))
		require.NoError(t, err)
		require.Greater(t, Revision(st), last, what)
		last = Revision(st)
	}
	_, _, err := s.EnsureService(t.Context(), shop, true)
	require.NoError(t, err)
	rises("created")
	i := at("10.0.0.1")
	made, _, err := s.ReplaceOwn(t.Context(), shop, nil, []*Record{{Instance: i}})
	require.NoError(t, err)
	rises("an instance came")
	_, err = s.SetOverride(t.Context(), shop, i.Key(), func(o registry.Override) (registry.Override, error) {
		off := false
		o.Enabled = &off
		return o, nil
	})
	require.NoError(t, err)
	rises("an override was set")
	_, err = s.SetOverride(t.Context(), shop, i.Key(), func(registry.Override) (registry.Override, error) { return registry.Override{}, nil })
	require.NoError(t, err)
	rises("an override was reset")
	_, err = s.UpdateService(t.Context(), shop, func(svc *registry.Service) error { svc.ProtectThreshold = .5; return nil })
	require.NoError(t, err)
	rises("the service was changed")
	_, _, err = s.ReplaceOwn(t.Context(), shop, []string{made[0].Path}, []*Record{{Instance: i}})
	require.NoError(t, err)
	rises("an instance was replaced")
}

func TestServiceErrors(t *testing.T) {
	s, _ := open(t, coretest.NewFake())
	ctx := t.Context()
	svc := registry.Service{Key: shop}
	_, err := s.DeleteService(ctx, shop, core.AnyVersion)
	require.ErrorIs(t, err, registry.ErrServiceNotFound)
	_, err = s.UpdateService(ctx, shop, func(*registry.Service) error { return nil })
	require.ErrorIs(t, err, registry.ErrServiceNotFound)
	_, err = s.CreateService(ctx, &svc)
	require.NoError(t, err)
	_, err = s.CreateService(ctx, &svc)
	require.ErrorIs(t, err, registry.ErrServiceExists)
	found, _, err := s.EnsureService(ctx, shop, true)
	require.NoError(t, err)
	require.False(t, found.Ephemeral, "who comes second gets what is there")
	i := at("10.0.0.1")
	i.Ephemeral = false
	made, _, err := s.ReplaceOwn(ctx, shop, nil, []*Record{{Instance: i}})
	require.NoError(t, err)
	_, err = s.DeleteService(ctx, shop, core.AnyVersion)
	require.ErrorIs(t, err, registry.ErrServiceNotEmpty)
	_, _, err = s.ReplaceOwn(ctx, shop, []string{made[0].Path}, nil)
	require.NoError(t, err)
	_, err = s.DeleteService(ctx, shop, 99)
	require.ErrorIs(t, err, core.BadVersion)
	_, err = s.DeleteService(ctx, shop, core.AnyVersion)
	require.NoError(t, err)
}
