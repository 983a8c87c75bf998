package differential

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/zensus-io/zensus/core/wire"
)

// Cell is a kind of reply: an operation and its result code.
type Cell struct {
	Op   wire.OpCode
	Code int32
}

// Coverage counts replies, of the reference and of Zensus.
type Coverage struct {
	Cells    map[Cell]*[2]int
	Events   map[int32]*[2]int
	Welcomes [2]int
	Refusals [2]int
	Closed   [2]int
	Sub      map[Cell]*[2]int // results within a multi or a multiRead
}

// NewCoverage has counted nothing.
func NewCoverage() *Coverage {
	return &Coverage{Cells: map[Cell]*[2]int{}, Events: map[int32]*[2]int{}, Sub: map[Cell]*[2]int{}}
}

func count[K comparable](m map[K]*[2]int, k K, side, n int) {
	if m[k] == nil {
		m[k] = new([2]int)
	}
	m[k][side] += n
}

func (c *Coverage) add(st *Step, frames []Frame, side int) {
	for i := range frames {
		switch f := &frames[i]; f.Kind {
		case Reply:
			count(c.Cells, Cell{f.Request.Op, f.Err}, side, 1)
			if f.Err == 0 && oneOf(f.Request.Op, wire.OpMulti, wire.OpMultiRead) {
				c.results(f, side)
			}
		case Event:
			count(c.Events, int32(f.event().Type), side, 1)
		case Closed:
			c.Closed[side]++
		case Welcome:
			if r, err := wire.DecodeConnectResponse(f.Body); err == nil && r.SessionID == 0 {
				c.Refusals[side]++
			} else {
				c.Welcomes[side]++
			}
		}
	}
}

// results counts what is within a multi's reply.
func (c *Coverage) results(f *Frame, side int) {
	r := wire.NewReader(f.Body)
	nothing := func(int64) string { return "" }
	n := names{zxid: nothing, reached: nothing, session: nothing}
	for r.Err() == nil {
		h := wire.DecodeMultiHeader(&r)
		if h.Done || r.Err() != nil {
			return
		}
		count(c.Sub, Cell{f.Request.Op, h.Err}, side, 1)
		if h.Op == wire.OpError {
			r.Int()
		} else {
			n.result(h.Op, &r)
		}
	}
}

// Add counts what another has counted.
func (c *Coverage) Add(o *Coverage) {
	for side := range 2 {
		for k, v := range o.Cells {
			count(c.Cells, k, side, v[side])
		}
		for k, v := range o.Sub {
			count(c.Sub, k, side, v[side])
		}
		for k, v := range o.Events {
			count(c.Events, k, side, v[side])
		}
		c.Welcomes[side] += o.Welcomes[side]
		c.Refusals[side] += o.Refusals[side]
		c.Closed[side] += o.Closed[side]
	}
}

// Codes is every code that Zensus has sent, on its own or within a multi.
func (c *Coverage) Codes() map[int32]int {
	all := map[int32]int{}
	for _, m := range []map[Cell]*[2]int{c.Cells, c.Sub} {
		for k, v := range m {
			all[k.Code] += v[1]
		}
	}
	return all
}

// Write writes the table.
func (c *Coverage) Write(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "%-24s %6s %10s %10s\n", "opcode", "result", "reference", "zensus"); err != nil {
		return err
	}
	write := func(prefix string, m map[Cell]*[2]int) error {
		var keys []Cell
		for k := range m {
			keys = append(keys, k)
		}
		slices.SortFunc(keys, func(a, b Cell) int {
			if a.Op != b.Op {
				return cmp.Compare(a.Op, b.Op)
			}
			return cmp.Compare(b.Code, a.Code)
		})
		for _, k := range keys {
			name := fmt.Sprintf("%d %s%s", int32(k.Op), k.Op, prefix)
			if k.Op.String() == fmt.Sprint(int32(k.Op)) {
				name = "unknown " + k.Op.String()
			}
			if _, err := fmt.Fprintf(w, "%-24s %6d %10d %10d\n", name, k.Code, m[k][0], m[k][1]); err != nil {
				return err
			}
		}
		return nil
	}
	if err := write("", c.Cells); err != nil {
		return err
	}
	if err := write(" (within)", c.Sub); err != nil {
		return err
	}
	for _, t := range []int32{1, 2, 3, 4} {
		if v := c.Events[t]; v != nil {
			if _, err := fmt.Fprintf(w, "%-24s %6s %10d %10d\n", fmt.Sprintf("event %d", t), "", v[0], v[1]); err != nil {
				return err
			}
		}
	}
	_, err := fmt.Fprintf(w, "%-24s %6s %10d %10d\n%-24s %6s %10d %10d\n%-24s %6s %10d %10d\n",
		"connect accepted", "", c.Welcomes[0], c.Welcomes[1], "connect refused", "", c.Refusals[0], c.Refusals[1],
		"closed by the server", "", c.Closed[0], c.Closed[1])
	return err
}
