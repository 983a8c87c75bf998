package rpc

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// benchServer runs a server until the benchmark ends.
func benchServer(b *testing.B, prepare func(*Server)) (*Server, string) {
	b.Helper()
	s, err := New(Config{Limits: Limits{RequestsPerSecond: 1e9}})
	if err != nil {
		b.Fatal(err)
	}
	if prepare != nil {
		prepare(s)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Run(ctx) })
	wg.Go(func() { _ = s.Serve(l) })
	b.Cleanup(func() { cancel(); wg.Wait() })
	return s, l.Addr().String()
}

// benchClient connects a client that acknowledges every push.
func benchClient(b *testing.B, addr string) *grpc.ClientConn {
	b.Helper()
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	stream, err := conn.NewStream(context.Background(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, wire.BiStreamMethod)
	if err != nil {
		b.Fatal(err)
	}
	setup, err := wire.Encode(&wire.ConnectionSetupRequest{ClientVersion: "Nacos-Go-Client:v2.3.2"}, nil)
	if err != nil {
		b.Fatal(err)
	}
	if err := stream.SendMsg(setup); err != nil {
		b.Fatal(err)
	}
	go func() {
		for {
			p := new(wire.Payload)
			if stream.RecvMsg(p) != nil {
				return
			}
			push, err := wire.DecodeAck(p) // for its request id
			if err != nil {
				return
			}
			ack, err := wire.Encode(&wire.NotifySubscriberResponse{Response: wire.Response{ResultCode: 200, RequestID: push.RequestID}}, nil)
			if err != nil || stream.SendMsg(ack) != nil {
				return
			}
		}
	}()
	health, err := wire.Encode(&wire.HealthCheckRequest{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	if err := conn.Invoke(context.Background(), wire.RequestMethod, health, new(wire.Payload)); err != nil {
		b.Fatal(err)
	}
	return conn
}

func BenchmarkRequest(b *testing.B) {
	_, addr := benchServer(b, nil)
	conn := benchClient(b, addr)
	p, err := wire.Encode(&wire.HealthCheckRequest{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := conn.Invoke(context.Background(), wire.RequestMethod, p, new(wire.Payload)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// listReply is the answer to a query, whose list everybody shares.
type listReply struct {
	wire.Response
	list []byte
}

func (*listReply) PayloadType() string { return "QueryServiceResponse" }

func (r *listReply) Wrap(b []byte) (head, list []byte) {
	return append(r.AppendMembers(append(b, '{')), `,"serviceInfo":`...), r.list
}

// BenchmarkQuery answers with a service of fifty instances; client and server share the
// machine.
func BenchmarkQuery(b *testing.B) {
	info := wire.NewServiceInfo("orders", "DEFAULT_GROUP", "")
	for i := range 50 {
		in := wire.NewInstance()
		in.IP, in.Port, in.ServiceName = "10.0.0.1", 8000+i, "DEFAULT_GROUP@@orders"
		info.Hosts = append(info.Hosts, in)
	}
	list := info.AppendJSON(nil)
	_, addr := benchServer(b, func(s *Server) {
		Register(s, func(context.Context, *Conn, *wire.ServiceQueryRequest) (*listReply, error) {
			return &listReply{list: list}, nil
		})
	})
	conn := benchClient(b, addr)
	p, err := wire.Encode(&wire.ServiceQueryRequest{ServiceKey: wire.ServiceKey{ServiceName: "orders", GroupName: "DEFAULT_GROUP"}}, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(list)))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := conn.Invoke(context.Background(), wire.RequestMethod, p, new(wire.Payload)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkPush sends one service of ten instances to every subscriber and waits
// for all acknowledgements; client and server share the machine.
func BenchmarkPush(b *testing.B) {
	for _, subscribers := range []int{1, 100} {
		b.Run(fmt.Sprintf("subscribers=%d", subscribers), func(b *testing.B) {
			s, addr := benchServer(b, nil)
			for range subscribers {
				benchClient(b, addr)
			}
			info := wire.NewServiceInfo("orders", "DEFAULT_GROUP", "")
			for i := range 10 {
				in := wire.NewInstance()
				in.IP, in.Port, in.ServiceName = "10.0.0.1", 8000+i, "DEFAULT_GROUP@@orders"
				info.Hosts = append(info.Hosts, in)
			}
			conns := s.Conns()
			b.ReportAllocs()
			for b.Loop() {
				body, err := wire.Preencode(&wire.NotifySubscriberRequest{ServiceInfo: info})
				if err != nil {
					b.Fatal(err)
				}
				var wg sync.WaitGroup
				for _, c := range conns {
					wg.Go(func() {
						if err := c.Push(context.Background(), body); err != nil {
							b.Error(err)
						}
					})
				}
				wg.Wait()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*subscribers), "ns/push")
		})
	}
}

// BenchmarkIdleConnection tells what a connection keeps while nothing happens,
// the client's half included.
func BenchmarkIdleConnection(b *testing.B) {
	_, addr := benchServer(b, nil)
	const n = 500
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	goroutines := runtime.NumGoroutine()
	for range n {
		benchClient(b, addr)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	for b.Loop() {
	}
	b.ReportMetric(float64(after.HeapAlloc+after.StackInuse-before.HeapAlloc-before.StackInuse)/n, "B/conn")
	b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/n, "goroutines/conn")
}
