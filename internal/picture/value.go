package picture

import (
	"encoding/json"
	"errors"
)

// FormatVersion is the first byte of every value. It is the whole of one that says only
// that its znode is there.
const FormatVersion = 1

// ErrFormat is returned for a value that has no version or one that is not known here.
var ErrFormat = errors.New("unknown format")

// Encode makes the value of a znode.
func Encode(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return append([]byte{FormatVersion}, b...), err
}

// Decode reads into v what Encode made. It returns ErrFormat, or what is wrong with the JSON.
func Decode(data []byte, v any) error {
	if len(data) == 0 || data[0] != FormatVersion {
		return ErrFormat
	}
	return json.Unmarshal(data[1:], v)
}
