package differential

import (
	"fmt"
	"strings"

	"github.com/zensus-io/zensus/core/wire"
)

// Kind says what a step does.
type Kind uint8

// The kinds of steps.
const (
	Burst   Kind = iota // requests, written at once
	Raw                 // bytes that are no request
	Drop                // the client closes its socket
	Connect             // a new connection, of a new or a known session
	Expire              // the session is left alone until it expires
	Mark                // the zxid that has been reached is remembered
)

// conns is how many connections a script has beside the control connection.
const conns = 4

// Request is one request frame.
type Request struct {
	Xid  int32
	Op   wire.OpCode
	Body []byte
	Note string // what it says, for people
	// FromMark says that the body begins with a zxid which is to be the one that
	// was remembered last on this side.
	FromMark bool
	// Malformed says that the body was damaged on purpose.
	Malformed bool
}

// registration is a watch that a request arms, if it succeeds.
type registration struct {
	path string
	mode watchMode
}

// registers lists the watches that a request asks for, as it is sent: a damaged
// one may ask for others than it was made for.
func (q *Request) registers() (all []registration) {
	r := wire.NewReader(q.Body)
	switch q.Op {
	case wire.OpExists, wire.OpGetData, wire.OpGetChildren, wire.OpGetChildren2:
		mode := modeData
		if q.Op == wire.OpGetChildren || q.Op == wire.OpGetChildren2 {
			mode = modeChild
		}
		if w := wire.DecodePathWatch(&r); w.Watch && w.Path != nil {
			all = append(all, registration{string(w.Path), mode})
		}
	case wire.OpAddWatch:
		w := wire.DecodePathMode(&r)
		switch {
		case w.Path == nil:
		case w.Mode == 0:
			all = append(all, registration{string(w.Path), modePersistent})
		case w.Mode == 1:
			all = append(all, registration{string(w.Path), modeRecursive})
		}
	case wire.OpSetWatches, wire.OpSetWatches2:
		modes := []watchMode{modeData, modeData, modeChild, modePersistent, modeRecursive}
		if q.Op == wire.OpSetWatches {
			modes = modes[:3]
		}
		r.Long()
		doubt := watchMode(0)
		for _, mode := range modes {
			n := r.Count(4)
			if r.Err() == nil && n < 0 {
				doubt = modeDoubtful // carried out in part by one of the servers
			}
			for range n {
				all = append(all, registration{r.String(), mode})
			}
		}
		for i := range all {
			all[i].mode |= doubt
		}
	}
	if r.Err() != nil {
		return nil
	}
	return all
}

type watchMode uint8

const (
	modeData watchMode = 1 << iota
	modeChild
	modePersistent
	modeRecursive
	modeDoubtful // servers may disagree on what was removed from this path
)

// Hello says how a Connect step introduces itself.
type Hello struct {
	New      bool // a new session
	Unknown  bool // a session that never was
	Of       int  // else the session of this connection
	Password passwordKind
	Timeout  int32
	Zxid     zxidKind
	ReadOnly int8 // -1 the flag is absent
	Cut      int  // how many bytes of the record are sent; 0 for all
	Extra    int  // bytes behind the record
}

type passwordKind uint8

const (
	rightPassword passwordKind = iota
	wrongPassword
	nullPassword
	shortPassword
)

type zxidKind uint8

const (
	zxidSeen  zxidKind = iota // what the connection has seen last
	zxidZero                  // 0
	zxidAhead                 // what the server has not reached
	zxidNegative
)

// Step is one thing that happens.
type Step struct {
	ID       int
	Kind     Kind
	Conn     int
	Requests []Request
	Bytes    []byte
	Split    int // the burst is written in two parts, cut here; 0 for one
	Hello    Hello
	// Until is a path; the step lasts until the server has removed it by itself.
	Until string
	// Ends says that the server closes the connection behind the burst.
	Ends bool
	// Drops are connections that the client closes at the end of the step,
	// because servers may disagree on whether they are open.
	Drops []int
}

// Script is what is played.
type Script struct {
	Seed uint64
	// Root is the path below which nearly all happens; its length is fixed, so
	// that a script can be played again at another place.
	Root string
	// Mixed says that watches of several modes meet on a path.
	Mixed bool
	Steps []Step
}

// Operations is how many requests and connects a script has.
func (s *Script) Operations() int {
	n := 0
	for i := range s.Steps {
		n += max(1, len(s.Steps[i].Requests))
	}
	return n
}

// String is the step as a line, or several for a long burst.
func (s *Step) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "#%d conn %d ", s.ID, s.Conn)
	switch s.Kind {
	case Raw:
		fmt.Fprintf(&b, "raw bytes %x", s.Bytes[:min(len(s.Bytes), 64)])
	case Drop:
		b.WriteString("drop")
	case Connect:
		fmt.Fprintf(&b, "connect %+v", s.Hello)
	case Expire:
		b.WriteString("expire")
	case Mark:
		b.WriteString("mark")
	}
	if s.Split > 0 {
		fmt.Fprintf(&b, "(written in two parts, cut at %d)", s.Split)
	}
	for i := range s.Requests {
		if len(s.Requests) > 1 {
			b.WriteString("\n      ")
		}
		b.WriteString(s.Requests[i].String())
	}
	if s.Until != "" {
		fmt.Fprintf(&b, " and wait for the end of %s", s.Until)
	}
	if len(s.Drops) > 0 {
		fmt.Fprintf(&b, " then drop %v", s.Drops)
	}
	return b.String()
}

// String is the request as a phrase.
func (r *Request) String() string {
	s := fmt.Sprintf("%s xid %d %s", r.Op, r.Xid, r.Note)
	if r.Malformed {
		s += fmt.Sprintf(" malformed: %x", r.Body[:min(len(r.Body), 160)])
	}
	return s
}
