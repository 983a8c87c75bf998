// Package plain reads JSON as programs usually write it, in a fraction of what
// encoding/json takes, and leaves everything else to that.
//
// A Reader goes through one object, member by member. It gives up at whatever is not usual:
// escapes in strings other than contents, exponents, lists, members that its caller does
// not know by exactly their name. What it reads to the end means the same to encoding/json, with which the
// caller reads what it has given up, into a value that nothing has been written to. It
// neither reflects nor recurses deeply, so that a short-lived goroutine keeps a small stack.
package plain

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Reader reads a value. The slices that it returns lie in what it reads.
type Reader struct {
	// Key names the member at which it is.
	Key []byte

	rest []byte
	bad  bool // it has given up
}

// depthMax is how deep objects lie in each other that are passed over.
const depthMax = 4

// New makes a Reader of JSON.
func New(b []byte) Reader { return Reader{rest: b} }

// GiveUp leaves what is read to encoding/json.
func (r *Reader) GiveUp() { r.bad = true }

// Object reads the beginning of an object; Member then goes through it:
//
//	for n := 0; r.Member(n); n++ {
//		switch string(r.Key) {
func (r *Reader) Object() { r.need('{') }

func (r *Reader) space() {
	for len(r.rest) > 0 {
		switch r.rest[0] {
		case ' ', '\t', '\n', '\r':
			r.rest = r.rest[1:]
		default:
			return
		}
	}
}

// next takes a character if it comes next, after blanks.
func (r *Reader) next(c byte) bool {
	if r.space(); len(r.rest) == 0 || r.rest[0] != c {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

// need gives up unless a character comes next.
func (r *Reader) need(c byte) {
	if !r.next(c) {
		r.bad = true
	}
}

// word takes a word if it comes next.
func (r *Reader) word(w string) bool {
	if r.space(); len(r.rest) < len(w) || string(r.rest[:len(w)]) != w {
		return false
	}
	r.rest = r.rest[len(w):]
	return true
}

// Member goes to the n-th member of an object and reports whether there is one; otherwise it
// has read the end of the object, or given up.
func (r *Reader) Member(n int) bool {
	if r.bad || r.next('}') {
		return false
	}
	if n > 0 {
		r.need(',')
	}
	r.Key = r.Bytes()
	r.need(':')
	return !r.bad
}

// Over reports whether all was read, and nothing is left.
func (r *Reader) Over() bool {
	r.space()
	return !r.bad && len(r.rest) == 0
}

// Bytes reads a string.
func (r *Reader) Bytes() []byte {
	r.need('"')
	if r.bad {
		return nil
	}
	ascii := true
	for i, c := range r.rest {
		switch {
		case c == '"':
			s := r.rest[:i]
			r.rest = r.rest[i+1:]
			if !ascii && !utf8.Valid(s) {
				r.bad = true
			}
			return s
		case c < ' ', c == '\\':
			r.bad = true
			return nil
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	r.bad = true
	return nil
}

// Null takes null if it comes next.
func (r *Reader) Null() bool { return r.word("null") }

// String reads a string into s. Here and below null leaves what it was.
func (r *Reader) String(s *string) {
	if !r.Null() {
		*s = string(r.Bytes())
	}
}

// Content reads a string into s that may well have escapes. Halves of characters outside of
// the first 65,536 are left to encoding/json.
func (r *Reader) Content(s *string) {
	if r.Null() {
		return
	}
	r.need('"')
	if r.bad {
		return
	}
	end := bytes.IndexByte(r.rest, '"')
	if end < 0 {
		r.bad = true
		return
	}
	if whole := r.rest[:end]; isText(whole) {
		*s = string(whole)
		r.rest = r.rest[end+1:]
		return
	}
	*s = string(r.unescape())
}

// isText reports whether b may stand in a string as it lies.
func isText(b []byte) bool {
	ascii := true
	for _, c := range b {
		if c < ' ' || c == '\\' {
			return false
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	return ascii || utf8.Valid(b)
}

// unescape reads what is left of a string, up to its end.
func (r *Reader) unescape() []byte {
	out := make([]byte, 0, min(len(r.rest), unescapedMin))
	ascii := true
	for start, i := 0, 0; i < len(r.rest); i++ {
		switch c := r.rest[i]; {
		case c == '"':
			out = append(out, r.rest[start:i]...)
			r.rest = r.rest[i+1:]
			r.bad = !ascii && !utf8.Valid(out)
			return out
		case c < ' ':
			r.bad = true
			return nil
		case c >= utf8.RuneSelf:
			ascii = false
		case c == '\\':
			out = append(out, r.rest[start:i]...)
			var n int
			if out, n = appendMeant(out, r.rest[i+1:]); n == 0 {
				r.bad = true
				return nil
			}
			i += n
			start = i + 1
		}
	}
	r.bad = true
	return nil
}

// appendMeant appends what an escape means, of which b is what stands behind the backslash, and
// says how long it is; 0 where it is none, or not usual.
func appendMeant(out, b []byte) ([]byte, int) {
	if len(b) >= 5 && b[0] == 'u' {
		n, err := strconv.ParseUint(string(b[1:5]), 16, 16)
		if err != nil || utf16.IsSurrogate(rune(n)) {
			return nil, 0
		}
		return utf8.AppendRune(out, rune(n)), 5
	}
	if len(b) > 0 {
		if i := strings.IndexByte(escaped, b[0]); i >= 0 {
			return append(out, meant[i]), 1
		}
	}
	return nil, 0
}

// What may stand behind a backslash, and what each means.
const (
	escaped = `nrt"\/bf`
	meant   = "\n\r\t\"\\/\b\f"
)

// unescapedMin is the first room for a string with escapes.
const unescapedMin = 2 << 10

// Bool reads true or false into f.
func (r *Reader) Bool(f *bool) {
	switch {
	case r.word("true"):
		*f = true
	case r.word("false"):
		*f = false
	case !r.Null():
		r.bad = true
	}
}

// digits takes digits, at least one.
func (r *Reader) digits() (n int) {
	for n < len(r.rest) && r.rest[n] >= '0' && r.rest[n] <= '9' {
		n++
	}
	if n == 0 {
		r.bad = true
	}
	r.rest = r.rest[n:]
	return n
}

// figures reads a number without an exponent.
func (r *Reader) figures() []byte {
	r.space()
	all := r.rest
	if len(r.rest) > 0 && r.rest[0] == '-' {
		r.rest = r.rest[1:]
	}
	zero := len(r.rest) > 0 && r.rest[0] == '0'
	if n := r.digits(); zero && n > 1 {
		r.bad = true
	}
	if len(r.rest) > 0 && r.rest[0] == '.' {
		r.rest = r.rest[1:]
		r.digits()
	}
	if len(r.rest) > 0 && (r.rest[0] == 'e' || r.rest[0] == 'E') {
		r.bad = true
	}
	return all[:len(all)-len(r.rest)]
}

// Int reads a whole number into i.
func (r *Reader) Int(i *int) {
	if r.Null() {
		return
	}
	n, err := strconv.Atoi(string(r.figures()))
	if err != nil {
		r.bad = true
		return
	}
	*i = n
}

// Float reads a number into f.
func (r *Reader) Float(f *float64) {
	if r.Null() {
		return
	}
	b := r.figures()
	if len(b) == 3 && b[1] == '.' && b[2] == '0' && !r.bad { // 1.0
		*f = float64(b[0] - '0')
		return
	}
	v, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		r.bad = true
		return
	}
	*f = v
}

// Texts reads an object of strings into m, which has to be nil.
func (r *Reader) Texts(m *map[string]string) {
	if *m != nil { // encoding/json would add to it, or clear it
		r.bad = true
	}
	if r.Null() {
		return
	}
	r.Object()
	found := map[string]string{}
	for n := 0; r.Member(n); n++ {
		key := string(r.Key)
		found[key] = string(r.Bytes())
	}
	*m = found
}

// Skip passes over a value, which is no list, and returns it as it is written.
func (r *Reader) Skip() []byte {
	r.space()
	all := r.rest
	r.skipIn(depthMax)
	return all[:len(all)-len(r.rest)]
}

func (r *Reader) skipIn(depth int) {
	r.space()
	switch {
	case r.bad, depth == 0, len(r.rest) == 0:
		r.bad = true
	case r.rest[0] == '"':
		r.Bytes()
	case r.rest[0] == '{':
		r.rest = r.rest[1:]
		for n := 0; r.Member(n); n++ {
			r.skipIn(depth - 1)
		}
	case r.word("true"), r.word("false"), r.word("null"):
	default:
		r.figures()
	}
}
