package coretest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/zensus-io/zensus/core"
)

var modePromises = []promise{
	{"sequential names carry the parent's count of creations", func(e *env) {
		equal(e, "first", e.createMode(e.path("s-"), core.PersistentSequential), e.path("s-0000000000"))
		equal(e, "another prefix", e.createMode(e.path("t-"), core.PersistentSequential), e.path("t-0000000001"))
		e.create(e.path("plain"), "") // counts too
		_, err := e.c.Delete(e.ctx, e.path("s-0000000000"), core.AnyVersion)
		e.ok(err) // does not count back
		equal(e, "ephemeral", e.createMode(e.path("s-"), core.EphemeralSequential), e.path("s-0000000003"))
		equal(e, "no name but the number", e.createMode(e.root+"/", core.PersistentSequential), e.path("0000000004"))
		_, _, err = e.c.Create(e.ctx, e.path("no/s-"), nil, core.CreateOptions{Mode: core.PersistentSequential})
		e.want(err, core.NoNode)
		equal(e, "a refusal elsewhere takes no number", e.createMode(e.path("s-"), core.PersistentSequential), e.path("s-0000000005"))
	}},

	{"a sequential name that is taken is refused", func(e *env) {
		e.create(e.path("s-0000000001"), "")
		_, _, err := e.c.Create(e.ctx, e.path("s-"), nil, core.CreateOptions{Mode: core.PersistentSequential})
		e.want(err, core.NodeExists)
	}},

	{"concurrent sequential creations get distinct numbers without gaps", func(e *env) {
		const workers, each = 16, 25
		clients := []*client{e.c, e.open()}
		var mu sync.Mutex
		var got []string
		var wg sync.WaitGroup
		for i := range workers {
			wg.Go(func() {
				last := ""
				for range each {
					p, _, err := clients[i%2].Create(e.ctx, e.path("s-"), nil, core.CreateOptions{Mode: core.PersistentSequential})
					if err != nil {
						e.Error(err)
						return
					}
					if p <= last {
						e.Errorf("%q after %q", p, last)
					}
					last = p
					mu.Lock()
					got = append(got, p)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		slices.Sort(got)
		want := make([]string, workers*each)
		for i := range want {
			want[i] = e.path(fmt.Sprintf("s-%010d", i))
		}
		equalLists(e, "names", got, want)
	}},

	{"ephemerals belong to their session and end with its Close", func(e *env) {
		other := e.open()
		p, st, err := other.Create(e.ctx, e.path("e"), []byte("x"), core.CreateOptions{Mode: core.Ephemeral})
		e.ok(err)
		equal(e, "owner", st.EphemeralOwner, other.Session().ID)
		seq, _, err := other.Create(e.ctx, e.path("e-"), nil, core.CreateOptions{Mode: core.EphemeralSequential})
		e.ok(err)
		_, err = e.c.Sync(e.ctx, e.root)
		e.ok(err)
		st, err = e.c.Exists(e.ctx, p)
		e.ok(err)
		equal(e, "owner as others see it", st.EphemeralOwner, other.Session().ID)
		e.create(e.path("stays"), "")

		before, err := e.c.Exists(e.ctx, e.root)
		e.ok(err)
		e.ok(other.Close())
		_, err = e.c.Sync(e.ctx, e.root)
		e.ok(err)
		if e.exists(p) || e.exists(seq) {
			e.Error("an ephemeral outlived its session")
		}
		after, err := e.c.Exists(e.ctx, e.root)
		e.ok(err)
		equal(e, "children left", after.NumChildren, 1)
		equal(e, "cversion", after.Cversion, before.Cversion+2)
		if after.Pzxid <= before.Pzxid {
			e.Error("pzxid of the parent did not move")
		}
	}},

	{"an ephemeral can be set and deleted by anybody", func(e *env) {
		p := e.createMode(e.path("e"), core.Ephemeral)
		other := e.open()
		_, err := other.Sync(e.ctx, p)
		e.ok(err)
		st, err := other.Set(e.ctx, p, []byte("x"), 0)
		e.ok(err)
		equal(e, "owner after a set", st.EphemeralOwner, e.c.Session().ID)
		_, err = other.Delete(e.ctx, p, core.AnyVersion)
		e.ok(err)
		_, err = e.c.Sync(e.ctx, p)
		e.ok(err)
		equal(e, "exists", e.exists(p), false)
	}},

	{"a container is a znode without an owner that may have children", func(e *env) {
		p := e.createMode(e.path("c"), core.Container)
		_, st, err := e.c.Get(e.ctx, p)
		e.ok(err)
		equal(e, "owner", st.EphemeralOwner, 0)
		e.create(e.path("c/x"), "")
		_, _, err = e.c.Create(e.ctx, p, nil, core.CreateOptions{Mode: core.Container})
		e.want(err, core.NodeExists)
		_, _, err = e.c.Create(e.ctx, e.path("no/c"), nil, core.CreateOptions{Mode: core.Container})
		e.want(err, core.NoNode)
		_, err = e.c.Delete(e.ctx, e.path("c/x"), core.AnyVersion)
		e.ok(err)
		_, err = e.c.Delete(e.ctx, p, core.AnyVersion)
		e.ok(err)
	}},

	{"a znode with a time to live needs one that can be kept", func(e *env) {
		if e.h.Features.NoTTL {
			_, _, err := e.c.Create(e.ctx, e.path("t"), nil, core.CreateOptions{Mode: core.PersistentTTL, TTL: time.Hour})
			e.want(err, core.Unimplemented)
			return
		}
		p := e.createMode(e.path("t"), core.PersistentTTL)
		_, st, err := e.c.Get(e.ctx, p)
		e.ok(err)
		equal(e, "owner", st.EphemeralOwner, 0)
		equal(e, "sequential", e.createMode(e.path("t-"), core.PersistentSequentialTTL), e.path("t-0000000001"))
		e.create(e.path("t/x"), "")
		_, _, err = e.c.Create(e.ctx, p, nil, core.CreateOptions{Mode: core.PersistentTTL, TTL: time.Hour})
		e.want(err, core.NodeExists)
		for _, ttl := range []time.Duration{0, -time.Second, (core.MaxTTLMillis + 1) * time.Millisecond} {
			_, _, err = e.c.Create(e.ctx, e.path("u"), nil, core.CreateOptions{Mode: core.PersistentTTL, TTL: ttl})
			e.Log("ttl", ttl)
			e.want(err, core.BadArguments)
		}
		for name, ttl := range map[string]time.Duration{"longest": core.MaxTTLMillis * time.Millisecond, "shortest": time.Nanosecond} {
			_, _, err = e.c.Create(e.ctx, e.path(name), nil, core.CreateOptions{Mode: core.PersistentTTL, TTL: ttl})
			e.ok(err)
		}
	}},

	{"a time to live means nothing to other modes", func(e *env) {
		_, st, err := e.c.Create(e.ctx, e.path("a"), nil, core.CreateOptions{TTL: time.Millisecond})
		e.ok(err)
		equal(e, "owner", st.EphemeralOwner, 0)
		equal(e, "exists", e.exists(e.path("a")), true)
	}},
}
