package chaos

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/zensus-io/zensus/core"
)

// A register is a znode that clients read, behind a sync, and set, at times with the
// version that they have seen. Registers are replaced every few seconds, so that a
// history can be checked.

type regInput struct {
	get     bool
	value   string
	version int32 // expected
}

type regOutput struct {
	unknown bool
	bad     bool // version
	value   string
	version int32
}

type regState struct {
	value   string
	version int32
}

var registerModel = porcupine.Model{
	Init: func() any { return regState{value: "0"} },
	Step: func(s, input, output any) (bool, any) {
		st, in, out := s.(regState), input.(regInput), output.(regOutput)
		if in.get {
			return out.value == st.value && out.version == st.version, st
		}
		fits := in.version == core.AnyVersion || in.version == st.version
		next := regState{in.value, st.version + 1}
		switch {
		case out.unknown && fits:
			return true, next
		case out.unknown:
			return true, st
		case out.bad:
			return !fits, st
		}
		return fits && out.version == next.version, next
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v -> %+v", in, out) },
}

// history is what clients did, by register.
type history struct {
	mu  sync.Mutex
	ops map[string][]porcupine.Operation
}

func (h *history) add(path string, call, back int64, in regInput, out regOutput) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ops == nil {
		h.ops = map[string][]porcupine.Operation{}
	}
	if out.unknown {
		back = math.MaxInt64 // it may still happen
	}
	h.ops[path] = append(h.ops[path], porcupine.Operation{ClientId: len(h.ops[path]), Input: in, Call: call, Output: out, Return: back})
}

func (h *history) linearizable() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for path, ops := range h.ops {
		switch porcupine.CheckOperationsTimeout(registerModel, ops, time.Minute) {
		case porcupine.Illegal:
			return fmt.Errorf("the history of %s with %d operations is not linearizable", path, len(ops))
		case porcupine.Unknown:
			return fmt.Errorf("the history of %s with %d operations was not checked in time", path, len(ops))
		}
	}
	return nil
}

// registerTime is how long a register is used.
const registerTime = 5 * time.Second

var begun = time.Now()

func (w *world) register(ctx context.Context, n int) {
	serial := 0
	for ctx.Err() == nil {
		c := w.session(ctx)
		if c == nil {
			return
		}
		seen := map[string]int32{}
		for ctx.Err() == nil {
			path := fmt.Sprintf("/reg/%d-%d", time.Since(begun)/registerTime, n%2)
			if _, known := seen[path]; !known {
				_, _, _ = c.Create(ctx, "/reg", nil, core.CreateOptions{})
				_, _, err := c.Create(ctx, path, []byte("0"), core.CreateOptions{})
				if core.IsSessionOver(err) {
					break
				}
				if _, err := c.Exists(ctx, path); err != nil {
					continue
				}
				seen[path] = 0
			}
			serial++
			var over bool
			if serial%3 == 0 {
				over = w.get(ctx, c, path, seen)
			} else {
				over = w.set(ctx, c, path, fmt.Sprintf("%d.%d", n, serial), serial%4 > 0, seen)
			}
			if over {
				break
			}
			time.Sleep(2 * time.Millisecond)
		}
		_ = c.Close()
	}
}

func (w *world) get(ctx context.Context, c core.Client, path string, seen map[string]int32) (over bool) {
	call := time.Since(begun).Nanoseconds()
	if _, err := c.Sync(ctx, path); err != nil {
		return core.IsSessionOver(err)
	}
	data, st, err := c.Get(ctx, path)
	if err != nil {
		return core.IsSessionOver(err)
	}
	w.ops.Add(1)
	seen[path] = st.Version
	w.history.add(path, call, time.Since(begun).Nanoseconds(), regInput{get: true}, regOutput{value: string(data), version: st.Version})
	return false
}

func (w *world) set(ctx context.Context, c core.Client, path, value string, any bool, seen map[string]int32) (over bool) {
	in := regInput{value: value, version: core.AnyVersion}
	if !any {
		in.version = seen[path]
	}
	call := time.Since(begun).Nanoseconds()
	st, err := c.Set(ctx, path, []byte(value), in.version)
	out := regOutput{version: st.Version}
	switch {
	case err == nil:
		seen[path] = st.Version
	case isCode(err, core.BadVersion):
		out.bad = true
	case unknownOutcome(err):
		out.unknown = true
		w.unknown.Add(1)
	default:
		return false // refused
	}
	w.ops.Add(1)
	w.history.add(path, call, time.Since(begun).Nanoseconds(), in, out)
	return core.IsSessionOver(err)
}
