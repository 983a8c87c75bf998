package differential

import (
	"slices"
	"strings"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// Class is a kind of difference that is meant to be.
type Class struct {
	Name string
	// What tells the two behaviours apart, Reason says why ours is right.
	What, Reason string
	// Follows is whom Zensus follows: "3.9", or "neither".
	Follows string
	// Rare classes need not be seen in a long run.
	Rare bool

	zxids   zxidEffect
	matches func(d *Difference) bool
}

// zxidEffect says what a difference does to the zxids of the two sides.
type zxidEffect uint8

const (
	zxidsAlike  zxidEffect = iota
	zxidsApart             // they may have taken different numbers of them
	zxidsHidden            // both took one, but the reference does not let it be seen until the next
)

// Classes is the closed list.
func Classes() []Class { return classes }

const (
	classEventZxid = "zxid of notifications"
	classOvertakes = "auth and sasl replies overtake"
)

var classes = []Class{
	{
		Name: classEventZxid, Follows: "3.9",
		What:   "3.8 sends zxid -1 in the header of every notification; Zensus sends the zxid of the transaction that caused it, and -1 only for what setWatches catches up with.",
		Reason: "3.9.0 introduced it. No client takes its last seen zxid from a notification.",
	},
	{
		Name: classOvertakes, Follows: "neither",
		What:   "ZooKeeper answers auth and sasl packets as they arrive, before requests that are still under way; Zensus answers every request of a connection in order. Their effect is the same.",
		Reason: "kazoo assumes the order of requests; no client relies on the other.",
	},
	{
		Name: "create2 in a multi", Follows: "3.9",
		What:   "3.8.0 answers create2, createContainer and createTTL in a multi with a result of type 1, a path; Zensus answers with type 15, a path and a Stat.",
		Reason: "3.8.2 and 3.9 answer so: ZooKeeper 3.8.0 had lost the Stat by mistake.",
		matches: func(d *Difference) bool {
			return d.replies(wire.OpMulti, 0, 0) && d.Ref.Zxid > 0 && statless(d.OursText) == statless(d.RefText) &&
				strings.Contains(d.OursText, "[15 ")
		},
	},
	{
		Name: "unknown flags in a multi", Follows: "3.9",
		What:   "3.8 fails the one operation with -8; Zensus refuses the whole multi with -5.",
		Reason: "3.9 does so.",
		matches: func(d *Difference) bool {
			return d.replies(wire.OpMulti, 0, core.MarshallingError) && d.creates(func(c *wire.Create) bool {
				return !core.CreateMode(c.Flags).Valid()
			})
		},
	},
	{
		Name: "IPv6 in access lists", Follows: "3.9",
		What:   "3.8 refuses IPv6 addresses in the ip scheme with -114; Zensus takes them.",
		Reason: "3.9.5 does so.",
		matches: func(d *Difference) bool {
			return d.Request != nil && strings.Contains(d.Request.Note, ":\"ip\":") && strings.Contains(d.Request.Note, "/none/x") &&
				(d.replies(wire.OpCreate2, core.InvalidACL, core.NoNode) || d.replies(wire.OpSetACL, core.InvalidACL, core.NoNode))
		},
	},
	{
		Name: "null in an entry of an access list", Follows: "neither",
		What:   "ZooKeeper answers -5 where the scheme or the id of an entry is null, for a multi as a whole; Zensus answers -114, for the operation.",
		Reason: "To ZooKeeper it is an accident of its program; an entry that says nothing is not a valid one.",
		matches: func(d *Difference) bool {
			if d.Request == nil || d.Ref == nil || d.Ours == nil || d.Ref.code() != core.MarshallingError {
				return false
			}
			said := d.Ours.code() == core.InvalidACL || d.Request.Op == wire.OpMulti && strings.Contains(d.OursText, "[-1 false -114 -114]")
			return said && d.nullEntry()
		},
	},
	{
		Name: "malformed reconfig", Follows: "neither", zxids: zxidsApart,
		What:   "ZooKeeper takes no zxid for it; Zensus takes one, as both do for every other write that is refused.",
		Reason: "A refused write without a zxid of its own is what stalls ensembles of 3.9.",
		matches: func(d *Difference) bool {
			return d.replies(wire.OpReconfig, core.MarshallingError, core.MarshallingError)
		},
	},
	{
		Name: "null path in a multi", Follows: "neither", zxids: zxidsHidden,
		What:   "Both refuse the multi with -5. By accident ZooKeeper then answers with the zxid before its own and appends an empty list of results; Zensus answers as for every other write that is refused.",
		Reason: "A reply with an error has no body, and clients read none.",
		matches: func(d *Difference) bool {
			return d.replies(wire.OpMulti, core.MarshallingError, core.MarshallingError) && strings.HasSuffix(d.RefText, emptyResults)
		},
	},
	{
		Name: "all children of the empty path", Follows: "neither",
		What:   "getAllChildrenNumber of the empty path, which is the root's, counts the root as well in ZooKeeper; in Zensus it is the same number as for /.",
		Reason: "To ZooKeeper it is an accident of its program. The number is that of the znodes below.",
		matches: func(d *Difference) bool {
			if !d.replies(wire.OpGetAllChildrenNumber, core.OK, core.OK) {
				return false
			}
			q, ref, ours := wire.NewReader(d.Request.Body), wire.NewReader(d.Ref.Body), wire.NewReader(d.Ours.Body)
			return len(q.Bytes()) == 0 && ref.Int() == ours.Int()+1
		},
	},
	{
		Name: "results behind a refused multiRead", Follows: "neither",
		What:   "ZooKeeper appends the results so far to an answer whose code is -5; Zensus appends nothing.",
		Reason: "A reply with an error has no body, and clients read none.",
		matches: func(d *Difference) bool {
			return d.replies(wire.OpMultiRead, core.MarshallingError, core.MarshallingError) && strings.HasPrefix(d.RefText, d.OursText+" and ")
		},
	},
	{
		Name: "exists without READ", Follows: "3.9",
		What:   "3.8.0 lets everybody ask whether a znode exists and watch it; Zensus requires READ on it, as for getData.",
		Reason: "3.8.4 and 3.9.2 do so (CVE-2024-23944).",
		matches: func(d *Difference) bool {
			if !d.replies(wire.OpExists, core.OK, core.NoAuth) {
				return false
			}
			for _, r := range d.Request.registers() {
				d.judge.watch(d.Step.Conn, r.path, modeDoubtful)
			}
			return true
		},
	},
	{
		Name: "text that is no UTF-8 or outside of the basic plane", Follows: "neither",
		What:   "ZooKeeper's program knows strings of UTF-16: it answers with characters above U+FFFF as two surrogates of three bytes each, and with U+FFFD for bytes that are no UTF-8; Zensus answers with the bytes that it was sent. Neither lets them into a path that is created.",
		Reason: "What Zensus answers is what was asked for, and UTF-8 if that was.",
		matches: func(d *Difference) bool {
			return d.odd() && (d.Request == nil || d.Ref != nil && d.Ours != nil && d.Ref.Err == d.Ours.Err)
		},
	},
	{
		Name: "null list in setWatches", Follows: "neither",
		What:   "ZooKeeper carries out the lists before the one that is null, and then answers -5; Zensus answers -5 and does nothing.",
		Reason: "A request that is refused has no effect.",
		matches: func(d *Difference) bool {
			return d.Ours == nil && d.Ref.Kind == Event && slices.ContainsFunc(d.Step.Requests, nullLists)
		},
	},
	{
		Name: "several modes of watches on one path", Follows: "3.9",
		What:   "In 3.8 a watch of another mode on the same path replaces the one that a connection has there; in Zensus standard, persistent and recursive watches coexist. (Where the servers keep different watches on a path for this or another reason on this page, its notifications are not compared on that connection from then on.)",
		Reason: "3.9.0 lets them coexist.",
		matches: func(d *Difference) bool {
			f := d.Ref
			if f == nil {
				f = d.Ours
			}
			return (d.Ref == nil || d.Ours == nil) && f.Kind == Event && d.severalModes(f.event().Path)
		},
	},
	{
		Name: "watcher types 4 and 5", Follows: "3.9",
		What:   "3.8 refuses them in checkWatches and removeWatches with -5; Zensus takes them for persistent and persistent recursive watches.",
		Reason: "3.9.0 introduced them.",
		matches: func(d *Difference) bool {
			path, kind, ok := d.watcherQuery()
			if !ok || kind != 4 && kind != 5 || d.Ref.Err != int32(core.MarshallingError) || d.Ours.Err != 0 && d.Ours.Err != int32(core.NoWatcher) {
				return false
			}
			d.doubt(path)
			return true
		},
	},
	{
		Name: "watcher types 1 to 3 and other modes", Follows: "3.9",
		What:   "In 3.8 the types 1 and 2 of checkWatches and removeWatches are about all watches in the table of children or of data; in Zensus they are about the standard watches there.",
		Reason: "3.9.0 gave each mode a type of its own.",
		matches: func(d *Difference) bool {
			path, kind, ok := d.watcherQuery()
			if !ok || kind < 1 || kind > 3 || d.watches[path]&(modePersistent|modeRecursive|modeDoubtful) == 0 {
				return false
			}
			d.doubt(path)
			return oneOf(d.Ref.Err, 0, int32(core.NoWatcher)) && oneOf(d.Ours.Err, 0, int32(core.NoWatcher))
		},
	},
	{
		Name: "checkWatches and others' watches", Follows: "3.9",
		What:   "3.8 answers OK where any connection watches the path; Zensus only where the one that asks does.",
		Reason: "3.9.0 does so.",
		matches: func(d *Difference) bool {
			path, kind, ok := d.watcherQuery()
			return ok && d.Request.Op == wire.OpCheckWatches && kind >= 1 && kind <= 3 &&
				d.Ref.code() == core.OK && d.Ours.code() == core.NoWatcher && d.judge.watched(path)
		},
	},
	{
		Name: "watches on what does not begin with a slash", Follows: "neither",
		What:   "ZooKeeper answers checkWatches and removeWatches of a null path, or of one that does not begin with a slash, with -5 or -121, depending on what else is watched; Zensus answers -121.",
		Reason: "Nothing ever happens there, and the answer should not depend on others.",
		matches: func(d *Difference) bool {
			path, _, ok := d.watcherQuery()
			return ok && !strings.HasPrefix(path, "/") && d.Ref.code() == core.MarshallingError && d.Ours.code() == core.NoWatcher
		},
	},
	{
		Name: "order of what auth stands for", Follows: "neither",
		What:   "An entry of the auth scheme becomes one entry for each identity of the connection: in no order in ZooKeeper, in the order in which they were added in Zensus.",
		Reason: "The order of entries has no meaning, and the same bytes on every server have one.",
		matches: func(d *Difference) bool {
			if !d.replies(wire.OpGetACL, core.OK, core.OK) {
				return false
			}
			ref, ours := strings.Fields(d.RefText), strings.Fields(d.OursText)
			for _, f := range [][]string{ref, ours} {
				for i := range f {
					f[i] = strings.Trim(f[i], "[]")
				}
				slices.Sort(f)
			}
			return slices.Equal(ref, ours)
		},
	},
	{
		Name: "createSession from a client", Follows: "neither", zxids: zxidsApart,
		What:   "ZooKeeper takes it and sends a second ConnectResponse; to Zensus it is an unknown operation: -6, and the connection is closed.",
		Reason: "It is internal to an ensemble, and no client sends it.",
		matches: func(d *Difference) bool {
			return len(d.Step.Requests) == 1 && d.Step.Requests[0].Op == wire.OpCreateSession
		},
	},
	{
		Name: "deleteContainer from a client", Follows: "neither", zxids: zxidsApart,
		What:   "3.8 refuses it with -8; 3.9 deletes any empty znode, whatever its access list says. To Zensus it is an unknown operation: -6, and the connection is closed.",
		Reason: "It is internal to a server. What 3.9 does passes over access lists.",
		matches: func(d *Difference) bool {
			return len(d.Step.Requests) == 1 && d.Step.Requests[0].Op == wire.OpDeleteContainer
		},
	},
	{
		Name: "a wrong password drops the session's connection", Follows: "neither",
		What:   "ZooKeeper closes the connection that a session has before it looks at the password of the one that wants to replace it; Zensus looks first.",
		Reason: "A guess should not be able to disturb a session, and no client can tell.",
		matches: func(d *Difference) bool {
			return d.Step.Kind == Connect && d.Step.Hello.Password != rightPassword && d.Conn != d.Step.Conn &&
				d.Ref != nil && d.Ref.Kind == Closed && d.Ours == nil
		},
	},
}

// Exclusion is an input that is left out of the run.
type Exclusion struct{ What, Reason string }

// Excluded is what is never sent.
var Excluded = []Exclusion{
	{"what is no limit in a zookeeper_limits node, while quotas are enforced", "ZooKeeper then answers every create below with -5. Zensus takes it for no limit, so that the trees would part."},
	{"what is no usage in a zookeeper_stats node", "ZooKeeper ends as soon as an ephemeral znode below goes with its session. Zensus takes it for a usage that is not known."},
	{"createTTL with flags 0 to 4 and a ttl of -1", "It ends ZooKeeper 3.8 and 3.9, which then cannot start on their own log. Zensus answers -8."},
	{"addWatch and setWatches of a null path", "3.8 takes it, and can then not close the connection: it stays open and silent. Zensus answers -5 to addWatch."},
	{"check outside of a multi", "3.8.0 never answers it and cannot start on the log that it leaves. Zensus, as 3.9, treats it as an unknown operation."},
	{"requests behind a setACL in one burst", "ZooKeeper checks writes against the access list that it has applied, Zensus against the one that will hold: which the former is depends on how far its threads have come."},
	{"an auth packet behind a write in one burst", "ZooKeeper looks at it while the write is under way: whether the connection has its new identity when an event of that write asks who may read depends on how far its threads have come."},
	{"writes behind a write in one burst, under enforced quotas", "Both hold a write against the usage that has been applied, and how much has depends on how far they have come."},
	{"requests behind a createContainer with the flags of an ephemeral znode, in one burst", "Until it is applied, ZooKeeper takes the container for the ephemeral znode that its flags speak of, and refuses children of it with -108; how long that is depends on how far its threads have come."},
	{"requests behind a multi that ends in an accident, in one burst", "Where it stumbles over a null, or over a TTL flag without a TTL, ZooKeeper does not take back what it has prepared of the multi: requests that come before its answer see znodes and sequence numbers that never were."},
	{"requests behind a closeSession or an unknown operation in one burst", "Whether they are carried out depends on how far ZooKeeper's threads have come. They are never answered, by either."},
}
