package member

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/quorum"
)

// Most bounds the members of an ensemble; TextBytesMax their text.
const (
	Most         = 254
	TextBytesMax = 256 << 10
)

// Members is who belongs to an ensemble since a version.
type Members struct {
	Version core.Zxid
	Servers []Server // by id
}

// Voters is the set of those who vote.
func (m *Members) Voters() quorum.Set { return m.with(Participant) }

// Observers is the set of those who do not.
func (m *Members) Observers() quorum.Set { return m.with(Observer) }

func (m *Members) with(r Role) (set quorum.Set) {
	for i := range m.Servers {
		if m.Servers[i].Role == r {
			set.Add(m.Servers[i].ID)
		}
	}
	return set
}

// Server finds a member.
func (m *Members) Server(id core.PeerID) (Server, bool) {
	i := slices.IndexFunc(m.Servers, func(s Server) bool { return s.ID == id })
	if i < 0 {
		return Server{}, false
	}
	return m.Servers[i], true
}

// String is the text of /zookeeper/config.
func (m *Members) String() string { return Format(m.Servers, m.Version) }

// Format is the members and their version as the data of /zookeeper/config and a
// dynamic file show them, without a newline at the end.
func Format(servers []Server, version core.Zxid) string {
	var text strings.Builder
	for _, s := range servers {
		fmt.Fprintln(&text, s)
	}
	fmt.Fprintf(&text, "version=%x", uint64(version))
	return text.String()
}

// Parse reads what Format writes: lines server.N, and one version.
func Parse(text string) (*Members, error) {
	m := &Members{}
	versioned := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		switch id, isServer := strings.CutPrefix(key, "server."); {
		case isServer:
			s, err := ParseServer(id, value)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			m.Servers = append(m.Servers, s)
		case key == "version" && !versioned:
			v, err := strconv.ParseUint(value, 16, 64)
			if err != nil {
				return nil, fmt.Errorf("version %q is no hexadecimal number", value)
			}
			m.Version, versioned = core.Zxid(v), true
		default:
			return nil, fmt.Errorf("%q is neither a server nor the version", line)
		}
	}
	return m, m.tidy()
}

// tidy sorts the members and says what is wrong with them.
func (m *Members) tidy() error {
	slices.SortFunc(m.Servers, func(a, b Server) int { return int(a.ID) - int(b.ID) })
	addresses := map[string]core.PeerID{}
	for i, s := range m.Servers {
		if i > 0 && m.Servers[i-1].ID == s.ID {
			return fmt.Errorf("server.%d is named twice", s.ID)
		}
		for _, a := range s.Addresses {
			at := Endpoint{Host: strings.ToLower(a.Host), Port: a.QuorumPort}.String()
			if other, taken := addresses[at]; taken && other != s.ID {
				return fmt.Errorf("server.%d and server.%d have the address %s both", other, s.ID, at)
			}
			addresses[at] = s.ID
		}
	}
	return nil
}

// ErrNoVoter is returned for a change that would leave nobody who votes.
var ErrNoVoter = errors.New("member: nobody would vote")

// Change is what a reconfiguration asks for: either all members, or whom to add (or to
// put in place of the one with the same id) and whom to remove.
type Change struct {
	Joining []Server
	Leaving []core.PeerID
	All     []Server // if it is not nil, nothing else counts
}

// ParseChange reads the three texts of a reconfig request:
// joining and all are lists of server lines, parted by commas or newlines, leaving is
// one of ids.
func ParseChange(joining, leaving, all string) (*Change, error) {
	c := &Change{}
	var err error
	if all != "" {
		if joining != "" || leaving != "" {
			return nil, errors.New("member: all members and a part of them")
		}
		c.All, err = parseServers(all)
		return c, err
	}
	if c.Joining, err = parseServers(joining); err != nil {
		return nil, err
	}
	for id := range strings.SplitSeq(leaving, ",") {
		if id = strings.TrimSpace(id); id == "" {
			continue
		}
		n, err := strconv.ParseUint(id, 10, 8)
		if err != nil || n == 0 || n > Most {
			return nil, fmt.Errorf("member: %q is no id from 1 to %d", id, Most)
		}
		c.Leaving = append(c.Leaving, core.PeerID(n))
	}
	return c, nil
}

func parseServers(text string) ([]Server, error) {
	if len(text) > TextBytesMax {
		return nil, fmt.Errorf("member: %d bytes of servers, %d are the most", len(text), TextBytesMax)
	}
	list := []Server{}
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '\n' }) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "version=") {
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		id, ok := strings.CutPrefix(strings.TrimSpace(key), "server.")
		if !ok {
			return nil, fmt.Errorf("member: %q is no server", line)
		}
		s, err := ParseServer(id, strings.TrimSpace(value))
		if err != nil {
			return nil, fmt.Errorf("member: server.%s: %w", id, err)
		}
		list = append(list, s)
	}
	return list, nil
}

// Apply makes the members that a change at a version leads to. Leaving comes before
// joining, as in ZooKeeper; who leaves and is no member changes nothing.
func (m *Members) Apply(c *Change, version core.Zxid) (*Members, error) {
	next := &Members{Version: version}
	if c.All != nil {
		next.Servers = slices.Clone(c.All)
	} else {
		for _, s := range m.Servers {
			joins := slices.ContainsFunc(c.Joining, func(j Server) bool { return j.ID == s.ID })
			if !joins && !slices.Contains(c.Leaving, s.ID) {
				next.Servers = append(next.Servers, s)
			}
		}
		next.Servers = append(next.Servers, c.Joining...)
	}
	if err := next.tidy(); err != nil {
		return nil, err
	}
	if next.Voters().Len() == 0 {
		return nil, ErrNoVoter
	}
	if n := len(next.String()); n > TextBytesMax {
		return nil, fmt.Errorf("member: %d bytes of members, %d are the most", n, TextBytesMax)
	}
	return next, nil
}
