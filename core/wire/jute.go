package wire

import (
	"encoding/binary"
	"errors"
	"unsafe"
)

// ErrMalformed is the Err of a Reader whose input was too short or held an
// impossible length.
var ErrMalformed = errors.New("malformed record")

// AppendInt appends a big-endian int.
func AppendInt(dst []byte, v int32) []byte { return binary.BigEndian.AppendUint32(dst, uint32(v)) }

// AppendLong appends a big-endian long.
func AppendLong(dst []byte, v int64) []byte { return binary.BigEndian.AppendUint64(dst, uint64(v)) }

// AppendBool appends 1 or 0.
func AppendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// AppendString appends a ustring.
func AppendString(dst []byte, s string) []byte {
	dst = AppendInt(dst, int32(len(s)))
	return append(dst, s...)
}

// AppendBuffer appends a buffer; nil is written as null (length -1).
func AppendBuffer(dst, b []byte) []byte {
	if b == nil {
		return AppendInt(dst, -1)
	}
	dst = AppendInt(dst, int32(len(b)))
	return append(dst, b...)
}

// PutInt overwrites four bytes at the start of dst.
func PutInt(dst []byte, v int32) { binary.BigEndian.PutUint32(dst, uint32(v)) }

// Reader decodes jute from a byte slice. The zero value reads nothing.
type Reader struct {
	buf []byte
	err error
}

// NewReader reads from buf, which must stay unchanged as long as its results are used.
func NewReader(buf []byte) Reader { return Reader{buf: buf} }

// Err is nil or ErrMalformed.
func (r *Reader) Err() error { return r.err }

// Rest is what has not been read.
func (r *Reader) Rest() []byte { return r.buf }

// Len is the number of bytes that have not been read.
func (r *Reader) Len() int { return len(r.buf) }

// Fail makes every further read yield zero values.
func (r *Reader) Fail() {
	r.err = ErrMalformed
	r.buf = nil
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if len(r.buf) < 1 {
		r.Fail()
		return 0
	}
	b := r.buf[0]
	r.buf = r.buf[1:]
	return b
}

// Bool reads a boolean: any byte but 0 is true.
func (r *Reader) Bool() bool { return r.Byte() != 0 }

// Int reads an int.
func (r *Reader) Int() int32 {
	if len(r.buf) < 4 {
		r.Fail()
		return 0
	}
	v := int32(binary.BigEndian.Uint32(r.buf))
	r.buf = r.buf[4:]
	return v
}

// Long reads a long.
func (r *Reader) Long() int64 {
	if len(r.buf) < 8 {
		r.Fail()
		return 0
	}
	v := int64(binary.BigEndian.Uint64(r.buf))
	r.buf = r.buf[8:]
	return v
}

// Bytes reads a buffer or ustring: nil for null, non-nil for empty. The result
// aliases the input.
func (r *Reader) Bytes() []byte {
	n := r.Int()
	if r.err != nil || n == -1 {
		return nil
	}
	if n < 0 || int(n) > len(r.buf) {
		r.Fail()
		return nil
	}
	b := r.buf[:n:n]
	r.buf = r.buf[n:]
	if b == nil {
		b = []byte{}
	}
	return b
}

// String reads a ustring into memory of its own; null reads as "".
func (r *Reader) String() string { return string(r.Bytes()) }

// Count reads the count of a vector whose elements take at least elemMin bytes
// each. null reads as -1. A count that the rest of the input cannot hold is a fault.
func (r *Reader) Count(elemMin int) int {
	n := r.Int()
	if r.err != nil {
		return -1
	}
	if n < -1 || int64(n)*int64(elemMin) > int64(len(r.buf)) {
		r.Fail()
		return -1
	}
	return int(n)
}

// View is a string over the bytes of b, without a copy. b must never change.
func View(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
