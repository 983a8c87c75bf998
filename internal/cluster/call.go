package cluster

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// The service as gRPC names it.
const (
	serviceName = "zensus.Cluster"
	callMethod  = "/" + serviceName + "/call"
)

// Headers of a call and of its answer.
const (
	headerFrom   = "from"   // the caller's id
	headerLife   = "life"   // and its life
	headerNumber = "number" // of the call, used once in that life
	headerMAC    = "mac"
	headerError  = "error" // of an answer: why it is none
)

const (
	// callTime is how long a call may take whose context does not say.
	callTime = 5 * time.Second
	// reachTime is how long a connection to a node may take to come about.
	reachTime = 3 * time.Second
)

// ErrUnreachable is returned by Call when a node did not answer: it may have done
// what was asked.
var ErrUnreachable = errors.New("the node does not answer")

// ErrForged is returned by Call for an answer that is not the node's.
var ErrForged = errors.New("the answer is not from the node")

// RemoteError is what a handler on another node has returned.
type RemoteError struct{ Node, Text string }

func (e *RemoteError) Error() string { return "node " + e.Node + ": " + e.Text }

// Call asks the node with this id, which must not be this one, and waits for its
// answer. It returns ErrUnknown, ErrUnreachable, ErrForged or a RemoteError.
func Call[In, Out any](ctx context.Context, c *Cluster, node, name string, in *In) (*Out, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	answer, err := c.call(ctx, node, name, body)
	if err != nil {
		return nil, fmt.Errorf("cluster: %s at %s: %w", name, node, err)
	}
	out := new(Out)
	if err := json.Unmarshal(answer, out); err != nil {
		return nil, fmt.Errorf("cluster: %s at %s: %w", name, node, err)
	}
	return out, nil
}

// Gather asks all nodes that are live at once, this one by calling here, and returns what
// those have answered that did, this one first; complete reports whether all have. Without a
// cluster, c nil, this node is all that there is.
func Gather[In, Out any](
	ctx context.Context, c *Cluster, name string, in *In, here func(context.Context, *In) *Out,
) (answers []*Out, complete bool) {
	if c == nil {
		return []*Out{here(ctx, in)}, true
	}
	ids := slices.DeleteFunc(c.Live(), func(id string) bool { return id == c.cfg.Self.ID })
	found := make([]*Out, 1+len(ids))
	var under sync.WaitGroup
	for i, id := range ids {
		under.Go(func() {
			answer, err := Call[In, Out](ctx, c, id, name, in)
			if err != nil {
				c.log.Debug("a node does not say what it was asked", "call", name, "node", id, "err", err)
				return
			}
			found[1+i] = answer
		})
	}
	found[0] = here(ctx, in)
	under.Wait()
	answers = slices.DeleteFunc(found, func(o *Out) bool { return o == nil })
	return answers, len(answers) == 1+len(ids)
}

func (c *Cluster) call(ctx context.Context, id, name string, body []byte) ([]byte, error) {
	n, ok := c.Node(id)
	if !ok || !n.Live || n.Self {
		return nil, ErrUnknown
	}
	if n.Hidden {
		return nil, fmt.Errorf("%w: its address is this node's", ErrUnreachable)
	}
	link, err := c.link(n.dial())
	if err != nil {
		return nil, err
	}
	if _, ok := ctx.Deadline(); !ok {
		limited, cancel := context.WithTimeout(ctx, callTime)
		defer cancel()
		ctx = limited
	}
	self := &c.cfg.Self
	number := strconv.FormatUint(c.numbers.Add(1), 10)
	mac := c.mac("call", n.ID, n.Life, self.ID, self.Life, number, name, string(body))
	in := &wire.Payload{
		Metadata: &wire.Metadata{Type: name, Headers: map[string]string{
			headerFrom: self.ID, headerLife: self.Life, headerNumber: number, headerMAC: mac,
		}},
		Body: &anypb.Any{Value: body},
	}
	out := new(wire.Payload)
	if err := link.Invoke(ctx, callMethod, in, out); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	h := out.GetMetadata().GetHeaders()
	if !c.proves(h[headerMAC], "answer", mac, h[headerError], string(out.GetBody().GetValue())) {
		return nil, ErrForged
	}
	if text := h[headerError]; text != "" {
		return nil, &RemoteError{Node: id, Text: text}
	}
	return out.GetBody().GetValue(), nil
}

// link is the connection to an address; it is made when it is first needed.
func (c *Cluster) link(addr string) (*grpc.ClientConn, error) {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, fmt.Errorf("%w: it has no address", ErrUnreachable)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closed {
		return nil, fmt.Errorf("%w: this node stops", ErrUnreachable)
	}
	if l := c.mu.links[addr]; l != nil {
		return l, nil
	}
	retry := backoff.DefaultConfig
	retry.BaseDelay, retry.MaxDelay = 100*time.Millisecond, reachTime
	options := append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxMessageBytes), grpc.MaxCallSendMsgSize(wire.MaxMessageBytes)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: reachTime}),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: retry, MinConnectTimeout: reachTime}),
		grpc.WithDisableServiceConfig(), grpc.WithNoProxy(),
		grpc.WithReadBufferSize(8 << 10), grpc.WithWriteBufferSize(8 << 10),
		grpc.WithStaticStreamWindowSize(wire.WindowBytes), grpc.WithStaticConnWindowSize(wire.WindowBytes),
	}, c.cfg.Options...)
	l, err := grpc.NewClient("passthrough:///"+addr, options...) // it dials later
	if err == nil {
		c.mu.links[addr] = l
	}
	return l, err
}

// mac proves that whoever made it has the key. Each part is preceded by its length,
// so that parts cannot be shifted into one another.
func (c *Cluster) mac(parts ...string) string {
	h := hmac.New(sha256.New, c.cfg.Key)
	var size [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(size[:], uint64(len(p)))
		h.Write(size[:])
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// proves compares in constant time.
func (c *Cluster) proves(mac string, parts ...string) bool {
	return hmac.Equal([]byte(mac), []byte(c.mac(parts...)))
}
