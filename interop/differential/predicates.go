package differential

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// emptyResults is a list of results that is over, in a text.
const emptyResults = " and ffffffff01ffffffff"

// odd reports whether a frame of the difference has text that the servers encode
// in their own ways.
func (d *Difference) odd() bool {
	for _, f := range []*Frame{d.Ref, d.Ours} {
		if f != nil && f.Kind == Event && isOdd([]byte(f.event().Path)) {
			return true
		}
	}
	return d.Request != nil && d.Request.Op == wire.OpSync && d.Ours != nil && len(d.Ours.Body) >= 4 && isOdd(d.Ours.Body[4:])
}

func isOdd(text []byte) bool {
	return !utf8.Valid(text) || bytes.ContainsRune(text, utf8.RuneError) || bytes.ContainsFunc(text, func(r rune) bool { return r > 0xffff })
}

// nullLists reports whether a request is a setWatches with a list that is null.
func nullLists(q Request) bool {
	if !oneOf(q.Op, wire.OpSetWatches, wire.OpSetWatches2) {
		return false
	}
	r := wire.NewReader(q.Body)
	r.Long()
	for range map[bool]int{false: 3, true: 5}[q.Op == wire.OpSetWatches2] {
		n := r.Count(4)
		if r.Err() == nil && n < 0 {
			return true
		}
		for range n {
			r.Bytes()
		}
	}
	return false
}

// creates reports whether the request creates, on its own or in a multi, what
// such says.
func (d *Difference) creates(such func(*wire.Create) bool) bool {
	found := false
	d.parts(func(op wire.OpCode, r *wire.Reader) {
		switch op {
		case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
			c := wire.DecodeCreate(r, op)
			found = found || r.Err() == nil && such(&c)
		case wire.OpSetData:
			wire.DecodeSetData(r)
		default:
			wire.DecodePathVersion(r)
		}
	})
	return found
}

// parts calls each for the request or, if it is a multi, for its operations. each
// reads the operation.
func (d *Difference) parts(each func(op wire.OpCode, r *wire.Reader)) {
	if d.Request == nil {
		return
	}
	r := wire.NewReader(d.Request.Body)
	if d.Request.Op != wire.OpMulti {
		each(d.Request.Op, &r)
		return
	}
	for {
		h := wire.DecodeMultiHeader(&r)
		if r.Err() != nil || h.Done {
			return
		}
		each(h.Op, &r)
	}
}

// nullEntry reports whether an access list of the request has an entry in which
// the scheme or the id is null.
func (d *Difference) nullEntry() bool {
	found := d.creates(func(c *wire.Create) bool { return hasNull(c.ACL) })
	if d.Request.Op == wire.OpSetACL {
		r := wire.NewReader(d.Request.Body)
		found = hasNull(wire.DecodeSetACL(&r).ACL)
	}
	return found
}

func hasNull(list []wire.RawACL) bool {
	return slices.ContainsFunc(list, func(a wire.RawACL) bool { return a.Scheme == nil || a.ID == nil })
}

// replies reports whether the difference is one between two replies to op with
// the codes.
func (d *Difference) replies(op wire.OpCode, ref, ours core.Code) bool {
	return d.Request != nil && d.Request.Op == op && d.Ref != nil && d.Ours != nil && d.Ref.code() == ref && d.Ours.code() == ours
}

func oneOf[T comparable](v T, among ...T) bool {
	for _, a := range among {
		if a == v {
			return true
		}
	}
	return false
}

// watcherQuery is the path and type of the checkWatches or removeWatches whose
// replies differ.
func (d *Difference) watcherQuery() (path string, kind int32, ok bool) {
	if d.Request == nil || d.Ref == nil || d.Ours == nil || !oneOf(d.Request.Op, wire.OpCheckWatches, wire.OpRemoveWatches) {
		return "", 0, false
	}
	r := wire.NewReader(d.Request.Body)
	q := wire.DecodePathMode(&r)
	return string(q.Path), q.Mode, r.Err() == nil
}

// doubt notes that servers may disagree on the watches that are left on a path.
func (d *Difference) doubt(path string) {
	if d.Request.Op == wire.OpRemoveWatches {
		d.judge.watch(d.Step.Conn, path, modeDoubtful)
	}
}

// statless is the text of a multi's reply in which results of creations have no
// Stat and all the same type.
func statless(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		head, tail, found := strings.Cut(text, "[15 ")
		b.WriteString(head)
		if !found {
			break
		}
		b.WriteString("[1 ")
		at := strings.Index(tail, " {c")
		end := strings.IndexByte(tail, '}')
		if at < 0 || end < at {
			return text
		}
		b.WriteString(tail[:at])
		text = tail[end+1:]
	}
	return b.String()
}
