package config

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/sdk"
	"github.com/zensus-io/zensus/sdk/internal/desired"
	"github.com/zensus-io/zensus/sdk/internal/link"
)

// following is a config that somebody subscribed to.
type following struct {
	said     uint64 // the connection on which the server was told of it
	stale    bool   // to be read before the server is told what is there
	news     uint64 // counts what was heard, so that news during a read are not lost
	item     *Item  // nil before the first answer; not changed once made
	refused  error
	watchers map[*watcher]struct{}
}

// watcher is one subscriber.
type watcher struct {
	wake chan struct{} // capacity 1; a slow reader is woken once for many changes
}

func (f *following) stir() {
	for w := range f.watchers {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// Subscribe yields a config as it is (Exists false if it is not there), and again
// whenever its content is another one, until ctx ends, the client is closed
// (ErrClosed is yielded), or the server refuses (its error is yielded). Who reads
// slowly gets the latest content only.
func (c *Config) Subscribe(ctx context.Context, k Key) iter.Seq2[Item, error] {
	k = k.canonical()
	return func(yield func(Item, error) bool) {
		if k.DataID == "" {
			yield(Item{}, ErrInvalid)
			return
		}
		w := c.follow(k)
		defer c.unfollow(k, w)
		var seen *Item
		for {
			now, refused := c.state(k)
			if refused != nil {
				yield(Item{Key: k}, refused)
				return
			}
			if now != nil && (seen == nil || seen.Exists != now.Exists || seen.MD5 != now.MD5) {
				seen = now
				if !yield(*now, nil) {
					return
				}
			}
			select {
			case <-w.wake:
			case <-ctx.Done():
				return
			case <-c.client.Done():
				yield(Item{Key: k}, sdk.ErrClosed)
				return
			}
		}
	}
}

func (c *Config) state(k Key) (*Item, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.mu.followed[k]
	return f.item, f.refused
}

func (c *Config) follow(k Key) *watcher {
	w := &watcher{wake: make(chan struct{}, 1)}
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.mu.followed[k]
	if f == nil {
		f = &following{watchers: make(map[*watcher]struct{})}
		c.mu.followed[k] = f
	}
	f.watchers[w] = struct{}{}
	if len(f.watchers) == 1 {
		f.refused, f.stale = nil, true
		c.table.Want(k)
	}
	return w
}

func (c *Config) unfollow(k Key, w *watcher) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.mu.followed[k]
	delete(f.watchers, w)
	if len(f.watchers) == 0 {
		f.item = nil // nobody keeps it up from now on
		c.table.Want(k)
	}
}

// pushed is given the server's pushes.
func (c *Config) pushed(_ *link.Conn, body wire.Body) (wire.Reply, string) {
	push, ok := body.(*wire.ConfigChangeNotifyRequest)
	if !ok {
		return nil, ""
	}
	k := Key{Group: push.Group, DataID: push.DataID}.canonical()
	c.mu.Lock()
	if f := c.mu.followed[k]; f != nil && len(f.watchers) > 0 {
		f.stale = true
		f.news++
		c.table.Want(k)
	}
	c.mu.Unlock()
	return &wire.ConfigChangeNotifyResponse{Response: wire.Succeeded()}, push.RequestID
}

// listenMax is how many configs one request names; contentious is how often a
// config may change under a reader before it is left for the next round.
const (
	listenMax   = 1000
	contentious = 5
)

// apply makes the server know what is listened to, and reads what is new.
func (c *Config) apply(ctx context.Context, conn *link.Conn, keys []Key, report func(Key, desired.Outcome)) {
	var wanted, unwanted []Key
	for _, k := range keys {
		switch c.sort(k, conn.Gen) {
		case listenTo:
			wanted = append(wanted, k)
		case leave:
			unwanted = append(unwanted, k)
		case forget:
			report(k, desired.Outcome{Forget: true})
		}
	}
	for part := range slices.Chunk(unwanted, listenMax) {
		_, err := c.listen(ctx, conn, part, false)
		for _, k := range part {
			if err == nil {
				c.forget(k)
			}
			report(k, desired.Outcome{Forget: true, Err: err})
		}
	}
	for part := range slices.Chunk(wanted, listenMax) {
		c.catchUp(ctx, conn, part, report)
	}
}

type verdict int

const (
	forget verdict = iota
	listenTo
	leave
)

// sort says what is to be done about a key.
func (c *Config) sort(k Key, gen uint64) verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.mu.followed[k]
	switch {
	case f == nil:
		return forget
	case len(f.watchers) > 0:
		f.said = gen
		return listenTo
	case f.said != gen: // this server never heard of it
		delete(c.mu.followed, k)
		return forget
	}
	return leave
}

func (c *Config) forget(k Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.mu.followed[k]; f != nil && len(f.watchers) == 0 {
		delete(c.mu.followed, k)
	}
}

// catchUp reads the configs that are stale and listens to all of them; those that
// the server then calls changed are read again. A config is done when the server
// has agreed that what is here is what is there.
func (c *Config) catchUp(ctx context.Context, conn *link.Conn, keys []Key, report func(Key, desired.Outcome)) {
	for range contentious {
		read := slices.DeleteFunc(slices.Clone(keys), func(k Key) bool { return !c.isStale(k) })
		failed := make(map[Key]bool)
		desired.Each(read, func(k Key, o desired.Outcome) {
			if o.Err != nil {
				report(k, o)
				c.mu.Lock()
				failed[k] = true
				c.mu.Unlock()
			}
		}, func(k Key) desired.Outcome { return desired.Outcome{Err: c.fetch(ctx, conn, k)} })
		keys = slices.DeleteFunc(keys, func(k Key) bool { return failed[k] })
		if len(keys) == 0 {
			return
		}
		changed, err := c.listen(ctx, conn, keys, true)
		var again []Key
		for _, k := range keys {
			switch {
			case err != nil:
				report(k, desired.Outcome{Err: err})
			case changed[k]:
				c.setStale(k)
				again = append(again, k)
			default:
				report(k, desired.Outcome{})
			}
		}
		if keys = again; len(keys) == 0 {
			return
		}
	}
	for _, k := range keys {
		report(k, desired.Outcome{Err: errChanging})
	}
}

var errChanging = errors.New("zensus: config changes all the time")

func (c *Config) isStale(k Key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.mu.followed[k]
	return f != nil && f.stale
}

func (c *Config) setStale(k Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.mu.followed[k]; f != nil {
		f.stale = true
	}
}

// fetch reads a config on this connection and tells its subscribers.
func (c *Config) fetch(ctx context.Context, conn *link.Conn, k Key) error {
	c.mu.Lock()
	f := c.mu.followed[k]
	if f == nil {
		c.mu.Unlock()
		return nil
	}
	news := f.news
	c.mu.Unlock()
	var reply wire.ConfigQueryResponse
	err := conn.Call(ctx, &wire.ConfigQueryRequest{ConfigKey: c.key(k)}, &reply)
	item, err := itemOf(k, &reply, err)
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	switch {
	case len(f.watchers) == 0: // nobody keeps it up from now on
	case err == nil:
		f.item, f.refused = &item, nil
		f.stale = f.news != news // somebody told of a change while it was read
		f.stir()
	case link.Refused(err):
		f.refused = err
		f.stir()
	}
	return err
}

// listen tells the server what is listened to and what is here, and returns what
// the server has otherwise.
func (c *Config) listen(ctx context.Context, conn *link.Conn, keys []Key, on bool) (map[Key]bool, error) {
	request := &wire.ConfigBatchListenRequest{Listen: on, ConfigListenContexts: make(wire.ListenContexts, len(keys))}
	c.mu.Lock()
	for i, k := range keys {
		md5 := ""
		if f := c.mu.followed[k]; f != nil && f.item != nil {
			md5 = f.item.MD5
		}
		request.ConfigListenContexts[i] = wire.ListenContext{Group: k.Group, DataID: k.DataID, Tenant: c.client.Namespace(), MD5: &md5}
	}
	c.mu.Unlock()
	var reply wire.ConfigChangeBatchListenResponse
	if err := conn.Call(ctx, request, &reply); err != nil {
		return nil, err
	}
	changed := make(map[Key]bool, len(reply.ChangedConfigs))
	for _, k := range reply.ChangedConfigs {
		changed[Key{Group: k.Group, DataID: k.DataID}] = true
	}
	return changed, nil
}
