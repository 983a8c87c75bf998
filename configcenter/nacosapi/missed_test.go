package nacosapi_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/nacosapi"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// versions is how often a config changes while somebody listens.
const versions = 200

// soon is how long a listener may take to come to the last version: much less than a
// poll is held, or a client waits before it asks again by itself.
const soon = 5 * time.Second

// publishMany publishes versions at random moments, and tells when it has published all.
func publishMany(t *testing.T, n *node, seed uint64) (last string, done <-chan struct{}) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	pauses := make([]time.Duration, versions)
	for i := range pauses {
		pauses[i] = time.Duration(rng.Int64N(int64(3 * time.Millisecond)))
	}
	ended := make(chan struct{})
	var publishing sync.WaitGroup
	publishing.Go(func() {
		defer close(ended)
		for i := range versions {
			p := &configcenter.Publish{Key: configcenter.MakeKey("", "g", "d"), Content: fmt.Sprint("version ", i)}
			if _, err := n.center.Publish(context.Background(), p); err != nil {
				t.Error(err)
				return
			}
			time.Sleep(pauses[i])
		}
	})
	t.Cleanup(publishing.Wait)
	return fmt.Sprint("version ", versions-1), ended
}

// pollOnce asks once over HTTP, and gives up after patience; true says that the config
// has changed.
func pollOnce(w *web, md5 string, patience time.Duration) bool {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	form := url.Values{"Listening-Configs": {"d\x02g\x02" + md5 + "\x01"}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.base+"/v1/cs/configs/listener", strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Long-Pulling-Timeout", "30000")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return false // given up
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return err == nil && len(body) > 0
}

func TestALongPollMissesNoChangeWheneverItIsMade(t *testing.T) {
	engine := engines.New(t)
	writer, w := startNode(t, engine), startWeb(t, engine)
	const seed = 7
	rng := rand.New(rand.NewPCG(seed, 2))
	last, done := publishMany(t, writer, seed)
	have, polls, given := "", 0, 0
	var deadline time.Time
	for have != last {
		select {
		case <-done:
			if deadline.IsZero() {
				deadline = time.Now().Add(soon)
			}
		default:
		}
		if !deadline.IsZero() && time.Now().After(deadline) {
			t.Fatalf("after %d polls it still has %q", polls, have)
		}
		// Some go away while they wait; none waits for the time of the poll.
		patience := soon
		if rng.IntN(3) == 0 {
			patience = time.Duration(rng.Int64N(int64(4 * time.Millisecond)))
		}
		polls++
		if !pollOnce(w, *sum(have), patience) {
			given++
			continue
		}
		time.Sleep(time.Duration(rng.Int64N(int64(2 * time.Millisecond)))) // it works on it
		have = w.do(http.MethodGet, "/v1/cs/configs", nil, "dataId", "d", "group", "g").body
	}
	if polls < 10 || given == 0 {
		t.Errorf("%d polls, %d given up: too few to meet a change", polls, given)
	}
}

// Decision 0042: a client that is about to leave a connection must not take an answer that came
// over it for one of the next.
func TestNoClientReliesOnAYoungConnection(t *testing.T) {
	const age = 700 * time.Millisecond
	n := startNode(t, engines.New(t))
	n.api.Young(age)
	began := time.Now()
	c := dial(t, n.addr, nil, false)
	c.publish("d", "one", "")
	if changed := c.listen(true, "", "d", sum("before")); len(changed) != 1 {
		t.Fatalf("what has changed is said: %v", changed)
	}
	if took := time.Since(began); took >= age {
		t.Fatalf("it was said after %v", took)
	}
	told := make(chan time.Duration, 1)
	go func() { // it listens while its answer waits
		time.Sleep(age / 4)
		dial(t, n.addr, nil, false).publish("d", "two", "")
	}()
	go func() {
		c.next()
		told <- time.Since(began)
	}()
	if changed := c.listen(true, "", "d", sum("one")); len(changed) != 0 {
		t.Errorf("nothing had changed when it asked: %v", changed)
	}
	if took := time.Since(began); took < age {
		t.Errorf("a connection that is %v old is relied on", took)
	}
	if took := <-told; took >= age {
		t.Errorf("a change was told after %v", took)
	}
	began = time.Now()
	if changed := c.listen(true, "", "d", sum("two")); len(changed) != 0 || time.Since(began) >= age {
		t.Errorf("an old connection: %v after %v", changed, time.Since(began))
	}
	ours := dial(t, n.addr, map[string]string{nacosapi.LabelZensus: "1"}, false)
	began = time.Now()
	if changed := ours.listen(true, "", "d", sum("two")); len(changed) != 0 || time.Since(began) >= age {
		t.Errorf("a client of ours: %v after %v", changed, time.Since(began))
	}
}

func TestAListenerOverGRPCMissesNoChangeWheneverItReconnects(t *testing.T) {
	engine := engines.New(t)
	writer, reader := startNode(t, engine), startNode(t, engine)
	reader.api.Hasten(time.Hour, time.Hour) // nobody is told a second time
	const seed = 11
	rng := rand.New(rand.NewPCG(seed, 2))
	last, done := publishMany(t, writer, seed)
	have, connections := "", 0
	var deadline time.Time
	for have != last {
		c := dial(t, reader.addr, nil, false)
		connections++
		stay := time.After(time.Duration(rng.Int64N(int64(15 * time.Millisecond))))
		for {
			if len(c.listen(true, "", "d", sum(have))) > 0 {
				have = c.query("d").Content
				continue
			}
			if have == last {
				break
			}
			select {
			case p, ok := <-c.pushes:
				if !ok || p.GetMetadata().GetType() != (&wire.ConfigChangeNotifyRequest{}).PayloadType() {
					t.Fatalf("pushed %v, %s", ok, p.GetMetadata().GetType())
				}
				continue
			case <-stay:
			case <-done:
				// Nobody disturbs it any more: the last change must come to it now.
				if deadline.IsZero() {
					deadline = time.Now().Add(soon)
				}
				select {
				case <-c.pushes:
					continue
				case <-time.After(time.Until(deadline)):
					t.Fatalf("on connection %d it still has %q", connections, have)
				}
			}
			break
		}
		c.close()
	}
	if connections < 5 {
		t.Errorf("%d connections: too few to meet a change", connections)
	}
}
