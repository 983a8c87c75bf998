package wire

import (
	"strconv"
	"unicode/utf8"
)

// plainReader is a Body that can read JSON as clients usually write it in a fraction of
// what encoding/json takes.
type plainReader interface {
	Body
	// readPlain reads a body into one that is zero, and reports whether it could. If not,
	// nothing has changed, and encoding/json says what the body is, or what is wrong.
	readPlain(body []byte) bool
}

// plain goes through an object of JSON. It gives up at whatever is not usual: escapes in
// strings, exponents, members that nobody knows by exactly this name. What it reads to the
// end means the same to encoding/json.
type plain struct {
	rest []byte
	key  []byte // of the member at which it is
	bad  bool   // it has given up
}

// plainDepthMax is how deep objects lie in each other that are passed over.
const plainDepthMax = 4

func (p *plain) space() {
	for len(p.rest) > 0 {
		switch p.rest[0] {
		case ' ', '\t', '\n', '\r':
			p.rest = p.rest[1:]
		default:
			return
		}
	}
}

// next takes a character if it comes next, after blanks.
func (p *plain) next(c byte) bool {
	if p.space(); len(p.rest) == 0 || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// need gives up unless a character comes next.
func (p *plain) need(c byte) {
	if !p.next(c) {
		p.bad = true
	}
}

// word takes a word if it comes next.
func (p *plain) word(w string) bool {
	if p.space(); len(p.rest) < len(w) || string(p.rest[:len(w)]) != w {
		return false
	}
	p.rest = p.rest[len(w):]
	return true
}

// member goes to the n-th member of an object, whose brace has been read, and reports
// whether there is one; otherwise it has read the closing brace.
func (p *plain) member(n int) bool {
	if p.bad || p.next('}') {
		return false
	}
	if n > 0 {
		p.need(',')
	}
	p.key = p.raw()
	p.need(':')
	return !p.bad
}

// over reports whether all was read, and nothing is left.
func (p *plain) over() bool {
	p.space()
	return !p.bad && len(p.rest) == 0
}

// raw reads a string; what it returns lies in what is read.
func (p *plain) raw() []byte {
	p.need('"')
	if p.bad {
		return nil
	}
	ascii := true
	for i, c := range p.rest {
		switch {
		case c == '"':
			s := p.rest[:i]
			p.rest = p.rest[i+1:]
			if !ascii && !utf8.Valid(s) {
				p.bad = true
			}
			return s
		case c < ' ', c == '\\':
			p.bad = true
			return nil
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	p.bad = true
	return nil
}

// text reads a string into s, which null leaves as it is.
func (p *plain) text(s *string) {
	if p.word("null") {
		return
	}
	switch b := p.raw(); string(b) {
	// What most of them say takes no memory.
	case "public":
		*s = "public"
	case "DEFAULT_GROUP":
		*s = "DEFAULT_GROUP"
	case "DEFAULT":
		*s = "DEFAULT"
	case RegisterInstance:
		*s = RegisterInstance
	case DeregisterInstance:
		*s = DeregisterInstance
	default:
		*s = string(b)
	}
}

func (p *plain) flag(f *bool) {
	switch {
	case p.word("true"):
		*f = true
	case p.word("false"):
		*f = false
	case !p.word("null"):
		p.bad = true
	}
}

// digits takes digits, at least one.
func (p *plain) digits() (n int) {
	for n < len(p.rest) && p.rest[n] >= '0' && p.rest[n] <= '9' {
		n++
	}
	if n == 0 {
		p.bad = true
	}
	p.rest = p.rest[n:]
	return n
}

// figures reads a number without an exponent; what it returns lies in what is read.
func (p *plain) figures() []byte {
	p.space()
	all := p.rest
	if len(p.rest) > 0 && p.rest[0] == '-' {
		p.rest = p.rest[1:]
	}
	zero := len(p.rest) > 0 && p.rest[0] == '0'
	if n := p.digits(); zero && n > 1 {
		p.bad = true
	}
	if len(p.rest) > 0 && p.rest[0] == '.' {
		p.rest = p.rest[1:]
		p.digits()
	}
	if len(p.rest) > 0 && (p.rest[0] == 'e' || p.rest[0] == 'E') {
		p.bad = true
	}
	return all[:len(all)-len(p.rest)]
}

func (p *plain) integer(i *int) {
	if p.word("null") {
		return
	}
	n, err := strconv.Atoi(string(p.figures()))
	if err != nil {
		p.bad = true
		return
	}
	*i = n
}

func (p *plain) float(f *float64) {
	if p.word("null") {
		return
	}
	b := p.figures()
	if len(b) == 3 && b[1] == '.' && b[2] == '0' && !p.bad { // 1.0
		*f = float64(b[0] - '0')
		return
	}
	v, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		p.bad = true
		return
	}
	*f = v
}

// texts reads an object of strings into m, which has to be nil.
func (p *plain) texts(m *map[string]string) {
	if p.word("null") {
		return
	}
	if *m != nil { // encoding/json would add to it
		p.bad = true
	}
	p.need('{')
	found := map[string]string{}
	for n := 0; p.member(n); n++ {
		key := string(p.key)
		found[key] = string(p.raw())
	}
	*m = found
}

// skip passes over a value.
func (p *plain) skip() { p.skipIn(plainDepthMax) }

func (p *plain) skipIn(depth int) {
	p.space()
	switch {
	case p.bad, depth == 0, len(p.rest) == 0:
		p.bad = true
	case p.rest[0] == '"':
		p.raw()
	case p.rest[0] == '{':
		p.rest = p.rest[1:]
		for n := 0; p.member(n); n++ {
			p.skipIn(depth - 1)
		}
	case p.word("true"), p.word("false"), p.word("null"):
	default:
		p.figures()
	}
}

// readPlain implements plainReader.
func (r *InstanceRequest) readPlain(body []byte) bool {
	p := plain{rest: body}
	var read InstanceRequest
	instances := 0
	p.need('{')
	for n := 0; p.member(n); n++ {
		switch string(p.key) {
		case "namespace":
			p.text(&read.Namespace)
		case "serviceName":
			p.text(&read.ServiceName)
		case "groupName":
			p.text(&read.GroupName)
		case "type":
			p.text(&read.Type)
		case "instance":
			instances++
			read.Instance.readFrom(&p)
		case "requestId":
			p.text(&read.RequestID)
		case "headers", "module":
			p.skip()
		default:
			p.bad = true
		}
	}
	if !p.over() || instances > 1 {
		return false
	}
	*r = read
	return true
}

// readFrom is UnmarshalJSON.
func (i *Instance) readFrom(p *plain) {
	if p.next('n') { // UnmarshalJSON hears of null too; it is not usual
		p.bad = true
	}
	read := NewInstance()
	p.need('{')
	for n := 0; p.member(n); n++ {
		switch string(p.key) {
		case "instanceId":
			p.text(&read.InstanceID)
		case "ip":
			p.text(&read.IP)
		case "port":
			p.integer(&read.Port)
		case "weight":
			p.float(&read.Weight)
		case "healthy":
			p.flag(&read.Healthy)
		case "enabled":
			p.flag(&read.Enabled)
		case "ephemeral":
			p.flag(&read.Ephemeral)
		case "clusterName":
			p.text(&read.ClusterName)
		case "serviceName":
			p.text(&read.ServiceName)
		case "metadata":
			p.texts(&read.Metadata)
		case "instanceHeartBeatInterval", "instanceHeartBeatTimeOut", "ipDeleteTimeout", "instanceIdGenerator":
			p.skip()
		default:
			p.bad = true
		}
	}
	*i = read
}
