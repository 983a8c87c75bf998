package security

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// How much input that is none a run sends, by default and with `make security`.
func amounts() (http, raw, grpc int) {
	if thorough {
		return 100_000, 5_000, 50_000
	}
	return 2_500, 200, 2_000
}

// peakBytesMax is what a server may ever take under all this. It has 50 to 100 MB before.
const peakBytesMax = 600 << 20

// source is of the seed in ZENSUS_SECURITY_SEED, else of a new one with `make security`
// and of always the same in the ordinary tests. The seed of a failure is in its log.
func source(t *testing.T) *rand.Rand {
	seed := uint64(1)
	if thorough {
		seed = uint64(time.Now().UnixNano())
	}
	if text := os.Getenv("ZENSUS_SECURITY_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("ZENSUS_SECURITY_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// hostile is a value that is none, or hardly one.
func hostile(r *rand.Rand) string {
	switch r.IntN(12) {
	case 0:
		return strings.Repeat(pick(r, "a", "é", "\x00", "%", "../", "[", "{\"a\":", "@@", ">>"), 1<<r.IntN(14))
	case 1:
		return pick(r, "-1", "0", "2147483648", "9223372036854775807", "9223372036854775808", "1e309", "NaN", "-Inf", "0x10", "1_000", "٣", "00", "1.5", "+1", "")
	case 2:
		return pick(r, "true", "TRUE", "null", "undefined", "[]", "{}", `"`, `{"a":null}`, `[[[[`, `{"ip":1,"port":"x"}`, `{"type":"TCP"}`, `{"type":{"type":{}}}`, `[{"ip":null}]`)
	case 3:
		return pick(r, "\x02", "\x01", "\x02\x02\x02\x01", "a\x02b\x02c\x02d\x01", "%", "%zz", "%00", "a%2fb", "..", ".", "/", "//", "~0", "zookeeper", "gray-x", "*", "**", "?", " ", "\t", "\r\nX: y", "\u202e", "\ufeff", "\ud7ff", string(rune(0x10ffff)))
	case 4:
		b := make([]byte, r.IntN(200))
		for i := range b {
			b[i] = byte(r.UintN(256))
		}
		return string(b)
	case 5:
		return pick(r, "' or '1'='1", "${jndi:ldap://127.0.0.1/a}", "<script>alert(1)</script>", "{{7*7}}", "$(id)", "`id`", "; drop table users", "\x1b[2J")
	default:
		return pick(r, "shared", "G", "DEFAULT_GROUP", "public", "dev", "10.0.0.1", "80", "1", "blur", "accurate", "text", "json", "yaml", "ABORT", "OVERWRITE", "tag", "beta", "name", "true", "false")
	}
}

// hostileBody is a body and what it says that it is.
func hostileBody(r *rand.Rand, v url.Values) (kind string, body []byte) {
	switch r.IntN(9) {
	case 0:
		return "application/json", []byte(pick(r, "", "{", "[]", "null", "0", `{"a":1}`, `[{"cfgId":"1","dataId":null}]`, `[{"cfgId":{}}]`, strings.Repeat("[", 20_000), strings.Repeat(`{"a":`, 5_000), `"\ud800"`, "\xff\xfe"))
	case 1:
		return "multipart/form-data; boundary=x", []byte(pick(r, "", "--x", "--x\r\n\r\n--x--", "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.zip\"\r\n\r\nPK\x03\x04\x00\r\n--x--", "--x\r\nContent-Disposition: form-data\r\n\r\n\r\n--x--\r\n", "--y--"))
	case 2:
		return "multipart/form-data", []byte("--x--")
	case 3:
		return pick(r, "text/plain", "application/x-hessian", "application/xml", "x", "", ";;;", "application/json; charset=utf-16"), []byte(hostile(r))
	case 4:
		return "application/x-www-form-urlencoded", []byte(hostile(r) + "&" + hostile(r) + "=" + hostile(r))
	case 5:
		if r.IntN(20) == 0 {
			return "application/x-www-form-urlencoded", append([]byte("content="), bytes.Repeat([]byte("a"), 11<<20)...)
		}
		fallthrough
	default:
		return "application/x-www-form-urlencoded", []byte(v.Encode())
	}
}

// probe asks for a config again and again, and returns how long the longest took.
func (s *site) probe(ctx context.Context) <-chan error {
	out := make(chan error, 1)
	go func() {
		client := &http.Client{Timeout: 10 * time.Second}
		defer client.CloseIdleConnections()
		for ctx.Err() == nil {
			r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+s.HTTP+"/nacos/v1/cs/configs?dataId=kept&group=G&accessToken="+url.QueryEscape(s.root), http.NoBody)
			if err != nil {
				out <- err
				return
			}
			res, err := client.Do(r)
			if err != nil {
				out <- fmt.Errorf("others are not served: %w", err)
				return
			}
			text, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil || res.StatusCode != http.StatusOK || string(text) != "kept" {
				out <- fmt.Errorf("others are not served: %d %s %w", res.StatusCode, text, err)
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		out <- nil
	}()
	return out
}

// under runs f while others are served, and wants the server as it was after it.
func (s *site) under(f func()) {
	s.t.Helper()
	s.asRoot("POST", "/nacos/v1/cs/configs", "dataId", "kept", "group", "G", "content", "kept")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	probed := s.probe(ctx)
	f()
	cancel()
	require.NoError(s.t, <-probed)
	require.False(s.t, s.Ended())
	s.quiet()
	text, err := os.ReadFile(s.Dir + "/log")
	require.NoError(s.t, err)
	require.NotContains(s.t, string(text), "request failed", "a cause that nobody knows")
	if runtime.GOOS == "linux" {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID()))
		require.NoError(s.t, err)
		found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
		require.NotNil(s.t, found)
		peak, err := strconv.Atoi(string(found[1]))
		require.NoError(s.t, err)
		s.t.Logf("at most %d MB", peak>>10)
		require.Less(s.t, peak<<10, peakBytesMax)
	}
}

// TestHostileHTTP sends what no client would to every route, by somebody who may do
// everything, so that it reaches whoever serves it.
func TestHostileHTTP(t *testing.T) {
	s := start(t)
	r := source(t)
	all := routes(t)
	n, _, _ := amounts()
	usual := slices.Sorted(maps.Keys(plausible())) // in order, that a seed gives the same run
	names := append(slices.Clone(usual), "username", "newPassword", "casMd5", "betaIps", "config_tags", "configTags", "appName", "desc", "use", "effect", "schema", "types", "import", "export", "exportV2", "clone", "show", "beta", "delType", "selector", "protectThreshold", "healthyOnly", "clusters", "expression", "consistencyType", "instances", "startTime", "endTime", "src_user", "policy", "grayPriority", "enabled", "customNamespaceId")
	s.under(func() {
		for range n {
			route := all[r.IntN(len(all))]
			if route.method == "GRPC" || route.method == http.MethodConnect || strings.HasPrefix(route.path, "/cluster/") {
				continue
			}
			v := url.Values{}
			for _, name := range usual {
				if r.IntN(3) > 0 {
					v[name] = plausible()[name]
				}
			}
			for range r.IntN(6) {
				v.Add(pick(r, names...), hostile(r))
			}
			v.Del("Listening-Configs")
			target := route.filled()
			if r.IntN(5) == 0 {
				target = strings.NewReplacer("/x", "/"+url.PathEscape(hostile(r))).Replace(target)
			}
			query := v.Encode()
			if len(query) > 50_000 && r.IntN(4) > 0 {
				query = ""
			}
			var body io.Reader = http.NoBody
			kind := ""
			if route.method != http.MethodGet || r.IntN(10) == 0 {
				var text []byte
				kind, text = hostileBody(r, v)
				body = bytes.NewReader(text)
				if r.IntN(2) == 0 {
					query = ""
				}
			}
			req, err := http.NewRequestWithContext(t.Context(), route.method, "http://"+s.HTTP+target+"?"+query, body)
			if err != nil {
				continue // no client could send it
			}
			if kind != "" {
				req.Header.Set("Content-Type", kind)
			}
			req.Header.Set("accessToken", s.root)
			if strings.HasPrefix(route.path, "/console/") {
				req.Header.Set("X-Zensus-Console", "1")
				req.AddCookie(&http.Cookie{Name: "zensus_session", Value: s.root})
			}
			if r.IntN(8) == 0 {
				value := strings.Map(func(c rune) rune {
					if c < ' ' || c > '~' {
						return -1
					}
					return c
				}, hostile(r))
				req.Header.Set(pick(r, "casMd5", "betaIps", "Long-Pulling-Timeout", "Client-Version", "X-Forwarded-For", "Content-Encoding", "Range", "If-None-Match", "Accept-Encoding", "Vipserver-Tag"), value)
			}
			res, err := s.http.Do(req)
			if err != nil {
				require.False(t, s.Ended(), "%s %s", route.method, req.URL)
				continue // it cut the connection of who sends too much
			}
			text, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
			_ = res.Body.Close()
			require.NotContains(t, string(text), "internal error", "%s %s", route.method, req.URL)
			require.NotContains(t, string(text), "runtime error", "%s %s", route.method, req.URL)
		}
	})
}

// TestHostileBytes sends what is not even HTTP, and what never ends.
func TestHostileBytes(t *testing.T) {
	s := start(t)
	r := source(t)
	_, n, _ := amounts()
	valid := "POST /nacos/v1/cs/configs?dataId=a&group=G HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\naccessToken: x\r\n\r\ncontent=x"
	s.under(func() {
		var slow []net.Conn
		defer func() {
			for _, c := range slow {
				_ = c.Close()
			}
		}()
		for range 100 { // each holds a connection with a head that is never complete
			c, err := net.DialTimeout("tcp", s.HTTP, 5*time.Second)
			require.NoError(t, err)
			slow = append(slow, c)
			_, err = io.WriteString(c, valid[:1+r.IntN(60)])
			require.NoError(t, err)
		}
		for range n {
			text := []byte(valid)
			for range 1 + r.IntN(8) {
				switch at := r.IntN(len(text)); r.IntN(4) {
				case 0:
					text[at] = byte(r.UintN(256))
				case 1:
					text = append(text[:at:at], text[min(len(text), at+r.IntN(20)):]...)
				case 2:
					text = append(text[:at:at], append(bytes.Repeat([]byte{pick(r, byte('A'), '\r', '\n', 0, ':', ';', 0xff)}, r.IntN(3000)), text[at:]...)...)
				case 3:
					text = append(text[:at:at], append(bytes.Clone(text[r.IntN(at+1):at]), text[at:]...)...)
				}
				if len(text) == 0 {
					text = []byte{0}
				}
			}
			c, err := net.DialTimeout("tcp", pick(r, s.HTTP, s.HTTP, s.GRPC), 5*time.Second)
			require.NoError(t, err)
			_ = c.SetDeadline(time.Now().Add(50 * time.Millisecond))
			_, _ = c.Write(text)
			_, _ = io.ReadAll(io.LimitReader(c, 1<<16))
			_ = c.Close()
		}
	})
}

// anything is a JSON value of no particular shape.
func anything(r *rand.Rand, depth int) any {
	switch n := r.IntN(8); {
	case n == 0 && depth > 0:
		list := make([]any, r.IntN(5))
		for i := range list {
			list[i] = anything(r, depth-1)
		}
		return list
	case n == 1 && depth > 0:
		m := map[string]any{}
		for range r.IntN(5) {
			m[hostile(r)] = anything(r, depth-1)
		}
		return m
	case n == 2:
		return r.Int64() - r.Int64()
	case n == 3:
		return pick[any](r, nil, true, false, 0, -1, 1e300, 65536)
	}
	return hostile(r)
}

// misshapen is a valid body with members replaced.
func misshapen(r *rand.Rand, body wire.Body) []byte {
	text, err := json.Marshal(body)
	if err != nil {
		return []byte("{}")
	}
	var members map[string]any
	if json.Unmarshal(text, &members) != nil {
		return text
	}
	names := []string{"namespace", "tenant", "group", "groupName", "dataId", "serviceName", "type", "instance", "instances", "content", "configListenContexts", "listen", "groupKeyPattern", "watchType", "receivedGroupKeys", "lockInstance", "lockOperationEnum", "additionMap", "pageNo", "pageSize", "cluster", "healthyOnly", "udpPort", "casMd5", "tag"}
	for range 1 + r.IntN(4) {
		name := pick(r, names...)
		switch r.IntN(3) {
		case 0:
			members[name] = anything(r, 3)
		case 1:
			members[name] = hostile(r)
		case 2:
			members[name] = pick[any](r, "dev", "G", "shared", "registerInstance", "WATCH", map[string]any{"ip": hostile(r), "port": r.IntN(1 << 17), "weight": anything(r, 0), "metadata": anything(r, 1)}, []any{map[string]any{"tenant": hostile(r), "group": hostile(r), "dataId": hostile(r)}})
		}
	}
	text, err = json.Marshal(members)
	if err != nil {
		return []byte("{}")
	}
	switch r.IntN(10) {
	case 0:
		return text[:r.IntN(len(text)+1)]
	case 1:
		return []byte(strings.Repeat("[", 30_000))
	case 2:
		return append(text, text...)
	}
	return text
}

// TestHostileGRPC sends every type of request with bodies that are none, and bytes that
// are no payload.
func TestHostileGRPC(t *testing.T) {
	s := start(t)
	r := source(t)
	_, _, n := amounts()
	types := append(slices.Sorted(slices.Values(wire.Types())), "", "x", "MemberReportRequest", "DistroDataRequest", "ConfigChangeClusterSyncRequest", "ServerReloadRequest", "java.util.HashMap", strings.Repeat("T", 100_000))
	s.under(func() {
		c := s.connect()
		for i := range n {
			name := pick(r, types...)
			p := &wire.Payload{Metadata: &wire.Metadata{Type: name, Headers: map[string]string{"accessToken": s.root}}, Body: &anypb.Any{}}
			if body := wire.New(name); body != nil {
				p.Body.Value = misshapen(r, body)
			} else {
				p.Body.Value = []byte(hostile(r))
			}
			switch r.IntN(20) {
			case 0:
				p.Metadata = nil
			case 1:
				p.Body = nil
			case 2:
				p.Metadata.Headers = map[string]string{"accessToken": strings.ToValidUTF8(hostile(r), "")}
			}
			out, err := c.send(p)
			if err != nil {
				require.False(t, s.Ended(), "%s %s", name, p.GetBody().GetValue())
				c = s.connect() // it cut the connection
				continue
			}
			require.NotContains(t, string(out.GetBody().GetValue()), "internal error", "%s %q", name, p.GetBody().GetValue())
			if i%10 == 0 {
				garbage := []byte(hostile(r))
				var reply []byte
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				_ = c.conn.Invoke(ctx, pick(r, wire.RequestMethod, "/Request/x", "/x/y", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"), &garbage, &reply, grpc.ForceCodec(bare{}))
				cancel()
			}
			if i%100 == 0 { // a second setup, and pushes' answers that nobody waits for
				setup, err := wire.Encode(&wire.ConnectionSetupRequest{ClientVersion: strings.ToValidUTF8(hostile(r), ""), Tenant: strings.ToValidUTF8(hostile(r), "")}, nil)
				require.NoError(t, err)
				_ = c.stream.SendMsg(setup)
			}
		}
	})
}

// bare sends bytes as they are.
type bare struct{}

func (bare) Name() string { return "proto" }

func (bare) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

func (bare) Unmarshal(b []byte, v any) error {
	out, ok := v.(*[]byte)
	if !ok {
		return errors.New("not bytes")
	}
	*out = b
	return nil
}

// TestUnfinishedMessagesAreBounded: gRPC keeps what has come of a message until the rest
// comes, of whoever it is.
func TestUnfinishedMessagesAreBounded(t *testing.T) {
	s := start(t)
	s.under(func() {
		for range 2 {
			c, err := net.DialTimeout("tcp", s.GRPC, 5*time.Second)
			require.NoError(t, err)
			s.beginMessages(c)
			defer c.Close()
		}
	})
}

// beginMessages sends as much as it may of a hundred large messages, and the end of none.
func (s *site) beginMessages(c net.Conn) {
	var out bytes.Buffer
	f := http2.NewFramer(&out, c)
	var head bytes.Buffer
	enc := hpack.NewEncoder(&head)
	const streams, size = 100, 10 << 20
	sent, may, all := map[uint32]int{}, map[uint32]int{}, 1<<16-1
	out.WriteString(http2.ClientPreface)
	require.NoError(s.t, f.WriteSettings())
	for i := range uint32(streams) {
		id := 2*i + 1
		head.Reset()
		for _, h := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", wire.RequestMethod}, {":authority", "x"}, {"content-type", "application/grpc"}, {"te", "trailers"}} {
			require.NoError(s.t, enc.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}))
		}
		require.NoError(s.t, f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: head.Bytes(), EndHeaders: true}))
		require.NoError(s.t, f.WriteData(id, false, []byte{0, size >> 24, size >> 16 & 0xff, size >> 8 & 0xff, 0}))
		sent[id], may[id], all = 5, 1<<16-1, all-5
	}
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	zeros := make([]byte, 16<<10)
	for total := 0; total < streams*(size-1); {
		for id := range sent {
			n := min(len(zeros), may[id]-sent[id], all, size-1-sent[id])
			if n <= 0 {
				continue
			}
			require.NoError(s.t, f.WriteData(id, false, zeros[:n]))
			sent[id], all, total = sent[id]+n, all-n, total+n
		}
		if _, err := c.Write(out.Bytes()); err != nil {
			return // it was cut
		}
		out.Reset()
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		switch w := frame.(type) {
		case *http2.SettingsFrame:
			if !w.IsAck() {
				require.NoError(s.t, f.WriteSettingsAck())
			}
		case *http2.PingFrame:
			require.NoError(s.t, f.WritePing(true, w.Data))
		case *http2.WindowUpdateFrame:
			if w.StreamID == 0 {
				all += int(w.Increment)
			} else {
				may[w.StreamID] += int(w.Increment)
			}
		}
	}
}
