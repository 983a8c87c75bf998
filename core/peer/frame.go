package peer

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// FrameBytesMax bounds the body of a frame: the largest message is one transaction of
// a few megabytes, or a batch of about one.
const FrameBytesMax = 64 << 20

// frameHeadBytes is the length and the checksum in front of a body.
const frameHeadBytes = 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errFrame is returned for bytes that are no frame.
var errFrame = errors.New("peer: not a frame")

// beginFrame makes room for the head of a frame whose body is appended next.
func beginFrame(dst []byte) (b []byte, mark int) {
	return append(dst, make([]byte, frameHeadBytes)...), len(dst)
}

// endFrame fills in the head of the frame that begins at mark.
func endFrame(b []byte, mark int) {
	body := b[mark+frameHeadBytes:]
	binary.BigEndian.PutUint32(b[mark:], uint32(len(body)))
	binary.BigEndian.PutUint32(b[mark+4:], crc32.Checksum(body, castagnoli))
}

// hasFrame reports whether a whole frame has been read ahead.
func hasFrame(r *bufio.Reader) bool {
	if r.Buffered() < frameHeadBytes {
		return false
	}
	head, _ := r.Peek(frameHeadBytes)
	return int64(r.Buffered()-frameHeadBytes) >= int64(binary.BigEndian.Uint32(head))
}

// readFrame reads one frame of at most most bytes into memory of its own. Memory
// follows what has come, not what a length promises.
func readFrame(r io.Reader, most int) ([]byte, error) {
	var head [frameHeadBytes]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || int64(n) > int64(most) {
		return nil, fmt.Errorf("%w: %d bytes", errFrame, n)
	}
	body := make([]byte, 0, min(int(n), 64<<10))
	for len(body) < int(n) {
		if len(body) == cap(body) {
			body = append(make([]byte, 0, min(2*cap(body), int(n))), body...)
		}
		part := body[len(body):min(cap(body), int(n))]
		if _, err := io.ReadFull(r, part); err != nil {
			return nil, fmt.Errorf("peer: frame is cut: %w", err)
		}
		body = body[:len(body)+len(part)]
	}
	if sum := crc32.Checksum(body, castagnoli); sum != binary.BigEndian.Uint32(head[4:]) {
		return nil, fmt.Errorf("%w: checksum differs", errFrame)
	}
	return body, nil
}
