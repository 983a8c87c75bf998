package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// conn is a connection as a Nacos client makes it.
type conn struct {
	conn   *grpc.ClientConn
	stream grpc.ClientStream
	pushes chan *wire.Payload
	send   sync.Mutex
	end    context.CancelFunc
}

// pushesMax is how many pushes wait to be asked for.
const pushesMax = 64

func (p *player) doGRPC(ctx context.Context, s *step) (*answer, error) {
	if s.method == "connect" {
		c, err := open(p.grpc, p.fill(s.json))
		if err != nil {
			return nil, err
		}
		p.conns[s.path] = c
		return c.told(ctx, s, "SetupAckRequest")
	}
	c := p.conns[s.path]
	if c == nil {
		return nil, fmt.Errorf("there is no connection %q", s.path)
	}
	switch s.method {
	case "cut":
		c.close()
		delete(p.conns, s.path)
		return nil, nil
	case "told":
		return c.told(ctx, s, s.kind)
	}
	var out wire.Payload
	if err := c.conn.Invoke(ctx, wire.RequestMethod, payload(s.kind, orEmpty(p.fill(s.json))), &out); err != nil {
		return nil, err
	}
	return p.payloadAnswer(s, &out)
}

func orEmpty(json string) string {
	if json == "" {
		return "{}"
	}
	return json
}

func payload(kind, json string) *wire.Payload {
	return &wire.Payload{
		Metadata: &wire.Metadata{Type: kind, ClientIp: "127.0.0.1", Headers: map[string]string{}},
		Body:     &anypb.Any{Value: []byte(json)},
	}
}

func (p *player) payloadAnswer(s *step, in *wire.Payload) (*answer, error) {
	v, ok := decode(in.GetBody().GetValue())
	if !ok {
		return nil, fmt.Errorf("no JSON object: %q", in.GetBody().GetValue())
	}
	for _, save := range s.saves {
		if !p.save(save, v) {
			return nil, fmt.Errorf("the answer has no %s", save[1])
		}
	}
	return &answer{Type: in.GetMetadata().GetType(), Body: mask(v, s)}, nil
}

// open makes a connection and says who it is.
func open(addr, setup string) (*conn, error) {
	cc, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &conn{conn: cc, pushes: make(chan *wire.Payload, pushesMax), end: cancel}
	check, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	if err := cc.Invoke(check, wire.RequestMethod, payload("ServerCheckRequest", "{}"), &wire.Payload{}, grpc.WaitForReady(true)); err != nil {
		c.close()
		return nil, err
	}
	c.stream, err = cc.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, wire.BiStreamMethod)
	if err == nil {
		err = c.stream.SendMsg(payload("ConnectionSetupRequest", setup))
	}
	if err != nil {
		c.close()
		return nil, err
	}
	go c.receive()
	return c, nil
}

// receive takes pushes and acknowledges them.
func (c *conn) receive() {
	defer close(c.pushes)
	for {
		in := new(wire.Payload)
		if c.stream.RecvMsg(in) != nil {
			return
		}
		kind := in.GetMetadata().GetType()
		if v, ok := decode(in.GetBody().GetValue()); ok && kind != "SetupAckRequest" {
			id, _ := part(v, "requestId")
			ack := fmt.Sprintf(`{"resultCode":200,"errorCode":0,"success":true,"requestId":%q}`, id)
			c.send.Lock()
			err := c.stream.SendMsg(payload(strings.TrimSuffix(kind, "Request")+"Response", ack))
			c.send.Unlock()
			if err != nil {
				return
			}
		}
		if kind == "ClientDetectionRequest" {
			continue
		}
		select {
		case c.pushes <- in:
		default: // nobody asks for them
		}
	}
}

// told waits for the next push of a kind; others before it are passed over.
func (c *conn) told(ctx context.Context, s *step, kind string) (*answer, error) {
	for {
		select {
		case in, open := <-c.pushes:
			if !open {
				return nil, errors.New("the stream has ended")
			}
			if in.GetMetadata().GetType() == kind {
				return (&player{saved: map[string]string{}}).payloadAnswer(s, in)
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("no %s came", kind)
		}
	}
}

func (c *conn) close() {
	c.end()
	_ = c.conn.Close()
}
