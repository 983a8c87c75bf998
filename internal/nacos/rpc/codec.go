package rpc

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// codec is gRPC's own, but that it takes a wire.Message as it lies. A list that goes to
// many is in memory once then, however slowly they read.
type codec struct{}

var protobuf = encoding.GetCodecV2(proto.Name)

// Marshal gives the parts of a message, which nobody modifies and the collector frees.
func (codec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(*wire.Message)
	if !ok {
		if u, large := v.(*untaken); large {
			return u.pieces(), nil
		}
		return protobuf.Marshal(v)
	}
	out := make(mem.BufferSlice, 1, 3)
	out[0] = mem.SliceBuffer(m.Head)
	if len(m.Shared) > 0 {
		out = append(out, mem.SliceBuffer(m.Shared))
	}
	if len(m.Tail) > 0 {
		out = append(out, mem.SliceBuffer(m.Tail))
	}
	return out, nil
}

// Unmarshal is gRPC's, but that it refuses more metadata than there may be, and tells a
// received how large it is.
func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	r, request := v.(*received)
	if _, frame := v.(*wire.Payload); !request && !frame {
		return protobuf.Unmarshal(data, v) // of another service
	}
	whole := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer whole.Free()
	if err := wire.CheckMetadata(whole.ReadOnlyData()); err != nil {
		return err
	}
	if request {
		r.bytes = int64(whole.Len())
		v = &r.Payload
	}
	return protobuf.Unmarshal(mem.BufferSlice{whole}, v)
}

// received is a request that has come.
type received struct {
	wire.Payload
	bytes int64 // as it came
}

// Name is what clients call it.
func (codec) Name() string { return protobuf.Name() }
