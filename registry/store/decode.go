package store

import (
	"encoding/json"
	"fmt"
	"hash/maphash"

	"github.com/zensus-io/zensus/internal/plain"
	"github.com/zensus-io/zensus/registry"
)

// Bounds of what a Decoder remembers.
const (
	sharedTexts    = 8192
	sharedMetadata = 4096
	// sharedBytesMax is the most that metadata may measure to be remembered.
	sharedBytesMax = 2048
)

// Decoder reads the values of instances. What many of them say alike (metadata, client,
// node) lies in memory once: nobody may modify the metadata of a record. It remembers
// what it read last, up to a bound. It is not safe for concurrent use; the zero value is
// ready.
type Decoder struct {
	seed     maphash.Seed
	texts    []string
	metadata []sharedMeta
}

// sharedMeta is metadata and how they were written.
type sharedMeta struct {
	written string
	values  map[string]string
}

// instanceReading is an instanceValue whose metadata are looked at later.
type instanceReading struct {
	instanceValue
	Metadata json.RawMessage `json:"meta"`
}

// readPlain reads a value as appendInstance writes it, mostly, and reports whether it could.
func (d *Decoder) readPlain(v *instanceReading, value []byte) bool {
	if len(value) == 0 || value[0] != formatJSON || len(value) > valueBytesMax {
		return false
	}
	r := plain.New(value[1:])
	r.Object()
	for n := 0; r.Member(n); n++ {
		switch string(r.Key) {
		case "w":
			r.Float(&v.Weight)
		case "disabled":
			r.Bool(&v.Disabled)
		case "sick":
			r.Bool(&v.Unhealthy)
		case "meta":
			v.Metadata = r.Skip()
		case "id":
			r.String(&v.ID)
		case "client":
			v.Client = d.text(r.Bytes())
		case "node":
			v.Node = d.text(r.Bytes())
		case "beat":
			r.Bool(&v.Beat)
		default: // of a newer node
			r.GiveUp()
		}
	}
	return r.Over()
}

// Record reads the value at an instance's place.
func (d *Decoder) Record(p Place, value []byte) (Record, error) {
	var v instanceReading
	if !d.readPlain(&v, value) {
		v = instanceReading{}
		if err := decode(value, &v); err != nil {
			return Record{}, err
		}
		v.Client, v.Node = d.text([]byte(v.Client)), d.text([]byte(v.Node))
	}
	metadata, err := d.meta(v.Metadata)
	if err != nil {
		return Record{}, fmt.Errorf("store: decode: %w", err)
	}
	return Record{
		Instance: registry.Instance{
			IP: p.Instance.IP, Port: p.Instance.Port, Cluster: p.Instance.Cluster,
			Weight: v.Weight, Enabled: !v.Disabled, Healthy: !v.Unhealthy, Ephemeral: p.Ephemeral,
			Metadata: metadata, ID: v.ID,
		},
		Client: v.Client, Node: v.Node, Beat: v.Beat,
	}, nil
}

func (d *Decoder) text(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if d.texts == nil {
		d.texts = make([]string, sharedTexts)
	}
	at := &d.texts[maphash.Bytes(d.seeded(), b)%sharedTexts]
	if *at != string(b) {
		*at = string(b)
	}
	return *at
}

func (d *Decoder) meta(written []byte) (values map[string]string, err error) {
	if len(written) == 0 {
		return nil, nil
	}
	if d.metadata == nil {
		d.metadata = make([]sharedMeta, sharedMetadata)
	}
	at := &d.metadata[maphash.Bytes(d.seeded(), written)%sharedMetadata]
	if at.written == string(written) {
		return at.values, nil
	}
	if err := json.Unmarshal(written, &values); err != nil {
		return nil, err
	}
	if len(written) <= sharedBytesMax {
		*at = sharedMeta{string(written), values}
	}
	return values, nil
}

func (d *Decoder) seeded() maphash.Seed {
	if d.seed == (maphash.Seed{}) {
		d.seed = maphash.MakeSeed()
	}
	return d.seed
}
