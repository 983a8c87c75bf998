package wire

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Message is a Payload as it travels, in three parts that follow each other. Shared may be
// under way to others too: it is neither copied nor modified.
type Message struct {
	Head, Shared []byte
	Tail         string
}

// sharedBytesMin is from where on it costs less to send JSON as it lies than to copy it.
const sharedBytesMin = 1 << 10

// The field numbers of Payload and its parts.
const (
	fieldMetadata protowire.Number = 2 // of Payload
	fieldBody     protowire.Number = 3
	fieldType     protowire.Number = 3 // of Metadata
	fieldValue    protowire.Number = 2 // of Any
)

// maxPrefixBytes is what stands before a body's JSON, but for the name of the type: four
// tags of one byte and four lengths.
const maxPrefixBytes = 4*1 + 4*5

// NewMessage makes the message of a body, without headers. A push has a request id, and
// the body's own must be empty then, so that one body can go to many.
func NewMessage(body Body, requestID string) (*Message, error) {
	name := body.PayloadType()
	room := maxPrefixBytes + len(name)
	head, shared, tail, err := appendParts(make([]byte, room, room+256), body, requestID)
	if err != nil {
		return nil, err
	}
	value := len(head) - room + len(shared) + len(tail)
	var space [128]byte
	prefix := protowire.AppendTag(space[:0], fieldMetadata, protowire.BytesType)
	prefix = protowire.AppendVarint(prefix, uint64(1+protowire.SizeBytes(len(name))))
	prefix = protowire.AppendTag(prefix, fieldType, protowire.BytesType)
	prefix = protowire.AppendString(prefix, name)
	prefix = protowire.AppendTag(prefix, fieldBody, protowire.BytesType)
	prefix = protowire.AppendVarint(prefix, uint64(1+protowire.SizeBytes(value)))
	prefix = protowire.AppendTag(prefix, fieldValue, protowire.BytesType)
	prefix = protowire.AppendVarint(prefix, uint64(value))
	// How long it is depends on what follows, so it was left room for.
	head = head[room-len(prefix):]
	copy(head, prefix)
	if len(shared) < sharedBytesMin {
		return &Message{Head: append(append(head, shared...), tail...)}, nil
	}
	return &Message{head, shared, tail}, nil
}

// appendParts gives the JSON of a body: the first part is appended to b, the second may
// be shared with others.
func appendParts(b []byte, body Body, requestID string) (head, shared []byte, tail string, err error) {
	module := moduleOf(body.PayloadType())
	if w, ok := body.(Wrapper); ok && requestID == "" && module == "" {
		head, shared = w.Wrap(b)
		return head, shared, "}", nil
	}
	e, ok := body.(Encoded)
	if !ok {
		if e, err = Preencode(body); err != nil {
			return nil, nil, "", err
		}
	}
	if len(e.JSON) < 2 || e.JSON[0] != '{' {
		return nil, nil, "", fmt.Errorf("encode %s: the body is no JSON object", e.Type)
	}
	if requestID == "" && module == "" {
		return b, e.JSON, "", nil
	}
	b = append(b, '{')
	if requestID != "" {
		b = append(b, `"requestId":`...)
		b = appendString(b, requestID)
		b = append(b, ',')
	}
	if module != "" {
		b = append(b, `"module":"`...)
		b = append(b, module...)
		b = append(b, '"', ',')
	}
	if e.JSON[1] == '}' {
		b = b[:len(b)-1]
	}
	return b, e.JSON[1:], "", nil
}
