package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/zensus-io/zensus/core"
)

// The file members of a data directory says which server it is of and who voted
// when that last served. While the configuration says who votes, it may change by
// restarts only so that a quorum before and one after have a server in common
// (zab Z-62): else two of them could decide differently. After the first
// reconfiguration, whose version the file notes, the log says who votes, and what the
// configuration says of it counts no more.
const membersFile = "members"

// membership is what the file holds.
type membership struct {
	self    core.PeerID
	voters  []core.PeerID
	version core.Zxid // of the reconfiguration, 0 is none
}

func (m *membership) String() string {
	var ids []string
	for _, id := range m.voters {
		ids = append(ids, strconv.Itoa(int(id)))
	}
	text := fmt.Sprintf("self=%d\nvoters=%s\n", m.self, strings.Join(ids, ","))
	if m.version > 0 {
		text += fmt.Sprintf("version=%x\n", uint64(m.version))
	}
	return text
}

func parseMembership(text string) (*membership, error) {
	m := &membership{}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if key == "version" {
			v, err := strconv.ParseUint(value, 16, 64)
			if err != nil {
				return nil, fmt.Errorf("%q is no version", value)
			}
			m.version = core.Zxid(v)
			continue
		}
		for id := range strings.SplitSeq(value, ",") {
			n, err := strconv.ParseUint(id, 10, 8)
			if err != nil || n == 0 {
				return nil, fmt.Errorf("%q is no server's id", id)
			}
			switch key {
			case "self":
				m.self = core.PeerID(n)
			case "voters":
				m.voters = append(m.voters, core.PeerID(n))
			default:
				return nil, fmt.Errorf("unknown line %q", line)
			}
		}
	}
	if m.self == 0 || len(m.voters) == 0 {
		return nil, errors.New("it is not whole")
	}
	return m, nil
}

// mayBecome returns why the voters cannot become others by a restart.
func (m *membership) mayBecome(next *membership) error {
	if m.self != next.self {
		return fmt.Errorf("this data directory is of server %d, and the configuration says that this is server %d", m.self, next.self)
	}
	if m.version > 0 {
		return nil // the log says it
	}
	all := slices.Clone(m.voters)
	for _, id := range next.voters {
		if !slices.Contains(all, id) {
			all = append(all, id)
		}
	}
	before, after := len(m.voters)/2+1, len(next.voters)/2+1
	switch {
	case len(m.voters) == 1 && len(next.voters) > 1:
		return fmt.Errorf("a single server does not become one of %v by a restart: the others have nothing to vouch for, and it is no quorum of them; start it with itself as the only member, and add the others with `zensus cluster add` and `promote`", next.voters)
	case before+after <= len(all):
		return fmt.Errorf("the voters were %v and would be %v: a quorum of these need not know what one of those has decided; change one at a time, and let all servers restart in between", m.voters, next.voters)
	}
	return nil
}

// namesNone is why a single server cannot be started on the data directory of a member.
func (p *plan) namesNone() error {
	return fmt.Errorf("%s: it is of a member of an ensemble, and the configuration is that of a single server: "+
		"say where this one listens for the others, by members, or in a zoo.cfg by server.%d and, where that is the only line, standaloneEnabled=false", p.dataDir, p.id)
}

// members are those of the plan.
func (p *plan) members() *membership {
	m := &membership{self: p.id, voters: []core.PeerID{p.id}}
	if p.ensemble != nil {
		m.voters = slices.Sorted(slices.Values(p.ensemble.voters))
	}
	return m
}

// newDirectory reports whether no server has been run on the data directory yet.
func (p *plan) newDirectory() (bool, error) {
	_, err := os.Stat(filepath.Join(p.dataDir, "meta"))
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return false, err
}

// checkMembers compares the plan with the data directory. The members of a new one
// are noted at once, later ones when they have begun to serve (noteMembers).
func (p *plan) checkMembers(isNew bool) error {
	was, err := p.noted()
	switch {
	case err != nil:
		return err
	case was != nil:
		return p.mayBecome(was, p.members())
	case isNew:
		return p.noteMembers(p.members())
	}
	// It has been run by a release that had single servers only.
	was = &membership{self: p.id, voters: []core.PeerID{p.id}}
	if err := was.mayBecome(p.members()); err != nil {
		return fmt.Errorf("%s: %w", p.dataDir, err)
	}
	return nil
}

// checkOwner returns why the data directory is none of this server's, whoever the
// members are.
func (p *plan) checkOwner() error {
	was, err := p.noted()
	if err != nil || was == nil {
		return err
	}
	return p.mayBecome(was, &membership{self: p.id, voters: was.voters})
}

// noted is what the file says, nil if there is none.
func (p *plan) noted() (*membership, error) {
	name := filepath.Join(p.dataDir, membersFile)
	text, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	was, err := parseMembership(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return was, nil
}

func (p *plan) mayBecome(was, next *membership) error {
	if err := was.mayBecome(next); err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(p.dataDir, membersFile), err)
	}
	return nil
}

// noteMembers writes the file. The time of its last change is when others were noted.
func (p *plan) noteMembers(m *membership) error {
	text := m.String()
	if old, err := os.ReadFile(filepath.Join(p.dataDir, membersFile)); err == nil && string(old) == text {
		return nil
	}
	return p.replace(membersFile, text)
}

// replace writes a file of the data directory, so that it is whole or as it was.
func (p *plan) replace(file, text string) (err error) {
	name := filepath.Join(p.dataDir, file)
	if err := os.MkdirAll(p.dataDir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(p.dataDir, file+".*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	dir, err := os.Open(p.dataDir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
