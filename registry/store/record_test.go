package store

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"github.com/zensus-io/zensus/registry"
)

// encodeByJSON is EncodeRecord by way of encoding/json.
func encodeByJSON(r *Record) []byte {
	i := &r.Instance
	return encode(instanceValue{
		Weight: i.Weight, Disabled: !i.Enabled, Unhealthy: !i.Healthy, Metadata: i.Metadata,
		ID: i.ID, Client: r.Client, Node: r.Node, Beat: r.Beat,
	})
}

var texts = []string{"", "a", "10.0.0.1#80#DEFAULT#DEFAULT_GROUP@@s", `a"b\c`, "<&>", "höfe", "\u2028", "a\nb\x00", "\xff\xfe", "\x7f"}

func TestRecordsAreWrittenAsJSONWould(t *testing.T) {
	var d Decoder
	for _, weight := range []float64{0, math.Copysign(0, -1), 1, 0.5, 1e-9, 100, 10000, 1e21, math.MaxFloat64, 1.0 / 3} {
		for n, text := range texts {
			r := Record{
				Instance: registry.Instance{Weight: weight, Enabled: n%2 == 0, Healthy: n%3 == 0, ID: text},
				Client:   text, Node: text, Beat: n%2 == 1,
			}
			if n > 0 {
				r.Instance.Metadata = map[string]string{text: text, "z": "1", "": text, "k": ""}
			}
			got, want := EncodeRecord(&r), encodeByJSON(&r)
			if string(got) != string(want) {
				t.Errorf("%s\n%s", got, want)
			}
			back, err := d.Record(Place{}, got)
			if err != nil {
				t.Fatal(err)
			}
			if again := EncodeRecord(&back); string(again) != string(want) && text != "\xff\xfe" { // U+FFFD then
				t.Errorf("%s came back as %s", want, again)
			}
		}
	}
}

func TestRecordOfANewerNodeIsRead(t *testing.T) {
	var d Decoder
	r, err := d.Record(Place{}, append([]byte{formatJSON}, `{"w":2,"novel":[1,{"w":3}],"client":"c","Node":null}`...))
	if err != nil || r.Instance.Weight != 2 || r.Client != "c" {
		t.Errorf("%+v, %v", r, err)
	}
}

func FuzzRecord(f *testing.F) {
	for _, text := range texts {
		f.Add(EncodeRecord(&Record{Instance: registry.Instance{Weight: 1, ID: text, Metadata: map[string]string{"a": text}}, Client: text}))
	}
	f.Add(append([]byte{formatJSON}, `{"w":null,"meta":{"a":1},"client":null,"beat":null}`...))
	f.Fuzz(func(t *testing.T, value []byte) {
		var d Decoder
		var read, want instanceReading
		if !d.readPlain(&read, value) {
			return
		}
		if err := json.Unmarshal(value[1:], &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(read, want) {
			t.Fatalf("%+v\n%+v", read, want)
		}
	})
}

func BenchmarkRecord(b *testing.B) {
	r := Record{
		Instance: registry.Instance{
			IP: "10.0.0.1", Port: 8080, Cluster: registry.DefaultCluster, Weight: 1, Enabled: true, Healthy: true, Ephemeral: true,
			ID: "10.0.0.1#8080#DEFAULT#DEFAULT_GROUP@@orders", Metadata: map[string]string{"preserved.register.source": "SPRING_CLOUD", "version": "1"},
		},
		Client: "1764192000000_10.0.0.1_51234", Node: "1",
	}
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			EncodeRecord(&r)
		}
	})
	b.Run("decode", func(b *testing.B) {
		var d Decoder
		value := EncodeRecord(&r)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := d.Record(Place{}, value); err != nil {
				b.Fatal(err)
			}
		}
	})
}
