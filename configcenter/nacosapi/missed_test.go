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
	"sync/atomic"
	"testing"
	"time"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/nacosapi"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// versions is how often a config changes at least while somebody listens.
const versions = 200

// soon is how long a listener may take to come to the last version: much less than a
// poll is held, or a client waits before it asks again by itself.
const soon = 15 * time.Second

// publishMany publishes versions at random moments, until the listener has met enough of
// them, and then the last one. It tells when it has published all.
func publishMany(t *testing.T, n *node, seed uint64, enough *atomic.Bool) (last string, done <-chan struct{}) {
	t.Helper()
	last = "the last version"
	rng := rand.New(rand.NewPCG(seed, 1))
	pauses := make([]time.Duration, versions)
	for i := range pauses {
		pauses[i] = time.Duration(rng.Int64N(int64(3 * time.Millisecond)))
	}
	ended := make(chan struct{})
	var publishing sync.WaitGroup
	publishing.Go(func() {
		defer close(ended)
		end := time.Now().Add(patience)
		for i := 0; ; i++ {
			over := i >= versions && (enough.Load() || time.Now().After(end))
			p := &configcenter.Publish{Key: configcenter.MakeKey("", "g", "d"), Content: fmt.Sprint("version ", i)}
			if over {
				p.Content = last
			}
			if _, err := n.center.Publish(context.Background(), p); err != nil {
				t.Error(err)
				return
			}
			if over {
				return
			}
			time.Sleep(pauses[i%versions])
		}
	})
	t.Cleanup(publishing.Wait)
	return last, ended
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
	var enough atomic.Bool
	last, done := publishMany(t, writer, seed, &enough)
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
		enough.Store(polls >= 10 && given > 0)
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
	// What is to be done before a connection is old enough may take longer where there is much
	// else to do: then it is tried with a higher age.
	for _, age := range []time.Duration{700 * time.Millisecond, 3 * time.Second, 9 * time.Second} {
		late := reliesOnNoYoungConnection(t, age)
		if late == "" || t.Failed() {
			return
		}
		t.Logf("with an age of %v: %s", age, late)
	}
	t.Error("it is late with every age")
}

// reliesOnNoYoungConnection says what took longer than the age of which a connection is old
// enough and should not, if anything did.
func reliesOnNoYoungConnection(t *testing.T, age time.Duration) (late string) {
	n := startNode(t, engines.New(t))
	n.api.Young(age)
	began := time.Now()
	c := dial(t, n.addr, nil, false)
	c.publish("d", "one", "")
	if changed := c.listen(true, "", "d", sum("before")); len(changed) != 1 {
		t.Fatalf("what has changed is said: %v", changed)
	}
	if took := time.Since(began); took >= age {
		return fmt.Sprintf("what has changed was said after %v", took)
	}
	told := make(chan time.Duration, 1)
	other := dial(t, n.addr, nil, false)
	var publishing sync.WaitGroup
	defer publishing.Wait()
	publishing.Go(func() { // it listens while its answer waits
		time.Sleep(age / 4)
		other.publish("d", "two", "")
	})
	go func() {
		<-c.pushes
		told <- time.Since(began)
	}()
	if changed := c.listen(true, "", "d", sum("one")); len(changed) != 0 {
		return fmt.Sprintf("it asked too late, when it had changed: %v", changed)
	}
	if took := time.Since(began); took < age {
		t.Errorf("a connection that is %v old is relied on", took)
	}
	select {
	case took := <-told:
		if took >= age {
			late = fmt.Sprintf("a change was told after %v", took)
		}
	case <-time.After(patience):
		t.Fatal("a change was never told")
	}
	began = time.Now()
	if changed := c.listen(true, "", "d", sum("two")); len(changed) != 0 {
		t.Errorf("an old connection: %v", changed)
	}
	if took := time.Since(began); took >= age {
		late = fmt.Sprintf("over an old connection nothing was said for %v", took)
	}
	ours := dial(t, n.addr, map[string]string{nacosapi.LabelZensus: "1"}, false)
	began = time.Now()
	if changed := ours.listen(true, "", "d", sum("two")); len(changed) != 0 {
		t.Errorf("a client of ours: %v", changed)
	}
	if took := time.Since(began); took >= age {
		late = fmt.Sprintf("a client of ours heard nothing for %v", took)
	}
	return late
}

func TestAListenerOverGRPCMissesNoChangeWheneverItReconnects(t *testing.T) {
	engine := engines.New(t)
	writer, reader := startNode(t, engine), startNode(t, engine)
	reader.api.Hasten(time.Hour, time.Hour) // nobody is told a second time
	const seed = 11
	rng := rand.New(rand.NewPCG(seed, 2))
	var enough atomic.Bool
	last, done := publishMany(t, writer, seed, &enough)
	have, connections := "", 0
	var deadline time.Time
	for have != last {
		c := dial(t, reader.addr, nil, false)
		connections++
		enough.Store(connections >= 5)
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
