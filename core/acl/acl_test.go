package acl

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

const bob = "bob:fyVmFCwVbTJYrznoSu1koqYEYF0="

func ids(pairs ...string) []core.Identity {
	var list []core.Identity
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, core.Identity{Scheme: pairs[i], ID: pairs[i+1]})
	}
	return list
}

func list(entries ...core.ACL) []core.ACL { return entries }

func entry(p core.Perms, scheme, id string) core.ACL {
	return core.ACL{Perms: p, Scheme: scheme, ID: id}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		name string
		list []core.ACL
		ids  []core.Identity
		perm core.Perms
		want bool
	}{
		{"an empty list lets everybody in", nil, nil, core.PermAdmin, true},
		{"world lets in a connection without identities", core.OpenACL(), nil, core.PermDelete, true},
		{"world gives only its permissions", core.ReadACL(), ids("ip", "10.0.0.1"), core.PermWrite, false},
		{"several bits ask for any of them", core.ReadACL(), nil, core.PermRead | core.PermAdmin, true},
		{"no bits in an entry give nothing", list(entry(0, "world", "anyone")), nil, core.PermRead, false},
		{"a digest identity matches its own entry", list(entry(31, "digest", bob)), ids("ip", "::1", "digest", bob), core.PermWrite, true},
		{"a digest identity does not match another's", list(entry(31, "digest", bob)), ids("digest", "bob:x"), core.PermWrite, false},
		{"an identity does not match an entry of another scheme", list(entry(31, "sasl", bob)), ids("digest", bob), core.PermRead, false},
		{"a later entry counts", list(entry(1, "world", "anyone"), entry(2, "digest", bob)), ids("digest", bob), core.PermWrite, true},
		{"permissions of two entries do not add up for one identity that matches neither", list(entry(1, "world", "anyone"), entry(2, "digest", "amy:y")), ids("digest", bob), core.PermWrite, false},
		{"super passes every list", list(entry(0, "digest", bob)), ids("super", ""), core.PermAdmin, true},
		{"super passes the servers' own list", core.NodeACL(), ids("super", ""), core.PermAdmin, true},
		{"the servers pass their own list", core.NodeACL(), ids(core.NodeScheme, "node"), core.PermAll, true},
		{"nobody else passes the servers' list", core.NodeACL(), ids("ip", "127.0.0.1", "digest", bob), core.PermRead, false},
		{"world with another id is nobody", list(entry(31, "world", "me")), ids("world", "me"), core.PermRead, false},
		{"an entry of the auth scheme is nobody", list(entry(31, "auth", "")), ids("auth", ""), core.PermRead, false},
		{"an entry of the super scheme is nobody", list(entry(31, "super", "")), ids("digest", bob), core.PermRead, false},
		{"an address matches itself", list(entry(31, "ip", "10.1.2.3")), ids("ip", "10.1.2.3"), core.PermRead, true},
		{"an address lies in its network", list(entry(31, "ip", "10.1.0.0/16")), ids("ip", "10.1.2.3"), core.PermRead, true},
		{"an address lies outside of another", list(entry(31, "ip", "10.1.0.0/16")), ids("ip", "10.2.2.3"), core.PermRead, false},
		{"bits beyond the prefix do not count", list(entry(31, "ip", "10.1.2.3/16")), ids("ip", "10.1.9.9"), core.PermRead, true},
		{"a prefix may end within a byte", list(entry(31, "ip", "10.1.128.0/17")), ids("ip", "10.1.127.1"), core.PermRead, false},
		{"zero bits are everybody of the family", list(entry(31, "ip", "0.0.0.0/0")), ids("ip", "192.168.1.1"), core.PermRead, true},
		{"zero bits of IPv4 are not IPv6", list(entry(31, "ip", "0.0.0.0/0")), ids("ip", "::1"), core.PermRead, false},
		{"IPv6 prefixes work", list(entry(31, "ip", "2001:db8::/32")), ids("ip", "2001:db8:1::7"), core.PermRead, true},
		{"IPv6 in Java's long form is the same address", list(entry(31, "ip", "::1")), ids("ip", "0:0:0:0:0:0:0:1"), core.PermRead, true},
		{"the zone of a link-local client does not count", list(entry(31, "ip", "fe80::1")), ids("ip", "fe80::1%eth0"), core.PermRead, true},
		{"IPv4 within IPv6 is IPv4", list(entry(31, "ip", "10.1.2.3")), ids("ip", "::ffff:10.1.2.3"), core.PermRead, true},
		{"a broken entry matches nobody", list(entry(31, "ip", "10.1.2")), ids("ip", "10.1.2"), core.PermRead, false},
		{"a client without an address matches nothing", list(entry(31, "ip", "0.0.0.0/0")), ids("ip", ""), core.PermRead, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Check(tt.list, tt.ids, tt.perm); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func raw(entries ...core.ACL) []wire.RawACL {
	var list []wire.RawACL
	for _, e := range entries {
		list = append(list, wire.RawACL{Perms: e.Perms, Scheme: []byte(e.Scheme), ID: []byte(e.ID)})
	}
	return list
}

func TestFix(t *testing.T) {
	const amy = "amy:AAAA"
	tests := []struct {
		name string
		raw  []wire.RawACL
		ids  []core.Identity
		want []core.ACL // nil: InvalidACL
	}{
		{"null and empty lists are refused", nil, nil, nil},
		{"the open list stays as it is", raw(core.OpenACL()...), nil, core.OpenACL()},
		{"perms above the known bits are kept", raw(entry(1<<30|1, "world", "anyone")), nil, list(entry(1<<30|1, "world", "anyone"))},
		{"no perms are legal", raw(entry(0, "world", "anyone")), nil, list(entry(0, "world", "anyone"))},
		{"world is for anyone only", raw(entry(31, "world", "me")), nil, nil},
		{"a null scheme is refused", []wire.RawACL{{Perms: 31, ID: []byte("anyone")}}, nil, nil},
		{"a null id is refused", []wire.RawACL{{Perms: 31, Scheme: []byte("world")}}, nil, nil},
		{"a null digest id is refused", []wire.RawACL{{Perms: 31, Scheme: []byte("digest")}}, nil, nil},
		{
			"exact duplicates go and order stays", raw(entry(1, "world", "anyone"), entry(31, "digest", bob), entry(1, "world", "anyone"), entry(2, "world", "anyone")), nil,
			list(entry(1, "world", "anyone"), entry(31, "digest", bob), entry(2, "world", "anyone")),
		},
		{"auth becomes every authenticated identity", raw(entry(3, "auth", "whatever")), ids("ip", "10.0.0.1", "super", "", "digest", bob, "digest", amy), list(entry(3, "digest", bob), entry(3, "digest", amy))},
		{"auth takes a null id", []wire.RawACL{{Perms: 31, Scheme: []byte("auth")}}, ids("digest", bob), list(entry(31, "digest", bob))},
		{"auth without authentication is refused", raw(entry(31, "auth", "")), ids("ip", "10.0.0.1"), nil},
		{"being super alone is no authentication", raw(entry(31, "auth", "")), ids("ip", "10.0.0.1", "super", ""), nil},
		{"one bad entry spoils the list", raw(entry(1, "world", "anyone"), entry(31, "nope", "x")), nil, nil},
		{"digest needs a user and a hash", raw(entry(31, "digest", "bob:")), nil, nil},
		{"digest without a colon is refused", raw(entry(31, "digest", "bob")), nil, nil},
		{"digest with three parts is refused", raw(entry(31, "digest", "a:b:c")), nil, nil},
		{"digest with an empty user passes", raw(entry(31, "digest", ":x")), nil, list(entry(31, "digest", ":x"))},
		{"digest with an empty third part passes", raw(entry(31, "digest", "a:b:")), nil, list(entry(31, "digest", "a:b:"))},
		{"a bare colon is refused", raw(entry(31, "digest", ":")), nil, nil},
		{"three numbers are no address", raw(entry(31, "ip", "10.0.0")), nil, nil},
		{"five numbers are no address", raw(entry(31, "ip", "10.0.0.0.1")), nil, nil},
		{"256 is no part of an address", raw(entry(31, "ip", "10.0.0.256")), nil, nil},
		{"32 bits are the whole address", raw(entry(31, "ip", "10.0.0.1/32")), nil, list(entry(31, "ip", "10.0.0.1/32"))},
		{"33 bits are too many", raw(entry(31, "ip", "10.0.0.1/33")), nil, nil},
		{"bits below zero are refused", raw(entry(31, "ip", "10.0.0.1/-1")), nil, nil},
		{"no bits behind the slash are refused", raw(entry(31, "ip", "10.0.0.1/")), nil, nil},
		{"IPv6 passes", raw(entry(31, "ip", "2001:db8::/32")), nil, list(entry(31, "ip", "2001:db8::/32"))},
		{"129 bits are too many", raw(entry(31, "ip", "::1/129")), nil, nil},
		{"super cannot be written down", raw(entry(31, "super", "")), ids("super", ""), nil},
		{"sasl is not in use", raw(entry(31, "sasl", "bob")), nil, nil},
		{"x509 is not in use", raw(entry(31, "x509", "CN=bob")), nil, nil},
		{"the servers may shut out everybody else", raw(core.NodeACL()...), ids(core.NodeScheme, "node"), core.NodeACL()},
		{"nobody else may use the servers' scheme", raw(core.NodeACL()...), ids("ip", "127.0.0.1", "super", ""), nil},
		{"the servers' scheme has no other ids", raw(entry(31, core.NodeScheme, "x")), ids(core.NodeScheme, "node"), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, code := Fix(tt.raw, tt.ids)
			want := core.OK
			if tt.want == nil {
				want = core.InvalidACL
			}
			if code != want || !slices.Equal(got, tt.want) {
				t.Errorf("got %v, %v; want %v, %v", got, code, tt.want, want)
			}
		})
	}
}

func TestFixFindsDuplicatesInLongLists(t *testing.T) {
	var in []core.ACL
	for i := range 3 * linearMax {
		in = append(in, entry(core.Perms(i%(2*linearMax)), "world", "anyone"))
	}
	got, code := Fix(raw(in...), nil)
	if code != core.OK || !slices.Equal(got, in[:2*linearMax]) {
		t.Errorf("got %d entries, %v; want the first %d", len(got), code, 2*linearMax)
	}
}

func TestFixRefusesAListThatAuthMultipliesBeyondAFrame(t *testing.T) {
	var who []core.Identity
	for i := range 1000 {
		who = append(who, core.Identity{Scheme: "digest", ID: fmt.Sprintf("user%d:%s", i, strings.Repeat("h", 28))})
	}
	var in []core.ACL
	for i := range 10_000 {
		in = append(in, entry(core.Perms(i), "auth", ""))
	}
	if got, code := Fix(raw(in...), who); code != core.InvalidACL {
		t.Errorf("got %d entries and %v", len(got), code)
	}
	if got, code := Fix(raw(in[:10]...), who); code != core.OK || len(got) != 10*len(who) {
		t.Errorf("10 entries: got %d and %v", len(got), code)
	}
}

func TestFixKeepsNoMemoryOfTheRequest(t *testing.T) {
	in := raw(entry(31, "digest", bob))
	got, _ := Fix(in, nil)
	for _, r := range in {
		clear(r.Scheme)
		clear(r.ID)
	}
	if got[0] != entry(31, "digest", bob) {
		t.Errorf("the stored entry changed with the request: %v", got)
	}
}

func TestAuthenticate(t *testing.T) {
	const super = "super:D/InIHSb7yEEbrWz8b9l71RjZJU=" // password "test"
	tests := []struct {
		name   string
		a      Authenticator
		scheme string
		auth   []byte
		want   []core.Identity // nil: refused
	}{
		{"a name and a password are a digest", Authenticator{DigestEnabled: true}, "digest", []byte("bob:secret"), ids("digest", bob)},
		{"the super user gets both identities", Authenticator{DigestEnabled: true, SuperDigest: super}, "digest", []byte("super:test"), ids("super", "", "digest", super)},
		{"a wrong super password is just a user", Authenticator{DigestEnabled: true, SuperDigest: super}, "digest", []byte("super:nope"), ids("digest", Digest([]byte("super:nope")))},
		{"without a super digest nobody is super", Authenticator{DigestEnabled: true}, "digest", []byte("super:test"), ids("digest", super)},
		{"null data is refused", Authenticator{DigestEnabled: true}, "digest", nil, nil},
		{"empty data is a user without a name", Authenticator{DigestEnabled: true}, "digest", []byte{}, ids("digest", ":2jmj7l5rSw0yVb/vlWAYkK/YBwk=")},
		{"digest can be switched off", Authenticator{SuperDigest: super}, "digest", []byte("super:test"), nil},
		{"ip repeats the address", Authenticator{}, "ip", []byte("9.9.9.9"), ids("ip", "10.0.0.7")},
		{"world is refused", Authenticator{DigestEnabled: true}, "world", []byte("anyone"), nil},
		{"auth is refused", Authenticator{DigestEnabled: true}, "auth", []byte("x"), nil},
		{"super is refused", Authenticator{DigestEnabled: true, SuperDigest: super}, "super", []byte("super:test"), nil},
		{"sasl is refused", Authenticator{DigestEnabled: true}, "sasl", []byte("x"), nil},
		{"the servers' scheme is refused", Authenticator{DigestEnabled: true}, core.NodeScheme, []byte("node"), nil},
		{"an unknown scheme is refused", Authenticator{DigestEnabled: true}, "kerberos", []byte("x"), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := tt.a.Authenticate(tt.scheme, tt.auth, "10.0.0.7")
			if ok != (tt.want != nil) || !slices.Equal(got, tt.want) {
				t.Errorf("got %v, %v; want %v", got, ok, tt.want)
			}
		})
	}
}

func TestDigest(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"the user comes before the colon", "bob:secret", bob},
		{"the whole is hashed, beyond a second colon", "a:b:c", "a:cLzgnoJ6mP5qz3w+mwvPE2vDgu0="},
		{"without a colon all is the user", "nocolon", "nocolon:Ra+cHr2ZoHvBjtNArFGNGlVie4g="},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Digest([]byte(tt.in)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestMask(t *testing.T) {
	full := list(entry(31, "digest", bob), entry(1, "world", "anyone"), entry(4, "ip", "10.0.0.1"), entry(2, "digest", "plain"))
	masked := list(entry(31, "digest", "bob:x"), entry(1, "world", "anyone"), entry(4, "ip", "10.0.0.1"), entry(2, "digest", "plain"))
	tests := []struct {
		name string
		ids  []core.Identity
		want []core.ACL
	}{
		{"a reader sees no hash", ids("ip", "10.0.0.9"), masked},
		{"an administrator sees all", ids("digest", bob), full},
		{"super sees all", ids("super", ""), full},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Mask(full, tt.ids); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if full[0].ID != bob {
				t.Fatal("the list itself was masked")
			}
		})
	}
}

func TestWhoAmIHidesHashes(t *testing.T) {
	got := WhoAmI(ids("ip", "10.0.0.1", "digest", bob, "super", "", "digest", ":x"))
	want := ids("ip", "10.0.0.1", "digest", "bob", "super", "", "digest", "")
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCheckDoesNotAllocate(t *testing.T) {
	l := list(entry(31, "digest", "amy:y"), entry(31, "ip", "2001:db8::/32"), entry(31, "ip", "10.0.0.0/8"))
	who := ids("ip", "10.0.0.1", "digest", bob)
	if n := testing.AllocsPerRun(100, func() {
		if !Check(l, who, core.PermRead) {
			t.Fatal("refused")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzFix: whatever a client sends, what is stored passes again and gives nobody
// the servers' identity.
func FuzzFix(f *testing.F) {
	f.Add(uint32(31), "world", "anyone", "10.0.0.1")
	f.Add(uint32(31), "ip", "10.0.0.0/8", "10.0.0.1")
	f.Add(uint32(31), "ip", "fe80::1%eth0/10", "::1")
	f.Add(uint32(31), "auth", "", "")
	f.Add(uint32(1), "digest", "a:b:", "x")
	f.Add(uint32(1), core.NodeScheme, "node", "x")
	f.Fuzz(func(t *testing.T, perms uint32, scheme, id, remote string) {
		who := ids("ip", remote, "digest", bob)
		fixed, code := Fix(raw(entry(core.Perms(perms), scheme, id)), who)
		if code != core.OK {
			return
		}
		again, code := Fix(raw(fixed...), who)
		if code != core.OK || !slices.Equal(again, fixed) {
			t.Fatalf("%v became %v, %v", fixed, again, code)
		}
		Check(fixed, who, core.PermAll)
		for _, e := range Mask(fixed, who) {
			if e.Scheme == core.NodeScheme || e.Scheme == "super" {
				t.Fatalf("a client wrote %v", e)
			}
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	who := ids("ip", "10.0.0.1", "digest", bob)
	for name, l := range map[string][]core.ACL{"open": core.OpenACL(), "digest": list(entry(31, "digest", bob)), "ip": list(entry(31, "ip", "10.0.0.0/8"))} {
		b.Run("list="+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Check(l, who, core.PermRead)
			}
		})
	}
}
