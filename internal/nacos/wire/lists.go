package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Bounds on the lists in requests. A client that needs more splits its request;
// SDKs stay far below (3000 configs a connection).
const (
	MaxBatchInstances = 5_000
	MaxListenContexts = 10_000
	MaxGroupKeys      = 10_000
)

// Instances is a list of at most MaxBatchInstances; nil is written as [].
type Instances []Instance

// ListenContexts is a list of at most MaxListenContexts; nil is written as [].
type ListenContexts []ListenContext

// GroupKeys is a list of at most MaxGroupKeys; nil is written as [].
type GroupKeys []string

// UnmarshalJSON refuses a list that is too long before it has grown.
func (l *Instances) UnmarshalJSON(b []byte) error {
	return unmarshalList((*[]Instance)(l), b, MaxBatchInstances)
}

// UnmarshalJSON refuses a list that is too long before it has grown.
func (l *ListenContexts) UnmarshalJSON(b []byte) error {
	return unmarshalList((*[]ListenContext)(l), b, MaxListenContexts)
}

// UnmarshalJSON refuses a list that is too long before it has grown.
func (l *GroupKeys) UnmarshalJSON(b []byte) error {
	return unmarshalList((*[]string)(l), b, MaxGroupKeys)
}

// MarshalJSON writes an empty list for nil.
func (l Instances) MarshalJSON() ([]byte, error) { return marshalList(l) }

// MarshalJSON writes an empty list for nil.
func (l ListenContexts) MarshalJSON() ([]byte, error) { return marshalList(l) }

// MarshalJSON writes an empty list for nil.
func (l GroupKeys) MarshalJSON() ([]byte, error) { return marshalList(l) }

func marshalList[T any](l []T) ([]byte, error) {
	if l == nil {
		return []byte("[]"), nil
	}
	return marshal(l)
}

func unmarshalList[T any](to *[]T, b []byte, limit int) error {
	if bytes.Equal(b, []byte("null")) {
		*to = nil
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil {
		return err
	} else if t != json.Delim('[') {
		return fmt.Errorf("want a list, got %v", t)
	}
	list := []T{}
	for d.More() {
		if len(list) == limit {
			return fmt.Errorf("a list of more than %d elements", limit)
		}
		var v T
		if err := d.Decode(&v); err != nil {
			return err
		}
		list = append(list, v)
	}
	*to = list
	return nil
}
