package tree

import (
	"bytes"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/zensus-io/zensus/core"
)

// sumOfAll is the digest from nothing but the records.
func (t *Tree) sumOfAll() (sum uint64) {
	t.Walk(Root, func(r Ref, _ int) bool { sum += t.digestOf(r); return true })
	return sum
}

// The digest leaves out the znode that changed last until somebody asks. Whether
// and when somebody asks makes no difference.
func TestDigestIsTheSumOverAllZnodesWheneverItIsAskedFor(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		tr := New()
		paths := []string{"/", "/a", "/b", "/a/x", "/a/y", "/b/x", "/b/x/z", "/zookeeper/quota/a", "/zookeeper/quota/a/zookeeper_stats"}
		for z := core.Zxid(1); z < 600; z++ {
			path := paths[rnd.IntN(len(paths))]
			r := tr.Find(path)
			switch op := rnd.IntN(6); {
			case op < 2:
				tr.Create(&Creation{Path: path, Data: []byte("abc"), Owner: int64(rnd.IntN(2)), ParentCreates: oneMore, Zxid: z, Time: int64(z)})
			case op == 2:
				tr.Delete(path, z)
			case op == 3 && r != None:
				tr.SetData(r, make([]byte, rnd.IntN(200)), int32(z), z, int64(z))
			case op == 4 && r != None:
				tr.SetACL(r, core.ReadACL(), int32(z))
			case op == 5 && path != "/":
				tr.Restore(Persisted{Path: path, Data: []byte("r"), Czxid: z, Mzxid: z + 1, Pzxid: z, Creates: 3})
			}
			if rnd.IntN(3) > 0 {
				continue
			}
			if rnd.IntN(2) == 0 {
				v := tr.View()
				v.Close()
				if got := v.Digest(); got != tr.sumOfAll() {
					t.Fatalf("seed %d, %v: a view's digest is %#x, want %#x", seed, z, got, tr.sumOfAll())
				}
			}
			if got := tr.Digest(); got != tr.sumOfAll() {
				t.Fatalf("seed %d, %v: digest %#x, want %#x", seed, z, got, tr.sumOfAll())
			}
		}
	}
}

// A znode that is deleted while the digest does without it leaves nothing behind,
// and its Ref, used again, is another znode's.
func TestDigestDoesNotMissAZnodeThatIsGone(t *testing.T) {
	tr := New()
	before := tr.Digest()
	r, _ := tr.Create(&Creation{Path: "/a", ParentCreates: 0, Zxid: 1})
	tr.SetData(r, []byte("x"), 1, 2, 2)
	tr.Delete("/a", 0)
	if got := tr.Digest(); got != before {
		t.Errorf("digest %#x, want %#x as before", got, before)
	}
	again, _ := tr.Create(&Creation{Path: "/b", ParentCreates: 0, Zxid: 3})
	if again != r {
		t.Fatalf("Ref %d was to be used again, not %d", r, again)
	}
	tr.SetData(again, []byte("y"), 1, 4, 4)
	if got := tr.Digest(); got != tr.sumOfAll() {
		t.Errorf("digest %#x, want %#x", got, tr.sumOfAll())
	}
}

func TestCRCIsThatOfPathAndDataAtAnySize(t *testing.T) {
	tr := New()
	for _, pathLen := range []int{0, 1, 2, 3, 4, 5, 15, 16, 17, 60, 63, 64, 65, 300} {
		path := strings.Repeat("p", pathLen)
		for _, size := range []int{0, 1, 2, 3, 4, 11, 47, 48, 49, 63, 64, 65, 100, crcCopyMax - 1, crcCopyMax, crcCopyMax + 1, 5000} {
			data := bytes.Repeat([]byte{0xd7}, size)
			if got, want := tr.crcOf(path, data), crc32.ChecksumIEEE(append([]byte(path), data...)); got != want {
				t.Errorf("path of %d, data of %d bytes: %#x, want %#x", pathLen, size, got, want)
			}
			start := crc32.ChecksumIEEE([]byte(path))
			if got, want := continueCRC(start, append(make([]byte, 9), data...), 9), crc32.Update(start, crc32.IEEETable, data); got != want {
				t.Errorf("%d bytes behind a path of %d: %#x, want %#x", size, pathLen, got, want)
			}
		}
	}
}
