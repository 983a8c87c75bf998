package bench

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/zensus-io/zensus/cmd/zensus/ctl/bench/lean"
)

// act is what clients of Nacos do, as a workload.
type act struct {
	name string
	http bool // HTTP/1.1, one request in flight on a connection; else gRPC
	// shapes are how it is put on a server where the user does not say.
	shapes []string
	// prepare makes what the requests need.
	prepare func(g *ground) error
	// request appends the n-th request of the i-th connection: the JSON of a payload of
	// that kind, or a whole request of HTTP.
	request func(b []byte, g *ground, i, n int) (kind string, request []byte)
	// right judges the answer to it, of some of them; of all others only the kind or the
	// status is looked at.
	right func(g *ground, i, n int, answer []byte) error
	// undo removes what the first n requests of the i-th connection made and does not go
	// with the connection: how many requests that are, and the k-th of them.
	undo        func(g *ground, n int) int
	undoRequest func(b []byte, g *ground, i, k int) (kind string, request []byte)
	// tidy removes what prepare made and does not go with the keeper.
	tidy func(g *ground) error
}

// ground is what a round stands on.
type ground struct {
	srv    *Server
	shape  *Shape
	api    string  // v1 or v2: which HTTP is spoken
	prefix string  // of the names of all that the round makes
	keeper *client // holds what has to be there
	filler string  // of configs
}

// grounds counts rounds, so that names are new in each.
var grounds atomic.Int64

func newGround(srv *Server, s *Shape, api string) (*ground, error) {
	keeper, err := dialClient(srv.grpcAt(0))
	if err != nil {
		return nil, err
	}
	keeper.listenAlone()
	return &ground{
		srv: srv, shape: s, api: api, keeper: keeper,
		prefix: "bench-" + strconv.FormatInt(time.Now().UnixMilli(), 36) + "-" + strconv.FormatInt(grounds.Add(1), 10),
		filler: strings.Repeat("x", max(0, s.Bytes)),
	}, nil
}

const (
	querySize    = 50   // instances of a service that is asked for
	registerInto = 256  // services into which a client registers in turn
	httpServices = 1000 // into which instances are registered over HTTP
	ownConfigs   = 16   // that a connection publishes in turn
	sampleEvery  = 16   // of so many answers one is looked at closely
)

var acts = []*act{
	{
		name: "register", shapes: []string{"16x16"},
		request: func(b []byte, g *ground, i, n int) (string, []byte) {
			// So many are registered before the first goes again that none of them is
			// under way both ways.
			return "InstanceRequest", g.appendInstance(b, (n/registerInto)%2 == 0, n%registerInto, i)
		},
		right: grpcRight,
	},
	{
		name: "register-http", http: true, shapes: []string{"64x1"},
		request: func(b []byte, g *ground, i, n int) (string, []byte) { return "", g.appendHTTPInstance(b, "POST", i, n) },
		right:   httpHas("ok"),
		undo:    func(_ *ground, n int) int { return min(n, httpInstances) },
		undoRequest: func(b []byte, g *ground, i, k int) (string, []byte) {
			return "", g.appendHTTPInstance(b, "DELETE", i, k)
		},
	},
	{
		name: "query", shapes: []string{"16x16"}, prepare: (*ground).fillServices,
		request: func(b []byte, g *ground, i, n int) (string, []byte) {
			b = g.appendService(append(b, '{'), (i+n)%nodes)
			return "ServiceQueryRequest", append(b, `,"cluster":"","healthyOnly":false,"udpPort":0}`...)
		},
		right: func(g *ground, i, n int, answer []byte) error {
			return errors.Join(grpcRight(g, i, n, answer), has50(answer))
		},
	},
	{
		name: "query-http", http: true, shapes: []string{"64x1"}, prepare: (*ground).fillServices,
		request: func(b []byte, g *ground, i, n int) (string, []byte) {
			target := "/nacos/" + g.api + "/ns/instance/list?namespaceId=public&serviceName=" + g.service((i+n)%nodes)
			return "", lean.AppendRequest(b, "GET", target, g.srv.httpAt(i), "", "")
		},
		right: func(_ *ground, _, _ int, answer []byte) error { return has50(answer) },
	},
	{
		name: "publish", shapes: []string{"64x1", "1x1"},
		request: func(b []byte, g *ground, i, n int) (string, []byte) {
			b = append(g.appendConfig(append(b, '{'), g.ownConfig(i, n)), `,"content":"`...)
			return "ConfigPublishRequest", append(append(b, g.content(i, n)...), `","additionMap":{"type":"text"}}`...)
		},
		right: grpcRight, undo: ownConfigsOf, undoRequest: removeOwnConfig,
	},
	{
		name: "publish-http", http: true, shapes: []string{"64x1", "1x1"},
		request: func(b []byte, g *ground, i, n int) (string, []byte) {
			form := "dataId=" + g.ownConfig(i, n) + "&group=DEFAULT_GROUP&type=text&content=" + g.content(i, n)
			return "", lean.AppendRequest(b, "POST", g.configPath(), g.srv.httpAt(i), "", form)
		},
		right: httpHas("true"), undo: ownConfigsOf,
		undoRequest: func(b []byte, g *ground, i, k int) (string, []byte) {
			target := g.configPath() + "?group=DEFAULT_GROUP&dataId=" + g.ownConfig(i, k)
			return "", lean.AppendRequest(b, "DELETE", target, g.srv.httpAt(i), "", "")
		},
	},
	{
		name: "get", shapes: []string{"16x16"}, prepare: (*ground).fillConfigs, tidy: (*ground).removeConfigs,
		request: func(b []byte, g *ground, i, n int) (string, []byte) {
			return "ConfigQueryRequest", append(g.appendConfig(append(b, '{'), g.config((i+n)%nodes)), '}')
		},
		right: func(g *ground, i, n int, answer []byte) error {
			return errors.Join(grpcRight(g, i, n, answer), has(answer, g.content(0, (i+n)%nodes)))
		},
	},
	{
		name: "get-http", http: true, shapes: []string{"64x1"}, prepare: (*ground).fillConfigs, tidy: (*ground).removeConfigs,
		request: func(b []byte, g *ground, i, n int) (string, []byte) {
			target := g.configPath() + "?group=DEFAULT_GROUP&dataId=" + g.config((i+n)%nodes)
			return "", lean.AppendRequest(b, "GET", target, g.srv.httpAt(i), "", "")
		},
		right: func(g *ground, i, n int, answer []byte) error { return has(answer, g.content(0, (i+n)%nodes)) },
	},
}

func findAct(name string) *act {
	for _, a := range acts {
		if a.name == name {
			return a
		}
	}
	return nil
}

func grpcRight(_ *ground, _, _ int, answer []byte) error {
	if !bytes.Contains(answer, success) {
		return fmt.Errorf("%.300s", answer)
	}
	return nil
}

func httpHas(text string) func(*ground, int, int, []byte) error {
	return func(_ *ground, _, _ int, answer []byte) error { return has(answer, text) }
}

func has(answer []byte, text string) error {
	if !bytes.Contains(answer, []byte(text)) {
		return fmt.Errorf("%.100q is missing in %.300q", text, answer)
	}
	return nil
}

// hosts is how many instances an answer has.
func hosts(answer []byte) int { return bytes.Count(answer, []byte(`"ip":`)) }

func has50(answer []byte) error {
	if n := hosts(answer); n != querySize {
		return fmt.Errorf("%d instances in place of %d: %.300s", n, querySize, answer)
	}
	return nil
}

// The names. They need no escapes, in JSON and in URLs.

func (g *ground) service(n int) string { return g.prefix + ".s" + strconv.Itoa(n) }
func (g *ground) config(n int) string  { return g.prefix + ".c" + strconv.Itoa(n) }

// ownConfig is the one that the i-th connection publishes as its n-th.
func (g *ground) ownConfig(i, n int) string { return g.config(i*ownConfigs + n%ownConfigs) }

// content is of as many bytes as the user says, or a little more.
func (g *ground) content(i, n int) string {
	mark := "v" + strconv.Itoa(i) + "-" + strconv.Itoa(n) + "-"
	return mark + g.filler[min(len(mark), len(g.filler)):]
}

func (g *ground) configPath() string {
	if g.api == "v2" {
		return "/nacos/v2/cs/config"
	}
	return "/nacos/v1/cs/configs"
}

// appendService appends the members that say which service.
func (g *ground) appendService(b []byte, n int) []byte {
	b = append(append(b, `"module":"naming","requestId":"","namespace":"public","groupName":"DEFAULT_GROUP","serviceName":"`...), g.prefix...)
	return append(strconv.AppendInt(append(b, ".s"...), int64(n), 10), '"')
}

// appendConfig appends the members that say which config.
func (g *ground) appendConfig(b []byte, dataID string) []byte {
	b = append(append(b, `"module":"config","requestId":"","tenant":"","group":"DEFAULT_GROUP","dataId":"`...), dataID...)
	return append(b, '"')
}

// appendInstance appends the request that registers the k-th instance in a service, or
// deregisters it.
func (g *ground) appendInstance(b []byte, register bool, service, k int) []byte {
	b = g.appendService(append(b, '{'), service)
	if register {
		b = append(b, `,"type":"registerInstance","instance":`...)
	} else {
		b = append(b, `,"type":"deregisterInstance","instance":`...)
	}
	return append(appendInstance(b, k, "1"), '}')
}

// appendInstance appends the k-th instance, of 2^24, which differs by its version too.
func appendInstance(b []byte, k int, version string) []byte { return appendWeighed(b, k, 1, version) }

func appendWeighed(b []byte, k, weight int, version string) []byte {
	b = appendIP(append(b, `{"ip":"`...), k)
	b = strconv.AppendInt(append(b, `","port":8080,"weight":`...), int64(weight), 10)
	b = append(b, `.0,"healthy":true,"enabled":true,"ephemeral":true,"clusterName":"DEFAULT",`+
		`"metadata":{"preserved.register.source":"SPRING_CLOUD","version":"`...)
	return append(append(b, version...), `"}}`...)
}

func appendIP(b []byte, k int) []byte {
	b = append(strconv.AppendInt(append(b, "10."...), int64(k>>16&0xff), 10), '.')
	b = append(strconv.AppendInt(b, int64(k>>8&0xff), 10), '.')
	return strconv.AppendInt(b, int64(k&0xff), 10)
}

// appendBatch appends the request that registers instances in a service, all at once.
func (g *ground) appendBatch(b []byte, service, first, n int) []byte {
	b = append(g.appendService(append(b, '{'), service), `,"type":"batchRegisterInstance","instances":[`...)
	for k := range n {
		if k > 0 {
			b = append(b, ',')
		}
		b = appendInstance(b, first+k, "1")
	}
	return append(b, "]}"...)
}

// httpInstances is how many instances a connection registers before it begins again.
const httpInstances = 1 << 14

func (g *ground) appendHTTPInstance(b []byte, method string, i, n int) []byte {
	target := append(make([]byte, 0, 200), "/nacos/"...)
	target = append(append(target, g.api...), "/ns/instance?namespaceId=public&groupName=DEFAULT_GROUP&clusterName=DEFAULT&ephemeral=true&port=8080&ip="...)
	target = appendIP(target, i*httpInstances+n%httpInstances)
	target = append(append(append(target, "&serviceName="...), g.prefix...), ".s"...)
	target = strconv.AppendInt(target, int64((n*g.shape.Conns+i)%httpServices), 10)
	return lean.AppendRequest(b, method, string(target), g.srv.httpAt(i), "", "")
}

// fillServices makes the services that are asked for; the keeper has their instances.
func (g *ground) fillServices() error {
	for n := range nodes {
		if _, err := g.keeper.call("BatchInstanceRequest", g.appendBatch(nil, n, n*querySize, querySize)); err != nil {
			return err
		}
	}
	// Lists are made ahead of the first question, or when it comes: not in the round.
	return g.eventually(func() error {
		for n := range nodes {
			answer, err := g.keeper.call("ServiceQueryRequest", append(g.appendService([]byte{'{'}, n), `,"cluster":"","healthyOnly":false}`...))
			if err = errors.Join(err, has50(answer)); err != nil {
				return err
			}
		}
		return nil
	})
}

// fillConfigs makes the configs that are asked for.
func (g *ground) fillConfigs() error {
	for n := range nodes {
		if err := g.publish(g.config(n), g.content(0, n)); err != nil {
			return err
		}
	}
	return g.eventually(func() error {
		for n := range nodes {
			answer, err := g.keeper.call("ConfigQueryRequest", append(g.appendConfig([]byte{'{'}, g.config(n)), '}'))
			if err = errors.Join(err, has(answer, g.content(0, n))); err != nil {
				return err
			}
		}
		return nil
	})
}

// publish publishes a config, whose content needs no escapes.
func (g *ground) publish(dataID, content string) error {
	b := append(g.appendConfig([]byte{'{'}, dataID), `,"content":"`...)
	_, err := g.keeper.call("ConfigPublishRequest", append(append(b, content...), `","additionMap":{"type":"text"}}`...))
	return err
}

// eventually tries until what was written is there to be read: some servers answer before
// it is.
func (g *ground) eventually(try func() error) error {
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		err := try()
		if err == nil && len(g.srv.addresses()) > 1 {
			time.Sleep(time.Second) // at the others too
		}
		if err == nil || time.Since(began) > nacosTime {
			return err
		}
	}
}

// removeConfigs removes what fillConfigs made.
func (g *ground) removeConfigs() error {
	for n := range nodes {
		if err := g.remove(g.config(n)); err != nil {
			return err
		}
	}
	return nil
}

func (g *ground) remove(dataID string) error {
	_, err := g.keeper.call("ConfigRemoveRequest", append(g.appendConfig([]byte{'{'}, dataID), `,"tag":""}`...))
	return err
}

func ownConfigsOf(_ *ground, n int) int { return min(n, ownConfigs) }

func removeOwnConfig(b []byte, g *ground, i, k int) (string, []byte) {
	return "ConfigRemoveRequest", append(g.appendConfig(append(b, '{'), g.ownConfig(i, k)), `,"tag":""}`...)
}

// carrier is a connection under load.
type carrier interface {
	// drive makes requests, at most depth at once, as long as more says, and hands
	// answers to take, which hears of those too by which the server refuses. It returns
	// when all have been answered.
	drive(more func(n int) bool, request func(b []byte, n int) (kind string, request []byte), take takeFunc) error
	close()
}

// takeFunc takes the answer to the n-th request.
type takeFunc func(n int, sent time.Time, answer []byte, refused bool) error

// runAct puts an act on a server for one round. What it made is removed again.
func runAct(srv *Server, a *act, s Shape, api string) (sample Sample, err error) {
	if a.http && s.Depth != 1 {
		return sample, fmt.Errorf("%s: over HTTP there is one request in flight on each connection", a.name)
	}
	g, err := newGround(srv, &s, api)
	if err != nil {
		return sample, err
	}
	defer g.keeper.close()
	if a.prepare != nil {
		if err := a.prepare(g); err != nil {
			return sample, err
		}
	}
	lines := make([]carrier, s.Conns)
	defer func() {
		for _, l := range lines {
			if l != nil {
				l.close()
			}
		}
	}()
	if err := inBatches(s.Conns, func(i int) (err error) {
		lines[i], err = a.open(g, i)
		return err
	}); err != nil {
		return sample, err
	}
	m := &meter{}
	sent := make([]int, s.Conns)
	var refusals refusals
	sample, err = m.measure(srv, &s, func(i int, lat *hdrhistogram.Histogram) error {
		return lines[i].drive(
			func(n int) bool { sent[i] = n; return !m.stop.Load() },
			func(b []byte, n int) (string, []byte) { return a.request(b, g, i, n) },
			func(n int, at time.Time, answer []byte, refused bool) error {
				if refused {
					return refusals.add(answer)
				}
				_ = lat.RecordValue(time.Since(at).Microseconds())
				m.done.Add(1)
				if n%sampleEvery == 0 {
					return a.right(g, i, n, answer)
				}
				return nil
			})
	})
	sample.Refused, sample.Refusal = refusals.n, refusals.first
	if err != nil {
		return sample, err
	}
	if sample.Refused > sample.Requests { // then it is not this that was measured
		return sample, fmt.Errorf("%d requests were refused, and %d were done: %s", sample.Refused, sample.Requests, sample.Refusal)
	}
	if a.undo != nil {
		err = parallel(s.Conns, func(i int) error {
			n := a.undo(g, sent[i])
			return lines[i].drive(
				func(k int) bool { return k < n },
				func(b []byte, k int) (string, []byte) { return a.undoRequest(b, g, i, k) },
				func(int, time.Time, []byte, bool) error { return nil })
		})
	}
	if a.tidy != nil {
		err = errors.Join(err, a.tidy(g))
	}
	return sample, err
}

// refusals counts what a server refuses. It is safe for concurrent use.
type refusals struct {
	mu    sync.Mutex
	n     int64
	first string
}

// refusalBytes is how much of an answer that refuses is shown.
const refusalBytes = 200

func (r *refusals) add(answer []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n++; r.n == 1 {
		r.first = string(answer[:min(len(answer), refusalBytes)])
	}
	return nil
}

func (a *act) open(g *ground, i int) (carrier, error) {
	if a.http {
		c, err := lean.DialHTTP(g.srv.httpAt(i), nacosTime)
		if err != nil {
			return nil, err
		}
		return &httpCarrier{c}, nil
	}
	c, err := dialClient(g.srv.grpcAt(i))
	if err != nil {
		return nil, err
	}
	return &grpcCarrier{c, g.shape}, nil
}

type httpCarrier struct{ conn *lean.HTTP }

func (l *httpCarrier) close() { _ = l.conn.Close() }

func (l *httpCarrier) drive(more func(int) bool, request func([]byte, int) (string, []byte), take takeFunc) error {
	var b []byte
	for n := 0; more(n); n++ {
		_, b = request(b[:0], n)
		sent := time.Now()
		status, answer, err := l.conn.Do(b)
		if err == nil && status != 200 && status < 500 {
			err = fmt.Errorf("status %d: %.300s", status, answer)
		}
		if err == nil {
			err = take(n, sent, answer, status != 200)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type grpcCarrier struct {
	conn  *client
	shape *Shape
}

func (l *grpcCarrier) close() { l.conn.close() }

// shortAnswer is below how many bytes each answer is looked at.
const shortAnswer = 1024

// flight is a request under way.
type flight struct {
	stream uint32
	n      int
	sent   time.Time
}

func (l *grpcCarrier) drive(more func(int) bool, request func([]byte, int) (string, []byte), take takeFunc) error {
	if err := l.conn.SetDeadline(time.Now().Add(l.shape.Time + 2*nacosTime)); err != nil {
		return err
	}
	flights := make([]flight, 0, l.shape.Depth)
	var b []byte
	var kind string
	got := func(m lean.Message) error {
		if m.Told {
			return acknowledge(l.conn.GRPC, m)
		}
		for i, f := range flights {
			if f.stream == m.Stream {
				flights[i] = flights[len(flights)-1]
				flights = flights[:len(flights)-1]
				// What refuses is short; long answers are looked at by samples.
				refused := len(m.JSON) < shortAnswer && isRight(m.Kind, m.JSON) != nil
				return take(f.n, f.sent, m.JSON, refused)
			}
		}
		return errors.New("an answer to no request")
	}
	for n := 0; ; {
		now := time.Now()
		for len(flights) < cap(flights) && more(n) {
			kind, b = request(b[:0], n)
			stream := l.conn.Call(kind, b)
			if stream == 0 {
				break // it takes more when it has answered
			}
			flights = append(flights, flight{stream, n, now})
			n++
		}
		if len(flights) == 0 {
			if more(n) {
				return errors.New("the server takes no requests")
			}
			return nil
		}
		if err := l.conn.Flush(); err != nil {
			return err
		}
		m, err := l.conn.Next()
		for ok := true; ok && err == nil; m, ok, err = l.conn.TryNext() {
			if err := got(m); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

// listening is the form field that says which configs are listened to, with the MD5 that
// the client has.
func listening(dataID, md5 string) string {
	return "Listening-Configs=" + url.QueryEscape(dataID+"\x02DEFAULT_GROUP\x02"+md5+"\x01")
}
