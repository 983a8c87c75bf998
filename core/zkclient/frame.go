package zkclient

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/zensus-io/zensus/core/wire"
)

// frame appends a length and what add appends.
func frame(dst []byte, add func([]byte) []byte) []byte {
	mark := len(dst)
	dst = add(wire.AppendInt(dst, 0))
	wire.PutInt(dst[mark:], int32(len(dst)-mark-4))
	return dst
}

// frameReader cuts a stream into frames.
type frameReader struct {
	src      io.Reader
	buf      []byte
	from, to int
}

const readBytesMin = 16 << 10

func (f *frameReader) init(src io.Reader) {
	f.src = src
	f.buf = make([]byte, readBytesMin)
}

// head is the length of the frame at offset i, if enough is there to tell.
func (f *frameReader) head(i int) (n int, ok bool, err error) {
	if f.to-i < 4 {
		return 0, false, nil
	}
	n = int(int32(binary.BigEndian.Uint32(f.buf[i:])))
	if n < 0 || n > replyBytesMax {
		return 0, false, fmt.Errorf("frame of %d bytes", n)
	}
	return n, true, nil
}

// whole takes the next frame if all of it is here. It stays good until more is read.
func (f *frameReader) whole() ([]byte, bool) {
	n, ok, err := f.head(f.from)
	if err != nil || !ok || f.to-f.from < 4+n {
		return nil, false
	}
	b := f.buf[f.from+4 : f.from+4+n]
	f.from += 4 + n
	return b, true
}

// next waits for one frame.
func (f *frameReader) next() ([]byte, error) {
	for {
		if b, ok := f.whole(); ok {
			return b, nil
		}
		if _, _, err := f.head(f.from); err != nil {
			return nil, err
		}
		if err := f.more(); err != nil {
			return nil, err
		}
	}
}

// fill waits until at least one whole frame is here, and counts those that are
// replies to ordinary requests.
func (f *frameReader) fill() (replies int, err error) {
	for {
		frames := 0
		for i := f.from; ; {
			n, ok, err := f.head(i)
			if err != nil {
				return 0, err
			}
			if !ok || f.to-i < 4+n {
				break
			}
			if n >= 4 {
				switch int32(binary.BigEndian.Uint32(f.buf[i+4:])) {
				case wire.XidNotification, wire.XidPing, wire.XidAuth:
				default:
					replies++
				}
			}
			frames++
			i += 4 + n
		}
		if frames > 0 {
			return replies, nil
		}
		if err := f.more(); err != nil {
			return 0, err
		}
	}
}

// more reads once, with room for what the frame at hand still lacks. Room grows
// only as bytes come in, whatever length the frame claims.
func (f *frameReader) more() error {
	if f.from == f.to {
		f.from, f.to = 0, 0
		if len(f.buf) > 1<<20 {
			f.buf = make([]byte, readBytesMin)
		}
	}
	if f.to == len(f.buf) {
		if f.from > 0 {
			f.to = copy(f.buf, f.buf[f.from:f.to])
			f.from = 0
		} else {
			f.buf = append(f.buf, make([]byte, len(f.buf))...)
		}
	}
	n, err := f.src.Read(f.buf[f.to:])
	f.to += n
	if n > 0 {
		return nil
	}
	return err
}
