package differential

import (
	"bytes"
	"fmt"
)

var components = []string{"a", "b", "c", "d"}

// path is a path, most often one that may well exist.
func (g *generator) path() []byte {
	switch k := g.rng.IntN(40); {
	case k < 26:
		return []byte(g.root + "/" + g.deep())
	case k < 28:
		return []byte(g.root)
	case k < 31:
		return []byte(g.root + "/" + pick(g, components...) + "/" + fmt.Sprintf("q-%010d", g.rng.IntN(5)))
	case k < 32:
		return []byte(pick(g, "/", "", "/zookeeper", "/zookeeper/quota", "/zookeeper/config", "/zookeeper/none"))
	case k < 34:
		return g.badPath()
	case k < 36 && g.quota:
		return []byte("/zookeeper/quota" + g.root + pick(g, "", "/a", "/b", "/a/x") + "/zookeeper_" + pick(g, "limits", "stats"))
	}
	return []byte(g.root + "/" + pick(g, components...))
}

func (g *generator) deep() string {
	p := pick(g, components...)
	if g.one(2) {
		p += "/" + pick(g, "x", "y")
		if g.one(3) {
			p += "/1"
		}
	}
	return p
}

func (g *generator) badPath() []byte {
	r := g.root
	return pick(g, nil, []byte(""), []byte("abc"), []byte("a/b"), []byte(r+"/"), []byte(r+"/a/"), []byte(r+"//x"), []byte("//"),
		[]byte(r+"/."), []byte(r+"/.."), []byte(r+"/a/./x"), []byte(r+"/a/../b"), []byte(r+"/..."), []byte(r+"/.a"),
		[]byte(r+"/a\x00b"), []byte(r+"/\x01"), []byte(r+"/\x1f"), []byte(r+"/ "), []byte(r+"/\x7f"), []byte(r+"/\u0080"),
		[]byte(r+"/\u009f"), []byte(r+"/\u00a0"), []byte(r+"/\ud7ff"), []byte(r+"/\ue000"), []byte(r+"/\uf8ff"), []byte(r+"/\uf900"),
		[]byte(r+"/\uffef"), []byte(r+"/\ufff0"), []byte(r+"/\uffff"), []byte(r+"/\U0001f600"), []byte(r+"/\xed\xa0\xbd\xed\xb8\x80"),
		[]byte(r+"/\xff"), []byte(r+"/a\xc3"), []byte(r+"/été"), []byte("/zookeeper/"), []byte("/zookeeper/quota/"), []byte(r+"/a/x/1/2/3"))
}

func (g *generator) data() []byte {
	switch g.rng.IntN(12) {
	case 0, 1:
		return nil
	case 2, 3:
		return []byte{}
	case 4:
		return bytes.Repeat([]byte{byte(g.rng.IntN(256))}, g.rng.IntN(3000))
	case 5:
		return []byte("count=" + pick(g, "-1", "3", "0", "") + ",bytes=" + pick(g, "-1", "10", "100"))
	}
	return fmt.Append(nil, g.rng.IntN(100000))
}

func (g *generator) limitsData() []byte {
	kinds := 8
	if g.enforced {
		kinds = 5 // what is no limit is left out (Excluded)
	}
	switch g.rng.IntN(kinds) {
	case 0, 1, 2, 3:
		n := []int{-1, 0, 1, 2, 3, 5, 8, 30, 100}
		return fmt.Appendf(nil, "count=%d,bytes=%d=;byteHardLimit=%d;countHardLimit=%d", pick(g, n...), pick(g, n...), pick(g, n...), pick(g, n...))
	case 4:
		return fmt.Appendf(nil, "count=%d,bytes=%d", g.rng.IntN(4), g.rng.IntN(30))
	case 5:
		return []byte(pick(g, "countHardLimit=2", "byteHardLimit=20", "count=2;bytes=9;countHardLimit=3", "bytes=5,count=1"))
	case 6:
		return []byte(pick(g, "", "nonsense", "count=x,bytes=y", "count=1,bytes", "=", ","))
	}
	return nil
}

func (g *generator) version() int32 {
	switch g.rng.IntN(8) {
	case 0, 1, 2, 3:
		return -1
	case 4:
		return pick[int32](g, -2, 1<<31-1, -1<<31, 100)
	}
	return int32(g.rng.IntN(4))
}

// digests are of u:1, v:2 and of super:test, whom the servers know as super.
var digests = []string{"u:MSSbUxfHgM7O9gj7tEMl+nSDGs8=", "v:CeYvbNM4QGbNauvZ21GPxtryZD0=", "super:D/InIHSb7yEEbrWz8b9l71RjZJU="}

func (g *generator) acl() []rawACL {
	world := rawACL{31, []byte("world"), []byte("anyone")}
	switch k := g.rng.IntN(40); {
	case k < 22:
		return []rawACL{world}
	case k < 23:
		return nil
	case k < 24:
		return []rawACL{}
	case k < 26:
		return []rawACL{world, world, {1, []byte("digest"), []byte(digests[0])}, world}
	case k < 28:
		return []rawACL{{int32(g.rng.IntN(32)), []byte("world"), []byte("anyone")}}
	case k < 30:
		return []rawACL{{31, []byte("auth"), pick(g, nil, []byte(""), []byte("x"))}}
	}
	list := make([]rawACL, 1+g.rng.IntN(2))
	for i := range list {
		list[i] = g.entry()
	}
	return list
}

func (g *generator) entry() rawACL {
	perms := pick[int32](g, 31, 31, 1, 2, 4, 8, 16, 3, 0, 32, -1, 1<<30)
	ip := func() string {
		return pick(g, "127.0.0.1", "127.0.0.1/8", "10.0.0.1", "10.0.0", "127.0.0.1/33", "127.0.0.1/0", "127.0.0.1/-1", "127.0.0.1/x",
			"256.0.0.1", "1.2.3.4.5", "", "/", "127.0.0.1/", "::1/129", "127.0.0.1/8/8", "0.0.0.0/0", "1.2.3.04", " 127.0.0.1")
	}
	digest := func() string {
		if g.one(2) {
			return pick(g, digests...)
		}
		return pick(g, "bob:", ":x", "a:b:c", "a:b:", "bob", "", ":", "::", "a:b", "ünï:x", "a :b")
	}
	switch g.rng.IntN(12) {
	case 0, 1, 2, 3, 4:
		return rawACL{perms, []byte("digest"), []byte(digest())}
	case 5, 6, 7:
		return rawACL{perms, []byte("ip"), []byte(ip())}
	case 8:
		return rawACL{perms, []byte("world"), []byte(pick(g, "anyone", "Anyone", "", "x"))}
	case 9:
		return rawACL{perms, []byte("auth"), []byte("")}
	case 10:
		return rawACL{perms, []byte(pick(g, "sasl", "x509", "super", "nonsense", "", "World", "ensemble", "zensus")), []byte(pick(g, "x", "", "node", "CN=x"))}
	}
	return pick(g, rawACL{perms, nil, []byte("x")}, rawACL{perms, []byte("world"), nil}, rawACL{perms, []byte("digest"), nil},
		rawACL{perms, []byte("ip"), nil}, rawACL{perms, nil, nil})
}

func (g *generator) flags() int32 {
	if g.one(12) {
		return pick[int32](g, 7, 8, -1, 100, 1<<31-1, -1<<31)
	}
	return pick[int32](g, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6)
}

func (g *generator) ttl() int64 {
	return pick[int64](g, 1, 1000, 3_600_000, 1<<40-1, 1<<40, 0, -1, -2, 1<<62, -1<<63, 1<<41+5)
}
