package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/zensus-io/zensus/internal/names"
)

// The methods of gRPC, as they stand in the path.
const (
	RequestMethod  = "/Request/request"
	BiStreamMethod = "/BiRequestStream/requestBiStream"
)

// Bounds on what a peer sends, in bytes of a body. The largest config that Nacos
// takes is 10 MiB, and its own bound on a message is no more.
const (
	MaxBodyBytes     = 12 << 20
	maxInternalBytes = 64 << 10
	// MaxMetadataBytes bounds what is beside the body: a token is the largest of it.
	MaxMetadataBytes = 64 << 10
	// MaxMessageBytes bounds a whole message of gRPC.
	MaxMessageBytes = MaxBodyBytes + MaxMetadataBytes
)

// WindowBytes is how much one side of a connection sends, on a stream and in all, before it
// hears that there is room for more: enough for 10 MB/s over a way of 100 ms. Windows that
// gRPC fits to the way take a ping for whatever comes on a quiet connection: another write,
// another wake-up, and an answer to read.
const WindowBytes = 1 << 20

// Errors of Decode.
var (
	// ErrUnknownType is returned for a type name without a Go type.
	ErrUnknownType = errors.New("unknown payload type")
	// ErrTooLarge is returned for a body above the bound of its type, and for metadata above
	// theirs.
	ErrTooLarge = errors.New("payload too large")
)

// Encoded is a body whose JSON exists already. It lets one encoding serve many
// pushes: NewMessage only sets each one's request id in front of it.
type Encoded struct {
	Type string
	JSON []byte // an object without the member requestId; not modified
}

// PayloadType is e.Type.
func (e Encoded) PayloadType() string { return e.Type }

// Preencode encodes a body for reuse.
func Preencode(body Body) (Encoded, error) {
	if w, ok := body.(Wrapper); ok {
		head, inner := w.Wrap(nil)
		return Encoded{Type: body.PayloadType(), JSON: slices.Concat(head, inner, []byte("}"))}, nil
	}
	b, err := marshal(body)
	if err != nil {
		return Encoded{}, fmt.Errorf("encode %s: %w", body.PayloadType(), err)
	}
	return Encoded{Type: body.PayloadType(), JSON: b}, nil
}

// Encode makes the payload of a body. Headers may be nil; replies have none.
func Encode(body Body, headers map[string]string) (*Payload, error) {
	head, value, tail, err := appendParts(nil, body, "")
	if err != nil {
		return nil, err
	}
	if len(head) > 0 {
		value = slices.Concat(head, value, []byte(tail))
	}
	return &Payload{
		Metadata: &Metadata{Type: body.PayloadType(), Headers: headers},
		Body:     &anypb.Any{Value: value},
	}, nil
}

// Decode reads the body of a payload into a new value of its type. The error is
// ErrUnknownType, ErrTooLarge or JSON's.
func Decode(p *Payload) (Body, error) {
	body := New(p.GetMetadata().GetType())
	if body == nil {
		return nil, fmt.Errorf("%w %q", ErrUnknownType, clip(p.GetMetadata().GetType()))
	}
	if err := DecodeInto(p, body); err != nil {
		return nil, err
	}
	return body, nil
}

// DecodeInto reads the body of a payload into body, which is zero, whatever the payload's
// type.
// An empty body counts as {}: all members are absent.
func DecodeInto(p *Payload, body Body) error {
	value := p.GetBody().GetValue()
	limit := MaxBodyBytes
	if moduleOf(body.PayloadType()) == "internal" {
		limit = maxInternalBytes
	}
	if len(value) > limit {
		return fmt.Errorf("decode %s: %w: %d bytes, at most %d", body.PayloadType(), ErrTooLarge, len(value), limit)
	}
	if len(value) == 0 {
		value = []byte("{}")
	}
	if p, ok := body.(plainReader); ok && p.readPlain(value) {
		return nil
	}
	if err := json.Unmarshal(value, body); err != nil {
		return fmt.Errorf("decode %s: %w", body.PayloadType(), err)
	}
	return nil
}

// CheckMetadata returns ErrTooLarge for a message with more metadata than MaxMetadataBytes.
// It is for messages that nobody has read yet: a header of some bytes takes ten times as
// many when it is. Of what is no message it counts what is read before that shows.
func CheckMetadata(message []byte) error {
	size := 0
	for b := message; len(b) > 0; {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			break
		}
		b = b[n:]
		if n = protowire.ConsumeFieldValue(field, kind, b); n < 0 {
			break
		}
		if field == fieldMetadata {
			size += n
		}
		b = b[n:]
	}
	if size > MaxMetadataBytes {
		return fmt.Errorf("metadata: %w: %d bytes, at most %d", ErrTooLarge, size, MaxMetadataBytes)
	}
	return nil
}

// maxAckBytes bounds an acknowledgement that is matched by its base only.
const maxAckBytes = 1 << 20

// DecodeAck reads the base of an acknowledgement, whatever its type: clients do
// not agree on those.
func DecodeAck(p *Payload) (*Response, error) {
	value := p.GetBody().GetValue()
	if len(value) > maxAckBytes {
		return nil, fmt.Errorf("decode acknowledgement: %w: %d bytes", ErrTooLarge, len(value))
	}
	if ack, ok := readAck(value); ok {
		return &ack, nil
	}
	return decodeAck(value)
}

func decodeAck(value []byte) (*Response, error) {
	// Python leaves out what is null, Java writes it.
	var base struct {
		Response
		RequestID *string `json:"requestId"`
		Message   *string `json:"message"`
	}
	if err := json.Unmarshal(value, &base); err != nil {
		return nil, fmt.Errorf("decode acknowledgement: %w", err)
	}
	base.Response.RequestID, base.Response.Message = Text(base.RequestID), Text(base.Message)
	return &base.Response, nil
}

// marshal is json.Marshal without the escapes for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// clip shortens a peer's text for an error message.
func clip(s string) string { return names.Clip(s, 64, "") }
