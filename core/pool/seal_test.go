package pool

import (
	"bytes"
	"slices"
	"testing"

	"github.com/zensus-io/zensus/core"
)

func TestWhatIsNotSealedIsLeftAsItIs(t *testing.T) {
	for _, data := range [][]byte{nil, {}, []byte("somebody else's"), bytes.Repeat([]byte{0x7a}, sealBytes), seal(nil, 1)[1:]} {
		st := core.Stat{EphemeralOwner: 5, DataLength: int32(len(data))}
		if got := open(data, &st); !bytes.Equal(got, data) || st.EphemeralOwner != 5 || int(st.DataLength) != len(data) {
			t.Errorf("%x: %x, %+v", data, got, st)
		}
	}
	persistent := seal([]byte("x"), 7)
	st := core.Stat{DataLength: int32(len(persistent))}
	if got := open(persistent, &st); !bytes.Equal(got, persistent) {
		t.Errorf("a persistent znode: %x", got)
	}
}

func TestOnlyTheNodesSchemeIsReplacedInAnACL(t *testing.T) {
	acl := []core.ACL{{Perms: core.PermRead, Scheme: "world", ID: "anyone"}, core.NodeACL()[0]}
	got := ours(acl)
	if want := []core.ACL{acl[0], {Perms: core.PermAll, Scheme: "auth"}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if acl[1] != core.NodeACL()[0] {
		t.Error("the caller's list was changed")
	}
	if got := ours(nil); got != nil {
		t.Errorf("no list became %v", got)
	}
}

func FuzzUnseal(f *testing.F) {
	f.Add([]byte("data"), int64(7))
	f.Add([]byte(nil), int64(-1))
	f.Add(seal([]byte("twice"), 3), int64(0))
	f.Fuzz(func(t *testing.T, data []byte, id int64) {
		unseal(data) // whatever it is
		for _, d := range [][]byte{data, nil} {
			got, whose, ok := unseal(seal(d, core.SessionID(id)))
			if !ok || whose != core.SessionID(id) || !bytes.Equal(got, d) || (got == nil) != (d == nil) {
				t.Fatalf("%x of %d came back as %x of %d, %v", d, id, got, whose, ok)
			}
		}
	})
}
