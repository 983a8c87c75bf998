package rpc

import (
	"errors"
	"io"
	"net/netip"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

var streamService = grpc.ServiceDesc{
	ServiceName: "BiRequestStream",
	HandlerType: (*any)(nil),
	Streams: []grpc.StreamDesc{{
		StreamName:    "requestBiStream",
		ServerStreams: true,
		ClientStreams: true,
		Handler:       func(srv any, stream grpc.ServerStream) error { return srv.(*Server).serveStream(stream) },
	}},
}

// Bounds on a setup frame. What it says is kept for as long as the connection lives, of
// whoever it is, and some of it is shown: clients have less than 1 KiB to say.
const (
	maxSetupBytes   = 8 << 10
	maxLabels       = 64
	maxVersionBytes = 256
)

var errDraining = errors.New("the server is draining, use another")

var errSetupTooLarge = errors.New("the setup is too large")

var errSecondClient = errors.New("a second client on one TCP connection: a proxy multiplexes HTTP/2, let it pass TCP instead")

// serveStream reads one stream: the setup, then acknowledgements. It never ends
// with a status of OK: the Python client takes that for no reason to reconnect.
func (s *Server) serveStream(stream grpc.ServerStream) error {
	t := transportOf(stream.Context())
	if t == nil {
		return status.Error(codes.Internal, "no connection")
	}
	t.streamOnce.Do(func() { close(t.streamOpen) })
	c, err := s.setUp(t, stream)
	if err != nil {
		level := hclog.Warn
		if errors.Is(err, errDraining) || !s.complaints.Allow() {
			level = hclog.Debug
		}
		s.log.Log(level, "connection setup refused", "client", t.id, "err", err)
		if !errors.Is(err, errSecondClient) { // the first one goes on
			t.shut(AskedToLeave)
		}
		return status.Error(codes.Unavailable, err.Error())
	}
	if c == nil {
		return status.Error(codes.Unavailable, "connection ended before its setup")
	}
	defer c.outbox.lost(stream)
	for {
		p := new(wire.Payload)
		err := stream.RecvMsg(p)
		if errors.Is(err, io.EOF) {
			// Half closed: nothing comes any more, but pushes still go out.
			<-stream.Context().Done()
			return status.Error(codes.Unavailable, "connection closed")
		}
		if err != nil {
			return status.Error(codes.Unavailable, "connection closed")
		}
		c.alive(time.Now())
		ack, err := wire.DecodeAck(p)
		if err != nil {
			s.log.Debug("acknowledgement cannot be read", "client", c.id, "type", p.GetMetadata().GetType(), "err", err)
			continue
		}
		if ack.RequestID != "" {
			c.outbox.end(ack.RequestID, p, judge(ack))
		}
	}
}

// setUp reads the setup frame and makes the connection known. Both results are
// nil if the client went away before.
func (s *Server) setUp(t *transport, stream grpc.ServerStream) (*Conn, error) {
	p := new(wire.Payload)
	if err := stream.RecvMsg(p); err != nil {
		return nil, nil
	}
	if len(p.GetBody().GetValue()) > maxSetupBytes {
		return nil, errSetupTooLarge
	}
	body, err := wire.Decode(p)
	if err != nil {
		return nil, err
	}
	setup, ok := body.(*wire.ConnectionSetupRequest)
	if !ok {
		return nil, errors.New("the first frame is a " + body.PayloadType())
	}
	if len(setup.Labels) > maxLabels || len(setup.ClientVersion) > maxVersionBytes {
		return nil, errSetupTooLarge
	}
	if s.draining.Load() || !s.cfg.Ready() {
		return nil, errors.New("the server is not ready")
	}
	if !s.cfg.Admits() {
		return nil, errDraining
	}
	t.mu.Lock()
	known := t.mu.conn
	t.mu.Unlock()
	if known != nil {
		// Either the client opened its stream anew, or two clients come over one
		// connection, through a proxy of HTTP/2. The latter would overwrite each
		// other's registrations without a word.
		if !known.outbox.replace(stream) {
			return nil, errSecondClient
		}
		known.alive(time.Now())
		known.acknowledgeSetup(setup)
		return known, nil
	}
	declared := p.GetMetadata().GetClientIp()
	if _, err := netip.ParseAddr(declared); err != nil {
		declared = "" // no address: what is seen counts
	}
	c := t.newConn(setup, declared, stream)
	if c == nil {
		return nil, nil
	}
	for _, f := range s.onOpen {
		f(c)
	}
	close(c.opened)
	c.acknowledgeSetup(setup)
	close(t.setUp)
	if s.log.IsDebug() {
		s.log.Debug("connection set up", "client", c.id, "version", c.Version(), "app", c.AppName())
	}
	return c, nil
}

// acknowledgeSetup tells a client that asked which abilities there are. Nobody
// replies to it.
func (c *Conn) acknowledgeSetup(setup *wire.ConnectionSetupRequest) {
	if setup.AbilityTable == nil {
		return
	}
	if err := c.outbox.send(&wire.SetupAckRequest{AbilityTable: c.transport.server.cfg.Abilities}); err != nil {
		c.transport.server.log.Debug("setup not acknowledged", "client", c.id, "err", err)
	}
}
