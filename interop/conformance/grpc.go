package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// conn is a connection as a Nacos client makes it.
type conn struct {
	conn   *grpc.ClientConn
	pushes chan *wire.Payload

	send   sync.Mutex
	stream grpc.ClientStream // nil before the first message
}

// pushesMax is how many pushes wait to be asked for.
const pushesMax = 64

func (p *player) doGRPC(ctx context.Context, s *step) (*answer, error) {
	if s.method == "dial" || s.method == "connect" {
		c, err := dial(ctx, p.grpc)
		if err != nil {
			return nil, err
		}
		p.conns[s.path] = c
		if s.method == "dial" {
			return nil, nil
		}
		if err := c.say(payload(s.kind, p.fill(s.json))); err != nil {
			return nil, err
		}
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
	case "send":
		return nil, c.say(payload(s.kind, orEmpty(p.fill(s.json))))
	case "told":
		return c.told(ctx, s, s.kind)
	}
	in := payload(s.kind, orEmpty(p.fill(s.json)))
	for k, v := range s.header {
		in.Metadata.Headers[k] = v[0]
	}
	var out wire.Payload
	err := c.conn.Invoke(ctx, wire.RequestMethod, in, &out)
	if status.Code(err) == codes.Unavailable {
		return &answer{Body: "the connection was cut"}, nil
	}
	if err != nil {
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
	return &answer{Type: in.GetMetadata().GetType(), Body: mask(filled(v), s)}, nil
}

// filled leaves out the members of a payload that are blank: Nacos leaves out what is
// null, which to some clients is no text.
func filled(v any) any {
	members, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := make(map[string]any, len(members))
	for k, m := range members {
		object, ok := m.(map[string]any)
		if m != nil && m != "" && (!ok || len(object) > 0) {
			out[k] = m
		}
	}
	return out
}

// dial makes a connection, of which the server knows nothing yet.
func dial(ctx context.Context, addr string) (*conn, error) {
	cc, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	c := &conn{conn: cc, pushes: make(chan *wire.Payload, pushesMax)}
	if err := cc.Invoke(ctx, wire.RequestMethod, payload("ServerCheckRequest", "{}"), &wire.Payload{}, grpc.WaitForReady(true)); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// say sends a message on the stream, which the first one opens.
func (c *conn) say(m *wire.Payload) error {
	c.send.Lock()
	defer c.send.Unlock()
	if c.stream == nil {
		stream, err := c.conn.NewStream(context.Background(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, wire.BiStreamMethod)
		if err != nil {
			return err
		}
		c.stream = stream
		go c.receive(stream)
	}
	return c.stream.SendMsg(m)
}

// receive takes pushes and acknowledges them.
func (c *conn) receive(stream grpc.ClientStream) {
	defer close(c.pushes)
	for {
		in := new(wire.Payload)
		if stream.RecvMsg(in) != nil {
			return
		}
		kind := in.GetMetadata().GetType()
		if v, ok := decode(in.GetBody().GetValue()); ok && kind != "SetupAckRequest" {
			id, _ := part(v, "requestId")
			ack := fmt.Sprintf(`{"resultCode":200,"errorCode":0,"success":true,"requestId":%q}`, id)
			if c.say(payload(strings.TrimSuffix(kind, "Request")+"Response", ack)) != nil {
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

func (c *conn) close() { _ = c.conn.Close() }
