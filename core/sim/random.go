package sim

import (
	"fmt"
	"strings"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// randomPath is mostly one of a few znodes, at times not a path at all.
func randomPath(c *client) string {
	r := c.w.work
	switch r.IntN(14) {
	case 0:
		return pick(r, "/", "", "abc", "/z/", "/z//a", "/z/./a", "/z/a\x00", "/zookeeper", "/zookeeper/config", "/z/\x01", "/none/x", "/z/a/")
	case 1, 2, 3:
		return fmt.Sprintf("/z/%c/%c", 'a'+rune(r.IntN(4)), 'a'+rune(r.IntN(3)))
	case 4:
		return "/z"
	default:
		return fmt.Sprintf("/z/%c", 'a'+rune(r.IntN(4)))
	}
}

func randomMode(c *client) core.CreateMode {
	if oneIn(c.w.work, 12) {
		return core.CreateMode(c.w.work.IntN(9))
	}
	return core.CreateMode(c.w.work.IntN(4))
}

// random does anything.
func random(c *client) {
	r := c.w.work
	path := randomPath(c)
	watch := oneIn(r, 3) && path != "" && strings.IndexByte(path, 0) < 0
	version := pick(r, core.AnyVersion, core.AnyVersion, 0, 1, 2)
	switch r.IntN(20) {
	case 0, 1, 2, 3:
		op := pick(r, wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL)
		c.createWith(op, path, randomData(c), core.OpenACL(), randomMode(c), pick[int64](r, -1, 0, 700))
	case 4, 5:
		c.set(path, randomData(c), version, nil)
	case 6, 7:
		c.remove(path, version)
	case 8:
		c.get(path, watch, nil)
	case 9:
		c.do(wire.OpExists, path, watch, wire.AppendPathWatch(nil, path, watch), nil)
	case 10:
		c.children(path, watch, nil)
	case 11:
		c.do(wire.OpGetChildren, path, watch, wire.AppendPathWatch(nil, path, watch), nil)
	case 12, 13:
		c.randomMulti()
	case 14:
		c.do(wire.OpSync, path, false, wire.AppendString(nil, path), nil)
	case 15:
		c.do(wire.OpGetAllChildrenNumber, path, false, wire.AppendString(nil, path), nil)
	case 16:
		if path != "" {
			c.do(wire.OpAddWatch, path, false, wire.AppendPathMode(nil, path, int32(r.IntN(2))), nil)
		}
	case 17:
		op := pick(r, wire.OpRemoveWatches, wire.OpCheckWatches)
		if path != "" {
			c.do(op, path, false, wire.AppendPathMode(nil, path, int32(1+r.IntN(5))), nil)
		}
	case 18:
		c.malformed(path)
	case 19: // many sequential znodes in one multi: the transaction outgrows the request
		var body []byte
		for range 2 + r.IntN(14) {
			body = wire.AppendMultiHeader(body, wire.OpCreate, false, -1)
			body = wire.AppendCreate(body, wire.OpCreate, "/z/a/s", nil, core.OpenACL(), int32(core.EphemeralSequential), 0)
		}
		c.do(wire.OpMulti, "/z/a", false, wire.AppendMultiEnd(body), nil)
	}
}

// malformed sends a write whose body is cut, or that creates or deletes the null path.
func (c *client) malformed(path string) {
	r := c.w.work
	op := pick(r, wire.OpSetData, wire.OpSetData, wire.OpCreate, wire.OpCreate, wire.OpCreate2, wire.OpCreateTTL, wire.OpDelete)
	var body []byte
	switch op {
	case wire.OpSetData:
		body = wire.AppendSetData(nil, path, []byte("cut"), -1)
	case wire.OpDelete:
		body = wire.AppendPathVersion(nil, path, -1)
	default:
		body = wire.AppendCreate(nil, op, path, []byte("cut"), core.OpenACL(), int32(randomMode(c)), pick[int64](r, 0, 700))
	}
	if op != wire.OpSetData && oneIn(r, 4) { // of setData the null path is not malformed
		body = append(wire.AppendBuffer(nil, nil), body[4+len(path):]...)
	} else {
		body = body[:r.IntN(len(body))]
	}
	c.do(op, path, false, body, nil)
}

func randomData(c *client) []byte {
	switch c.w.work.IntN(6) {
	case 0:
		return nil
	case 1:
		return []byte{}
	case 2:
		return []byte(strings.Repeat("x", c.w.work.IntN(3000)))
	}
	c.serial++
	return fmt.Appendf(nil, "%d of %d", c.serial, c.id)
}

// randomMulti mixes anything a multi may hold, at times what it may not.
func (c *client) randomMulti() {
	r := c.w.work
	var body []byte
	for range r.IntN(5) {
		path := randomPath(c)
		version := pick(r, core.AnyVersion, core.AnyVersion, 0, 1)
		switch r.IntN(12) {
		case 0, 1, 2, 3:
			op := pick(r, wire.OpCreate, wire.OpCreate2)
			mode := core.CreateMode(r.IntN(5))
			body = wire.AppendMultiHeader(body, op, false, -1)
			body = wire.AppendCreate(body, op, path, randomData(c), core.OpenACL(), int32(mode), 0)
		case 4:
			body = wire.AppendMultiHeader(body, wire.OpCreateTTL, false, -1)
			body = wire.AppendCreate(body, wire.OpCreateTTL, path, nil, core.OpenACL(), int32(pick(r, core.PersistentTTL, core.Persistent)), 500)
		case 5, 6, 7:
			body = wire.AppendMultiHeader(body, wire.OpSetData, false, -1)
			body = wire.AppendSetData(body, path, randomData(c), version)
		case 8, 9:
			body = wire.AppendPathVersion(wire.AppendMultiHeader(body, wire.OpDelete, false, -1), path, version)
		case 10:
			body = wire.AppendPathVersion(wire.AppendMultiHeader(body, wire.OpCheck, false, -1), path, version)
		case 11:
			if oneIn(r, 4) {
				body = wire.AppendMultiHeader(body, wire.OpGetData, false, -1)
				body = wire.AppendPathWatch(body, path, false)
			}
		}
	}
	c.do(wire.OpMulti, "", false, wire.AppendMultiEnd(body), nil)
}
