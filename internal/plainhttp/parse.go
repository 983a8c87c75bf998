package plainhttp

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
)

// blank is what requests are made of: a context gets into one by a copy only.
var blank http.Request

// parse is the first request of what was read, and its size in bytes; nil unless it is
// plain and whole. The body, if any, is read out of b. The request's context is ctx.
func parse(ctx context.Context, b []byte, takes func(method, path, query string) bool) (*http.Request, int) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return nil, 0
	}
	head := string(b[:end+2]) // every line with its end
	line, head, _ := strings.Cut(head, "\r\n")
	method, target, _ := strings.Cut(line, " ")
	target, version, _ := strings.Cut(target, " ")
	path, query, asked := strings.Cut(target, "?")
	switch {
	case version != "HTTP/1.1" || asked && query == "" || !all(query, isQuery):
		return nil, 0
	case !takes(method, path, query): // which is so for everything that is not quite usual
		return nil, 0
	}
	r := blank.WithContext(ctx)
	r.Method, r.URL, r.RequestURI = method, &url.URL{Path: path, RawQuery: query}, target
	r.Proto, r.ProtoMajor, r.ProtoMinor, r.Body = "HTTP/1.1", 1, 1, http.NoBody
	var length string
	if !headers(r, head, &length) || r.Host == "" {
		return nil, 0
	}
	size := end + 4
	if length != "" && length != "0" {
		n, err := strconv.ParseUint(length, 10, 31)
		if err != nil || int(n) > len(b)-size || length[0] == '+' {
			return nil, 0
		}
		r.ContentLength, r.Body = int64(n), io.NopCloser(bytes.NewReader(b[size:size+int(n)]))
		size += int(n)
	}
	return r, size
}

// headers reads the lines behind the first one. It reports whether they are plain.
func headers(r *http.Request, lines string, length *string) bool {
	n := strings.Count(lines, "\n")
	r.Header = make(http.Header, n)
	values := make([]string, n) // of which each header has one
	for n := 0; lines != ""; n++ {
		var line string
		line, lines, _ = strings.Cut(lines, "\r\n")
		name, value, ok := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		if !ok || name == "" || !all(name, isToken) || !all(value, isValue) {
			return false
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		switch name {
		case "Host":
			if r.Host != "" || value == "" || !all(value, isHost) {
				return false
			}
			r.Host = value
			continue
		case "Content-Length":
			if *length != "" || value == "" {
				return false
			}
			*length = value
		case "Connection":
			if !strings.EqualFold(value, "keep-alive") {
				return false
			}
		case "Transfer-Encoding", "Expect", "Upgrade", "Trailer", "Te", "Pragma", "Http2-Settings":
			return false // they change what the rest means
		}
		if r.Header[name] != nil {
			return false
		}
		values[n] = value
		r.Header[name] = values[n : n+1 : n+1]
	}
	return true
}

// What a byte may be, as a set.
const (
	isToken = 1 << iota // of a header's name
	isValue
	isQuery
	isHost
)

var kinds = func() (k [256]byte) {
	for c := range k {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
			k[c] = isToken | isValue | isQuery | isHost
		case c == '-', c == '_', c == '.':
			k[c] = isToken | isValue | isQuery | isHost
		case c == ':', c == '[', c == ']':
			k[c] = isValue | isQuery | isHost
		case c == ' ', c == '\t', c == '#':
			k[c] = isValue
		case c > ' ' && c < 0x7f:
			k[c] = isValue | isQuery
		}
	}
	return k
}()

func all(s string, kind byte) bool {
	for i := range len(s) {
		if kinds[s[i]]&kind == 0 {
			return false
		}
	}
	return true
}
