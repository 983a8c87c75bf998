package wire

import (
	"bytes"
	"encoding/binary"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"runtime/metrics"
	"strings"
	"testing"

	"github.com/zensus-io/zensus/core"
)

// fuzzDecoder checks a decoder on hostile bytes: it never panics; it allocates
// no more than a multiple of its input; after a fault nothing is left to read;
// and what it decodes is the same when it has been encoded and decoded again.
// encode says ok = false for a value that only a peer can send, such as one with
// a null path. It must not touch what decode returned.
func fuzzDecoder[T any](f *testing.F, decode func(*Reader) T, encode func(x T) (again []byte, ok bool), seeds ...[]byte) {
	f.Helper()
	for _, seed := range append(seeds, hostile...) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		r, x, n := measured(input, decode)
		limit := uint64(slackBytes + factor*len(input))
		for try := 0; n > limit && try < 4; try++ { // others in the process allocate, too
			r, x, n = measured(input, decode)
		}
		if n > limit {
			t.Fatalf("%d bytes of input made it allocate %d", len(input), n)
		}
		if r.Err() != nil {
			if r.Len() != 0 {
				t.Fatalf("%d bytes can be read after a fault", r.Len())
			}
			return
		}
		again, ok := encode(x)
		if !ok {
			return
		}
		r = NewReader(again)
		y := decode(&r)
		if r.Err() != nil || r.Len() != 0 {
			t.Fatalf("%+v became %x: %v, %d bytes left", x, again, r.Err(), r.Len())
		}
		if !reflect.DeepEqual(x, y) {
			t.Fatalf("%+v became %+v", x, y)
		}
		if once, _ := encode(y); !bytes.Equal(once, again) {
			t.Fatalf("%x became %x", again, once)
		}
	})
}

// The most that a decoder may allocate: the elements of a vector take up to five
// times the bytes that they need on the wire, and the runtime rounds up and
// counts its own in spans.
const (
	factor     = 16
	slackBytes = 512 << 10
)

// measured decodes an input, and tells what was allocated meanwhile.
func measured[T any](input []byte, decode func(*Reader) T) (r Reader, x T, bytes uint64) {
	before := allocated()
	r = NewReader(input)
	x = decode(&r)
	return r, x, allocated() - before
}

func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// hostile are inputs whose counts and lengths promise far more than there is.
var hostile = func() [][]byte {
	var seeds [][]byte
	seeds = append(seeds, nil, make([]byte, 128))
	for _, n := range []uint32{0x7fffffff, 0x20000000, 0x00100000, 0x80000000, 0xffffffff, 0xfffffffe, 1} {
		one := binary.BigEndian.AppendUint32(nil, n)
		seeds = append(seeds, bytes.Repeat(one, 20))
		for _, at := range []int{4, 8, 12, 16} {
			seeds = append(seeds, append(make([]byte, at), bytes.Repeat(one, 4)...))
		}
	}
	return seeds
}()

func FuzzDecodeConnectRequest(f *testing.F) {
	fuzzDecoder(f, func(r *Reader) ConnectRequest { return whole(r, DecodeConnectRequest) },
		func(c ConnectRequest) ([]byte, bool) { return c.Append(nil), true },
		ConnectRequest{TimeoutMillis: 10_000, Password: make([]byte, 16)}.Append(nil),
		ConnectRequest{SessionID: -7, HasReadOnly: true, ReadOnly: true}.Append(nil))
}

func FuzzDecodeConnectResponse(f *testing.F) {
	fuzzDecoder(f, func(r *Reader) ConnectResponse { return whole(r, DecodeConnectResponse) },
		func(c ConnectResponse) ([]byte, bool) { return c.Append(nil), true },
		ConnectResponse{TimeoutMillis: 10_000, SessionID: 1}.Append(nil),
		ConnectResponse{HasReadOnly: true}.Append(nil))
}

// whole lets a decoder of a whole frame read from a Reader.
func whole[T any](r *Reader, decode func([]byte) (T, error)) T {
	x, err := decode(r.Rest())
	if r.buf = nil; err != nil {
		r.Fail()
	}
	return x
}

func FuzzDecodeRequestHeader(f *testing.F) {
	fuzzDecoder(f, DecodeRequestHeader,
		func(h RequestHeader) ([]byte, bool) { return AppendRequestHeader(nil, h.Xid, h.Op), true })
}

func FuzzDecodeReplyHeader(f *testing.F) {
	fuzzDecoder(f, DecodeReplyHeader,
		func(h ReplyHeader) ([]byte, bool) { return AppendReplyHeader(nil, h.Xid, h.Zxid, h.Err), true })
}

func FuzzDecodeWatcherEvent(f *testing.F) {
	fuzzDecoder(f, DecodeWatcherEvent, func(e WatcherEvent) ([]byte, bool) {
		return AppendWatcherEvent(nil, e.Type, e.Path), e.State == StateSyncConnected
	}, AppendWatcherEvent(nil, core.NodeDeleted, "/a"))
}

func FuzzDecodeStat(f *testing.F) {
	fuzzDecoder(f, DecodeStat, func(s core.Stat) ([]byte, bool) { return AppendStat(nil, &s), true })
}

func FuzzDecodeRawACLs(f *testing.F) {
	fuzzDecoder(f, DecodeRawACLs, func(acl []RawACL) ([]byte, bool) {
		return AppendACLs(nil, plain(acl)), noNullACL(acl)
	}, AppendACLs(nil, core.OpenACL()))
}

func FuzzDecodeACLs(f *testing.F) {
	fuzzDecoder(f, DecodeACLs, func(acl []core.ACL) ([]byte, bool) { return AppendACLs(nil, acl), true },
		AppendACLs(nil, append(core.OpenACL(), core.NodeACL()...)))
}

func noNullACL(acl []RawACL) bool {
	for _, a := range acl {
		if a.Scheme == nil || a.ID == nil {
			return false
		}
	}
	return true
}

func FuzzDecodeStrings(f *testing.F) {
	type result struct {
		List []string
		OK   bool
	}
	fuzzDecoder(f, func(r *Reader) result {
		list, ok := DecodeStrings(r)
		return result{list, ok}
	}, func(x result) ([]byte, bool) { return AppendStrings(nil, x.List), x.OK },
		AppendStrings(nil, []string{"/a", "", "/b"}), AppendStrings(nil, nil))
}

func FuzzDecodePathWatch(f *testing.F) {
	fuzzDecoder(f, DecodePathWatch, func(p PathWatch) ([]byte, bool) {
		return AppendPathWatch(nil, string(p.Path), p.Watch), p.Path != nil
	}, AppendPathWatch(nil, "/a", true))
}

func FuzzDecodePathVersion(f *testing.F) {
	fuzzDecoder(f, DecodePathVersion, func(p PathVersion) ([]byte, bool) {
		return AppendPathVersion(nil, string(p.Path), p.Version), p.Path != nil
	}, AppendPathVersion(nil, "/a", -1))
}

func FuzzDecodePathMode(f *testing.F) {
	fuzzDecoder(f, DecodePathMode, func(p PathMode) ([]byte, bool) {
		return AppendPathMode(nil, string(p.Path), p.Mode), p.Path != nil
	}, AppendPathMode(nil, "/a", 1))
}

func FuzzDecodeSetData(f *testing.F) {
	fuzzDecoder(f, DecodeSetData, func(s SetData) ([]byte, bool) {
		return AppendSetData(nil, string(s.Path), s.Data, s.Version), s.Path != nil
	}, AppendSetData(nil, "/a", nil, 3), AppendSetData(nil, "/a", []byte{}, 3))
}

func FuzzDecodeSetACL(f *testing.F) {
	fuzzDecoder(f, DecodeSetACL, func(s SetACL) ([]byte, bool) {
		return AppendSetACL(nil, string(s.Path), plain(s.ACL), s.Version), s.Path != nil && noNullACL(s.ACL)
	}, AppendSetACL(nil, "/a", core.OpenACL(), 1))
}

func FuzzDecodeCreate(f *testing.F) {
	type both struct{ Create, TTL Create }
	encode := func(op OpCode, c Create) ([]byte, bool) {
		return AppendCreate(nil, op, string(c.Path), c.Data, plain(c.ACL), c.Flags, c.TTL), c.Path != nil && noNullACL(c.ACL)
	}
	fuzzDecoder(f, func(r *Reader) both {
		return both{DecodeCreate(r, OpCreate2), DecodeCreate(r, OpCreateTTL)}
	}, func(b both) ([]byte, bool) {
		first, ok1 := encode(OpCreate2, b.Create)
		second, ok2 := encode(OpCreateTTL, b.TTL)
		return append(first, second...), ok1 && ok2
	}, AppendCreate(AppendCreate(nil, OpCreate, "/a", []byte("x"), core.OpenACL(), 3, -1), OpCreateTTL, "/b", nil, core.ReadACL(), 5, 1000))
}

func FuzzDecodeMultiHeader(f *testing.F) {
	fuzzDecoder(f, DecodeMultiHeader, func(h MultiHeader) ([]byte, bool) {
		return AppendMultiHeader(nil, h.Op, h.Done, h.Err), true
	}, AppendMultiEnd(nil))
}

func FuzzDecodeReconfig(f *testing.F) {
	fuzzDecoder(f, DecodeReconfig, func(c Reconfig) ([]byte, bool) { return c.Append(nil), true },
		(&Reconfig{Joining: []byte("server.4=a:1:2;3"), Leaving: []byte{}, CurConfigID: -1}).Append(nil))
}

func FuzzDecodeAuth(f *testing.F) {
	fuzzDecoder(f, DecodeAuth, func(a Auth) ([]byte, bool) {
		return AppendAuth(nil, string(a.Scheme), a.Auth), a.Type == 0 && a.Scheme != nil
	}, AppendAuth(nil, "digest", []byte("bob:secret")))
}

func FuzzDecodeSetWatches(f *testing.F) {
	type both struct{ Old, New SetWatches }
	s := SetWatches{RelativeZxid: 7, Data: []string{"/a"}, Exist: []string{}, Child: []string{"/b", "/c"}, Persistent: []string{"/"}, PersistentRecurs: []string{}}
	fuzzDecoder(f, func(r *Reader) both {
		return both{DecodeSetWatches(r, OpSetWatches), DecodeSetWatches(r, OpSetWatches2)}
	}, func(b both) ([]byte, bool) {
		return b.New.Append(b.Old.Append(nil, OpSetWatches), OpSetWatches2), true
	}, s.Append(s.Append(nil, OpSetWatches), OpSetWatches2))
}

func FuzzDecodeTxnHeader(f *testing.F) {
	fuzzDecoder(f, DecodeTxnHeader, func(h TxnHeader) ([]byte, bool) { return AppendTxnHeader(nil, h), true })
}

func FuzzDecodeCreateTxn(f *testing.F) {
	type all struct{ Plain, Container, TTL CreateTxn }
	ops := []OpCode{OpCreate, OpCreateContainer, OpCreateTTL}
	var seed []byte
	for _, op := range ops {
		seed = AppendCreateTxn(seed, op, "/a", []byte("x"), core.OpenACL(), true, 9, 1000)
	}
	fuzzDecoder(f, func(r *Reader) all {
		return all{DecodeCreateTxn(r, ops[0]), DecodeCreateTxn(r, ops[1]), DecodeCreateTxn(r, ops[2])}
	}, func(x all) (again []byte, ok bool) {
		ok = true
		for i, c := range []CreateTxn{x.Plain, x.Container, x.TTL} {
			again = AppendCreateTxn(again, ops[i], string(c.Path), c.Data, c.ACL, c.Ephemeral, c.ParentCreates, c.TTL)
			ok = ok && c.Path != nil
		}
		return again, ok
	}, seed)
}

func FuzzDecodeSetDataTxn(f *testing.F) {
	fuzzDecoder(f, DecodeSetDataTxn, func(s SetDataTxn) ([]byte, bool) {
		return AppendSetData(nil, string(s.Path), s.Data, s.Version), s.Path != nil
	}, AppendSetData(nil, "/a", []byte("x"), 4))
}

func FuzzDecodeSetACLTxn(f *testing.F) {
	fuzzDecoder(f, DecodeSetACLTxn, func(s SetACLTxn) ([]byte, bool) {
		return AppendSetACL(nil, string(s.Path), s.ACL, s.Version), s.Path != nil
	}, AppendSetACL(nil, "/a", core.OpenACL(), 2))
}

func FuzzDecodeSubTxn(f *testing.F) {
	encode := func(s SubTxn) ([]byte, bool) {
		dst, mark := AppendSubTxnStart(nil, s.Op)
		dst = append(dst, s.Body...)
		EndSubTxn(dst, mark)
		return dst, s.Body != nil
	}
	seed, _ := encode(SubTxn{OpCheck, AppendPathVersion(nil, "/a", 1)})
	fuzzDecoder(f, DecodeSubTxn, encode, seed)
}

func FuzzDecodeRecord(f *testing.F) {
	r := Record{Zxid: 1<<32 | 7, Kind: RecordTxn, CommitHint: 1<<32 | 5, Time: 12, PrevChain: 1 << 63, Payload: []byte("txn"), DigestVersion: 1, TreeDigest: 99}
	fuzzDecoder(f, DecodeRecord, func(rec Record) ([]byte, bool) { return rec.Append(nil), true },
		r.Append(nil), (&Record{Zxid: 2 << 32, Kind: RecordEpoch, Payload: []byte{}}).Append(nil))
}

// TestEveryDecoderIsFuzzed reads the package itself: a decoder that is added
// without a fuzz test fails here.
func TestEveryDecoderIsFuzzed(t *testing.T) {
	decoders, tests := map[string]bool{}, map[string]bool{}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			switch name := fn.Name.Name; {
			case strings.HasPrefix(name, "Decode"):
				decoders[name] = true
			case strings.HasPrefix(name, "FuzzDecode"):
				tests[strings.TrimPrefix(name, "Fuzz")] = true
			}
		}
	}
	if len(decoders) < 20 {
		t.Fatalf("found only %d decoders", len(decoders))
	}
	for name := range decoders {
		if !tests[name] {
			t.Errorf("%s has no Fuzz%s", name, name)
		}
	}
	for name := range tests {
		if !decoders[name] {
			t.Errorf("Fuzz%s fuzzes nothing", name)
		}
	}
}
