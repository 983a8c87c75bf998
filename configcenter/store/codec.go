package store

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/zensus-io/zensus/configcenter"
)

// formatVersion is the first byte of every value that this package writes.
const formatVersion = 1

// contentBytesMax is the largest content that a value may claim to have. It is
// above every limit that can be set for publishing.
const contentBytesMax = 64 << 20

// chunksMax follows from it.
const chunksMax = contentBytesMax / ChunkBytes

var errFormat = errors.New("malformed value")

// header is what an item's znode says of its content.
type header struct {
	item   configcenter.Item // without Key, Content, Revision and ID
	size   int               // bytes of content
	chunks int               // znodes that hold it; 0: it is inline
	inline []byte
}

// encodeItem is the value of an item's znode and what its chunks hold.
func encodeItem(it *configcenter.Item) (value []byte, chunks []string) {
	chunks = split(it.Content)
	b := make([]byte, 0, 256+len(it.Schema)+min(len(it.Content), ChunkBytes))
	b = append(b, formatVersion)
	b = binary.AppendUvarint(b, uint64(len(chunks)))
	b = binary.AppendUvarint(b, uint64(len(it.Content)))
	b = appendSum(b, it.MD5)
	b = binary.AppendVarint(b, it.Created)
	b = binary.AppendVarint(b, it.Modified)
	b = appendAttributes(b, &it.Attributes)
	b = appendStrings(b, it.CreatedBy.IP, it.CreatedBy.User, it.ChangedBy.IP, it.ChangedBy.User)
	if len(chunks) == 0 {
		b = append(b, it.Content...)
	}
	return b, chunks
}

// decodeItem reads the value of an item's znode.
func decodeItem(value []byte) (h header, err error) {
	r := reader{b: value}
	r.version()
	h.chunks = r.count(chunksMax)
	h.size = r.count(contentBytesMax)
	h.item.MD5 = r.sum()
	h.item.Created = r.varint()
	h.item.Modified = r.varint()
	r.attributes(&h.item.Attributes)
	r.strings(&h.item.CreatedBy.IP, &h.item.CreatedBy.User, &h.item.ChangedBy.IP, &h.item.ChangedBy.User)
	if r.err != nil {
		return header{}, r.err
	}
	if h.chunks != chunkCount(h.size) || h.chunks == 0 && len(r.b) != h.size || h.chunks > 0 && len(r.b) != 0 {
		return header{}, fmt.Errorf("item of %d bytes in %d chunks: %w", h.size, h.chunks, errFormat)
	}
	h.inline = r.b
	return h, nil
}

// The ways in which an entry keeps its content.
const (
	packedRaw   = 0
	packedFlate = 1
)

// entryHeader is what an entry's znode says of its content.
type entryHeader struct {
	entry  configcenter.Entry // without Key, Seq, Zxid and Content
	size   int                // bytes of content
	packed byte               // how it is kept
	stored int                // bytes that are kept
	chunks int
	inline []byte
}

// encodeEntry is the value of an entry's znode and what its chunks hold.
func encodeEntry(e *configcenter.Entry) (value []byte, chunks []string) {
	packed, stored := pack(e.Content)
	chunks = split(stored)
	b := make([]byte, 0, 256+len(e.Schema)+min(len(stored), ChunkBytes))
	b = append(b, formatVersion, byte(e.Op), packed)
	b = binary.AppendUvarint(b, uint64(len(chunks)))
	b = binary.AppendUvarint(b, uint64(len(e.Content)))
	b = binary.AppendUvarint(b, uint64(len(stored)))
	b = appendSum(b, e.MD5)
	b = binary.AppendVarint(b, e.Time)
	b = appendAttributes(b, &e.Attributes)
	b = appendStrings(b, e.Origin.IP, e.Origin.User)
	if len(chunks) == 0 {
		b = append(b, stored...)
	}
	return b, chunks
}

// decodeEntry reads the value of an entry's znode.
func decodeEntry(value []byte) (h entryHeader, err error) {
	r := reader{b: value}
	r.version()
	h.entry.Op = configcenter.ChangeOp(r.byte())
	h.packed = r.byte()
	h.chunks = r.count(chunksMax)
	h.size = r.count(contentBytesMax)
	h.stored = r.count(contentBytesMax)
	h.entry.MD5 = r.sum()
	h.entry.Time = r.varint()
	r.attributes(&h.entry.Attributes)
	r.strings(&h.entry.Origin.IP, &h.entry.Origin.User)
	if r.err != nil {
		return entryHeader{}, r.err
	}
	if !h.entry.Op.Valid() || h.packed > packedFlate || h.packed == packedRaw && h.stored != h.size ||
		h.chunks != chunkCount(h.stored) || h.chunks == 0 && len(r.b) != h.stored || h.chunks > 0 && len(r.b) != 0 {
		return entryHeader{}, fmt.Errorf("history entry: %w", errFormat)
	}
	h.inline = r.b
	return h, nil
}

// split cuts content that is too long for one znode.
func split(content string) []string {
	if len(content) <= ChunkBytes {
		return nil
	}
	chunks := make([]string, 0, chunkCount(len(content)))
	for len(content) > ChunkBytes {
		chunks = append(chunks, content[:ChunkBytes])
		content = content[ChunkBytes:]
	}
	return append(chunks, content)
}

func chunkCount(size int) int {
	if size <= ChunkBytes {
		return 0
	}
	return (size + ChunkBytes - 1) / ChunkBytes
}

// pack compresses content if that makes it shorter.
func pack(content string) (packed byte, stored string) {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.DefaultCompression)
	if err == nil {
		_, err = io.WriteString(w, content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil || b.Len() >= len(content) {
		return packedRaw, content
	}
	return packedFlate, b.String()
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
		r.err = fmt.Errorf("format version %d is unknown", v)
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
