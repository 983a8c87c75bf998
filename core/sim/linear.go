package sim

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/zensus-io/zensus/core"
)

// The register workload's operations and their results.
type regOp uint8

const (
	regGet regOp = iota
	regSet
)

type regInput struct {
	op      regOp
	value   string
	version int32 // expected
}

type regOutput struct {
	unknown bool
	code    core.Code
	value   string
	version int32
}

// regState is a register: data and version of one znode.
type regState struct {
	value   string
	version int32
}

// history is what register clients did and saw, by path.
type history struct {
	paths map[string][]porcupine.Operation
}

func (h *history) add(client int, path string, call int64, r *reply, in regInput, out regOutput) {
	if h.paths == nil {
		h.paths = map[string][]porcupine.Operation{}
	}
	back := r.at
	if out.unknown {
		back = math.MaxInt64 // it may still happen
	}
	h.paths[path] = append(h.paths[path], porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: back})
}

// registerModel is a znode that is set, perhaps with an expected version, and
// read. An operation of which nobody knows the end takes effect at some time, at
// the latest after everything else.
var registerModel = porcupine.Model{
	Init: func() any { return regState{value: "0"} },
	Step: func(s, input, output any) (bool, any) {
		st, in, out := s.(regState), input.(regInput), output.(regOutput)
		if in.op == regGet {
			return out.value == st.value && out.version == st.version, st
		}
		fits := in.version == core.AnyVersion || in.version == st.version
		next := regState{in.value, st.version + 1}
		switch {
		case out.unknown && fits:
			return true, next
		case out.unknown:
			return true, st
		case out.code == core.OK:
			return fits && out.version == next.version, next
		case out.code == core.BadVersion:
			return !fits, st
		}
		return out.code == core.SessionExpired || out.code == core.SystemError, st // refused
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v -> %+v", in, out) },
}

// linearizable checks the histories. That the checker runs out of time is a failure.
func (h *history) linearizable() error {
	for _, path := range registers {
		ops := slices.Clone(h.paths[path])
		// An unknown operation of a client ends before its next in the checker's
		// eyes: give each of them a client of its own.
		for i := range ops {
			ops[i].ClientId = i
		}
		switch porcupine.CheckOperationsTimeout(registerModel, ops, 20*time.Second) {
		case porcupine.Illegal:
			return fmt.Errorf("the history of %s with %d operations is not linearizable (C1)", path, len(ops))
		case porcupine.Unknown:
			return fmt.Errorf("the history of %s with %d operations was not checked in time", path, len(ops))
		}
	}
	return nil
}
