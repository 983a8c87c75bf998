package zab

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/quorum"
	"github.com/zensus-io/zensus/core/wire"
)

var update = flag.Bool("update", false, "write what the scenarios print into their files")

// TestScenarios plays the texts in testdata: a command in each line, and behind it,
// indented, what it prints. See testdata/README.md.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			played := play(t, string(text))
			if *update {
				require.NoError(t, os.WriteFile(file, []byte(played), 0o644))
				return
			}
			require.Equal(t, string(text), played)
		})
	}
}

// play runs a scenario and returns it with what it prints.
func play(t *testing.T, text string) string {
	var out strings.Builder
	s := &scenario{t: t}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "  ") {
			continue // printed in an earlier run
		}
		out.WriteString(line)
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		for _, printed := range s.command(words[0], words[1:]) {
			fmt.Fprintf(&out, "  %s\n", printed)
		}
	}
	return out.String()
}

type scenario struct {
	t *testing.T
	e *ensemble
}

func (s *scenario) peers(words []string) []*peer {
	if len(words) == 0 {
		for _, id := range s.e.ids() {
			words = append(words, fmt.Sprint(id))
		}
	}
	var list []*peer
	for _, w := range words {
		list = append(list, s.e.peers[s.id(w)])
	}
	return list
}

func (s *scenario) id(word string) core.PeerID {
	n, err := strconv.ParseUint(word, 10, 8)
	require.NoError(s.t, err)
	return core.PeerID(n)
}

func (s *scenario) command(verb string, args []string) []string {
	e := s.e
	switch verb {
	case "servers":
		var ids []core.PeerID
		for _, w := range args {
			ids = append(ids, s.id(w))
		}
		s.e = newEnsemble(s.t, 1, ids...)
	case "fresh": // their directories are new
		for _, p := range s.peers(args) {
			p.wipe()
		}
	case "observer":
		e.observe(s.id(args[0]))
	case "start":
		for _, p := range s.peers(args) {
			e.start(p.id)
		}
	case "kill":
		for _, p := range s.peers(args) {
			e.kill(p.id)
		}
	case "wipe", "purge":
		for _, p := range s.peers(args) {
			require.Nil(s.t, p.m, "a server that is up")
			if verb == "wipe" {
				p.wipe()
			} else {
				p.told = p.last().Zxid
				p.purge()
			}
		}
	case "cut":
		a, b := s.id(args[0]), s.id(args[1])
		e.cut[pair(a, b)] = true
		e.part(a, b)
	case "heal":
		clear(e.cut)
		for _, a := range e.ids() {
			for _, b := range e.ids() {
				if a < b && e.peers[a].m != nil && e.peers[b].m != nil && !e.peers[a].m.linked(b) {
					e.join(a, b)
				}
			}
		}
	case "pass":
		d, err := time.ParseDuration(args[0])
		require.NoError(s.t, err)
		e.pass(d.Milliseconds())
	case "rest":
		for e.step() {
		}
	case "propose":
		for _, text := range args[1:] {
			s.peers(args[:1])[0].propose(text)
		}
	case "transfer":
		p, to := e.peers[s.id(args[0])], s.id(args[1])
		p.act(func(out *Output) { require.True(s.t, p.m.Transfer(to, out)) })
	case "members": // L VOTERS [OBSERVERS]: L proposes a reconfiguration
		p := e.peers[s.id(args[0])]
		sets := [2]quorum.Set{}
		for i, list := range args[1:] {
			for id := range strings.SplitSeq(list, ",") {
				sets[i].Add(s.id(id))
			}
		}
		require.True(s.t, p.m.Ready() && !p.m.Reconfiguring())
		if !p.m.InStep(sets[0]) {
			return []string{"no quorum of them is in step"}
		}
		p.reconfigure(sets[0], sets[1])
	case "disk": // does all that it was asked for
		for _, p := range s.peers(args) {
			for len(p.jobs) > 0 {
				p.diskStep()
			}
		}
	case "hear": // A B: A hears all that B has said
		a, b := e.peers[s.id(args[0])], s.id(args[1])
		for len(a.wire[b]) > 0 {
			msg := a.wire[b][0]
			a.wire[b] = a.wire[b][1:]
			a.act(func(out *Output) { a.m.Receive(b, msg, out) })
		}
	case "status":
		return s.status(args)
	case "log":
		return s.log(args)
	case "synced":
		printed := e.trace
		e.trace = nil
		return printed
	default:
		s.t.Fatalf("no command %q", verb)
	}
	return nil
}

func (s *scenario) status(args []string) (lines []string) {
	for _, p := range s.peers(args) {
		if p.m == nil {
			lines = append(lines, fmt.Sprintf("%d down", p.id))
			continue
		}
		line := fmt.Sprintf("%d %v %v", p.id, p.m.Role(), p.m.Phase())
		if l := p.m.Leader(); l != 0 && l != p.id {
			line += fmt.Sprintf(" of %d", l)
		}
		if p.m.looking != nil {
			v := p.m.looking.vote
			line += fmt.Sprintf(", votes for %d at %v", v.Leader, v.Zxid)
		}
		line += fmt.Sprintf(", epoch %d, committed %v", p.m.Epoch(), p.m.Committed())
		if now := p.m.Members(); now.Version > 0 {
			line += ", members " + memberList(&now)
		}
		if p.m.next != nil {
			line += ", perhaps soon " + memberList(p.m.next)
		}
		lines = append(lines, line)
	}
	return lines
}

// memberList writes voters, and observers in brackets.
func memberList(m *Members) string {
	var words []string
	for id := range m.Voters.All() {
		words = append(words, fmt.Sprint(id))
	}
	for id := range m.Observers.All() {
		words = append(words, fmt.Sprintf("(%d)", id))
	}
	return strings.Join(words, " ")
}

func (s *scenario) log(args []string) (lines []string) {
	for _, p := range s.peers(args) {
		line := fmt.Sprintf("%d:", p.id)
		if p.base.Zxid != 0 {
			line += fmt.Sprintf(" (%v)", p.base.Zxid)
		}
		for _, r := range p.disk {
			switch r.Kind {
			case wire.RecordEpoch:
				line += fmt.Sprintf(" [%d]", r.Zxid.Epoch())
			case wire.RecordConfig:
				m, err := readMembers(r.Payload)
				require.NoError(s.t, err)
				line += fmt.Sprintf(" {%s}", memberList(&m))
			case wire.RecordTxn:
				line += " " + string(r.Payload)
			}
		}
		lines = append(lines, line)
	}
	return lines
}
