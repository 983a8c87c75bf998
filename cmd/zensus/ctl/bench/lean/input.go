package lean

import (
	"bytes"
	"errors"
	"io"
	"net"
)

// bufferBytes is what a buffer has at first; it grows to the largest answer.
const bufferBytes = 4 << 10

// answerBytesMax bounds an answer, so that a broken server shows as an error.
const answerBytesMax = 64 << 20

var errTooLarge = errors.New("an answer above 64 MiB")

// input is what has been read and not been used yet: buf[from:to].
type input struct {
	net      net.Conn
	buf      []byte
	from, to int
}

// fill reads more behind what is there. Slices of the buffer that were handed out are
// good no longer.
func (in *input) fill() error {
	switch {
	case in.from == in.to:
		in.from, in.to = 0, 0
	case in.to == len(in.buf) && in.from > 0:
		in.to = copy(in.buf, in.buf[in.from:in.to])
		in.from = 0
	}
	if in.to == len(in.buf) {
		if len(in.buf) > answerBytesMax {
			return errTooLarge
		}
		in.buf = append(in.buf, make([]byte, max(len(in.buf), bufferBytes))...)
	}
	n, err := in.net.Read(in.buf[in.to:])
	in.to += n
	switch {
	case n > 0:
		return nil
	case err == nil:
		return io.ErrNoProgress
	}
	return err
}

// need waits until n bytes are there.
func (in *input) need(n int) error {
	if n > answerBytesMax {
		return errTooLarge
	}
	for in.to-in.from < n {
		if err := in.fill(); err != nil {
			return err
		}
	}
	return nil
}

// line is the next line, without its end.
func (in *input) line() ([]byte, error) {
	for seen := 0; ; {
		have := in.buf[in.from:in.to]
		if i := bytes.IndexByte(have[seen:], '\n'); i >= 0 {
			line := have[:seen+i]
			in.from += seen + i + 1
			return bytes.TrimSuffix(line, []byte("\r")), nil
		}
		seen = len(have)
		if err := in.fill(); err != nil {
			return nil, err
		}
	}
}
