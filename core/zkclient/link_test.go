package zkclient_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zkclient"
)

// start opens a session with a scripted server, within a synctest bubble.
func start(t *testing.T, s *scripted, opt zkclient.Options) *zkclient.Client {
	t.Helper()
	opt.Dialer = s.dial
	c, err := zkclient.Dial(t.Context(), []string{"a:1", "b:2"}, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.cut()
		c.Close()
	})
	return c
}

func bubble(t *testing.T, fn func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, fn)
}

func TestSessionOutlivesItsConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &scripted{zxid: 42}
		c := start(t, s, zkclient.Options{Auth: []zkclient.Auth{{Scheme: "digest", Auth: []byte("a:b")}}})
		if _, err := c.Sync(t.Context(), "/"); err != nil {
			t.Fatal(err)
		}
		if err := c.AddAuth(t.Context(), "digest", []byte("c:d")); err != nil {
			t.Fatal(err)
		}
		s.cut()
		if err := until("reconnected", func() bool { _, n := s.seen(0); return n == 2 && c.Connected() }); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Exists(t.Context(), "/"); err != nil {
			t.Fatal(err)
		}
		second := s.connects[1]
		if second.SessionID != sessionID || string(second.Password) != string(sessionPassword[:]) || second.LastZxidSeen != 42 {
			t.Errorf("the second connect: %+v", second)
		}
		auths, _ := s.seen(wire.OpAuth)
		var on []int
		for _, a := range auths {
			on = append(on, a.conn)
		}
		if !slices.Equal(on, []int{1, 1, 2, 2}) {
			t.Errorf("credentials were sent on connections %v", on)
		}
	})
}

func TestRequestsThatWereSentFailAndOthersWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &scripted{}
		s.answer = func(c *serverConn, h wire.RequestHeader, body []byte) []byte {
			if h.Op == wire.OpExists && c.number == 1 {
				return nil
			}
			return c.ok(h)
		}
		c := start(t, s, zkclient.Options{})
		sent := make(chan error, 1)
		go func() {
			_, err := c.Exists(t.Context(), "/sent")
			sent <- err
		}()
		synctest.Wait()
		s.set(func(s *scripted) { s.down = true })
		s.cut()
		err := <-sent
		if !core.IsUnknownOutcome(err) || !errors.Is(err, core.ConnectionLoss) || core.IsSessionOver(err) {
			t.Errorf("a request that was sent: %v", err)
		}
		if c.Connected() {
			t.Error("connected to a server that is down")
		}
		waiting := make(chan error, 1)
		go func() {
			_, err := c.Exists(t.Context(), "/waiting")
			waiting <- err
		}()
		time.Sleep(2 * time.Second)
		s.set(func(s *scripted) { s.down = false })
		if err := <-waiting; err != nil {
			t.Errorf("a request that waited for the connection: %v", err)
		}
	})
}

func TestRequestTakenBackBeforeItWasSentIsNeverSent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &scripted{}
		c := start(t, s, zkclient.Options{})
		s.set(func(s *scripted) { s.down = true })
		s.cut()
		synctest.Wait()
		var wg sync.WaitGroup
		for i := range 9 {
			wg.Go(func() {
				ctx := t.Context()
				if i%3 == 1 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, time.Second)
					defer cancel()
				}
				time.Sleep(time.Duration(i) * time.Millisecond) // so that they queue in this order
				_, err := c.Exists(ctx, fmt.Sprint("/", i, strings.Repeat("x", i)))
				switch {
				case i%3 == 1 && (!errors.Is(err, context.DeadlineExceeded) || core.IsUnknownOutcome(err)):
					t.Errorf("%d: %v", i, err)
				case i%3 != 1 && err != nil:
					t.Errorf("%d: %v", i, err)
				}
			})
		}
		time.Sleep(3 * time.Second)
		s.set(func(s *scripted) { s.down = false })
		wg.Wait()
		found, _ := s.seen(wire.OpExists)
		var got []string
		for _, r := range found {
			rd := wire.NewReader(r.body)
			got = append(got, rd.String()[1:2])
		}
		if !slices.Equal(got, []string{"0", "2", "3", "5", "6", "8"}) {
			t.Errorf("the server saw %q", got)
		}
	})
}

func TestContextThatEndsAfterTheRequestWasSentLeavesTheOutcomeOpen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &scripted{}
		release := make(chan struct{})
		s.answer = func(c *serverConn, h wire.RequestHeader, body []byte) []byte {
			if h.Op == wire.OpSetData {
				<-release
			}
			return c.ok(h)
		}
		c := start(t, s, zkclient.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Set(ctx, "/a", nil, 0)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, core.OperationTimeout) || !core.IsUnknownOutcome(err) {
			t.Errorf("set: %v", err)
		}
		close(release)
		// The late reply must not be taken for another request's.
		st, err := c.Exists(t.Context(), "/a")
		if err != nil || st.Version != 7 {
			t.Errorf("exists: %+v, %v", st, err)
		}
	})
}

// lessons D12: a client that only servers can tell that its session is over
// tries for ever when it finds none.
func TestSessionIsGivenUpAfterItsTimeoutWithoutContact(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &scripted{}
		c := start(t, s, zkclient.Options{Timeout: 8 * time.Second})
		w, err := c.Watch(t.Context(), "/", core.WatchTree)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // pings keep it alive
		s.set(func(s *scripted) { s.down = true })
		s.cut()
		synctest.Wait()
		begun := time.Now()
		_, err = c.Exists(t.Context(), "/")
		took := time.Since(begun)
		if !errors.Is(err, core.SessionExpired) || !core.IsSessionOver(err) || core.IsUnknownOutcome(err) {
			t.Errorf("exists: %v", err)
		}
		if took > 8*time.Second || took < 5*time.Second {
			t.Errorf("given up after %v", took)
		}
		if _, err := w.Next(t.Context()); !core.IsSessionOver(err) {
			t.Errorf("watch: %v", err)
		}
		<-c.Done()
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

func TestSessionThatTheServerForgotIsOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &scripted{}
		c := start(t, s, zkclient.Options{})
		s.set(func(s *scripted) { s.expired = true })
		s.cut()
		synctest.Wait()
		_, err := c.Exists(t.Context(), "/")
		if !errors.Is(err, core.SessionExpired) {
			t.Errorf("exists: %v", err)
		}
		<-c.Done()
	})
}

func TestQuietConnectionIsPingedAndASilentOneIsLeft(t *testing.T) {
	for _, opt := range []zkclient.Options{{Timeout: 9 * time.Second}, {Timeout: time.Minute, Silence: 6 * time.Second}} {
		t.Run(opt.Timeout.String(), func(t *testing.T) { quietAndSilent(t, opt) })
	}
}

// quietAndSilent is of a session that leaves a server which is silent for 6 s.
func quietAndSilent(t *testing.T, opt zkclient.Options) {
	bubble(t, func(t *testing.T) {
		s := &scripted{}
		c := start(t, s, opt)
		time.Sleep(61 * time.Second) // pings go out every 3 s
		pings, conns := s.seen(wire.OpPing)
		if n := len(pings); conns != 1 || n < 15 || n > 25 {
			t.Errorf("%d pings on %d connections in a minute", n, conns)
		}
		for _, p := range pings {
			if p.xid != wire.XidPing {
				t.Fatalf("a ping with xid %d", p.xid)
			}
		}
		s.set(func(s *scripted) { s.mute = true })
		time.Sleep(6 * time.Second)
		s.set(func(s *scripted) { s.mute = false })
		if err := until("connected again", c.Connected); err != nil {
			t.Error(err)
		}
		if _, conns := s.seen(0); conns < 2 {
			t.Error("it stayed with a silent server")
		}
	})
}

func TestEachWatchGetsOneResyncAfterAReconnect(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &scripted{zxid: 9}
		s.answer = func(c *serverConn, h wire.RequestHeader, body []byte) []byte {
			if h.Op == wire.OpSetWatches2 {
				c.send(event(math.MaxUint64, core.NodeCreated, "/a/early")) // may come before the reply
			}
			return c.ok(h)
		}
		c := start(t, s, zkclient.Options{})
		node, err := c.Watch(t.Context(), "/n", core.WatchNode)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := c.Watch(t.Context(), "/a", core.WatchTree)
		if err != nil {
			t.Fatal(err)
		}
		gone, err := c.Watch(t.Context(), "/gone", core.WatchTree)
		if err != nil {
			t.Fatal(err)
		}
		if err := gone.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Sync(t.Context(), "/"); err != nil {
			t.Fatal(err)
		}
		s.cut()
		if err := until("reconnected", func() bool { _, n := s.seen(0); return n == 2 && c.Connected() }); err != nil {
			t.Fatal(err)
		}
		sets, _ := s.seen(wire.OpSetWatches2)
		if len(sets) != 1 || sets[0].xid != wire.XidSetWatches {
			t.Fatalf("setWatches2: %+v", sets)
		}
		r := wire.NewReader(sets[0].body)
		set := wire.DecodeSetWatches(&r, wire.OpSetWatches2)
		if set.RelativeZxid != 9 || !slices.Equal(set.Persistent, []string{"/n"}) || !slices.Equal(set.PersistentRecurs, []string{"/a"}) {
			t.Errorf("setWatches2: %+v", set)
		}
		s.conns[1].send(event(11, core.NodeChildrenChanged, "/n"), event(12, core.NodeDeleted, "/a/b"))
		synctest.Wait()
		check := func(name string, w core.Watch, want ...core.EventType) {
			events, err := w.Next(t.Context())
			var got []core.EventType
			for _, e := range events {
				got = append(got, e.Type)
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s heard %v, %v; want %v", name, got, err, want)
			}
		}
		check("node", node, core.Resync, core.NodeChildrenChanged)
		check("tree", tree, core.NodeCreated, core.Resync, core.NodeDeleted)

		// A server that has not come as far as the last event would show the past; what is
		// to be caught up is what no reply has shown.
		s.cut()
		if err := until("reconnected again", func() bool { _, n := s.seen(0); return n == 3 && c.Connected() }); err != nil {
			t.Fatal(err)
		}
		sets, _ = s.seen(wire.OpSetWatches2)
		r = wire.NewReader(sets[len(sets)-1].body)
		set = wire.DecodeSetWatches(&r, wire.OpSetWatches2)
		s.mu.Lock()
		seen := s.connects[2].LastZxidSeen
		s.mu.Unlock()
		if seen != 12 || set.RelativeZxid != 9 {
			t.Errorf("the client says that it has seen %v, and asks for what is behind %v", seen, set.RelativeZxid)
		}
	})
}

func TestEventsWhileWatchesAreArmedAgainAreRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &scripted{}
		s.answer = func(c *serverConn, h wire.RequestHeader, body []byte) []byte {
			if h.Op == wire.OpSetWatches2 { // a server whose socket is full reads no further
				b := event(math.MaxUint64, core.NodeDataChanged, "/a")
				if _, err := c.conn.Write(append(wire.AppendInt(nil, int32(len(b))), b...)); err != nil {
					return nil
				}
			}
			return c.ok(h)
		}
		c := start(t, s, zkclient.Options{})
		for i := range 400 {
			if _, err := c.Watch(t.Context(), fmt.Sprintf("/%s%04d", strings.Repeat("x", 1000), i), core.WatchTree); err != nil {
				t.Fatal(err)
			}
		}
		s.cut()
		if err := until("reconnected", func() bool { _, n := s.seen(0); return n == 2 && c.Connected() }); err != nil {
			t.Fatal(err)
		}
	})
}

func TestManyWatchesAreArmedAgainInSeveralRequests(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &scripted{}
		c := start(t, s, zkclient.Options{})
		const count = 400
		for i := range count {
			if _, err := c.Watch(t.Context(), fmt.Sprintf("/%s%04d", strings.Repeat("x", 1000), i), core.WatchTree); err != nil {
				t.Fatal(err)
			}
		}
		s.cut()
		if err := until("reconnected", func() bool { _, n := s.seen(0); return n == 2 && c.Connected() }); err != nil {
			t.Fatal(err)
		}
		sets, _ := s.seen(wire.OpSetWatches2)
		armed := 0
		for _, f := range sets {
			if len(f.body) > 130<<10 {
				t.Errorf("a request of %d bytes", len(f.body))
			}
			r := wire.NewReader(f.body)
			set := wire.DecodeSetWatches(&r, wire.OpSetWatches2)
			armed += len(set.PersistentRecurs)
		}
		if armed != count || len(sets) != 4 {
			t.Errorf("%d watches in %d requests", armed, len(sets))
		}
	})
}

func TestOldServerAnswersWatchWithUnimplementedAndTheSessionGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &scripted{}
		s.answer = func(c *serverConn, h wire.RequestHeader, body []byte) []byte {
			if h.Op != wire.OpAddWatch {
				return c.ok(h)
			}
			c.send(wire.AppendReplyHeader(nil, h.Xid, math.MaxUint64, core.Unimplemented))
			c.out <- nil // closes, as ZooKeeper does with what it does not know
			return nil
		}
		c := start(t, s, zkclient.Options{})
		_, err := c.Watch(t.Context(), "/", core.WatchTree)
		if !errors.Is(err, core.Unimplemented) {
			t.Errorf("watch: %v", err)
		}
		if err := until("the session goes on", func() bool { _, err := c.Sync(t.Context(), "/"); return err == nil }); err != nil {
			t.Error(err)
		}
		if z := c.LastZxid(); z != 0 {
			t.Errorf("the zxid -1 of a refusal was taken for one: %v", z)
		}
	})
}

func TestCredentialRefusedOnDialFailsDial(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &scripted{}
		s.answer = func(c *serverConn, h wire.RequestHeader, body []byte) []byte {
			return wire.AppendReplyHeader(nil, h.Xid, 0, core.AuthFailed)
		}
		_, err := zkclient.Dial(t.Context(), []string{"a:1"}, zkclient.Options{
			Dialer: s.dial, Auth: []zkclient.Auth{{Scheme: "digest", Auth: []byte("a:b")}},
		})
		if !errors.Is(err, core.AuthFailed) {
			t.Errorf("dial: %v", err)
		}
		s.cut()
	})
}

func TestDialEndsWithItsContextAndTriesEveryServer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &scripted{down: true}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		_, err := zkclient.Dial(ctx, []string{"a:1", "b:2", "c:3"}, zkclient.Options{Dialer: s.dial})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dial: %v", err)
		}
		if s.dials < 20 || s.dials > 200 {
			t.Errorf("%d attempts in 30 s", s.dials)
		}
	})
}

func TestServerThatNeverAnswersTheConnectIsLeft(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &scripted{mute: true}
		time.AfterFunc(12*time.Second, func() { s.set(func(s *scripted) { s.mute = false }) })
		c := start(t, s, zkclient.Options{Timeout: 10 * time.Second})
		if _, err := c.Sync(t.Context(), "/"); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseWithoutContactGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &scripted{}
		c := start(t, s, zkclient.Options{Timeout: time.Minute})
		s.set(func(s *scripted) { s.down = true })
		s.cut()
		synctest.Wait()
		begun := time.Now()
		if err := c.Close(); !core.IsUnknownOutcome(err) {
			t.Errorf("close: %v", err)
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("close took %v", took)
		}
		if _, err := c.Sync(t.Context(), "/"); !errors.Is(err, core.ErrClosed) {
			t.Errorf("sync: %v", err)
		}
	})
}

func TestRepliesOutOfOrderBreakTheConnection(t *testing.T) {
	for name, reply := range map[string]func(h wire.RequestHeader) []byte{
		"another xid":    func(h wire.RequestHeader) []byte { return wire.AppendReplyHeader(nil, h.Xid+1, 1, 0) },
		"no header":      func(h wire.RequestHeader) []byte { return []byte{0, 0, 0, 9, 1} },
		"half an event":  func(h wire.RequestHeader) []byte { return event(1, core.NodeCreated, "/a")[:20] },
		"an auth reply":  func(h wire.RequestHeader) []byte { return wire.AppendReplyHeader(nil, wire.XidAuth, 1, 0) },
		"an empty frame": func(h wire.RequestHeader) []byte { return []byte{} },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := &scripted{}
				s.answer = func(c *serverConn, h wire.RequestHeader, body []byte) []byte {
					if c.number == 1 && h.Op == wire.OpExists {
						return reply(h)
					}
					return c.ok(h)
				}
				c := start(t, s, zkclient.Options{})
				if _, err := c.Exists(t.Context(), "/"); !core.IsUnknownOutcome(err) {
					t.Errorf("exists: %v", err)
				}
				if _, err := c.Exists(t.Context(), "/"); err != nil {
					t.Errorf("on the next connection: %v", err)
				}
			})
		})
	}
}

func TestReplyThatCannotBeDecodedFailsItsCallAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &scripted{}
		s.answer = func(c *serverConn, h wire.RequestHeader, body []byte) []byte {
			if h.Op == wire.OpExists {
				return c.ok(h)[:40]
			}
			return c.ok(h)
		}
		c := start(t, s, zkclient.Options{})
		if _, err := c.Exists(t.Context(), "/"); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("exists: %v", err)
		}
		if _, err := c.Sync(t.Context(), "/"); err != nil {
			t.Errorf("sync: %v", err)
		}
	})
}

func TestStartPipelinesAndKeepsTheOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &scripted{}
		c := start(t, s, zkclient.Options{})
		const count = 5000
		var next atomic.Int32
		done := make(chan struct{})
		for i := range int32(count) {
			body := wire.AppendPathWatch(nil, fmt.Sprint("/", i), false)
			err := c.Start(wire.OpExists, body, func(h wire.ReplyHeader, body []byte, err error) {
				if err != nil || next.Load() != i || len(body) != wire.StatBytes {
					t.Errorf("reply %d where %d was due: %v", i, next.Load(), err)
				}
				if next.Add(1) == count {
					close(done)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		<-done
		h, body, err := c.Do(t.Context(), wire.OpExists, wire.AppendPathWatch(nil, "/", false))
		if err != nil || h.Err != core.OK || len(body) != wire.StatBytes {
			t.Errorf("do: %+v, %d bytes, %v", h, len(body), err)
		}
	})
}

func TestRequestsBeyondTheBoundAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &scripted{}
		c := start(t, s, zkclient.Options{Timeout: time.Minute})
		s.set(func(s *scripted) { s.down = true })
		s.cut()
		synctest.Wait()
		var failed atomic.Int32
		body := wire.AppendString(nil, "/")
		for i := range 1 << 20 {
			err := c.Start(wire.OpSync, body, func(h wire.ReplyHeader, _ []byte, err error) { failed.Add(1) })
			if errors.Is(err, zkclient.ErrQueueFull) {
				if i < 1000 {
					t.Errorf("full after %d requests", i)
				}
				c.Close()
				if int(failed.Load()) != i {
					t.Errorf("%d of %d requests were told of the end", failed.Load(), i)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		t.Error("never full")
	})
}

func TestServerThatDropsEveryConnectionIsNotTriedInAHurry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &scripted{}
		s.answer = func(c *serverConn, h wire.RequestHeader, body []byte) []byte {
			if h.Op == wire.OpSync {
				c.out <- nil
				return nil
			}
			return c.ok(h)
		}
		c := start(t, s, zkclient.Options{})
		begun := time.Now()
		for time.Since(begun) < 30*time.Second {
			if _, err := c.Sync(t.Context(), "/"); !core.IsUnknownOutcome(err) {
				t.Fatalf("sync: %v", err)
			}
		}
		if s.dials > 200 {
			t.Errorf("%d connections in 30 s", s.dials)
		}
	})
}

func TestSessionThatAReplyCallsExpiredIsOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &scripted{}
		s.answer = func(c *serverConn, h wire.RequestHeader, body []byte) []byte {
			return wire.AppendReplyHeader(nil, h.Xid, 1, core.SessionExpired)
		}
		c := start(t, s, zkclient.Options{})
		s.set(func(s *scripted) { s.expired = true })
		if _, err := c.Exists(t.Context(), "/"); !errors.Is(err, core.SessionExpired) {
			t.Errorf("exists: %v", err)
		}
		<-c.Done()
	})
}
