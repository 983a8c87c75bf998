package durability

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/go-zookeeper/zk"
)

// entriesMax is how many entries a lane keeps: the audit reads them all.
const entriesMax = 60

// state is what a lane knows of its subtree.
type state struct {
	counter int32            // value and version of its counter
	entries map[string]int64 // number of the write that made each entry, by name
	last    int64            // the highest sequence number ever given to it
}

func (s state) clone() state {
	s.entries = maps.Clone(s.entries)
	return s
}

// write is one request of a lane.
type write struct {
	number  int64
	counter bool   // add one to the counter
	create  bool   // make an entry
	remove  string // take this entry away
}

// lane is one writer. It is used by one goroutine at a time.
type lane struct {
	path string
	rng  *rand.Rand

	known   state
	next    int64  // number of the next write
	unknown *write // sent, and not answered
	zxid    int64  // of the newest acknowledged change

	acked, kinds int // acknowledged requests, and changes in them
	applied      int // unknown ones that turned out to be done
	dropped      int // and those that turned out not to be
}

func newLane(n int, seed uint64) *lane {
	return &lane{
		path: fmt.Sprintf("/lane%02d", n), rng: rand.New(rand.NewPCG(seed, uint64(n))),
		known: state{entries: map[string]int64{}, last: -1},
	}
}

var open = zk.WorldACL(zk.PermAll)

func (l *lane) make(c *zk.Conn) error {
	if _, err := c.Create(l.path, nil, 0, open); err != nil {
		return err
	}
	if _, err := c.Create(l.path+"/entries", nil, 0, open); err != nil {
		return err
	}
	_, err := c.Create(l.path+"/counter", payload(l.path, 0), 0, open)
	return err
}

// payload is the data of a write: its number, its bytes, their checksum. The size
// runs from some 50 bytes to some 8 KiB.
func payload(path string, number int64) []byte {
	h := sha256.Sum256([]byte(path + strconv.FormatInt(number, 10)))
	size := 16 << (h[0] % 10)
	b := binary.BigEndian.AppendUint64(nil, uint64(number))
	for len(b) < size {
		b = append(b, h[:]...)
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// numberOf reads the number back, if the payload is whole and this lane's.
func (l *lane) numberOf(data []byte) (int64, error) {
	if len(data) < 8+sha256.Size {
		return 0, fmt.Errorf("torn: %d bytes", len(data))
	}
	number := int64(binary.BigEndian.Uint64(data))
	if !bytes.Equal(data, payload(l.path, number)) {
		return 0, fmt.Errorf("torn: write %d is not what was written", number)
	}
	return number, nil
}

// choose makes up the next write.
func (l *lane) choose() write {
	l.next++
	w := write{number: l.next}
	switch l.rng.IntN(4) {
	case 0:
		w.counter = true
	case 1:
		w.create = true
	case 2:
		w.remove = l.oldest()
		w.create = w.remove == ""
	default: // all of them or none
		w.counter, w.create, w.remove = true, true, l.oldest()
	}
	if w.create && w.remove == "" && len(l.known.entries) >= entriesMax {
		w.remove = l.oldest()
	}
	return w
}

func (l *lane) oldest() string {
	names := slices.Sorted(maps.Keys(l.known.entries))
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

// errAnswer is an answer that the server must not have given.
var errAnswer = errors.New("wrong answer")

// write sends one request and learns from the answer. Without an answer it leaves
// the request unknown.
func (l *lane) write(c *zk.Conn) error {
	w := l.choose()
	l.unknown = &w
	var ops []any
	if w.counter {
		ops = append(ops, &zk.SetDataRequest{Path: l.path + "/counter", Data: payload(l.path, int64(l.known.counter)+1), Version: l.known.counter})
	}
	if w.create {
		ops = append(ops, &zk.CreateRequest{Path: l.path + "/entries/e-", Data: payload(l.path, w.number), Acl: open, Flags: zk.FlagSequence})
	}
	if w.remove != "" {
		ops = append(ops, &zk.DeleteRequest{Path: l.path + "/entries/" + w.remove, Version: 0})
	}
	made, stat, err := send(c, ops)
	if err != nil {
		if noAnswer(err) {
			return err
		}
		return fmt.Errorf("%w: %s: write %+v: %w", errAnswer, l.path, w, err)
	}
	name := strings.TrimPrefix(made, l.path+"/entries/")
	if err := l.known.apply(w, name); err != nil {
		return fmt.Errorf("%w: %s: %w", errAnswer, l.path, err)
	}
	if stat != nil {
		if stat.Version != l.known.counter || stat.Mzxid <= l.zxid {
			return fmt.Errorf("%w: %s: write %+v: version %d and zxid %#x after %d and %#x",
				errAnswer, l.path, w, stat.Version, stat.Mzxid, l.known.counter, l.zxid)
		}
		l.zxid = stat.Mzxid
	}
	l.unknown = nil
	l.acked++
	l.kinds += len(ops)
	return nil
}

// send sends a request of its own kind where one is enough, else a multi.
func send(c *zk.Conn, ops []any) (made string, stat *zk.Stat, err error) {
	if len(ops) == 1 {
		switch op := ops[0].(type) {
		case *zk.SetDataRequest:
			stat, err = c.Set(op.Path, op.Data, op.Version)
		case *zk.CreateRequest:
			made, err = c.Create(op.Path, op.Data, op.Flags, op.Acl)
		case *zk.DeleteRequest:
			err = c.Delete(op.Path, op.Version)
		}
		return made, stat, err
	}
	results, err := c.Multi(ops...)
	if err != nil {
		return "", nil, err
	}
	for i := range results {
		switch ops[i].(type) {
		case *zk.SetDataRequest:
			stat = results[i].Stat
		case *zk.CreateRequest:
			made = results[i].String
		}
	}
	return made, stat, nil
}

// noAnswer reports whether the outcome of a request is unknown.
func noAnswer(err error) bool {
	var broken *net.OpError // while the request was written
	return errors.As(err, &broken) || errors.Is(err, zk.ErrConnectionClosed) || errors.Is(err, zk.ErrNoServer) || errors.Is(err, zk.ErrSessionExpired) ||
		errors.Is(err, zk.ErrClosing)
}

// apply does a write to the state. name is the new entry's.
func (s *state) apply(w write, name string) error {
	if w.counter {
		s.counter++
	}
	if w.create {
		number, err := sequence(name)
		if err != nil {
			return err
		}
		if number <= s.last {
			return fmt.Errorf("sequence number %d after %d", number, s.last)
		}
		s.last = number
		s.entries[name] = w.number
	}
	delete(s.entries, w.remove)
	return nil
}

func sequence(name string) (int64, error) {
	text, found := strings.CutPrefix(name, "e-")
	if !found {
		return 0, fmt.Errorf("a sequential znode named %q", name)
	}
	return strconv.ParseInt(text, 10, 64)
}
