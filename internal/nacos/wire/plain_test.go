package wire

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var usual = []string{
	`{"headers":{},"requestId":null,"namespace":"public","serviceName":"orders","groupName":"DEFAULT_GROUP","type":"registerInstance","instance":{"instanceId":null,"ip":"10.0.0.1","port":8080,"weight":1.0,"healthy":true,"enabled":true,"ephemeral":true,"clusterName":"DEFAULT","serviceName":null,"metadata":{"version":"1","side":"provider"},"ipDeleteTimeout":30000,"instanceHeartBeatTimeOut":15000,"instanceHeartBeatInterval":5000,"instanceIdGenerator":"simple"},"module":"naming"}`,
	`{"headers":{"app":"a"},"requestId":"7","namespace":"n","serviceName":"s","groupName":"g","module":"naming","type":"deregisterInstance","instance":{"instanceId":"","ip":"10.0.0.1","port":80,"weight":0.25,"healthy":false,"enabled":true,"ephemeral":true,"clusterName":"c","serviceName":"g@@s","metadata":{},"instanceHeartBeatInterval":0}}`,
	"{ \"namespace\": \"\", \"serviceName\": \"h\u00f6fe\",\n\t\"groupName\": \"g\", \"type\": \"registerInstance\", \"instance\": {\"ip\": \"::1\", \"port\": 0, \"weight\": 100, \"metadata\": null} } ",
	`{}`,
	`{"instance":{}}`,
}

func TestUsualInstanceRequestsAreReadPlainly(t *testing.T) {
	for _, body := range usual {
		var read, want InstanceRequest
		if !read.readPlain([]byte(body)) {
			t.Errorf("not read: %s", body)
		}
		if err := json.Unmarshal([]byte(body), &want); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, read); d != "" {
			t.Errorf("%s\n%s", body, d)
		}
	}
}

func TestUnusualInstanceRequestsAreLeftToJSON(t *testing.T) {
	for name, body := range map[string]string{
		"nothing":                  ``,
		"null":                     `null`,
		"a list":                   `[]`,
		"something behind it":      `{}{}`,
		"a comma too many":         `{"type":"a",}`,
		"a comma too few":          `{"type":"a" "module":"b"}`,
		"no colon":                 `{"type" "a"}`,
		"no end":                   `{"type":"a"`,
		"no end of a string":       `{"type":"a`,
		"another case":             `{"Type":"a"}`,
		"an unknown member":        `{"kind":"a"}`,
		"an escape":                `{"type":"\u0061"}`,
		"an escape in a name":      `{"typ\u0065":"a"}`,
		"a line in a string":       "{\"type\":\"a\nb\"}",
		"bytes that are not UTF-8": "{\"type\":\"\xff\"}",
		"a number for a string":    `{"type":1}`,
		"a string for a number":    `{"instance":{"port":"1"}}`,
		"a fraction of a port":     `{"instance":{"port":1.0}}`,
		"a port that is too large": `{"instance":{"port":99999999999999999999}}`,
		"a zero in front":          `{"instance":{"port":08}}`,
		"an exponent":              `{"instance":{"weight":1e3}}`,
		"a point without digits":   `{"instance":{"weight":1.}}`,
		"a number without digits":  `{"instance":{"weight":-}}`,
		"no instance":              `{"instance":null}`,
		"two instances":            `{"instance":{},"instance":{}}`,
		"metadata twice":           `{"instance":{"metadata":{"a":"b"},"metadata":{"c":"d"}}}`,
		"null in metadata":         `{"instance":{"metadata":{"a":null}}}`,
		"a number in metadata":     `{"instance":{"metadata":{"a":1}}}`,
		"a list of headers":        `{"headers":[]}`,
		"deep headers":             `{"headers":` + strings.Repeat(`{"a":`, 100) + `1` + strings.Repeat(`}`, 100) + `}`,
	} {
		var read InstanceRequest
		if read.readPlain([]byte(body)) {
			t.Errorf("%s: it was read", name)
		}
		if d := cmp.Diff(InstanceRequest{}, read); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestInstanceResponseIsWrittenAsJSONWould(t *testing.T) {
	for _, r := range []InstanceResponse{
		{Response: Succeeded(), Type: RegisterInstance},
		{Response: Failed(500, `a "quote" & <more>`)},
	} {
		want, err := marshal(&r)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Encode(&r, nil)
		if err != nil || string(p.GetBody().GetValue()) != string(want) {
			t.Errorf("%v\n%s\n%s", err, p.GetBody().GetValue(), want)
		}
	}
}

func FuzzPlain(f *testing.F) {
	for _, body := range usual {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var read, want InstanceRequest
		if !read.readPlain(body) {
			return
		}
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatalf("encoding/json does not read it: %v", err)
		}
		if d := cmp.Diff(want, read); d != "" {
			t.Fatal(d)
		}
	})
}

func BenchmarkDecodeInstanceRequest(b *testing.B) {
	p := payload("InstanceRequest", usual[0])
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(p); err != nil {
			b.Fatal(err)
		}
	}
}
