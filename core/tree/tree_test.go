package tree

import (
	"testing"

	"github.com/zensus-io/zensus/core"
)

func TestFreshTreeIsThatOfAFreshZooKeeper(t *testing.T) {
	tr := New()
	if tr.Digest() != 0x51c6d660 {
		t.Errorf("digest is %#x, want 0x51c6d660", tr.Digest())
	}
	if tr.Count() != 5 || tr.DataSize() != 44 || tr.EphemeralCount() != 0 {
		t.Errorf("count %d, data size %d, ephemerals %d; want 5, 44, 0", tr.Count(), tr.DataSize(), tr.EphemeralCount())
	}
	for path, want := range map[string]core.Stat{
		"/":        {Cversion: -1, NumChildren: 1},
		SystemPath: {Cversion: -2, NumChildren: 2},
		QuotaPath:  {},
		ConfigPath: {Aversion: -1},
	} {
		if got := tr.Stat(tr.Find(path)); got != want {
			t.Errorf("%s: stat %+v, want %+v", path, got, want)
		}
	}
	if acl := tr.ACL(tr.Find(ConfigPath)); len(acl) != 1 || acl[0] != core.ReadACL()[0] {
		t.Errorf("config has ACL %v, want world:anyone READ", acl)
	}
	if acl := tr.ACL(Root); len(acl) != 1 || acl[0] != core.OpenACL()[0] {
		t.Errorf("root has ACL %v, want world:anyone ALL", acl)
	}
}
