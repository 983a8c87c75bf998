package catalog

import (
	"encoding/json"

	"github.com/zensus-io/zensus/registry"
)

// Form writes an instance of service k as the protocol does whose lists are kept encoded.
// Equal instances must give equal bytes.
type Form func(b []byte, k registry.ServiceKey, i *registry.Instance) []byte

// Plain is the form of a catalog whose lists nobody sends.
func Plain(b []byte, _ registry.ServiceKey, i *registry.Instance) []byte {
	plain, err := json.Marshal(i)
	if err != nil {
		return append(b, "null"...) // no instance gives an error
	}
	return append(b, plain...)
}

// Encoded is the instances as a JSON array of the catalog's Form. Callers must not modify it.
func (v *View) Encoded() []byte { return v.hosts }

// InfoBytes is about how long the list is as it is sent, with what is said of its service.
func (v *View) InfoBytes() int {
	return len(v.hosts) + 2*len(v.Key.Group) + len(v.Key.Name) + 256
}
