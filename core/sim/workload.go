package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/acl"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/wire"
)

// addClients gives a world its clients: two or so of each workload.
func (w *World) addClients() {
	some := func(n int, kind string, work func(*client), set func(*client)) {
		for range n {
			w.addClient(kind, work, set)
		}
	}
	some(3, "register", register, nil)
	some(2, "bank", bank, nil)
	some(2, "queue", queueUp, nil)
	some(2, "ephemeral", churn, nil)
	some(1, "mirror", mirror, func(c *client) { c.picture = newPicture(c) })
	some(1, "writer", writer, func(c *client) { c.depth = 3 })
	some(2, "random", random, func(c *client) { c.depth = 4; c.slow = true })
	some(1, "bulk", bulk, func(c *client) { c.slow = true; c.think = 500 * millisecond })
	some(2, "storm", storm, func(c *client) { c.restless = 6 })
	some(1, "reaped", reaped, nil)
	some(2, "acl", lists, nil)
	if w.opt.Changing {
		some(1, "operator", operate, func(c *client) { c.think = second })
	}
	for home := range min(2, len(w.servers)) {
		some(1, "local", random, func(c *client) { c.local, c.depth, c.home = true, 2, home })
	}
	w.after(second, w.administer)
}

// administer does now and then what operators and processes do.
func (w *World) administer() {
	for _, s := range w.servers {
		if !s.up || !s.serving {
			continue
		}
		c := w.clients[w.work.IntN(len(w.clients))]
		switch w.work.IntN(12) {
		case 0:
			if !s.rare {
				s.input(replica.SnapshotNow{})
			}
		case 1:
			if c.session != 0 {
				s.input(replica.Kick{Session: c.session})
			}
		case 2:
			s.input(replica.Message{From: 9, Body: []byte("from nobody")})
			s.input(replica.LinkUp{Peer: 9, Gen: 1})
			s.input(replica.LinkDown{Peer: 9, Gen: 1})
		case 3, 4:
			if c.session != 0 {
				s.input(replica.Touched{Sessions: []core.SessionID{c.session, 12345}})
			}
		case 5:
			if s.leads() {
				handed := s.rep.Handed()
				s.input(replica.Transfer{To: core.PeerID(w.work.IntN(len(w.servers) + 1))})
				if s.up && s.rep.Handed() > handed {
					w.cover.hit("leadership handed over")
				}
			}
		}
	}
	if !w.still {
		w.after(between(w.work, 300*millisecond, 2*second), w.administer)
	}
}

// prepare makes what the workload needs, once a session.
func (c *client) prepare() {
	for _, path := range []string{"/reg", "/bank", "/queue", "/eph", "/mir", "/z", "/reap", "/acl", "/bulk"} {
		c.create(path, nil, core.Persistent)
	}
	switch c.kind {
	case "register":
		for _, path := range registers {
			c.create(path, []byte("0"), core.Persistent)
		}
	case "bank":
		for i := range accounts {
			c.create(account(i), []byte(strconv.Itoa(accountBegin)), core.Persistent)
		}
	case "mirror":
		c.picture.begin()
	case "bulk":
		c.create("/bulk/"+strconv.Itoa(c.id), make([]byte, 300<<10), core.Persistent)
	case "operator":
		c.auths = append(c.auths, superUser)
		c.sendAuth(superUser)
	case "acl":
		user := fmt.Sprintf("user%d:secret", c.id)
		c.auths = append(c.auths, user)
		c.sendAuth(user)
		if oneIn(c.w.work, 2) {
			second := fmt.Sprintf("other%d:%s", c.id, strings.Repeat("long", 30))
			c.auths = append(c.auths, second)
			c.sendAuth(second)
		}
	}
}

func (c *client) create(path string, data []byte, mode core.CreateMode) {
	c.createWith(wire.OpCreate, path, data, core.OpenACL(), mode, -1)
}

func (c *client) createWith(op wire.OpCode, path string, data []byte, list []core.ACL, mode core.CreateMode, ttl int64) {
	c.do(op, path, false, wire.AppendCreate(nil, op, path, data, list, int32(mode), ttl), nil)
}

func (c *client) get(path string, watch bool, done func(*reply)) {
	c.do(wire.OpGetData, path, watch, wire.AppendPathWatch(nil, path, watch), done)
}

func (c *client) set(path string, data []byte, version int32, done func(*reply)) {
	c.do(wire.OpSetData, path, false, wire.AppendSetData(nil, path, data, version), done)
}

func (c *client) remove(path string, version int32) {
	c.do(wire.OpDelete, path, false, wire.AppendPathVersion(nil, path, version), nil)
}

func (c *client) children(path string, watch bool, done func(*reply)) {
	c.do(wire.OpGetChildren2, path, watch, wire.AppendPathWatch(nil, path, watch), done)
}

var registers = []string{"/reg/a", "/reg/b"}

// register reads, writes and compares-and-sets; its history must be linearizable.
func register(c *client) {
	path := pick(c.w.work, registers...)
	if oneIn(c.w.work, 3) {
		call := c.w.now
		if !c.w.alone() { // else it may read what is behind
			c.do(wire.OpSync, path, false, wire.AppendString(nil, path), nil)
		}
		c.get(path, false, func(r *reply) {
			if r.lost || r.code != core.OK {
				return
			}
			value := string(r.body.Bytes())
			version := wire.DecodeStat(&r.body).Version
			c.seen[path] = version
			c.w.history.add(c.id, path, call, r, regInput{op: regGet}, regOutput{value: value, version: version})
		})
		return
	}
	version := core.AnyVersion
	if !oneIn(c.w.work, 4) {
		version = c.seen[path]
	}
	c.serial++
	in := regInput{op: regSet, value: fmt.Sprintf("%d.%d", c.id, c.serial), version: version}
	call := c.w.now
	c.set(path, []byte(in.value), version, func(r *reply) {
		out := regOutput{unknown: r.lost, code: r.code}
		if r.code == core.NoNode {
			return
		}
		if !r.lost && r.code == core.OK {
			out.version = wire.DecodeStat(&r.body).Version
			c.seen[path] = out.version
		}
		c.w.history.add(c.id, path, call, r, in, out)
	})
}

const (
	accounts     = 5
	accountBegin = 100
)

func account(i int) string { return "/bank/" + strconv.Itoa(i) }

// bank moves money between accounts; nobody ever sees another sum.
func bank(c *client) {
	if oneIn(c.w.work, 3) || len(c.values) < accounts {
		var body []byte
		for i := range accounts {
			body = wire.AppendPathWatch(wire.AppendMultiHeader(body, wire.OpGetData, false, -1), account(i), false)
		}
		c.do(wire.OpMultiRead, "/bank", false, wire.AppendMultiEnd(body), func(r *reply) { c.count(r) })
		return
	}
	from, to := account(c.w.work.IntN(accounts)), account(c.w.work.IntN(accounts))
	if from == to {
		return
	}
	amount := c.w.work.IntN(20)
	var body []byte
	for _, m := range []struct {
		path  string
		value int
	}{{from, c.values[from] - amount}, {to, c.values[to] + amount}} {
		body = wire.AppendMultiHeader(body, wire.OpSetData, false, -1)
		body = wire.AppendSetData(body, m.path, []byte(strconv.Itoa(m.value)), c.seen[m.path])
	}
	if oneIn(c.w.work, 3) {
		other := account(c.w.work.IntN(accounts))
		if other != from && other != to {
			body = wire.AppendPathVersion(wire.AppendMultiHeader(body, wire.OpCheck, false, -1), other, c.seen[other])
		}
	}
	c.do(wire.OpMulti, from, false, wire.AppendMultiEnd(body), nil)
	clear(c.values) // read again before the next
}

func (c *client) count(r *reply) {
	if r.lost || r.code != core.OK {
		return
	}
	sum := 0
	for i := range accounts {
		if h := wire.DecodeMultiHeader(&r.body); h.Op != wire.OpGetData {
			return // not all are there yet
		}
		value, err := strconv.Atoi(string(r.body.Bytes()))
		if err != nil {
			c.w.fail("account %d: %w", i, err)
			return
		}
		c.values[account(i)] = value
		c.seen[account(i)] = wire.DecodeStat(&r.body).Version
		sum += value
	}
	if sum != accounts*accountBegin {
		c.w.fail("the accounts hold %d", sum)
	}
}

// queueUp puts into a queue of sequential znodes and takes from its head.
func queueUp(c *client) {
	if oneIn(c.w.work, 2) {
		c.create("/queue/item-", []byte("x"), pick(c.w.work, core.PersistentSequential, core.EphemeralSequential))
		return
	}
	c.children("/queue", oneIn(c.w.work, 2), func(r *reply) {
		if r.lost || r.code != core.OK {
			return
		}
		names, _ := wire.DecodeStrings(&r.body)
		slices.Sort(names)
		if c.ready() && len(names) > 2 {
			for _, n := range names[:1+len(names)/10] {
				c.remove("/queue/"+n, core.AnyVersion)
			}
		}
	})
}

// churn makes and removes ephemeral znodes and ends its session at times.
func churn(c *client) {
	path := fmt.Sprintf("/eph/%d-%d", c.id, c.w.work.IntN(6))
	switch c.w.work.IntN(12) {
	case 0, 1, 2, 3:
		c.create(path, []byte("mine"), core.Ephemeral)
	case 4:
		c.create("/eph/s-", nil, core.EphemeralSequential)
	case 5, 6:
		c.remove(path, core.AnyVersion)
	case 7:
		c.create(path+"/child", nil, core.Persistent)
	case 8:
		other := fmt.Sprintf("/eph/%d-%d", c.w.work.IntN(20), c.w.work.IntN(6))
		c.do(wire.OpExists, other, true, wire.AppendPathWatch(nil, other, true), nil)
	case 9:
		c.children("/eph", true, nil)
	case 10:
		c.do(wire.OpGetEphemerals, "/eph", false, wire.AppendString(nil, "/eph"), nil)
	case 11:
		if oneIn(c.w.work, 3) {
			for i := range 1 + c.w.work.IntN(4) { // creates that the end must find under way
				c.create(fmt.Sprintf("/eph/%d-last-%d", c.id, i), nil, core.Ephemeral)
			}
			c.do(wire.OpCloseSession, "", false, nil, nil)
			c.closing = true
		}
	}
}

// writer changes what the mirror watches.
func writer(c *client) {
	path := "/mir/" + strconv.Itoa(c.w.work.IntN(12))
	c.serial++
	data := []byte(strconv.Itoa(c.serial))
	switch c.w.work.IntN(6) {
	case 0, 1:
		c.create(path, data, core.Persistent)
	case 2, 3:
		c.set(path, data, core.AnyVersion, nil)
	case 4:
		c.remove(path, core.AnyVersion)
	case 5:
		c.multi("/mir",
			func(b []byte) []byte {
				b = wire.AppendMultiHeader(b, wire.OpCreate, false, -1)
				return wire.AppendCreate(b, wire.OpCreate, path, data, core.OpenACL(), 0, 0)
			},
			func(b []byte) []byte {
				b = wire.AppendMultiHeader(b, wire.OpSetData, false, -1)
				return wire.AppendSetData(b, path, append(data, '!'), 0)
			})
	}
}

func (c *client) multi(path string, ops ...func([]byte) []byte) {
	var body []byte
	for _, op := range ops {
		body = op(body)
	}
	c.do(wire.OpMulti, path, false, wire.AppendMultiEnd(body), nil)
}

// bulk reads much, so that output piles up before a slow reader.
func bulk(c *client) {
	path := "/bulk/" + strconv.Itoa(c.id)
	for range 2 + c.w.work.IntN(5) {
		c.get(path, false, nil)
	}
	if oneIn(c.w.work, 10) {
		c.create(path, make([]byte, 300<<10), core.Persistent)
	}
	c.ping()
}

// storm opens sessions and leaves them behind.
func storm(c *client) {
	c.create(fmt.Sprintf("/eph/storm-%d-%d", c.id, c.w.work.IntN(3)), nil, core.Ephemeral)
	switch c.w.work.IntN(5) {
	case 0:
		c.do(wire.OpCloseSession, "", false, nil, nil)
		c.closing = true
	case 1:
		l := c.link
		l.leave(oneIn(c.w.work, 2))
		c.forget() // the session expires by itself
		c.unlinked(l)
	}
}

// reaped makes containers and znodes with a time to live.
func reaped(c *client) {
	name := "/reap/" + strconv.Itoa(c.w.work.IntN(5))
	switch c.w.work.IntN(7) {
	case 0:
		c.createWith(wire.OpCreateContainer, name, nil, core.OpenACL(), core.Container, -1)
	case 1:
		c.createWith(wire.OpCreateTTL, name, nil, core.OpenACL(), core.PersistentTTL, between(c.w.work, 1, 3000))
	case 2:
		c.createWith(wire.OpCreateTTL, "/reap/s-", nil, core.OpenACL(), core.PersistentSequentialTTL, between(c.w.work, 0, 2000))
	case 3:
		c.create(name+"/child", nil, core.Persistent)
	case 4:
		c.remove(name+"/child", core.AnyVersion)
	case 5:
		c.set(name, []byte("again"), core.AnyVersion, nil)
	case 6:
		c.do(wire.OpExists, name, true, wire.AppendPathWatch(nil, name, true), nil)
	}
}

// lists has znodes of its own with access lists, and tries those of others.
func lists(c *client) {
	owner := pick(c.w.work, c.id, c.id, c.id-1, c.id+1)
	path := fmt.Sprintf("/acl/%d-%d", owner, c.w.work.IntN(3))
	list := pick(c.w.work,
		[]core.ACL{{Perms: core.PermAll, Scheme: "auth"}},
		[]core.ACL{{Perms: core.PermAll, Scheme: "auth"}, {Perms: core.PermRead, Scheme: "world", ID: "anyone"}},
		[]core.ACL{{Perms: core.PermWrite | core.PermAdmin, Scheme: "auth"}},
		[]core.ACL{{Perms: core.PermAll, Scheme: "digest", ID: acl.Digest([]byte("user9:secret"))}, {Perms: core.PermAll, Scheme: "auth"}},
		core.OpenACL(), nil, []core.ACL{{Perms: 31, Scheme: "nobody", ID: "x"}},
	)
	switch c.w.work.IntN(9) {
	case 0, 1:
		c.createWith(wire.OpCreate2, path, []byte("secret"), list, pick(c.w.work, core.Persistent, core.Ephemeral), -1)
	case 2:
		version := pick(c.w.work, core.AnyVersion, 0, 1)
		c.do(wire.OpSetACL, path, false, wire.AppendSetACL(nil, path, list, version), nil)
	case 3:
		c.do(wire.OpGetACL, path, false, wire.AppendString(nil, path), nil)
	case 4:
		c.get(path, true, nil)
	case 5:
		c.set(path, []byte("mine"), core.AnyVersion, nil)
	case 6:
		c.remove(pick(c.w.work, path, path+"/below"), core.AnyVersion)
	case 7:
		c.create(path+"/below", nil, core.Persistent)
	case 8:
		c.children(path, true, nil)
	}
}
