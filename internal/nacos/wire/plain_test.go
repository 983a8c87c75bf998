package wire

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
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
		if !readsAsJSON(t, new(InstanceRequest), new(InstanceRequest), []byte(body)) {
			t.Errorf("not read: %s", body)
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
	for _, body := range usualOfConfigs {
		f.Add([]byte(body))
	}
	for _, body := range usualPublishes {
		f.Add([]byte(body))
	}
	for _, body := range acks {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		readsAsJSON(t, new(InstanceRequest), new(InstanceRequest), body)
		readsAsJSON(t, new(ConfigQueryRequest), new(ConfigQueryRequest), body)
		readsAsJSON(t, new(ConfigPublishRequest), new(ConfigPublishRequest), body)
		if read, ok := readAck(body); ok {
			want, err := decodeAck(body)
			if err != nil {
				t.Fatalf("encoding/json does not read it: %v", err)
			}
			if d := cmp.Diff(*want, read); d != "" {
				t.Fatal(d)
			}
		}
	})
}

// readsAsJSON reports whether a body was read, and then it was read as by encoding/json.
func readsAsJSON(t *testing.T, read, want plainReader, body []byte) bool {
	t.Helper()
	if !read.readPlain(body) {
		return false
	}
	if err := json.Unmarshal(body, want); err != nil {
		t.Fatalf("encoding/json does not read it: %v", err)
	}
	if d := cmp.Diff(want, read); d != "" {
		t.Fatal(d)
	}
	return true
}

// Requests for configs; each is both a query and what is published.
var usualOfConfigs = []string{
	`{"headers":{"exConfigInfo":"true"},"requestId":null,"dataId":"a.yaml","group":"DEFAULT_GROUP","tenant":"","module":"config"}`,
	`{}`,
}

// What only a publish has.
var usualPublishes = []string{
	`{"headers":{},"module":"config","requestId":"7","dataId":"a","group":"g","tenant":"public","content":"a: 1\n\"b\":\t2\r\n\\ \/ \b\f höfe \u00f6\u003C\u0000","casMd5":null,"additionMap":{"type":"yaml","src_user":"me"}}`,
	`{"content":"","additionMap":null}`,
	`{"content":null}`,
	`{"content":"a","content":"b"}`,
	`{"content":"\\"}`,
	`{"content":" "}`,
}

func TestUsualConfigRequestsAreReadPlainly(t *testing.T) {
	for _, body := range usualOfConfigs {
		if !readsAsJSON(t, new(ConfigQueryRequest), new(ConfigQueryRequest), []byte(body)) {
			t.Errorf("no query: %s", body)
		}
	}
	for _, body := range append(usualPublishes, usualOfConfigs...) {
		if !readsAsJSON(t, new(ConfigPublishRequest), new(ConfigPublishRequest), []byte(body)) {
			t.Errorf("nothing published: %s", body)
		}
	}
}

func TestUnusualContentsAreLeftToJSON(t *testing.T) {
	for name, body := range map[string]string{
		"no end":                   `{"content":"a`,
		"no end behind an escape":  `{"content":"a\n`,
		"a quote that is escaped":  `{"content":"a\"}`,
		"half an escape":           `{"content":"a\`,
		"an escape of nothing":     `{"content":"\x"}`,
		"half a character":         `{"content":"\ud83d\ude00"}`,
		"digits that are none":     `{"content":"\u00g0"}`,
		"digits that lack":         `{"content":"\u00"}`,
		"a sign among digits":      `{"content":"\u+0f0"}`,
		"a line":                   "{\"content\":\"a\nb\"}",
		"a line behind an escape":  "{\"content\":\"\\n\n\"}",
		"bytes that are not UTF-8": "{\"content\":\"\xff\"}",
		"those behind an escape":   "{\"content\":\"\\n\xff\"}",
		"a number":                 `{"content":1}`,
		"a list":                   `{"content":[]}`,
		"an unknown member":        `{"Content":"a"}`,
		"null in a map":            `{"additionMap":{"type":null}}`,
	} {
		var read ConfigPublishRequest
		if read.readPlain([]byte(body)) {
			t.Errorf("%s: it was read", name)
		}
		if d := cmp.Diff(ConfigPublishRequest{}, read); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

var acks = []string{
	`{"resultCode":200,"errorCode":0,"success":true,"message":null,"requestId":"7"}`,
	`{"resultCode":500,"errorCode":1,"success":false,"message":"no","requestId":"8","module":"config"}`,
	`{"requestId":"7","message":"a","message":null}`,
	`{"resultCode":200}`,
}

func TestUsualAcknowledgementsAreReadPlainly(t *testing.T) {
	for _, body := range acks {
		read, ok := readAck([]byte(body))
		want, err := decodeAck([]byte(body))
		if !ok || err != nil {
			t.Fatalf("%s: %v %v", body, ok, err)
		}
		if d := cmp.Diff(*want, read); d != "" {
			t.Errorf("%s\n%s", body, d)
		}
	}
}

func TestWrittenRepliesAreWhatJSONWouldWrite(t *testing.T) {
	for _, reply := range []Reply{
		&ConfigQueryResponse{Response: Succeeded()},
		&ConfigQueryResponse{
			Response: Failed(300, `a "quote"`), Content: "a: 1\n\t\"b\"\\ \x00\x08\u2028 <höfe>", EncryptedDataKey: "k", ContentType: "yaml",
			MD5: "0cc175b9c0f1b6a831c399e269772661", LastModified: 1_700_000_000_000, Beta: true, Tag: "t",
		},
		&ConfigPublishResponse{Response: Failed(400, "no")},
		&HealthCheckResponse{Response: Succeeded()},
	} {
		plain, err := json.Marshal(reply)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Encode(reply, nil)
		if err != nil {
			t.Fatal(err)
		}
		var want, got map[string]any
		if err := errors.Join(json.Unmarshal(plain, &want), json.Unmarshal(p.GetBody().GetValue(), &got)); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s\n%s", p.GetBody().GetValue(), d)
		}
	}
}

func BenchmarkDecodeConfigPublishRequest(b *testing.B) {
	p := payload("ConfigPublishRequest", `{"module":"config","requestId":"","tenant":"","group":"DEFAULT_GROUP","dataId":"a","content":"`+
		strings.Repeat("key: value\\n", 90)+`","additionMap":{"type":"text"}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(p); err != nil {
			b.Fatal(err)
		}
	}
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

// TestAContentThatIsSharedArrivesAsItIs: encoded before, and as long as was said.
func TestAContentThatIsSharedArrivesAsItIs(t *testing.T) {
	for _, content := range []string{"", "a", "a\"b\\c\nd\re\tf\x00g\x1f\u007f", "é€\U0001f600\u2028", "\xff\xc3a\xe2\x82", strings.Repeat("x\n", 10_000)} {
		text := AppendQuoted(nil, content)
		require.EqualValues(t, len(text), QuotedBytes(content))
		whole := &ConfigQueryResponse{
			Response: Succeeded(), Content: content, EncryptedDataKey: "k", ContentType: "text", MD5: "m", LastModified: 5, Beta: true, Tag: "t",
		}
		for _, body := range []Body{whole, Quoted{whole, text}} {
			p, err := Encode(body, nil)
			require.NoError(t, err)
			got, err := Decode(p)
			require.NoError(t, err)
			want := *whole
			want.Content = strings.ToValidUTF8(content, "\ufffd")
			if content == "\xff\xc3a\xe2\x82" {
				want.Content = "\ufffd\ufffda\ufffd\ufffd"
			}
			require.Equal(t, &want, got)
		}
	}
}
