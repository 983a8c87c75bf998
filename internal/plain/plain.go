// Package plain reads JSON as programs usually write it, in a fraction of what
// encoding/json takes, and leaves everything else to that.
//
// A Reader goes through one object, member by member. It gives up at whatever is not usual:
// escapes in strings, exponents, lists, members that its caller does not know by exactly
// their name. What it reads to the end means the same to encoding/json, with which the
// caller reads what it has given up, into a value that nothing has been written to. It
// neither reflects nor recurses deeply, so that a short-lived goroutine keeps a small stack.
package plain

import (
	"strconv"
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
