package tree

import (
	"testing"

	"github.com/zensus-io/zensus/core"
)

// limit makes the znodes of a quota on path.
func limit(t *testing.T, tr *Tree, path, limits string) {
	t.Helper()
	at := QuotaPath
	for rest := path; rest != "" && rest != "/"; {
		i := 1
		for i < len(rest) && rest[i] != '/' {
			i++
		}
		at += rest[:i]
		rest = rest[i:]
		tr.Create(&Creation{Path: at, ParentCreates: -1})
	}
	mustCreate(t, tr, Creation{Path: at + "/" + limitsName, Data: []byte(limits)})
	mustCreate(t, tr, Creation{Path: at + "/" + statsName, Data: []byte("count=99,bytes=99")})
}

func stats(tr *Tree, path string) string {
	return string(tr.Data(tr.Find(QuotaPath + path + "/" + statsName)))
}

func TestQuotaUsageIsCountedAtAndBelowItsPath(t *testing.T) {
	tr := New()
	mustCreate(t, tr, Creation{Path: "/p", Data: []byte("12345")})
	mustCreate(t, tr, Creation{Path: "/p/a", Data: []byte("123")})
	mustCreate(t, tr, Creation{Path: "/pp", Data: []byte("not below")})
	limit(t, tr, "/p", "count=3,bytes=-1=;byteHardLimit=100;countHardLimit=")
	if got := stats(tr, "/p"); got != "count=2,bytes=8" {
		t.Errorf("the stats znode was made with %q", got)
	}
	before := tr.Stat(tr.Find(QuotaPath + "/p/" + statsName))
	mustCreate(t, tr, Creation{Path: "/p/b", Data: []byte("1234567")})
	tr.SetData(tr.Find("/p/b"), []byte("1"), 1, 1, 1)
	tr.Delete("/p/a", 1)
	if got := stats(tr, "/p"); got != "count=2,bytes=6" {
		t.Errorf("usage is %q", got)
	}
	if after := tr.Stat(tr.Find(QuotaPath + "/p/" + statsName)); after.Version != before.Version || after.Mzxid != before.Mzxid || after.Mtime != before.Mtime {
		t.Errorf("counting changed the Stat: %+v", after)
	}
	want := Quota{Path: "/p", Count: 3, Bytes: -1, CountHard: -1, BytesHard: 100, UsedCount: 2, UsedBytes: 6}
	for _, path := range []string{"/p", "/p/b", "/p/not/there"} {
		if q, ok := tr.QuotaFor(path); !ok || q != want {
			t.Errorf("%s: %+v, want %+v", path, q, want)
		}
	}
	for _, path := range []string{"/pp", "/", "/x"} {
		if q, ok := tr.QuotaFor(path); ok {
			t.Errorf("%s has quota %+v", path, q)
		}
	}
}

func TestOnlyTheDeepestQuotaCounts(t *testing.T) {
	tr := New()
	mustCreate(t, tr, Creation{Path: "/p"})
	mustCreate(t, tr, Creation{Path: "/p/q"})
	limit(t, tr, "/p", "count=10,bytes=10")
	limit(t, tr, "/p/q", "count=5,bytes=5")
	mustCreate(t, tr, Creation{Path: "/p/q/x", Data: []byte("xy")})
	if stats(tr, "/p") != "count=2,bytes=0" || stats(tr, "/p/q") != "count=2,bytes=2" {
		t.Errorf("outer %q, inner %q", stats(tr, "/p"), stats(tr, "/p/q"))
	}
	tr.Delete(QuotaPath+"/p/q/"+limitsName, 1)
	mustCreate(t, tr, Creation{Path: "/p/q/y", Data: []byte("xyz")})
	if stats(tr, "/p") != "count=3,bytes=3" || stats(tr, "/p/q") != "count=2,bytes=2" {
		t.Errorf("limits removed: outer %q, inner %q", stats(tr, "/p"), stats(tr, "/p/q"))
	}
}

func TestQuotaBelievesWhatClientsWrite(t *testing.T) {
	tr := New()
	mustCreate(t, tr, Creation{Path: "/p"})
	limit(t, tr, "/p", "count=2,bytes=3")
	r := tr.Find(QuotaPath + "/p/" + statsName)
	tr.SetData(r, []byte("count=70,bytes=7=;byteHardLimit=1"), 1, 1, 1)
	mustCreate(t, tr, Creation{Path: "/p/a", Data: []byte("1")})
	if got := stats(tr, "/p"); got != "count=71,bytes=8=;byteHardLimit=1" {
		t.Errorf("usage is %q", got)
	}
	for _, garbage := range []string{"", "count", "count=x,bytes=1", "=,;=", "count=99999999999999999999"} {
		tr.SetData(tr.Find(QuotaPath+"/p/"+limitsName), []byte(garbage), 1, 1, 1)
		if q, ok := tr.QuotaFor("/p"); !ok || q.Count != -1 || q.Bytes != -1 || q.CountHard != -1 || q.BytesHard != -1 {
			t.Errorf("%q limits: %+v", garbage, q)
		}
	}
}

func TestQuotaWithoutAStatsZnodeLimitsNothing(t *testing.T) {
	tr := New()
	mustCreate(t, tr, Creation{Path: "/p"})
	limit(t, tr, "/p", "count=1,bytes=-1=;byteHardLimit=0;countHardLimit=1")
	if _, ok := tr.QuotaFor("/p/a"); !ok {
		t.Fatal("there is no quota")
	}
	if code := tr.Delete(QuotaPath+"/p/"+statsName, 9); code != core.OK {
		t.Fatal(code)
	}
	if q, ok := tr.QuotaFor("/p/a"); ok {
		t.Errorf("without a stats znode there is %+v", q)
	}
}

func TestQuotaOnTheRootNeverApplies(t *testing.T) {
	tr := New()
	limit(t, tr, "", "count=1,bytes=1")
	mustCreate(t, tr, Creation{Path: "/a"})
	if q, ok := tr.QuotaFor("/a"); ok {
		t.Errorf("quota %+v", q)
	}
}

func TestQuotasAreKnownAgainAfterLoad(t *testing.T) {
	tr := New()
	mustCreate(t, tr, Creation{Path: "/p"})
	limit(t, tr, "/p", "count=10,bytes=20")
	tr.SetData(tr.Find(QuotaPath+"/p/"+statsName), []byte("count=4,bytes=4"), 1, 1, 1)
	v := tr.View()
	chunks, err := encode(v)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := load(chunks)
	if err != nil {
		t.Fatal(err)
	}
	q, ok := loaded.QuotaFor("/p/x")
	if want, _ := tr.QuotaFor("/p/x"); !ok || q != want {
		t.Errorf("quota %+v, want %+v", q, want)
	}
	loaded.RecountQuotas()
	if q, _ := loaded.QuotaFor("/p"); q.UsedCount != 1 || q.UsedBytes != 0 {
		t.Errorf("recounted: %+v", q)
	}
}

func TestDigestLeavesOutWhatLiesBelowTheSystemZnode(t *testing.T) {
	tr := New()
	before := tr.Digest()
	tr.SetData(tr.Find(ConfigPath), []byte("server.1=a"), 1, 5, 5)
	mustCreate(t, tr, Creation{Path: QuotaPath + "/p", ParentCreates: 1, Zxid: 6})
	if tr.Digest() != before {
		t.Error("changes below /zookeeper changed the digest")
	}
	tr.SetData(tr.Find(SystemPath), []byte("x"), 1, 5, 5)
	if tr.Digest() == before {
		t.Error("a change of /zookeeper itself did not change the digest")
	}
	if _, code := tr.Create(&Creation{Path: "/zookeeperx", ParentCreates: 1, Zxid: 7}); code != core.OK {
		t.Fatal(code)
	}
	mustCreate(t, tr, Creation{Path: "/zookeeperx/y"})
	m := newModel()
	m.setData("/zookeeper/config", []byte("server.1=a"), 1, 5, 5)
	m.create(Creation{Path: QuotaPath + "/p", ParentCreates: 1, Zxid: 6})
	m.setData("/zookeeper", []byte("x"), 1, 5, 5)
	m.create(Creation{Path: "/zookeeperx", ParentCreates: 1, Zxid: 7})
	m.create(Creation{Path: "/zookeeperx/y", ParentCreates: -1})
	if err := difference(tr, m); err != nil {
		t.Error(err)
	}
}
