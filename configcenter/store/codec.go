package store

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/zensus-io/zensus/configcenter"
)

// formatVersion is the first byte of every value that this package writes.
const formatVersion = 1

// formatGray is that of a history entry about a gray version.
const formatGray = 2

// formatRestored is that of an entry that went back to another one: what follows is the
// number of that, and an entry of either kind.
const formatRestored = 3

// contentBytesMax is the largest content that a value may claim to have. It is
// above every limit that can be set for publishing.
const contentBytesMax = 64 << 20

var errFormat = errors.New("malformed value")

// The kinds of values at the path of an item.
const (
	kindPlace = 0 // a place for pieces and gray versions: there is no config (yet)
	kindItem  = 1
	kindGray  = 2 // below it
)

// place is the value of a place.
func place() []byte { return []byte{formatVersion, kindPlace} }

// body is where a content is: inline, or in the pieces of a stage.
type body struct {
	size   int // bytes that are kept
	chunks int // pieces; 0: it is inline
	stage  stage
	inline []byte
}

// header is what an item's znode says.
type header struct {
	isPlace bool
	item    configcenter.Item // without Key, Content, Revision and ID
	body    body
}

// encodeItem is the value of an item's znode, whose content is inline or, if it is
// too long for that, in pieces of stage st.
func encodeItem(it *configcenter.Item, st stage) []byte {
	return appendItem([]byte{formatVersion, kindItem}, it, st)
}

// encodeGray is the value of a gray version's znode, likewise.
func encodeGray(g *configcenter.Gray, st stage) []byte {
	b := appendRule([]byte{formatVersion, kindGray}, &g.Rule)
	return appendItem(b, g.Item, st)
}

func appendRule(b []byte, r *configcenter.Rule) []byte {
	return binary.AppendVarint(appendStrings(b, string(r.Type), r.Expr), int64(r.Priority))
}

func appendItem(b []byte, it *configcenter.Item, st stage) []byte {
	b = slices.Grow(b, 256+len(it.Schema)+min(len(it.Content), ChunkBytes))
	b = appendSum(b, it.MD5)
	b = binary.AppendVarint(b, it.Created)
	b = binary.AppendVarint(b, it.Modified)
	b = appendAttributes(b, &it.Attributes)
	b = appendStrings(b, it.CreatedBy.IP, it.CreatedBy.User, it.ChangedBy.IP, it.ChangedBy.User)
	return appendBody(b, it.Content, ChunkBytes, st)
}

// decodeItem reads the value of an item's znode.
func decodeItem(value []byte) (h header, err error) {
	r := reader{b: value}
	r.version()
	switch r.byte() {
	case kindPlace:
		return header{isPlace: true}, r.err
	case kindItem:
	default:
		r.fail()
	}
	r.item(&h)
	if r.err != nil {
		return header{}, fmt.Errorf("item: %w", r.err)
	}
	return h, nil
}

// decodeGray reads the value of a gray version's znode.
func decodeGray(value []byte) (h header, rule configcenter.Rule, err error) {
	r := reader{b: value}
	r.version()
	if r.byte() != kindGray {
		r.fail()
	}
	r.rule(&rule)
	r.item(&h)
	if r.err != nil {
		return header{}, configcenter.Rule{}, fmt.Errorf("gray version: %w", r.err)
	}
	return h, rule, nil
}

func (r *reader) rule(to *configcenter.Rule) {
	var kind string
	r.strings(&kind, &to.Expr)
	to.Type = configcenter.RuleType(kind)
	priority := r.varint()
	if priority != int64(int32(priority)) {
		r.fail()
	}
	to.Priority = int32(priority)
}

// item reads what appendItem wrote.
func (r *reader) item(h *header) {
	h.item.MD5 = r.sum()
	h.item.Created = r.varint()
	h.item.Modified = r.varint()
	r.attributes(&h.item.Attributes)
	r.strings(&h.item.CreatedBy.IP, &h.item.CreatedBy.User, &h.item.ChangedBy.IP, &h.item.ChangedBy.User)
	h.body = r.body(ChunkBytes)
}

// The ways in which an entry keeps its content.
const (
	packedRaw   = 0
	packedFlate = 1
)

// entryHeader is what an entry's znode says.
type entryHeader struct {
	entry  configcenter.Entry // without Key, Seq, Zxid and Content
	size   int                // bytes of content
	packed byte               // how it is kept
	body   body
}

// encodeEntry is the value of an entry's znode, whose content is in p.
func encodeEntry(e *configcenter.Entry, p parcel, st stage) []byte {
	b := make([]byte, 0, 256+len(e.Schema)+min(len(p.stored), entryInlineBytes))
	if e.Restored != 0 {
		b = binary.AppendUvarint(append(b, formatRestored), e.Restored)
	}
	version := byte(formatVersion)
	if e.Gray != "" {
		version = formatGray
	}
	b = append(b, version, byte(e.Op), p.packed)
	b = binary.AppendUvarint(b, uint64(len(e.Content)))
	b = appendSum(b, e.MD5)
	b = binary.AppendVarint(b, e.Time)
	b = appendAttributes(b, &e.Attributes)
	b = appendStrings(b, e.Origin.IP, e.Origin.User)
	if e.Gray != "" {
		b = appendRule(appendStrings(b, e.Gray), &e.Rule)
	}
	return appendBody(b, p.stored, entryInlineBytes, st)
}

// decodeEntry reads the value of an entry's znode.
func decodeEntry(value []byte) (h entryHeader, err error) {
	r := reader{b: value}
	if len(value) > 0 && value[0] == formatRestored {
		r.b = r.b[1:]
		h.entry.Restored = r.uvarint()
	}
	gray := len(r.b) > 0 && r.b[0] == formatGray
	if gray {
		r.b = r.b[1:]
	} else {
		r.version()
	}
	h.entry.Op = configcenter.ChangeOp(r.byte())
	h.packed = r.byte()
	h.size = r.count(contentBytesMax)
	h.entry.MD5 = r.sum()
	h.entry.Time = r.varint()
	r.attributes(&h.entry.Attributes)
	r.strings(&h.entry.Origin.IP, &h.entry.Origin.User)
	if gray {
		r.strings(&h.entry.Gray)
		r.rule(&h.entry.Rule)
	}
	h.body = r.body(entryInlineBytes)
	if r.err == nil && (!h.entry.Op.Valid() || h.packed > packedFlate || h.packed == packedRaw && h.body.size != h.size) {
		r.fail()
	}
	if r.err != nil {
		return entryHeader{}, fmt.Errorf("history entry: %w", r.err)
	}
	return h, nil
}

// appendBody writes what is kept of a content, or where it is.
func appendBody(b []byte, stored string, inlineMax int, st stage) []byte {
	b = binary.AppendUvarint(b, uint64(len(stored)))
	if len(stored) <= inlineMax {
		return append(b, stored...)
	}
	return binary.BigEndian.AppendUint64(b, uint64(st))
}

// split cuts what is longer than inlineMax.
func split(stored string, inlineMax int) []string {
	if len(stored) <= inlineMax {
		return nil
	}
	var chunks []string
	for len(stored) > ChunkBytes {
		chunks = append(chunks, stored[:ChunkBytes])
		stored = stored[ChunkBytes:]
	}
	return append(chunks, stored)
}

// writers are compressors to be used again: each holds some 1.2 MB. Speed counts
// more than size: a publisher waits for it.
var writers = sync.Pool{New: func() any {
	w, err := flate.NewWriter(io.Discard, flate.BestSpeed)
	if err != nil { // only for a level that does not exist
		panic(err)
	}
	return w
}}

// parcel is a content as an entry keeps it, and what it says of it.
type parcel struct {
	packed   byte
	stored   string
	restored uint64 // see configcenter.Entry
}

// pack compresses content if that makes it shorter.
func pack(content string) parcel {
	w := writers.Get().(*flate.Writer)
	defer writers.Put(w)
	var b bytes.Buffer
	b.Grow(len(content)/2 + 64)
	w.Reset(&b)
	_, err := w.Write(configcenter.Bytes(content))
	if err == nil {
		err = w.Close()
	}
	if err != nil || b.Len() >= len(content) {
		return parcel{packed: packedRaw, stored: content}
	}
	return parcel{packed: packedFlate, stored: b.String()}
}

// unpack undoes pack. It never yields more than size bytes.
func unpack(packed byte, stored []byte, size int) (string, error) {
	if packed == packedRaw {
		return string(stored), nil
	}
	r := flate.NewReader(bytes.NewReader(stored))
	defer r.Close()
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.LimitReader(r, int64(size)+1)); err != nil {
		return "", fmt.Errorf("history entry: %w", err)
	}
	if b.Len() != size {
		return "", fmt.Errorf("history entry: %d bytes unpacked, want %d: %w", b.Len(), size, errFormat)
	}
	return b.String(), nil
}

// appendSum writes an md5: 0 for none, or 1 and its 16 bytes.
func appendSum(b []byte, sum string) []byte {
	raw, err := hex.DecodeString(sum)
	if err != nil || len(raw) != 16 {
		return append(b, 0)
	}
	return append(append(b, 1), raw...)
}

func appendAttributes(b []byte, a *configcenter.Attributes) []byte {
	return appendStrings(b, a.Type, a.AppName, a.Tags, a.Desc, a.Use, a.Effect, a.Schema, a.EncryptedDataKey)
}

func appendStrings(b []byte, ss ...string) []byte {
	for _, s := range ss {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

// reader takes a value apart. After the first fault it yields zero values.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail() {
	if r.err == nil {
		r.err = errFormat
	}
	r.b = nil
}

func (r *reader) version() {
	if v := r.byte(); r.err == nil && v != formatVersion {
		r.err = fmt.Errorf("format version %d is unknown: %w", v, errFormat)
		r.b = nil
	}
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) count(limit int) int {
	n, size := binary.Uvarint(r.b)
	if size <= 0 || n > uint64(limit) {
		r.fail()
		return 0
	}
	r.b = r.b[size:]
	return int(n)
}

func (r *reader) uvarint() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) varint() int64 {
	n, size := binary.Varint(r.b)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) sum() string {
	switch r.byte() {
	case 0:
		return ""
	case 1:
	default:
		r.fail()
	}
	if len(r.b) < 16 {
		r.fail()
		return ""
	}
	s := hex.EncodeToString(r.b[:16])
	r.b = r.b[16:]
	return s
}

// body reads what appendBody wrote; it is the last thing in a value.
func (r *reader) body(inlineMax int) (b body) {
	b.size = r.count(contentBytesMax)
	switch {
	case r.err != nil:
	case b.size <= inlineMax:
		b.inline = r.b
		if len(r.b) != b.size {
			r.fail()
		}
	case len(r.b) != 8:
		r.fail()
	default:
		b.chunks = (b.size + ChunkBytes - 1) / ChunkBytes
		b.stage = stage(binary.BigEndian.Uint64(r.b))
	}
	return b
}

func (r *reader) attributes(a *configcenter.Attributes) {
	r.strings(&a.Type, &a.AppName, &a.Tags, &a.Desc, &a.Use, &a.Effect, &a.Schema, &a.EncryptedDataKey)
}

func (r *reader) strings(to ...*string) {
	for _, s := range to {
		n := r.count(len(r.b))
		if n > len(r.b) { // the length itself took some
			r.fail()
			n = 0
		}
		*s = string(r.b[:n])
		r.b = r.b[n:]
	}
}
