package rpc

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/internal/patience"
)

var requestService = grpc.ServiceDesc{
	ServiceName: "Request",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "request",
		Handler: func(srv any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
			deepen(0)
			in := new(received)
			if err := decode(in); err != nil {
				return nil, err
			}
			s := srv.(*Server)
			if intercept == nil {
				return s.serveRequest(ctx, in)
			}
			info := &grpc.UnaryServerInfo{Server: srv, FullMethod: wire.RequestMethod}
			return intercept(ctx, in, info, func(ctx context.Context, in any) (any, error) {
				return s.serveRequest(ctx, in.(*received))
			})
		},
	}},
}

// deepen has the goroutine of a request grow its stack at once to what a request takes in
// the end: at every doubling it is copied, and the deeper it is the dearer that is.
//
//go:noinline
func deepen(n int) byte {
	var room [stackBytes]byte
	return room[n]
}

const stackBytes = 11 << 10 // 16 KiB with what is on the stack before

// handler serves one type of request.
type handler struct {
	call   func(ctx context.Context, c *Conn, request wire.Body) (wire.Reply, error)
	failed func(wire.Response) wire.Reply // an empty reply of the right type
}

// Register sets the handler of one type of request. A reply whose base is empty
// counts as a success. An error is answered as a failure of the reply's type, so
// that the client's call ends with it instead of being repeated: see
// wire.AsError for the code. Call it before the first Serve.
func Register[Req, Resp any, PReq interface {
	*Req
	wire.Body
}, PResp interface {
	*Resp
	wire.Reply
}](s *Server, serve func(ctx context.Context, c *Conn, in *Req) (*Resp, error)) {
	name := PReq(new(Req)).PayloadType()
	s.handlers[name] = handler{
		call: func(ctx context.Context, c *Conn, request wire.Body) (wire.Reply, error) {
			out, err := serve(ctx, c, (*Req)(request.(PReq)))
			if err != nil {
				return nil, err
			}
			if out == nil {
				out = new(Resp)
			}
			reply := PResp(out)
			if b := reply.Base(); b.ResultCode == 0 {
				b.ResultCode, b.Success = wire.ResultOK, true
			}
			return reply, nil
		},
		failed: func(base wire.Response) wire.Reply {
			reply := PResp(new(Resp))
			*reply.Base() = base
			return reply
		},
	}
}

// ofServers are the types that only servers send to each other.
var ofServers = map[string]bool{
	"MemberReportRequest":            true,
	"DistroDataRequest":              true,
	"ConfigChangeClusterSyncRequest": true,
	"ServerReloadRequest":            true,
	"ServerLoaderInfoRequest":        true,
}

// textUnreadable is what Nacos says of a body that is no JSON, or not of the type's shape.
const textUnreadable = "errCode: 101, errMsg: Nacos deserialize failed.  "

// unregistered answers what comes on a connection without a setup, as one is that grpc
// made by itself, after the one before was lost. Its code is 301, by which a client makes a
// new one with a setup; of a health check it is 500. Nacos answers those with 301 too, and
// nacos-sdk-python 2.0.11 takes any code from 300 to 399 there for health: if its server was
// back within the five seconds between two of its checks it never again heard of a config.
func unregistered(name string) wire.Reply {
	code := 301
	if name == "HealthCheckRequest" {
		code = 500
	}
	return wire.NewErrorResponse(code, "Connection is unregistered.")
}

// busyDelay slows down a client that asks too much.
const busyDelay = time.Second

// serveRequest answers one unary call. Refusals are payloads; the error of gRPC
// is left to transports that are gone.
func (s *Server) serveRequest(ctx context.Context, in *received) (any, error) {
	began := time.Now()
	t := transportOf(ctx)
	if t == nil {
		return nil, status.Error(codes.Internal, "no connection")
	}
	name := in.GetMetadata().GetType()
	reply := s.answerLarge(ctx, t, name, in, began)
	if _, known := s.handlers[name]; !known && name != "ServerCheckRequest" {
		name = "other"
	}
	base := reply.Base()
	s.metrics.answered(name, base.ErrorCode, time.Since(began))
	return s.message(ctx, t, name, reply)
}

// answerLarge is answer, with a bound on what requests take that are under way.
func (s *Server) answerLarge(ctx context.Context, t *transport, name string, in *received, began time.Time) wire.Reply {
	h, served := s.handlers[name]
	if in.bytes <= requestBytesFree || !served || !s.cfg.Ready() { // the latter are answered at once
		return s.answer(ctx, t, name, &in.Payload, began)
	}
	if !s.room.meet(ctx, t, in.bytes) {
		return unregistered(name)
	}
	if !s.room.enter(ctx, in.bytes) {
		return h.failed(wire.Failed(wire.Busy.RPCCode(), "too many large requests are under way, please try again later"))
	}
	defer s.room.leave(in.bytes)
	return s.answer(ctx, t, name, &in.Payload, began)
}

// answer follows Nacos's order of checks.
func (s *Server) answer(ctx context.Context, t *transport, name string, in *wire.Payload, began time.Time) wire.Reply {
	if ofServers[name] {
		return wire.NewErrorResponse(502, " invoke "+name+" from sdk is forbidden")
	}
	if !s.cfg.Ready() {
		return wire.NewErrorResponse(300, "Server is starting,please try later.")
	}
	if name == "ServerCheckRequest" {
		if !s.cfg.Admits() {
			return wire.NewErrorResponse(300, "Server is draining,please use another.")
		}
		return &wire.ServerCheckResponse{Response: wire.Succeeded(), ConnectionID: t.id, SupportAbilityNegotiation: true}
	}
	h, ok := s.handlers[name]
	if !ok {
		return wire.NewErrorResponse(302, "RequestHandler Not Found")
	}
	c := t.registered(ctx)
	if c == nil {
		return unregistered(name)
	}
	c.alive(began)
	request, err := wire.Decode(in)
	if err != nil {
		s.log.Debug("request cannot be read", "client", c.id, "type", name, "err", err)
		return wire.NewErrorResponse(502, textUnreadable)
	}
	if !c.limiter.AllowN(began, 1) {
		wait(ctx, busyDelay)
		return h.failed(wire.Failed(wire.Busy.RPCCode(), "More than the allowed requests of a connection, please try later."))
	}
	limited := patience.Until(ctx, began.Add(s.cfg.Timing.Request))
	defer limited.End()
	ctx = limited
	if s.cfg.Begin == nil {
		reply, _, _ := s.serve(ctx, h, c, in, request)
		return reply
	}
	ctx, end := s.cfg.Begin(ctx, c, request)
	reply, ctx, err := s.serve(ctx, h, c, in, request)
	if end != nil {
		end(ctx, err)
	}
	return reply
}

// serve answers a request that could be read. The context that it returns names who made
// it, and the error says why it was refused.
func (s *Server) serve(ctx context.Context, h handler, c *Conn, in *wire.Payload, request wire.Body) (wire.Reply, context.Context, error) {
	name := request.PayloadType()
	var err error
	if s.cfg.Authorize != nil {
		if ctx, err = s.cfg.Authorize(ctx, c, in.GetMetadata().GetHeaders(), request); err != nil {
			return h.failed(wire.FailedBy(err)), ctx, err
		}
	}
	if p, ok := request.(interface{ Check() error }); ok {
		if err := p.Check(); err != nil {
			base := wire.FailedBy(err)
			base.Message = "Param check invalid:" + base.Message
			return h.failed(base), ctx, err
		}
	}
	reply, err := s.call(ctx, h, c, request)
	if err != nil {
		if wire.UnknownOutcome(err) {
			Reply(ctx, wire.HeaderOutcome, "unknown")
		}
		if e := wire.AsError(err); e.Kind == wire.ServerError {
			s.log.Warn("request failed", "client", c.id, "type", name, "err", err)
		} else if s.log.IsDebug() {
			s.log.Debug("request refused", "client", c.id, "type", name, "err", err)
		}
		return h.failed(wire.FailedBy(err)), ctx, err
	}
	return reply, ctx, nil
}

// call runs a handler; what it panics with becomes an error, and one client's
// request does not end the server.
func (s *Server) call(ctx context.Context, h handler, c *Conn, request wire.Body) (reply wire.Reply, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("handler panicked", "client", c.id, "type", request.PayloadType(), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = wire.Refuse(wire.ServerError, "internal error")
		}
	}()
	return h.call(ctx, c, request)
}

// Reply sets a header of the answer to the request that ctx belongs to. Call it
// before the handler returns. Stock clients do not look.
func Reply(ctx context.Context, name, value string) {
	// It fails outside of a request only, where there is nothing to set.
	_ = grpc.SetHeader(ctx, metadata.Pairs(name, value))
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
