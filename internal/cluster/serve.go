package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

type handler func(ctx context.Context, from string, body []byte) ([]byte, error)

// Handle sets what answers calls of this name; from is the id of the node that
// calls. Of an error only the text comes back to it. Call Handle before the first
// call can come, that is before Serve of the gRPC server.
func Handle[In, Out any](c *Cluster, name string, serve func(ctx context.Context, from string, in *In) (*Out, error)) {
	c.handlers[name] = func(ctx context.Context, from string, body []byte) ([]byte, error) {
		in := new(In)
		if err := json.Unmarshal(body, in); err != nil {
			return nil, err
		}
		out, err := serve(ctx, from, in)
		if err != nil {
			return nil, err
		}
		return json.Marshal(out)
	}
}

var service = grpc.ServiceDesc{
	ServiceName: serviceName,
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "call",
		Handler: func(srv any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
			in := new(wire.Payload)
			if err := decode(in); err != nil {
				return nil, err
			}
			c := srv.(*Cluster)
			if intercept == nil {
				return c.serve(ctx, in)
			}
			info := &grpc.UnaryServerInfo{Server: srv, FullMethod: callMethod}
			return intercept(ctx, in, info, func(ctx context.Context, in any) (any, error) {
				return c.serve(ctx, in.(*wire.Payload))
			})
		},
	}},
}

// Register lets other nodes call over s.
func (c *Cluster) Register(s grpc.ServiceRegistrar) { s.RegisterService(&service, c) }

// serve answers a call, if it is another node's.
func (c *Cluster) serve(ctx context.Context, in *wire.Payload) (*wire.Payload, error) {
	name, body := in.GetMetadata().GetType(), in.GetBody().GetValue()
	h := in.GetMetadata().GetHeaders()
	mac := h[headerMAC]
	if !c.admit(h, name, body) {
		// Which of its proofs fails is nobody's business.
		return nil, status.Error(codes.PermissionDenied, "other nodes only")
	}
	out, err := c.answer(ctx, h[headerFrom], name, body)
	text := ""
	if err != nil {
		if text = err.Error(); text == "" {
			text = "unknown"
		}
	}
	return &wire.Payload{
		Metadata: &wire.Metadata{Type: name, Headers: map[string]string{
			headerError: text, headerMAC: c.mac("answer", mac, text, string(out)),
		}},
		Body: &anypb.Any{Value: out},
	}, nil
}

// admit reports whether a call comes from a live node and was not here before.
func (c *Cluster) admit(h map[string]string, name string, body []byte) bool {
	if c.mirror == nil || h[headerFrom] == c.cfg.Self.ID {
		return false
	}
	from, ok := c.Node(h[headerFrom])
	number, err := strconv.ParseUint(h[headerNumber], 10, 64)
	if !ok || !from.Live || from.Life != h[headerLife] || err != nil {
		return false
	}
	self := &c.cfg.Self
	if !c.proves(h[headerMAC], "call", self.ID, self.Life, from.ID, from.Life, h[headerNumber], name, string(body)) {
		c.forged.Do(func() { c.log.Warn("refused a call in the name of a node", "node", from.ID) })
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.mu.windows[from.Life]
	if w == nil {
		w = new(window)
		c.mu.windows[from.Life] = w
	}
	return w.first(number)
}

func (c *Cluster) answer(ctx context.Context, from, name string, body []byte) (out []byte, err error) {
	h := c.handlers[name]
	if h == nil {
		return nil, fmt.Errorf("nothing here answers %q", name)
	}
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("handler panicked", "name", name, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("%s failed", name)
		}
	}()
	return h(ctx, from, body)
}

// windowSize is how far calls may overtake one another.
const windowSize = 4096

// window notes which numbers were seen. One that is far behind counts as seen.
type window struct {
	newest uint64
	seen   [windowSize / 64]uint64
}

// first reports whether n was not seen yet, and notes it.
func (w *window) first(n uint64) bool {
	if n == 0 || n+windowSize <= w.newest {
		return false
	}
	if n > w.newest {
		if n-w.newest >= windowSize {
			w.seen = [windowSize / 64]uint64{}
		} else {
			for i := w.newest + 1; i < n; i++ {
				w.seen[i%windowSize/64] &^= 1 << (i % 64)
			}
		}
		w.newest = n
	} else if w.seen[n%windowSize/64]&(1<<(n%64)) != 0 {
		return false
	}
	w.seen[n%windowSize/64] |= 1 << (n % 64)
	return true
}
