package wire

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/zensus-io/zensus/core"
)

func TestCreateOpFollowsTheModeAndRoundsUp(t *testing.T) {
	for _, c := range []struct {
		opt core.CreateOptions
		op  OpCode
		ttl int64
	}{
		{core.CreateOptions{}, OpCreate2, 0},
		{core.CreateOptions{Mode: core.Ephemeral, TTL: time.Hour}, OpCreate2, 0},
		{core.CreateOptions{Mode: core.Container}, OpCreateContainer, 0},
		{core.CreateOptions{Mode: core.PersistentTTL, TTL: time.Second}, OpCreateTTL, 1000},
		{core.CreateOptions{Mode: core.PersistentTTL, TTL: 1}, OpCreateTTL, 1},
		{core.CreateOptions{Mode: core.PersistentTTL, TTL: time.Second + 1}, OpCreateTTL, 1001},
		{core.CreateOptions{Mode: core.PersistentTTL, TTL: math.MaxInt64}, OpCreateTTL, math.MaxInt64/1_000_000 + 1},
		{core.CreateOptions{Mode: core.PersistentTTL, TTL: -time.Second}, OpCreateTTL, -1000},
	} {
		if op, ttl := CreateOp(c.opt); op != c.op || ttl != c.ttl {
			t.Errorf("%+v: %v, %d ms; want %v, %d", c.opt, op, ttl, c.op, c.ttl)
		}
	}
}

type noOp struct{ core.Op }

func TestOnlyOperationsOfCoreGoIntoAMulti(t *testing.T) {
	for _, op := range []core.Op{nil, noOp{}, &core.SetOp{}} {
		if _, err := AppendOp(nil, op, "/a", nil); !errors.Is(err, core.MarshallingError) {
			t.Errorf("%T: %v", op, err)
		}
	}
}

func TestFailedMultiIsNamedAfterTheOperationThatFailed(t *testing.T) {
	ops := []core.Op{core.CheckOp{Path: "/a"}, core.CreateOp{Path: "/b"}, core.DeleteOp{Path: "/c"}}
	var b []byte
	for _, code := range []core.Code{core.OK, core.NodeExists, core.RuntimeInconsistency} {
		b = AppendInt(AppendMultiHeader(b, OpError, false, int32(code)), int32(code))
	}
	r := NewReader(AppendMultiEnd(b))
	results := DecodeResults(&r, 3)
	var failed *core.OpError
	if err := FailedOp(ops, results); r.Err() != nil || !errors.As(err, &failed) || failed.Op != "create" || failed.Path != "/b" || failed.Err != core.NodeExists {
		t.Errorf("%v, %v", r.Err(), err)
	}
	if err := FailedOp(ops, make([]core.OpResult, 3)); err != nil {
		t.Errorf("nothing failed: %v", err)
	}
}

func TestResultsOfAnotherNumberAreMalformed(t *testing.T) {
	b := AppendMultiEnd(AppendMultiHeader(nil, OpDelete, false, 0))
	for count, want := range []bool{0: false, 1: true, 2: false} {
		r := NewReader(b)
		DecodeResults(&r, count)
		if ok := r.Err() == nil; ok != want {
			t.Errorf("one result of %d: %v", count, r.Err())
		}
	}
}

func FuzzDecodeResults(f *testing.F) {
	b := AppendStat(AppendString(AppendMultiHeader(nil, OpCreate2, false, 0), "/a"), &core.Stat{})
	f.Add(AppendMultiEnd(AppendMultiHeader(b, OpDelete, false, 0)))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(b)
		if results := DecodeResults(&r, 2); r.Err() == nil && len(results) != 2 {
			t.Errorf("%d results without an error", len(results))
		}
	})
}
