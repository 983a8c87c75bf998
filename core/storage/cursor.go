package storage

import (
	"errors"
	"fmt"
	"io"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/vfs"
	"github.com/zensus-io/zensus/core/wire"
)

// CorruptError is damage that was met when the log was read: since Open, or in what
// that had not read. The store goes on; the node must not serve what is behind.
type CorruptError struct{ Damage }

// Error says where and what.
func (e *CorruptError) Error() string { return "storage: log damaged: " + e.Damage.String() }

// Cursor reads the log forward from a position, record by record without a gap,
// each checked. It reads only what is durable. A cursor is for one goroutine, any;
// it ends with Close.
type Cursor struct {
	s    *Store
	cuts int
	last position // of the record before the next one
	seg  *segment
	stop core.Zxid // the last record of seg; 0 while it is appended to
	f    vfs.File
	r    *frames
	fr   frame
	buf  []byte // payloads of the last Next
}

// NewCursor starts behind the record at after, or at a base. It returns ErrGone if
// the log does not reach back that far and ErrMismatch if it has no record after.
// Safe for concurrent use.
func (s *Store) NewCursor(after core.Zxid) (*Cursor, error) {
	s.mu.Lock()
	if err := s.usableLocked(); err != nil {
		s.mu.Unlock()
		return nil, err
	}
	c := &Cursor{s: s, cuts: s.mu.cuts}
	var err error
	switch {
	case len(s.mu.segments) == 0 || after < s.mu.segments[0].zxid:
		err = ErrGone
	case after > s.mu.durable:
		err = ErrMismatch
	}
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if err := c.seek(after); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// seek moves behind the record at z.
func (c *Cursor) seek(z core.Zxid) error {
	at, err := c.find(z)
	if err != nil {
		return err
	}
	g, from := at.segment, at.from
	if err := c.enter(&at, from.pos); err != nil {
		return err
	}
	// At an index mark only the zxid is known; the chain is believed of the first record.
	c.last = position{zxid: from.before}
	if from.before == g.header.base.zxid {
		c.last = g.header.base
	}
	known := from.before == g.header.base.zxid // the chain at the start
	for c.last.zxid != z {
		rec, err := c.next(known)
		if err != nil {
			return err
		}
		if rec == nil || rec.Zxid > z {
			return ErrMismatch
		}
		known = true
	}
	return nil
}

// whereabouts are where in the log something stands.
type whereabouts struct {
	segment *segment
	from    indexMark // where to start reading
	end     int64     // of what is durable in the segment
	last    core.Zxid // its last record; 0 while it is appended to
}

// find says where the record after z is, or would be.
func (c *Cursor) find(z core.Zxid) (at whereabouts, err error) {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usableLocked(); err != nil {
		return at, err
	}
	if c.cuts != s.mu.cuts || len(s.mu.segments) == 0 || s.mu.segments[0].zxid > z {
		return at, ErrGone
	}
	for i, g := range s.mu.segments {
		switch {
		case g.zxid > z:
		case i == len(s.mu.segments)-1:
			at = whereabouts{segment: g, end: s.mu.synced}
		default:
			at = whereabouts{segment: g, end: g.end, last: g.last.zxid}
		}
	}
	at.from = at.segment.seek(z)
	return at, nil
}

func (c *Cursor) enter(at *whereabouts, pos int64) error {
	g := at.segment
	if c.f != nil {
		if err := c.f.Close(); err != nil {
			return err
		}
		c.f = nil
	}
	f, err := c.s.fs.Open(c.s.segmentPath(g.place))
	if err != nil {
		if c.gone(g) {
			return ErrGone
		}
		return err
	}
	c.f, c.seg, c.stop = f, g, at.last
	c.r = newFrames(f, g.seal, pos, pos)
	return nil
}

// gone reports whether the segment has left the log meanwhile.
func (c *Cursor) gone(g *segment) bool {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.cuts != s.mu.cuts {
		return true
	}
	for _, h := range s.mu.segments {
		if h == g {
			return false
		}
	}
	return true
}

// next is the next record, or nil at the end of what is durable. known is false
// only for the first record after an index mark, whose chain is then believed.
func (c *Cursor) next(known bool) (*wire.Record, error) {
	for {
		if c.r.pos >= c.r.size || c.last.zxid == c.stop && c.stop != 0 {
			at, err := c.find(c.last.zxid)
			switch {
			case err != nil:
				return nil, err
			case at.segment != c.seg && at.segment.header.base == c.last:
				if err := c.enter(&at, headerBytes); err != nil {
					return nil, err
				}
				continue
			case at.segment != c.seg:
				return nil, c.corrupt("the segment ends early")
			case at.end > c.r.pos:
			case c.last.zxid < at.last:
				return nil, c.corrupt("the segment ends early")
			default:
				return nil, nil
			}
			c.r.size = at.end
		}
		if err := c.r.read(&c.fr); err != nil {
			if errors.Is(err, errNoFrame) || errors.Is(err, io.EOF) {
				return nil, c.corrupt("no valid record")
			}
			if c.gone(c.seg) {
				return nil, ErrGone
			}
			return nil, fmt.Errorf("storage: read log: %w", err)
		}
		if c.fr.isEnd {
			continue
		}
		rec := &c.fr.record
		if known && (rec.PrevChain != c.last.chain || !follows(c.last.zxid, rec.Zxid)) {
			return nil, c.corrupt(fmt.Sprintf("record %v does not follow %v", rec.Zxid, c.last.zxid))
		}
		c.last = position{rec.Zxid, rec.Seal()}
		return rec, nil
	}
}

// corrupt is what a cursor returns that finds what does not belong into the log: damage,
// or ErrGone if its segment has been cut meanwhile, or has begun a new life.
func (c *Cursor) corrupt(what string) error {
	if c.gone(c.seg) {
		return ErrGone
	}
	return &CorruptError{Damage{c.seg.name(segmentSuffix), c.r.pos, what}}
}

// Next returns the records that follow: at least one and then no more than fit
// into maxBytes, or none at the end of what is durable. They are valid until the
// next call. ErrGone means that the position was purged or truncated.
func (c *Cursor) Next(maxBytes int) ([]wire.Record, error) {
	var out []wire.Record
	c.buf = c.buf[:0]
	for used := 0; used < maxBytes || len(out) == 0; {
		rec, err := c.next(true)
		if err != nil {
			if len(out) > 0 {
				break // it comes again with the next call
			}
			return nil, err
		}
		if rec == nil {
			break
		}
		used += recordBytesMin + len(rec.Payload)
		// append may move buf; what was handed out before keeps the old array.
		mark := len(c.buf)
		c.buf = append(c.buf, rec.Payload...)
		cp := *rec
		cp.Payload = c.buf[mark:len(c.buf):len(c.buf)]
		out = append(out, cp)
	}
	return out, nil
}

// Close releases the file.
func (c *Cursor) Close() error {
	if c.f == nil {
		return nil
	}
	f := c.f
	c.f = nil
	return f.Close()
}

// Replay yields every durable record after the one at after, in order, each
// checked against the chain. A record is valid only during the call: its payload
// lies in a buffer that is used again. An error of yield ends the replay and is
// returned. See NewCursor for the others. Safe for concurrent use.
func (s *Store) Replay(after core.Zxid, yield func(wire.Record) error) error {
	c, err := s.NewCursor(after)
	if errors.Is(err, ErrGone) && s.endsAt(after) {
		return nil // a snapshot is all that is left
	}
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		rec, err := c.next(true)
		if err != nil || rec == nil {
			return err
		}
		if err := yield(*rec); err != nil {
			return err
		}
	}
}

// endsAt reports whether there is no log, and a snapshot is at z.
func (s *Store) endsAt(z core.Zxid) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.segments) == 0 && z == s.mu.durable
}

// ChainAt is the chain hash at exactly z. It returns ErrMismatch if the log has no
// record there and ErrGone if it does not reach back that far. Safe for concurrent use.
func (s *Store) ChainAt(z core.Zxid) (uint64, error) {
	s.mu.Lock()
	for _, g := range s.mu.segments {
		for _, p := range []position{g.header.base, g.last} {
			if p.zxid == z && z <= s.mu.durable {
				s.mu.Unlock()
				return p.chain, nil
			}
		}
	}
	s.mu.Unlock()
	c, err := s.NewCursor(z)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	return c.last.chain, nil
}
