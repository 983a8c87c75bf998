package lean

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// Numbers of the fields of Nacos's messages; see internal/nacos/wire.
const (
	fieldMetadata = 2 // of a Payload
	fieldBody     = 3
	fieldType     = 3 // of its Metadata
	fieldValue    = 2 // of its Any
)

// appendPayload appends a payload of a type with a JSON body, behind the five bytes that
// gRPC has in front of a message.
func appendPayload(b []byte, kind string, json []byte) []byte {
	meta := protowire.SizeTag(fieldType) + protowire.SizeBytes(len(kind))
	value := protowire.SizeTag(fieldValue) + protowire.SizeBytes(len(json))
	n := payloadBytes(kind, json)
	b = append(b, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	b = protowire.AppendVarint(protowire.AppendTag(b, fieldMetadata, protowire.BytesType), uint64(meta))
	b = protowire.AppendString(protowire.AppendTag(b, fieldType, protowire.BytesType), kind)
	b = protowire.AppendVarint(protowire.AppendTag(b, fieldBody, protowire.BytesType), uint64(value))
	return protowire.AppendBytes(protowire.AppendTag(b, fieldValue, protowire.BytesType), json)
}

// payloadBytes is the length of the message that appendPayload makes.
func payloadBytes(kind string, json []byte) int {
	meta := protowire.SizeTag(fieldType) + protowire.SizeBytes(len(kind))
	value := protowire.SizeTag(fieldValue) + protowire.SizeBytes(len(json))
	return protowire.SizeTag(fieldMetadata) + protowire.SizeBytes(meta) + protowire.SizeTag(fieldBody) + protowire.SizeBytes(value)
}

var errPayload = errors.New("no payload of Nacos's")

// readPayload finds the type and the JSON of a payload, in the bytes of b.
func readPayload(b []byte) (kind, json []byte, err error) {
	meta, ok1 := field(b, fieldMetadata)
	body, ok2 := field(b, fieldBody)
	kind, ok3 := field(meta, fieldType)
	if !ok1 || !ok2 || !ok3 {
		return nil, nil, errPayload
	}
	json, _ = field(body, fieldValue)
	return kind, json, nil
}

// field is the field of that number, the first one.
func field(b []byte, want protowire.Number) ([]byte, bool) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil, false
		}
		b = b[n:]
		if num == want && typ == protowire.BytesType {
			v, n := protowire.ConsumeBytes(b)
			return v, n >= 0
		}
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			return nil, false
		}
		b = b[n:]
	}
	return nil, false
}
