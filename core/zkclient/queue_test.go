package zkclient

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/zensus-io/zensus/core/wire"
)

type nobody struct{}

func (nobody) reply(wire.ReplyHeader, []byte, error) {}

// bodies cuts out into the bodies of its frames.
func bodies(t *testing.T, out []byte) (list []string) {
	t.Helper()
	for len(out) > 0 {
		n := int(binary.BigEndian.Uint32(out))
		list = append(list, string(out[12:4+n]))
		out = out[4+n:]
	}
	return list
}

// The frames that wait to be written are always those of the requests that are
// not sent and not taken back, in their order.
func TestQueueAgreesWithANaiveOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var q queue
	type item struct {
		seq  uint64
		body string
		auth bool
	}
	var sent, unsent []item
	for i := range 200_000 {
		switch rng.IntN(8) {
		case 0, 1, 2:
			op := wire.OpExists
			if rng.IntN(4) == 0 {
				op = wire.OpAuth
			}
			body := fmt.Sprint(i, bytes.Repeat([]byte("x"), rng.IntN(5)))
			seq := q.add(op, []byte(body), nobody{})
			unsent = append(unsent, item{seq, body, op == wire.OpAuth})
		case 3:
			var want []string
			for _, it := range unsent {
				want = append(want, it.body)
			}
			if got := bodies(t, q.take(nil)); !slices.Equal(got, want) {
				t.Fatalf("step %d: wrote %q, want %q", i, got, want)
			}
			sent, unsent = append(sent, unsent...), nil
		case 4, 5:
			n := rng.IntN(3)
			var want []uint64
			for _, it := range sent {
				if !it.auth && len(want) < n {
					want = append(want, it.seq)
				}
			}
			got, ok := q.pop(nil, n)
			if ok != (len(want) == n) {
				t.Fatalf("step %d: pop %d of %d: %v", i, n, len(want), ok)
			}
			if !ok {
				continue
			}
			for j, e := range got {
				if e.seq != want[j] {
					t.Fatalf("step %d: popped %d, want %d", i, e.seq, want[j])
				}
			}
			sent = slices.DeleteFunc(sent, func(it item) bool { return slices.Contains(want, it.seq) })
		case 6:
			e, ok := q.popAuth()
			j := slices.IndexFunc(sent, func(it item) bool { return it.auth })
			if ok != (j >= 0) || ok && e.seq != sent[j].seq {
				t.Fatalf("step %d: popped auth %d, %v", i, e.seq, ok)
			}
			if ok {
				sent = slices.Delete(sent, j, j+1)
			}
		case 7:
			if rng.IntN(50) == 0 {
				if lost := q.takeSent(); len(lost) != len(sent) {
					t.Fatalf("step %d: lost %d of %d", i, len(lost), len(sent))
				}
				sent = nil
				continue
			}
			seq := uint64(rng.Int64N(int64(q.lastSeq) + 1))
			isSent := slices.ContainsFunc(sent, func(it item) bool { return it.seq == seq })
			j := slices.IndexFunc(unsent, func(it item) bool { return it.seq == seq })
			found, wasSent := q.forget(seq)
			if found != (isSent || j >= 0) || found && wasSent != isSent {
				t.Fatalf("step %d: forget: %v, %v", i, found, wasSent)
			}
			if j >= 0 {
				unsent = slices.Delete(unsent, j, j+1)
			}
		}
	}
}

func TestXidsWrapToOne(t *testing.T) {
	q := queue{lastXid: math.MaxInt32 - 1}
	for range 2 {
		q.add(wire.OpExists, nil, nobody{})
	}
	q.take(nil)
	got, _ := q.pop(nil, 2)
	if got[0].xid != math.MaxInt32 || got[1].xid != 1 {
		t.Errorf("xids %d, %d", got[0].xid, got[1].xid)
	}
}

func TestSplitConnect(t *testing.T) {
	for _, c := range []struct {
		in, chroot string
		addrs      []string
	}{
		{"a:1,b:2", "", []string{"a:1", "b:2"}},
		{"a, b:2 ,/x/y", "/x/y", []string{"a:2181", "b:2"}},
		{"a/", "", []string{"a:2181"}},
		{"[::1]:7,[::1],10.0.0.1", "", []string{"[::1]:7", "[::1]:2181", "10.0.0.1:2181"}},
		{"", "", nil},
	} {
		addrs, chroot := SplitConnect(c.in)
		if !slices.Equal(addrs, c.addrs) || chroot != c.chroot {
			t.Errorf("%q: %q, %q", c.in, addrs, chroot)
		}
	}
}
