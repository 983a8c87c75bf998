package lean

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// HTTP is a connection that speaks HTTP/1.1, with one request in flight. It is not
// safe for concurrent use.
type HTTP struct {
	addr    string
	within  time.Duration
	in      input
	closing bool // by the server, after the last answer
	body    []byte
}

// DialHTTP opens a connection. Each step, and each answer, has to come within that time.
func DialHTTP(addr string, within time.Duration) (*HTTP, error) {
	c := &HTTP{addr: addr, within: within}
	return c, c.dial()
}

func (c *HTTP) dial() error {
	nc, err := net.DialTimeout("tcp", c.addr, c.within)
	if err != nil {
		return err
	}
	c.in.net, c.in.from, c.in.to, c.closing = nc, 0, 0, false
	return nil
}

// Close closes the connection.
func (c *HTTP) Close() error { return c.in.net.Close() }

// AppendRequest appends a whole request. The body, if any, is a form.
func AppendRequest(b []byte, method, target, addr, headers, form string) []byte {
	b = append(append(append(append(b, method...), ' '), target...), " HTTP/1.1\r\nHost: "...)
	b = append(append(append(b, addr...), "\r\n"...), headers...)
	if method != "GET" {
		if form != "" {
			b = append(b, "Content-Type: application/x-www-form-urlencoded\r\n"...)
		}
		b = append(strconv.AppendInt(append(b, "Content-Length: "...), int64(len(form)), 10), "\r\n"...)
	}
	return append(append(b, "\r\n"...), form...)
}

// Do sends a request, made by AppendRequest, and reads its answer. A server that has
// closed the connection behind its last answer is dialled again. The body is good until
// the next call.
func (c *HTTP) Do(request []byte) (status int, body []byte, err error) {
	if c.closing {
		if err := c.Close(); err != nil {
			return 0, nil, err
		}
		if err := c.dial(); err != nil {
			return 0, nil, err
		}
	}
	if err := c.in.net.SetDeadline(time.Now().Add(c.within)); err != nil {
		return 0, nil, err
	}
	if _, err := c.in.net.Write(request); err != nil {
		return 0, nil, err
	}
	return c.answer()
}

func (c *HTTP) answer() (status int, body []byte, err error) {
	line, err := c.in.line()
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return 0, nil, fmt.Errorf("no answer of HTTP: %.40q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, fmt.Errorf("no answer of HTTP: %.40q", line)
	}
	c.closing = line[7] == '0'
	length, chunked := -1, false
	for {
		if line, err = c.in.line(); err != nil {
			return 0, nil, err
		}
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch { // by the length first: most are of no interest
		case len(name) == 14 && bytes.EqualFold(name, []byte("content-length")):
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 {
				return 0, nil, fmt.Errorf("content-length %q", value)
			}
		case len(name) == 17 && bytes.EqualFold(name, []byte("transfer-encoding")):
			chunked = bytes.EqualFold(value, []byte("chunked"))
		case len(name) == 10 && bytes.EqualFold(name, []byte("connection")):
			c.closing = c.closing || bytes.EqualFold(value, []byte("close"))
		}
	}
	switch {
	case chunked:
		body, err = c.chunks()
	case length >= 0:
		body, err = c.take(length)
	case status == 204 || status == 304:
	default:
		c.closing = true
		body, err = c.rest()
	}
	return status, body, err
}

func (c *HTTP) take(n int) ([]byte, error) {
	if err := c.in.need(n); err != nil {
		return nil, err
	}
	body := c.in.buf[c.in.from : c.in.from+n]
	c.in.from += n
	return body, nil
}

func (c *HTTP) chunks() ([]byte, error) {
	c.body = c.body[:0]
	for {
		line, err := c.in.line()
		if err != nil {
			return nil, err
		}
		size, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseInt(string(bytes.TrimSpace(size)), 16, 32)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("a chunk of %q bytes", size)
		}
		if n == 0 {
			break
		}
		chunk, err := c.take(int(n) + 2) // and the end of its line
		if err != nil {
			return nil, err
		}
		c.body = append(c.body, chunk[:n]...)
		if len(c.body) > answerBytesMax {
			return nil, errTooLarge
		}
	}
	for { // trailers
		if line, err := c.in.line(); err != nil || len(line) == 0 {
			return c.body, err
		}
	}
}

// rest is what comes until the server closes.
func (c *HTTP) rest() ([]byte, error) {
	for {
		err := c.in.fill()
		if errors.Is(err, io.EOF) {
			return c.in.buf[c.in.from:c.in.to], nil
		}
		if err != nil {
			return nil, err
		}
	}
}
