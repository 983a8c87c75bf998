package wire

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

func payload(typ, body string) *Payload {
	return &Payload{Metadata: &Metadata{Type: typ}, Body: &anypb.Any{Value: []byte(body)}}
}

func TestEveryTypeSurvivesEncodeAndDecode(t *testing.T) {
	for _, name := range Types() {
		body := New(name)
		if body.PayloadType() != name {
			t.Errorf("New(%q) makes a %q", name, body.PayloadType())
		}
		p, err := Encode(body, map[string]string{"accessToken": "t"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if p.GetMetadata().GetType() != name || p.GetMetadata().GetHeaders()["accessToken"] != "t" || p.GetBody().GetTypeUrl() != "" {
			t.Errorf("%s: bad metadata %v", name, p.GetMetadata())
		}
		if strings.Contains(string(p.GetBody().GetValue()), "null") && name != "ClientConfigMetricRequest" &&
			name != "ClientConfigMetricResponse" && !strings.Contains(name, "FuzzyWatchSync") &&
			!strings.HasSuffix(name, "ServiceResponse") && name != "NotifySubscriberRequest" && name != "ConnectionSetupRequest" {
			t.Errorf("%s writes null: %s", name, p.GetBody().GetValue())
		}
		if _, err := Decode(p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRequestsAsClientsSendThem(t *testing.T) {
	for _, c := range []struct {
		what, typ, body string
		want            Body
	}{
		{
			"a Java setup with an empty ability table is told from none", "ConnectionSetupRequest",
			`{"headers":{},"requestId":null,"clientVersion":"Nacos-Java-Client:v2.5.1","tenant":null,"labels":{"source":"sdk","module":"naming"},"abilityTable":{},"module":"internal"}`,
			&ConnectionSetupRequest{ClientVersion: "Nacos-Java-Client:v2.5.1", Labels: map[string]string{"source": "sdk", "module": "naming"}, AbilityTable: Abilities{}},
		},
		{
			"a Go setup has no ability table", "ConnectionSetupRequest",
			`{"headers":{},"requestId":"","clientVersion":"Nacos-Go-Client:v2.3.2","tenant":"","labels":{"source":"sdk"},"clientAbilities":{}}`,
			&ConnectionSetupRequest{ClientVersion: "Nacos-Go-Client:v2.3.2", Labels: map[string]string{"source": "sdk"}},
		},
		{
			"an instance has the defaults of what is absent or null", "InstanceRequest",
			`{"namespace":"public","serviceName":"s","groupName":"g","type":"registerInstance","instance":{"ip":"1.2.3.4","port":80,"healthy":null},"module":"naming"}`,
			&InstanceRequest{
				ServiceKey: ServiceKey{"public", "s", "g"}, Type: RegisterInstance,
				Instance: Instance{IP: "1.2.3.4", Port: 80, Weight: 1, Healthy: true, Enabled: true, Ephemeral: true},
			},
		},
		{
			"what is said counts", "InstanceRequest",
			`{"type":"registerInstance","instance":{"ip":"1.2.3.4","port":80,"weight":0.5,"healthy":false,"enabled":false,"ephemeral":false,"instanceHeartBeatInterval":5000}}`,
			&InstanceRequest{Type: RegisterInstance, Instance: Instance{IP: "1.2.3.4", Port: 80, Weight: 0.5}},
		},
		{
			"the Python spelling of healthyOnly", "ServiceQueryRequest",
			`{"serviceName":"s","healthOnly":true}`,
			&ServiceQueryRequest{ServiceKey: ServiceKey{ServiceName: "s"}, HealthOnly: true},
		},
		{
			"a null md5 is told from an empty one", "ConfigBatchListenRequest",
			`{"listen":true,"configListenContexts":[{"group":"g","dataId":"d","md5":null},{"group":"g","dataId":"e","md5":"","tenant":"public"}]}`,
			&ConfigBatchListenRequest{Listen: true, ConfigListenContexts: ListenContexts{
				{Group: "g", DataID: "d"}, {Group: "g", DataID: "e", MD5: ptr(""), Tenant: "public"},
			}},
		},
		{
			"nulls in the addition map mean absent", "ConfigPublishRequest",
			`{"dataId":"d","group":"g","tenant":"","content":"<a>&","casMd5":null,"additionMap":{"type":"yaml","tag":null}}`,
			&ConfigPublishRequest{ConfigKey: ConfigKey{DataID: "d", Group: "g"}, Content: "<a>&", AdditionMap: map[string]string{"type": "yaml", "tag": ""}},
		},
		{"no body at all", "HealthCheckRequest", ``, &HealthCheckRequest{}},
	} {
		got, err := Decode(payload(c.typ, c.body))
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		if d := cmp.Diff(c.want, got, cmp.AllowUnexported()); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, d)
		}
	}
}

func ptr(s string) *string { return &s }

func TestRepliesAsClientsNeedThem(t *testing.T) {
	info := NewServiceInfo("s", "g", "A,B")
	info.LastRefTime = 7
	info.Hosts = []Instance{{
		InstanceID: "1.2.3.4#80#DEFAULT#g@@s", IP: "1.2.3.4", Port: 80, Weight: 1, Healthy: true, Enabled: true,
		Ephemeral: true, ClusterName: "DEFAULT", ServiceName: "g@@s",
	}}
	for _, c := range []struct {
		what string
		body Body
		want string
	}{
		{
			"a success has all base members", &HealthCheckResponse{Succeeded()},
			`{"resultCode":200,"errorCode":0,"success":true,"message":"","requestId":""}`,
		},
		{
			"a typed failure", &ConfigPublishResponse{Failed(403, "no")},
			`{"resultCode":500,"errorCode":403,"success":false,"message":"no","requestId":""}`,
		},
		{
			"an ErrorResponse", NewErrorResponse(301, "Connection is unregistered."),
			`{"resultCode":500,"errorCode":301,"success":false,"message":"Connection is unregistered.","requestId":""}`,
		},
		{"the setup ack always has its ability table", &SetupAckRequest{}, `{"module":"internal","abilityTable":{}}`},
		{
			"a config answer without a tag has no member tag", &ConfigQueryResponse{Response: Succeeded(), Content: "a<b>"},
			`{"resultCode":200,"errorCode":0,"success":true,"message":"","requestId":"","content":"a<b>","encryptedDataKey":"","contentType":"","md5":"","lastModified":0,"beta":false}`,
		},
		{
			"lists are never null", &ConfigChangeBatchListenResponse{Response: Succeeded()},
			`{"resultCode":200,"errorCode":0,"success":true,"message":"","requestId":"","changedConfigs":[]}`,
		},
		{
			"a push of a service", &NotifySubscriberRequest{ServiceInfo: info},
			`{"module":"naming","serviceInfo":{"name":"s","groupName":"g","clusters":"A,B","cacheMillis":10000,"hosts":[` +
				`{"instanceId":"1.2.3.4#80#DEFAULT#g@@s","ip":"1.2.3.4","port":80,"weight":1.0,"healthy":true,"enabled":true,"ephemeral":true,` +
				`"clusterName":"DEFAULT","serviceName":"g@@s","metadata":{},"instanceHeartBeatInterval":5000,"instanceHeartBeatTimeOut":15000,` +
				`"ipDeleteTimeout":30000,"instanceIdGenerator":"simple"}],"lastRefTime":7,"checksum":"","allIPs":false,"reachProtectionThreshold":false,"valid":true}}`,
		},
		{
			"a service without instances", &SubscribeServiceResponse{Response: SucceededWith("success"), ServiceInfo: NewServiceInfo("s", "g", "")},
			`{"resultCode":200,"errorCode":0,"success":true,"message":"success","requestId":"","serviceInfo":{"name":"s","groupName":"g","clusters":"","cacheMillis":10000,` +
				`"hosts":[],"lastRefTime":0,"checksum":"","allIPs":false,"reachProtectionThreshold":false,"valid":true}}`,
		},
	} {
		p, err := Encode(c.body, nil)
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		if got := string(p.GetBody().GetValue()); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.what, got, c.want)
		}
	}
}

func TestInstanceMembersDerivedFromMetadata(t *testing.T) {
	i := NewInstance()
	i.Metadata = map[string]string{MetaHeartBeatInterval: "1000", MetaHeartBeatTimeout: "x", MetaIPDeleteTimeout: "9000"}
	got := string(i.AppendJSON(nil))
	for _, want := range []string{`"instanceHeartBeatInterval":1000`, `"instanceHeartBeatTimeOut":15000`, `"ipDeleteTimeout":9000`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	if strings.Contains(got, "instanceIdGenerator") {
		t.Errorf("metadata without a generator still give one: %s", got)
	}
	i.Metadata[MetaInstanceIDGenerator] = "snowflake"
	if got := string(i.AppendJSON(nil)); !strings.Contains(got, `"instanceIdGenerator":"snowflake"`) {
		t.Errorf("the generator is lost: %s", got)
	}
}

// received is the payload that a message arrives as.
func received(t *testing.T, body Body, requestID string) *Payload {
	t.Helper()
	m, err := NewMessage(body, requestID)
	if err != nil {
		t.Fatal(err)
	}
	p := new(Payload)
	if err := proto.Unmarshal(slices.Concat(m.Head, m.Shared, []byte(m.Tail)), p); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOneEncodingServesManyPushes(t *testing.T) {
	for _, hosts := range []int{0, 100} { // copied, and sent as it lies
		info := NewServiceInfo("s", "g", "")
		for range hosts {
			info.Hosts = append(info.Hosts, NewInstance())
		}
		e, err := Preencode(&NotifySubscriberRequest{ServiceInfo: info})
		if err != nil {
			t.Fatal(err)
		}
		before := string(e.JSON)
		for _, id := range []string{"1", "2"} {
			got, err := Decode(received(t, e, id))
			if err != nil {
				t.Fatal(err)
			}
			if n := got.(*NotifySubscriberRequest); n.RequestID != id || n.ServiceInfo.Name != "s" || len(n.ServiceInfo.Hosts) != hosts {
				t.Errorf("push %s decodes to %+v", id, n)
			}
		}
		if string(e.JSON) != before {
			t.Error("a message was written into the shared encoding")
		}
	}
	if got := string(received(t, &ClientDetectionRequest{}, "3").GetBody().GetValue()); got != `{"requestId":"3","module":"internal"}` {
		t.Errorf("an empty push is %s", got)
	}
}

func TestMessagesArriveAsThePayloadsThatTheyAre(t *testing.T) {
	for _, size := range []int{0, 1, 100, 127, 128, 300, sharedBytesMin, 16 << 10, 3 << 20} {
		content := json.RawMessage(`"` + strings.Repeat("x", size) + `"`)
		for _, body := range []Body{
			&list{Response: Succeeded(), list: content},
			Encoded{Type: "QueryServiceResponse", JSON: slices.Concat([]byte(`{"a":`), content, []byte("}"))},
			Encoded{Type: "ConfigChangeNotifyRequest", JSON: slices.Concat([]byte(`{"a":`), content, []byte("}"))},
			Encoded{Type: strings.Repeat("LongName", size%64), JSON: []byte("{}")},
		} {
			want, err := Encode(body, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := received(t, body, ""); !proto.Equal(got, want) {
				t.Errorf("%s with %d bytes arrives as %.200v", body.PayloadType(), size, got)
			}
		}
	}
	if _, err := NewMessage(Encoded{Type: "InstanceRequest", JSON: []byte("[]")}, ""); err == nil {
		t.Error("a body that is no object was taken")
	}
}

func TestAcksAreReadWhateverTheirType(t *testing.T) {
	ack, err := DecodeAck(payload("NotifySubscriberResponse", `{"resultCode":200,"errorCode":0,"success":false,"message":null,"requestId":"42"}`))
	if err != nil || !ack.OK() || ack.RequestID != "42" {
		t.Errorf("got %+v, %v", ack, err)
	}
	if _, err := DecodeAck(payload("X", `{"requestId":"`+strings.Repeat("x", maxAckBytes)+`"}`)); err == nil {
		t.Error("an acknowledgement of any size is taken")
	}
}

func TestWhatIsRefused(t *testing.T) {
	many := `{"configListenContexts":[` + strings.Repeat(`{},`, MaxListenContexts) + `{}]}`
	instances := `{"instances":[` + strings.Repeat(`{},`, MaxBatchInstances) + `{}]}`
	for _, c := range []struct{ what, typ, body string }{
		{"an unknown type", "NoSuchRequest", `{}`},
		{"no JSON", "InstanceRequest", `{"type":`},
		{"a list", "InstanceRequest", `[]`},
		{"a setup of more than 64 KiB", "ConnectionSetupRequest", `{"tenant":"` + strings.Repeat("x", maxInternalBytes) + `"}`},
		{"too many listeners", "ConfigBatchListenRequest", many},
		{"too many instances", "BatchInstanceRequest", instances},
		{"a string for a list", "BatchInstanceRequest", `{"instances":"x"}`},
	} {
		if b, err := Decode(payload(c.typ, c.body)); err == nil {
			t.Errorf("%s was taken: %T", c.what, b)
		}
	}
	if _, err := Decode(nil); err == nil {
		t.Error("a nil payload was taken")
	}
}

func TestEveryKindHasItsRow(t *testing.T) {
	for k := ServerError; k <= Unimplemented; k++ {
		if k.Status() < 400 || k.Summary() == "" || k.Code() == 0 || k.RPCCode() == 0 {
			t.Errorf("kind %d: %+v", k, k.row())
		}
	}
	if Kind(-1).Code() != 30000 || Kind(1000).Code() != 30000 {
		t.Error("a kind out of range is no server error")
	}
}

func TestStringsAreWrittenAsJSON(t *testing.T) {
	for _, s := range []string{"", "plain", "quote\" back\\ slash/", "\x00\x1f\n\r\t\x7f", "服务 😀 \u2028", "bad\xff\xfeend"} {
		var back string
		if err := json.Unmarshal(appendString(nil, s), &back); err != nil {
			t.Errorf("%q: %v", s, err)
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); strings.ToValidUTF8(back, "\ufffd") != want && len([]rune(back)) != len([]rune(s)) {
			t.Errorf("%q came back as %q", s, back)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range Types() {
		f.Add(name, []byte(`{}`))
	}
	f.Add("InstanceRequest", []byte(`{"instance":{"metadata":{"a":"b"},"weight":1e3}}`))
	f.Add("ConfigBatchListenRequest", []byte(`{"configListenContexts":[{"md5":""},null]}`))
	f.Add("QueryServiceResponse", []byte(`{"serviceInfo":{"hosts":[{"ip":"a"}]}}`))
	f.Fuzz(func(t *testing.T, name string, body []byte) {
		p := &Payload{Metadata: &Metadata{Type: name}, Body: &anypb.Any{Value: body}}
		_, _ = DecodeAck(p)
		first, err := Decode(p)
		if err != nil {
			return
		}
		again, err := Encode(first, nil)
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		second, err := Decode(again)
		if err != nil {
			t.Fatalf("what was encoded cannot be decoded: %v\n%s", err, again.GetBody().GetValue())
		}
		third, err := Encode(second, nil)
		if err != nil || string(third.GetBody().GetValue()) != string(again.GetBody().GetValue()) {
			t.Fatalf("the encoding is not stable: %v\n%s\n%s", err, again.GetBody().GetValue(), third.GetBody().GetValue())
		}
	})
}

func BenchmarkServiceInfo(b *testing.B) {
	info := NewServiceInfo("providers:com.acme.Orders:1.0:", "DEFAULT_GROUP", "")
	for range 1000 {
		i := NewInstance()
		i.IP, i.Port, i.ClusterName, i.ServiceName = "10.20.30.40", 20880, "DEFAULT", "DEFAULT_GROUP@@providers:com.acme.Orders:1.0:"
		i.Metadata = map[string]string{"version": "1.0", "side": "provider", "application": "orders"}
		info.Hosts = append(info.Hosts, i)
	}
	buf := info.AppendJSON(nil)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		buf = info.AppendJSON(buf[:0])
	}
}

// list is a reply that writes its own JSON.
type list struct {
	Response
	list json.RawMessage
}

func (*list) PayloadType() string { return "QueryServiceResponse" }

func (l *list) Wrap(b []byte) (head, list []byte) {
	return append(l.AppendMembers(append(b, '{')), `,"serviceInfo":`...), l.list
}

func TestBodiesThatWriteThemselvesAreNotLookedAtAgain(t *testing.T) {
	for _, base := range []Response{
		Succeeded(), SucceededWith("success"), Failed(-404, "it says \"no\",\n\tand why: \\ ünï<&>\x01"), {RequestID: "17"},
	} {
		p, err := Encode(&list{base, json.RawMessage("{}")}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Response
			ServiceInfo map[string]any `json:"serviceInfo"`
		}
		if err := json.Unmarshal(p.GetBody().GetValue(), &got); err != nil {
			t.Fatalf("%s: %v", p.GetBody().GetValue(), err)
		}
		if diff := cmp.Diff(base, got.Response); diff != "" || got.ServiceInfo == nil {
			t.Errorf("%s: %s", p.GetBody().GetValue(), diff)
		}
	}
}
