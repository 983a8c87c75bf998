package coretest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zensus-io/zensus/core"
)

// Compare plays one random play on two fresh engines and fails where they
// differ: in codes, paths, data, every field of a Stat but the times, in zxids
// (relative to the beginning, so that each takes as many), and in what watches
// hear. The same seed gives the same play. Where either is known to do otherwise
// (Features), that is passed over.
func Compare(t *testing.T, a, b Harness, seed uint64, steps int) {
	t.Helper()
	sides := []*side{newSide(t, a), newSide(t, b)}
	p := &play{rng: rand.New(rand.NewPCG(seed, 42))}
	p.noExistsACL = a.Features.NoExistsACL || b.Features.NoExistsACL
	p.noMultiStat = a.Features.NoMultiCreateStat || b.Features.NoMultiCreateStat
	p.noTTL = a.Features.NoTTL || b.Features.NoTTL
	var story []string
	for i := range steps {
		do := p.step()
		var said [2]string
		var what string
		for j, s := range sides {
			what, said[j] = do(s)
		}
		story = append(story, fmt.Sprintf("%4d %s -> %s", i, what, said[0]))
		if said[0] != said[1] {
			t.Fatalf("seed %d, step %d: %s\n  one says %s\nother says %s\nthe play so far:\n%s", seed, i, what, said[0], said[1],
				strings.Join(story[max(0, len(story)-25):], "\n"))
		}
	}
}

// playRoot is where a play happens. It must not exist before.
const playRoot = "/play"

// side is one engine in a play, with three sessions.
type side struct {
	t       testing.TB
	h       Harness
	clients [3]core.Client
	owners  []core.SessionID // of all sessions so far: a session's number is its name
	base    core.Zxid
	watches []core.Watch
}

func newSide(t testing.TB, h Harness) *side {
	t.Helper()
	s := &side{t: t, h: h}
	for i := range s.clients {
		s.reopen(i)
	}
	z, err := s.clients[0].Sync(t.Context(), "/")
	if err != nil {
		t.Fatal(err)
	}
	s.base = z
	for _, w := range []struct {
		path string
		mode core.WatchMode
	}{{playRoot, core.WatchTree}, {playRoot + "/a", core.WatchNode}, {playRoot + "/b", core.WatchNode}} {
		// Only the first session's: it stays, and its identity never changes.
		got, err := s.clients[0].Watch(t.Context(), w.path, w.mode)
		if err != nil {
			t.Fatal(err)
		}
		s.watches = append(s.watches, got)
	}
	return s
}

func (s *side) reopen(i int) {
	s.t.Helper()
	s.clients[i] = s.h.Open(s.t, 30*time.Second)
	s.owners = append(s.owners, s.clients[i].Session().ID)
}

// zxid is z as the play counts it.
func (s *side) zxid(z core.Zxid) string {
	if z == 0 {
		return "0"
	}
	return fmt.Sprintf("%+d", int64(z)-int64(s.base))
}

func (s *side) stat(st core.Stat) string {
	owner := "-"
	if st.EphemeralOwner != 0 {
		owner = fmt.Sprint(slices.Index(s.owners, st.EphemeralOwner))
	}
	return fmt.Sprintf("{c%s m%s p%s v%d cv%d av%d owner %s len %d kids %d}", s.zxid(st.Czxid), s.zxid(st.Mzxid), s.zxid(st.Pzxid),
		st.Version, st.Cversion, st.Aversion, owner, st.DataLength, st.NumChildren)
}

// outcome is what a call gave: its error's code, or what it has to say.
func outcome(err error, format string, args ...any) string {
	if err != nil {
		if core.CodeOf(err) == core.SystemError {
			return err.Error()
		}
		return core.CodeOf(err).Error()
	}
	return fmt.Sprintf(format, args...)
}

// heard is everything that the watches have to tell of what has happened so far.
func (s *side) heard() string {
	if _, err := s.clients[0].Sync(s.t.Context(), "/"); err != nil {
		return err.Error()
	}
	over, cancel := context.WithCancel(s.t.Context())
	cancel()
	var b strings.Builder
	for i, w := range s.watches {
		var lines []string
		for {
			events, err := w.Next(over)
			progress := len(events) > 0
			for _, e := range events {
				if e.Type != core.Progress {
					lines = append(lines, e.Type.String()+" "+strings.TrimPrefix(e.Path, playRoot))
					progress = false
				}
			}
			if err != nil || progress {
				break
			}
		}
		fmt.Fprintf(&b, " %d:%s", i, lines)
	}
	return b.String()
}

// play chooses what happens next, the same on both sides.
type play struct {
	rng         *rand.Rand
	noExistsACL bool
	noMultiStat bool
	noTTL       bool
}

func (p *play) path() string {
	if p.rng.IntN(20) == 0 {
		bad := []string{"/c/", "/a//b", "/..", "/a/../b", "/\x01"}
		return playRoot + bad[p.rng.IntN(len(bad))]
	}
	good := []string{"", "/a", "/a", "/b", "/a/x", "/a/x", "/a/y", "/b/x", "/a/x/1"}
	return playRoot + good[p.rng.IntN(len(good))]
}

func (p *play) version() int32 {
	if p.rng.IntN(3) > 0 {
		return core.AnyVersion
	}
	return int32(p.rng.IntN(3))
}

func (p *play) data() []byte {
	switch p.rng.IntN(5) {
	case 0:
		return nil
	case 1:
		return []byte{}
	}
	return fmt.Append(nil, p.rng.IntN(100000))
}

func (p *play) acl() []core.ACL {
	switch p.rng.IntN(24) {
	case 0:
		return []core.ACL{}
	case 1:
		return []core.ACL{{Perms: core.PermAll, Scheme: "auth"}}
	case 2:
		return []core.ACL{{Perms: core.Perms(p.rng.IntN(32)), Scheme: "world", ID: "anyone"}}
	case 3:
		return []core.ACL{{Perms: core.PermAll, Scheme: "digest", ID: Digest("play:1")}, {Perms: core.PermRead, Scheme: "world", ID: "anyone"}}
	}
	return nil
}

func (p *play) create() core.CreateOp {
	op := core.CreateOp{Path: p.path(), Data: p.data(), Options: core.CreateOptions{ACL: p.acl()}}
	switch p.rng.IntN(8) {
	case 0, 1:
		op.Options.Mode = core.CreateMode(p.rng.IntN(7))
	case 2:
		op.Options.Mode = core.Ephemeral
	}
	if op.Options.Mode.IsTTL() {
		if p.noTTL {
			op.Options.Mode = core.Persistent
		}
		op.Options.TTL = time.Duration(p.rng.IntN(3)) * time.Hour
	}
	return op
}

func (p *play) op() core.Op {
	switch p.rng.IntN(4) {
	case 0:
		return p.create()
	case 1:
		return core.SetOp{Path: p.path(), Data: p.data(), Version: p.version()}
	case 2:
		return core.DeleteOp{Path: p.path(), Version: p.version()}
	}
	return core.CheckOp{Path: p.path(), Version: p.version()}
}

// step is the next step: what it is, and what a side makes of it.
func (p *play) step() func(s *side) (what, said string) {
	ctx := context.Background()
	who := p.rng.IntN(3)
	read := func(name, path string, fn func(s *side, c core.Client) string) func(s *side) (string, string) {
		return func(s *side) (string, string) {
			// The others' writes are to be seen, so that both sides see the same.
			if _, err := s.clients[who].Sync(ctx, "/"); err != nil {
				return name, err.Error()
			}
			return fmt.Sprintf("%d %s %q", who, name, path), fn(s, s.clients[who])
		}
	}
	write := func(what string, fn func(s *side, c core.Client) string) func(s *side) (string, string) {
		return func(s *side) (string, string) {
			said := fn(s, s.clients[who])
			return fmt.Sprintf("%d %s", who, what), said + s.heard()
		}
	}
	switch path := p.path(); p.rng.IntN(14) {
	case 0, 1, 2, 3:
		op := p.create()
		return write(fmt.Sprintf("create %+v", op), func(s *side, c core.Client) string {
			actual, st, err := c.Create(ctx, op.Path, op.Data, op.Options)
			return outcome(err, "%s %s", actual, s.stat(st))
		})
	case 4, 5:
		data, version := p.data(), p.version()
		return write(fmt.Sprintf("set %q %q %d", path, data, version), func(s *side, c core.Client) string {
			st, err := c.Set(ctx, path, data, version)
			return outcome(err, "%s", s.stat(st))
		})
	case 6:
		version := p.version()
		return write(fmt.Sprintf("delete %q %d", path, version), func(s *side, c core.Client) string {
			z, err := c.Delete(ctx, path, version)
			return outcome(err, "%s", s.zxid(z))
		})
	case 7, 8:
		ops := make([]core.Op, p.rng.IntN(4))
		for i := range ops {
			ops[i] = p.op()
		}
		return write(fmt.Sprintf("multi %+v", ops), func(s *side, c core.Client) string {
			results, z, err := c.Multi(ctx, ops...)
			said := s.zxid(z) + " " + outcome(err, "done")
			for i, r := range results {
				said += " " + outcome(r.Err, "done %s", r.Path)
				if _, isCreate := ops[i].(core.CreateOp); !isCreate || !p.noMultiStat {
					said += s.stat(r.Stat)
				}
			}
			return said
		})
	case 9:
		acl, version := p.acl(), p.version()
		if acl == nil {
			acl = core.OpenACL()
		}
		return write(fmt.Sprintf("setACL %q %v %d", path, acl, version), func(s *side, c core.Client) string {
			st, err := c.(core.Admin).SetACL(ctx, path, acl, version)
			return outcome(err, "%s", s.stat(st))
		})
	case 10:
		return read("get", path, func(s *side, c core.Client) string {
			data, st, err := c.Get(ctx, path)
			return outcome(err, "%#v %s", data, s.stat(st))
		})
	case 11:
		return read("children", path, func(s *side, c core.Client) string {
			names, st, err := c.Children(ctx, path)
			slices.Sort(names)
			return outcome(err, "%q %s", names, s.stat(st))
		})
	case 12:
		if p.rng.IntN(2) == 0 {
			return read("getACL", path, func(s *side, c core.Client) string {
				acl, st, err := c.(core.Admin).ACL(ctx, path)
				return outcome(err, "%v %s", acl, s.stat(st))
			})
		}
		return read("exists", path, func(s *side, c core.Client) string {
			st, err := c.Exists(ctx, path)
			if p.noExistsACL && core.CodeOf(err) != core.NoNode {
				return "may or may not be allowed"
			}
			return outcome(err, "%s", s.stat(st))
		})
	}
	who = max(who, 1) // the first session stays as it is: it watches
	if p.rng.IntN(3) > 0 {
		return write("auth", func(s *side, c core.Client) string {
			return outcome(c.(core.Admin).AddAuth(ctx, "digest", []byte("play:1")), "done")
		})
	}
	return func(s *side) (string, string) {
		err := s.clients[who].Close()
		s.reopen(who)
		// The order in which a session's ephemerals end is nobody's promise.
		words := strings.FieldsFunc(s.heard(), func(r rune) bool { return r == ' ' || r == '[' || r == ']' })
		slices.Sort(words)
		return fmt.Sprintf("%d close", who), outcome(err, "%v", words)
	}
}
