package sim

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/sim/model"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/wire"
)

// sameFate compares what the log made of a request with what the model expects.
func sameFate(q *request, out *model.Outcome, want model.Expected) error {
	if q.op == wire.OpReconfig {
		return reconfigFate(q, out)
	}
	if out.Code != want.Code {
		return fmt.Errorf("became %d, expected %d", int32(out.Code), int32(want.Code))
	}
	if want.Code != core.OK || q.op == wire.OpCloseSession {
		return nil
	}
	if q.op != wire.OpMulti {
		if out.Results[0].Path != want.Paths[0] {
			return fmt.Errorf("path %q, expected %q", out.Results[0].Path, want.Paths[0])
		}
		return nil
	}
	if len(out.Results) != len(want.Codes) {
		return fmt.Errorf("%d results, expected %d", len(out.Results), len(want.Codes))
	}
	for i, res := range out.Results {
		if res.Code != want.Codes[i] {
			return fmt.Errorf("operation %d became %d, expected %d", i, int32(res.Code), int32(want.Codes[i]))
		}
		if want.Paths != nil && res.Path != want.Paths[i] {
			return fmt.Errorf("operation %d: path %q, expected %q", i, res.Path, want.Paths[i])
		}
	}
	return nil
}

func sameResults(r *wire.Reader, results []model.Result) error {
	for i, res := range results {
		h := wire.DecodeMultiHeader(r)
		want := res.Op
		if want == wire.OpCreateContainer || want == wire.OpCreateTTL {
			want = wire.OpCreate2
		}
		if h.Op != want || h.Done || core.Code(h.Err) != res.Code {
			return fmt.Errorf("result %d is %+v, expected %v with %d", i, h, want, int32(res.Code))
		}
		switch want {
		case wire.OpError:
			if got := core.Code(r.Int()); got != res.Code {
				return fmt.Errorf("result %d is %d, expected %d", i, int32(got), int32(res.Code))
			}
		case wire.OpCreate, wire.OpCreate2:
			if got := r.String(); got != res.Path {
				return fmt.Errorf("result %d: path %q, expected %q", i, got, res.Path)
			}
			if want == wire.OpCreate2 {
				if err := sameStat(r, res.Stat); err != nil {
					return fmt.Errorf("result %d: %w", i, err)
				}
			}
		case wire.OpSetData:
			if err := sameStat(r, res.Stat); err != nil {
				return fmt.Errorf("result %d: %w", i, err)
			}
		}
	}
	if h := wire.DecodeMultiHeader(r); !h.Done || r.Err() != nil {
		return fmt.Errorf("results do not end")
	}
	return nil
}

func sameStat(r *wire.Reader, want core.Stat) error {
	if got := wire.DecodeStat(r); got != want || r.Err() != nil {
		return fmt.Errorf("stat %+v, expected %+v", got, want)
	}
	return nil
}

func sameBytes(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

func sameAnswer(op wire.OpCode, r *wire.Reader, want model.Answer) error {
	switch op {
	case wire.OpGetData:
		if got := r.Bytes(); !sameBytes(got, want.Data) {
			return fmt.Errorf("data %q, expected %q", got, want.Data)
		}
	case wire.OpGetChildren, wire.OpGetChildren2, wire.OpGetEphemerals:
		got, ok := wire.DecodeStrings(r)
		slices.Sort(got)
		if !ok || !slices.Equal(got, want.Children) {
			return fmt.Errorf("names %q, expected %q", got, want.Children)
		}
	case wire.OpGetACL:
		if got := wire.DecodeACLs(r); !slices.Equal(got, want.ACL) {
			return fmt.Errorf("access list %v, expected %v", got, want.ACL)
		}
	case wire.OpGetAllChildrenNumber:
		if got := r.Int(); got != want.Count {
			return fmt.Errorf("%d descendants, expected %d", got, want.Count)
		}
	}
	switch op {
	case wire.OpExists, wire.OpGetData, wire.OpGetChildren2, wire.OpGetACL:
		return sameStat(r, want.Stat)
	}
	return r.Err()
}

// compareTrees holds a state against the model: every znode, every session.
func compareTrees(m *model.Model, s *state.State) error {
	asker := state.Asker{IDs: []core.Identity{{Scheme: "super"}}}
	for _, path := range m.Paths() {
		for _, op := range []wire.OpCode{wire.OpGetData, wire.OpGetChildren2, wire.OpGetACL} {
			body := wire.AppendPathWatch(nil, path, false)
			got, code := s.Read(&asker, op, body, nil)
			if code != core.OK {
				return fmt.Errorf("%v %s: code %d", op, path, int32(code))
			}
			r := wire.NewReader(got)
			if err := sameAnswer(op, &r, m.Read(op, path, 0, asker.IDs)); err != nil {
				return fmt.Errorf("%v %s: %w", op, path, err)
			}
		}
		if n := m.Nodes[path]; !strings.HasPrefix(path, "/zookeeper") {
			if got := uint32(s.Tree().Creates(s.Tree().Find(path))); got != n.Creates {
				return fmt.Errorf("%s: counter of children %d, expected %d", path, got, n.Creates)
			}
		}
	}
	if got := s.Tree().Digest(); got != m.Digest() {
		return fmt.Errorf("digest %x, expected %x", got, m.Digest())
	}
	if got := s.Sessions(); len(got) != len(m.Sessions) {
		return fmt.Errorf("%d sessions, expected %d", len(got), len(m.Sessions))
	}
	for _, one := range s.Sessions() {
		if timeout, open := m.Sessions[one.ID]; !open || timeout != one.TimeoutMillis {
			return fmt.Errorf("session %v with %d ms, expected %d ms", one.ID, one.TimeoutMillis, timeout)
		}
	}
	return nil
}
