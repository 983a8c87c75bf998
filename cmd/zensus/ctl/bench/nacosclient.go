package bench

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zensus-io/zensus/cmd/zensus/ctl/bench/lean"
)

// nacosTime is how long one step of a client of Nacos may take.
const nacosTime = 30 * time.Second

// grpcOffset is where clients of Nacos look for gRPC, behind the port of HTTP.
const grpcOffset = 1000

// httpAt is where the i-th connection goes that speaks HTTP.
func (s *Server) httpAt(i int) string {
	list := s.addresses()
	return list[i%len(list)]
}

// grpcAt is likewise for one that speaks gRPC.
func (s *Server) grpcAt(i int) string { return grpcAddr(s.httpAt(i)) }

// grpcAddr is the address for gRPC that belongs to one for HTTP; one that is broken stays so.
func grpcAddr(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	n, bad := strconv.Atoi(port)
	if err != nil || bad != nil {
		return addr
	}
	return net.JoinHostPort(host, strconv.Itoa(n+grpcOffset))
}

// client is a client of Nacos over gRPC, whose connection has been set up.
type client struct {
	*lean.GRPC
	// heard is called for what nobody waits for: pushes, which are acknowledged, and answers
	// to calls that were not made by call. What it calls is sent without a Flush of its own,
	// in one write with the acknowledgement. It may be nil.
	heard func(c *client, m lean.Message)

	turn    sync.Mutex    // of call
	waits   atomic.Uint32 // the stream for which call waits
	answers chan []byte
	ended   chan struct{} // closed when nothing is read any more
	err     error         // why, once ended is closed
	closed  atomic.Bool   // by this side
}

// dialClient opens a connection and sets it up. Nobody reads it before listen is called.
func dialClient(addr string) (*client, error) {
	conn, err := lean.DialGRPC(addr, nacosTime)
	if err != nil {
		return nil, err
	}
	c := &client{GRPC: conn, answers: make(chan []byte, 1), ended: make(chan struct{})}
	if err := c.setUp(); err != nil {
		return nil, errors.Join(fmt.Errorf("set up at %s: %w", addr, err), conn.Close())
	}
	return c, nil
}

// setupJSON is what clients of Java send.
const setupJSON = `{"module":"internal","clientVersion":"Nacos-Java-Client:v2.5.1","tenant":"",` +
	`"labels":{"source":"sdk","module":"naming"},"abilityTable":{}}`

func (c *client) setUp() error {
	if err := c.SetDeadline(time.Now().Add(nacosTime)); err != nil {
		return err
	}
	if kind, _, err := c.ask("ServerCheckRequest", internalJSON); err != nil || kind != "ServerCheckResponse" {
		return errors.Join(err, fmt.Errorf("a check was answered with %q", kind))
	}
	if !c.Talk("ConnectionSetupRequest", []byte(setupJSON)) {
		return errors.New("no room for the setup")
	}
	// The setup is not answered by all servers, and by Nacos before all of it knows the
	// client: it is there when other things are.
	if err := c.until("HealthCheckRequest", internalJSON, `"errorCode":301`); err != nil {
		return err
	}
	if err := c.until("SubscribeServiceRequest", []byte(leaveNothing), `"errorCode":-401`); err != nil {
		return err
	}
	return c.SetDeadline(time.Time{})
}

// leaveNothing ends a subscription that there is not.
const leaveNothing = `{"module":"naming","requestId":"","namespace":"public","groupName":"DEFAULT_GROUP","serviceName":"bench-nothing",` +
	`"subscribe":false,"clusters":""}`

// until asks again as long as the answer has a text that says: not yet.
func (c *client) until(kind string, json []byte, notYet string) error {
	for range 1000 {
		answered, answer, err := c.ask(kind, json)
		if err != nil {
			return err
		}
		if !bytes.Contains(answer, []byte(notYet)) {
			return isRight([]byte(answered), answer)
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("%s is answered with %s, again and again", kind, notYet)
}

var internalJSON = []byte(`{"module":"internal","requestId":""}`)

// ask makes a call and reads the answer, before listen.
func (c *client) ask(kind string, json []byte) (string, []byte, error) {
	stream := c.Call(kind, json)
	if err := c.Flush(); err != nil {
		return "", nil, err
	}
	for {
		m, err := c.Next()
		if err != nil {
			return "", nil, err
		}
		if m.Told {
			if err := acknowledge(c.GRPC, m); err != nil {
				return "", nil, err
			}
			continue
		}
		if m.Stream == stream {
			return string(m.Kind), m.JSON, nil
		}
	}
}

// acknowledge replies to a push, with what is sent before the next is waited for. What has
// no id waits for no reply.
func acknowledge(c *lean.GRPC, m lean.Message) error {
	kind, ok := strings.CutSuffix(string(m.Kind), "Request")
	id := requestID(m.JSON)
	if !ok || len(id) == 0 || kind == "SetupAck" {
		return nil
	}
	json := fmt.Appendf(nil, `{"resultCode":200,"errorCode":0,"success":true,"requestId":"%s"}`, id)
	if !c.Talk(kind+"Response", json) {
		return errors.New("the server does not take what acknowledges its pushes")
	}
	return nil
}

var requestIDMember = []byte(`"requestId":"`)

// requestID is that of a push.
func requestID(json []byte) []byte {
	i := bytes.Index(json, requestIDMember)
	if i < 0 {
		return nil
	}
	rest := json[i+len(requestIDMember):]
	return rest[:max(0, bytes.IndexByte(rest, '"'))]
}

// many makes n calls, so many at once, before listen; each must be answered with the kind
// that belongs to it.
func (c *client) many(n, atOnce int, request func(b []byte, k int) (kind string, json []byte)) error {
	if err := c.SetDeadline(time.Now().Add(10 * nacosTime)); err != nil {
		return err
	}
	var buf []byte
	var kind string
	for sent, got := 0, 0; got < n; {
		for sent < n && sent-got < atOnce {
			kind, buf = request(buf[:0], sent)
			if c.Call(kind, buf) == 0 {
				break // it takes more when it has answered
			}
			sent++
		}
		if err := c.Flush(); err != nil {
			return err
		}
		m, err := c.Next()
		if err != nil {
			return err
		}
		if m.Told {
			if err := acknowledge(c.GRPC, m); err != nil {
				return err
			}
			continue
		}
		if err := isRight(m.Kind, m.JSON); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		got++
	}
	return c.SetDeadline(time.Time{})
}

var success = []byte(`"resultCode":200`)

// isRight says whether an answer is a success, in what all of them have in common.
func isRight(kind, json []byte) error {
	if string(kind) == "ErrorResponse" || !bytes.Contains(json, success) {
		return fmt.Errorf("%s %.300s", kind, json)
	}
	return nil
}

// listen reads from now on, on a goroutine that ends with the connection.
func (c *client) listen() {
	go func() {
		defer close(c.ended)
		c.err = c.read()
	}()
}

// listenAlone is listen for a client that belongs to no crowd: it too shows the server
// that it lives, so that nothing depends on how soon it answers when it is asked.
func (c *client) listenAlone() {
	c.listen()
	go func() {
		tick := time.NewTicker(aliveEvery)
		defer tick.Stop()
		for {
			select {
			case <-c.ended:
				return
			case <-tick.C:
				_ = c.ping() // who cannot be reached is found by the next call
			}
		}
	}()
}

func (c *client) read() error {
	for {
		m, err := c.Next()
		if err != nil {
			return err
		}
		switch {
		case m.Told:
			if err := acknowledge(c.GRPC, m); err != nil {
				return err
			}
		case string(m.Kind) == "ErrorResponse":
			return fmt.Errorf("an error was answered: %s", m.JSON)
		case m.Stream == c.waits.Load():
			c.answers <- bytes.Clone(m.JSON) // there is room: it is waited for
			continue
		}
		if c.heard != nil {
			c.heard(c, m)
		}
	}
}

// call makes a call after listen, and waits for its answer.
func (c *client) call(kind string, json []byte) ([]byte, error) {
	c.turn.Lock()
	defer c.turn.Unlock()
	if c.CallAs(&c.waits, kind, json) == 0 {
		return nil, errors.New("the server takes no more")
	}
	if err := c.Flush(); err != nil {
		return nil, err
	}
	patience := time.NewTimer(nacosTime)
	defer patience.Stop()
	select {
	case answer := <-c.answers:
		if !bytes.Contains(answer, success) {
			return nil, fmt.Errorf("%s: %.300s", kind, answer)
		}
		return answer, nil
	case <-c.ended:
		return nil, fmt.Errorf("%s: %w", kind, c.err)
	case <-patience.C:
		return nil, fmt.Errorf("%s: no answer within %v", kind, nacosTime)
	}
}

// ping shows the server that the client lives; the answer goes to heard.
func (c *client) ping() error {
	c.Call("HealthCheckRequest", internalJSON)
	return c.Flush()
}

func (c *client) close() {
	c.closed.Store(true)
	_ = c.Close()
}

// lost says why the server, or the way to it, ended the connection; nil while it lives.
func (c *client) lost() error {
	select {
	case <-c.ended:
		if !c.closed.Load() {
			return c.err
		}
	default:
	}
	return nil
}

// crowd are many clients that live on: each shows it every five seconds, as those of
// Nacos do.
type crowd struct {
	srv   *Server
	slots []atomic.Pointer[client] // nil before it is there
	stop  chan struct{}
	over  sync.WaitGroup
}

const (
	aliveEvery    = 5 * time.Second
	aliveAtOnce   = 100 // portions of the clients, one after the other
	crowdAtOnce   = 32  // clients that are set up at the same time
	callsInFlight = 16  // of each of them
)

// gather opens n clients; each is prepared before it listens.
func gather(srv *Server, n int, prepare func(i int, c *client) error) (*crowd, error) {
	w := &crowd{srv: srv, slots: make([]atomic.Pointer[client], n), stop: make(chan struct{})}
	w.over.Go(w.keepAlive)
	for from := 0; from < n; from += crowdAtOnce {
		if err := parallel(min(crowdAtOnce, n-from), func(i int) error { return w.open(from+i, prepare) }); err != nil {
			w.close()
			return nil, err
		}
	}
	return w, nil
}

// open fills a slot.
func (w *crowd) open(i int, prepare func(i int, c *client) error) error {
	c, err := dialClient(w.srv.grpcAt(i))
	if err != nil {
		return err
	}
	if err := prepare(i, c); err != nil {
		c.close()
		return err
	}
	c.listen()
	w.slots[i].Store(c)
	return nil
}

func (w *crowd) keepAlive() {
	tick := time.NewTicker(aliveEvery / aliveAtOnce)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-w.stop:
			return
		case <-tick.C:
		}
		for i := n % aliveAtOnce; i < len(w.slots); i += aliveAtOnce {
			if c := w.slots[i].Load(); c != nil {
				_ = c.ping() // who cannot be reached is found by lost
			}
		}
	}
}

// lost is how many clients were cut off, and why the first was.
func (w *crowd) lost() (n int, first error) {
	for i := range w.slots {
		if c := w.slots[i].Load(); c != nil {
			if err := c.lost(); err != nil {
				if n++; n == 1 {
					first = err
				}
			}
		}
	}
	return n, first
}

func (w *crowd) close() {
	close(w.stop)
	w.over.Wait()
	for i := range w.slots {
		if c := w.slots[i].Load(); c != nil {
			c.close()
			<-c.ended
		}
	}
}
