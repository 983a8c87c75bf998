package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"testing"

	"github.com/zensus-io/zensus/core"
)

func TestReaderTellsNullFromEmpty(t *testing.T) {
	dst := AppendBuffer(AppendBuffer(AppendBuffer(nil, nil), []byte{}), []byte("x"))
	r := NewReader(dst)
	if b := r.Bytes(); b != nil {
		t.Errorf("null became %q", b)
	}
	if b := r.Bytes(); b == nil || len(b) != 0 {
		t.Errorf("empty became %v", b)
	}
	if b := r.Bytes(); string(b) != "x" || r.Err() != nil || r.Len() != 0 {
		t.Errorf("got %q, %v, %d left", b, r.Err(), r.Len())
	}
}

func TestReaderTakesAnyByteButZeroForTrue(t *testing.T) {
	r := NewReader([]byte{0, 1, 2, 255})
	if r.Bool() || !r.Bool() || !r.Bool() || !r.Bool() {
		t.Error("wrong")
	}
}

func TestReaderIsEmptyAfterAFault(t *testing.T) {
	tests := []struct {
		name  string
		input string // hex
		read  func(*Reader)
	}{
		{"a short int", "000000", func(r *Reader) { r.Int() }},
		{"a short long", "00000000000000", func(r *Reader) { r.Long() }},
		{"no byte", "", func(r *Reader) { r.Byte() }},
		{"a string longer than the input", "00000005 61626364", func(r *Reader) { _ = r.String() }},
		{"the longest string", "7fffffff 61626364", func(r *Reader) { _ = r.String() }},
		{"a length below null", "fffffffe 61626364", func(r *Reader) { r.Bytes() }},
		{"a count that the input cannot hold", "00000002 61626364", func(r *Reader) { r.Count(4) }},
		{"a count that overflows when multiplied", "40000000 61626364", func(r *Reader) { r.Count(12) }},
		{"a count below null", "fffffffe 61626364", func(r *Reader) { r.Count(1) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := NewReader(unhex(t, tt.input))
			tt.read(&r)
			if r.Err() != ErrMalformed || r.Len() != 0 || r.Rest() != nil {
				t.Errorf("%v, %d bytes left", r.Err(), r.Len())
			}
			if r.Int() != 0 || r.Long() != 0 || r.Byte() != 0 || r.Bytes() != nil || r.String() != "" || r.Count(1) != -1 {
				t.Error("something was read after it")
			}
		})
	}
}

func TestVectorOfARequestWithACountBelowNullIsEmpty(t *testing.T) {
	b := AppendInt(AppendInt(AppendInt(nil, -2), math.MinInt32), 7)
	r := NewReader(b)
	if list := DecodeRawACLs(&r); list != nil {
		t.Errorf("access list %v", list)
	}
	if list, ok := DecodeStrings(&r); len(list) != 0 || !ok {
		t.Errorf("strings %v, %v", list, ok)
	}
	if v := r.Int(); v != 7 || r.Err() != nil {
		t.Errorf("behind them %d, %v", v, r.Err())
	}
}

func TestCountKnowsNull(t *testing.T) {
	r := NewReader(unhex(t, "ffffffff 00000000 00000002 6162"))
	if n := r.Count(1); n != -1 || r.Err() != nil {
		t.Errorf("null: %d, %v", n, r.Err())
	}
	if n := r.Count(100); n != 0 || r.Err() != nil {
		t.Errorf("empty: %d, %v", n, r.Err())
	}
	if n := r.Count(1); n != 2 || r.Err() != nil {
		t.Errorf("two: %d, %v", n, r.Err())
	}
}

func TestBytesCannotGrowIntoWhatFollows(t *testing.T) {
	input := AppendInt(AppendBuffer(nil, []byte("ab")), 0x01020304)
	r := NewReader(input)
	b := append(r.Bytes(), 0xff)
	if v := r.Int(); v != 0x01020304 || len(b) != 3 {
		t.Errorf("appending to a decoded buffer changed the next field to %x", v)
	}
}

func TestTrailingBytesOfARequestAreLeftAlone(t *testing.T) {
	r := NewReader(append(AppendPathVersion(nil, "/a", 3), 1, 2, 3))
	if p := DecodePathVersion(&r); string(p.Path) != "/a" || p.Version != 3 || r.Err() != nil || r.Len() != 3 {
		t.Errorf("got %+v, %v, %d left", p, r.Err(), r.Len())
	}
}

func TestNullVectors(t *testing.T) {
	null := unhex(t, "ffffffff")
	r := NewReader(null)
	if acl := DecodeACLs(&r); acl != nil || r.Err() != nil {
		t.Errorf("ACL: %v, %v", acl, r.Err())
	}
	r = NewReader(null)
	if list, ok := DecodeStrings(&r); ok || list != nil || r.Err() != nil {
		t.Errorf("strings: %v, %v, %v", list, ok, r.Err())
	}
	for i := range 3 { // each of the lists in turn
		lists := bytes.Repeat(unhex(t, "00000000"), 3)
		copy(lists[4*i:], null)
		r = NewReader(append(AppendLong(nil, 1), lists...))
		if DecodeSetWatches(&r, OpSetWatches); r.Err() == nil {
			t.Errorf("setWatches accepts null as list %d", i)
		}
	}
}

func TestRawACLTellsNullFromEmpty(t *testing.T) {
	r := NewReader(unhex(t, "00000002 0000001f ffffffff 00000000 00000001 00000000 ffffffff"))
	acl := DecodeRawACLs(&r)
	if r.Err() != nil || len(acl) != 2 || acl[0].Scheme != nil || acl[0].ID == nil || acl[1].Scheme == nil || acl[1].ID != nil {
		t.Errorf("got %+v, %v", acl, r.Err())
	}
}

func TestAConnectResponseHasThirtySixOrThirtySevenBytes(t *testing.T) {
	if n := len(ConnectResponse{}.Append(nil)); n != 36 {
		t.Errorf("%d bytes for an old client", n)
	}
	if n := len(ConnectResponse{HasReadOnly: true}.Append(nil)); n != 37 {
		t.Errorf("%d bytes", n)
	}
}

func TestAServersPasswordOfAnotherLengthIsRefused(t *testing.T) {
	for _, n := range []int{0, 15, 17} {
		frame := AppendInt(AppendInt(nil, 0), 4000)
		frame = AppendBuffer(AppendLong(frame, 7), make([]byte, n))
		if _, err := DecodeConnectResponse(frame); err == nil {
			t.Errorf("%d bytes are accepted", n)
		}
	}
}

func TestSizesAreWhatTheConstantsSay(t *testing.T) {
	for name, got := range map[string][2]int{
		"stat":         {len(AppendStat(nil, &core.Stat{})), StatBytes},
		"reply header": {len(AppendReplyHeader(nil, 0, 0, 0)), ReplyHeaderBytes},
		"multi header": {len(AppendMultiEnd(nil)), MultiHeaderBytes},
		"txn header":   {len(AppendTxnHeader(nil, TxnHeader{})), TxnHeaderBytes},
		"record":       {len((&Record{}).Append(nil)), RecordHeadBytes},
		"ACL entry":    {len(AppendACLs(nil, []core.ACL{{}})) - 4, aclBytesMin},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %d bytes, the constant says %d", name, got[0], got[1])
		}
	}
}

func TestTheBytesOfALogRecordStayAsTheyAre(t *testing.T) {
	r := Record{
		Zxid: core.MakeZxid(3, 4), Kind: RecordConfig, Flags: 5, CommitHint: core.MakeZxid(3, 2), Time: 1_700_000_000_000,
		PrevChain: 0x1122334455667788, DigestVersion: 2, TreeDigest: 0x99, Payload: []byte("hello"),
	}
	want := "0000000300000004 03 05 0000000300000002 0000018bcfe56800 1122334455667788 00000002 0000000000000099 00000005 68656c6c6f"
	if got := r.Append(nil); !bytes.Equal(got, unhex(t, want)) {
		t.Errorf("got  %x\nwant %s", got, want)
	}
}

func TestARecordWithoutPayloadOrOfAnUnknownKindIsRefused(t *testing.T) {
	good := Record{Zxid: 1, Kind: RecordTxn, Payload: []byte{}}
	for name, spoil := range map[string]func([]byte){
		"kind 0":       func(b []byte) { b[8] = 0 },
		"kind 4":       func(b []byte) { b[8] = 4 },
		"null payload": func(b []byte) { copy(b[RecordHeadBytes-4:], []byte{255, 255, 255, 255}) },
		"short":        func(b []byte) { b[RecordHeadBytes-1] = 1 },
	} {
		b := good.Append(nil)
		spoil(b)
		r := NewReader(b)
		if rec := DecodeRecord(&r); r.Err() == nil || rec.Zxid != 0 {
			t.Errorf("%s: accepted as %+v", name, rec)
		}
	}
}

func TestChainHashDependsOnEverythingBefore(t *testing.T) {
	// SHA-256 of the previous hash, the zxid and the payload, cut to 8 bytes:
	// printf '0000000000000001000000010000000261' | xxd -r -p | sha256sum
	const want = 0x5096b83ead9833ad
	if got := ChainHash(1, core.MakeZxid(1, 2), []byte("a")); got != want {
		t.Errorf("got %#x, want %#x", got, uint64(want))
	}
	base := ChainHash(1, 2, []byte("a"))
	if base == ChainHash(2, 2, []byte("a")) || base == ChainHash(1, 3, []byte("a")) || base == ChainHash(1, 2, []byte("b")) {
		t.Error("something does not count")
	}
	for n := 480; n < 520; n++ { // around the size from which the hash is made in pieces
		payload := bytes.Repeat([]byte{7}, n)
		sum := sha256.Sum256(append(AppendLong(AppendLong(nil, 1), 2), payload...))
		if got := ChainHash(1, 2, payload); got != binary.BigEndian.Uint64(sum[:]) {
			t.Fatalf("%d bytes: got %#x", n, got)
		}
	}
}

func TestAnEpochMarkerLeavesTheChainUnchanged(t *testing.T) {
	marker := Record{Zxid: core.MakeZxid(2, 0), Kind: RecordEpoch, PrevChain: 77, Payload: []byte("x")}
	if got := marker.Chain(); got != 77 {
		t.Errorf("got %d", got)
	}
	txn := Record{Zxid: core.MakeZxid(2, 1), Kind: RecordTxn, PrevChain: 77, Payload: []byte("x")}
	if got := txn.Chain(); got != ChainHash(77, txn.Zxid, txn.Payload) {
		t.Errorf("a transaction's is %d", got)
	}
}

func TestOperationsHaveNames(t *testing.T) {
	for op, want := range map[OpCode]string{OpCreate: "create", OpCloseSession: "closeSession", OpError: "error", 0: "0", 50: "50", -12: "-12"} {
		if got := op.String(); got != want {
			t.Errorf("%d: got %s, want %s", int32(op), got, want)
		}
	}
}

func TestHotPathsDoNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 512)
	request := AppendSetData(nil, "/a/b", []byte("data"), 3)
	stat := core.Stat{Czxid: 1}
	payload := make([]byte, 300)
	for name, act := range map[string]func(){
		"decode setData": func() { r := NewReader(request); DecodeSetData(&r) },
		"encode a reply": func() { AppendStat(AppendReplyHeader(buf, 1, 2, core.OK), &stat) },
		"encode a watch": func() { AppendWatcherEvent(AppendReplyHeader(buf, -1, 2, core.OK), core.NodeCreated, "/a/b") },
		"hash a chain":   func() { ChainHash(1, 2, payload) },
	} {
		if n := testing.AllocsPerRun(100, act); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(s), []byte(" "), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func BenchmarkDecodeSetData(b *testing.B) {
	request := AppendSetData(nil, "/services/orders/one", make([]byte, 100), -1)
	b.ReportAllocs()
	for b.Loop() {
		r := NewReader(request)
		DecodeSetData(&r)
	}
}

func BenchmarkEncodeReply(b *testing.B) {
	buf, stat, data := make([]byte, 0, 512), core.Stat{Czxid: 1}, make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		AppendStat(AppendBuffer(AppendReplyHeader(buf, 1, 2, core.OK), data), &stat)
	}
}

func BenchmarkChainHash(b *testing.B) {
	payload := make([]byte, 200)
	b.ReportAllocs()
	for b.Loop() {
		ChainHash(1, 2, payload)
	}
}
