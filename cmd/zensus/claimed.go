package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/apache"
	"github.com/zensus-io/zensus/core/member"
	"github.com/zensus-io/zensus/core/replica"
)

// A server whose configuration names itself alone may be the one that an ensemble was
// grown from. When it has lost its disk, only the others know: it would serve an empty
// tree. They look for it, and claim it. It stops for that if they had it for a member
// before its data directory was begun, and does not start again with that one
// (decision 0030).

// claimFile is in the data directory of a server that was claimed. It says what the claim
// was.
const claimFile = "claimed"

// listenTime is how long a server that begins alone, with a directory in which it has
// served nobody yet, waits for a claim before it does. Whoever is there looks for it
// twice meanwhile.
const listenTime = 2 * time.Second

// doubtsEvery is the pause between two lines of the log on claims that are not followed.
const doubtsEvery = time.Minute

// claim is what a member of an ensemble tells one that is on its own.
type claim struct {
	from    core.PeerID
	since   time.Time // since when that member has known of these members
	members *member.Members
}

func (c *claim) String() string {
	return fmt.Sprintf("since=%d\n%s", c.since.UnixMilli(), c.members)
}

func parseClaim(from core.PeerID, text string) (*claim, error) {
	head, rest, _ := strings.Cut(text, "\n")
	since, found := strings.CutPrefix(head, "since=")
	millis, err := strconv.ParseInt(since, 10, 64)
	if !found || err != nil {
		return nil, fmt.Errorf("%q is no beginning of a claim", head)
	}
	m, err := member.Parse(rest)
	switch {
	case err != nil:
		return nil, err
	case len(m.Servers) == 0:
		return nil, errors.New("a claim for an ensemble of nobody")
	}
	return &claim{from: from, since: time.UnixMilli(millis), members: m}, nil
}

// memberList is the setting that names the members, for one who has to write or to compare it.
func memberList(m *member.Members) string {
	var list []string
	for _, s := range m.Servers {
		if len(s.Addresses) == 0 {
			continue
		}
		text := fmt.Sprintf("%d=%s", s.ID, member.Endpoint{Host: s.Addresses[0].Host, Port: s.Addresses[0].QuorumPort})
		if s.Role == apache.Observer {
			text += ";observer"
		}
		list = append(list, strconv.Quote(text))
	}
	return "[" + strings.Join(list, ", ") + "]"
}

// beginsAlone reports whether this server is the only voter of its configuration.
func (p *plan) beginsAlone() bool {
	e := p.ensemble
	return e != nil && len(e.voters) == 1 && e.voters[0] == p.id
}

// alone reports whether this server is on its own: it is the only voter of its
// configuration, and no reconfiguration has ever said anything else.
func (r *reconfigured) alone() bool {
	return r.in.plan.beginsAlone() && r.in.client.Members().Version == 0
}

// claim is what this server has to tell one that it has for a member and that is on its
// own: nothing unless it has a part in a history, as one that has not been added yet.
func (r *reconfigured) claim(ctx context.Context) []byte {
	var s replica.Status
	if err := r.in.node.Do(ctx, func(r *replica.Replica) { s = r.Status() }); err != nil || s.Epochs.Current == 0 {
		return nil
	}
	since, err := r.in.plan.notedAt()
	if err != nil {
		return nil
	}
	return []byte((&claim{since: since, members: r.in.client.Members()}).String())
}

// claimed takes what a server says of this one, which is on its own.
func (r *reconfigured) claimed(from core.PeerID, text []byte) {
	if len(text) == 0 {
		r.in.log.Debug("a server without a history looks for this one, which does not know it", "peer", int(from))
		return
	}
	c, err := parseClaim(from, string(text))
	if err != nil {
		r.in.log.Warn("cannot read what a server says of this one", "peer", int(from), "err", err)
		return
	}
	begun, err := r.in.plan.notedAt()
	switch {
	case err != nil:
		r.in.log.Error("cannot tell how old the data directory is", "err", err)
	case !r.alone():
	case c.follow(r.in.plan.id, r.in.plan.ensemble.open, begun):
		select {
		case r.claims <- c:
		default: // of several one is enough
		}
	default:
		r.doubt(c)
	}
}

// follow reports whether a claim on a server is one that it must follow: it has been a
// member since before its directory was begun, so that this cannot be the one that it
// had as a member. Who proves nothing that strangers could not is not believed.
func (c *claim) follow(self core.PeerID, open bool, begun time.Time) bool {
	_, named := c.members.Server(self)
	return named && !open && begun.After(c.since)
}

// doubt warns of a claim that is not followed, but not of each.
func (r *reconfigured) doubt(c *claim) {
	r.doubts.Lock()
	now := time.Now()
	due := now.Sub(r.doubts.told) > doubtsEvery
	if due {
		r.doubts.told = now
	}
	r.doubts.Unlock()
	if due {
		r.in.log.Error("a server has this one for a member of an ensemble that this one knows nothing of: only one of them can be right, and this one goes on on its own",
			"peer", int(c.from), "members", memberList(c.members))
	}
}

// runNode runs the node until it is claimed: then it ends before anything else does, and
// acknowledges nothing any more.
func (r *reconfigured) runNode(ctx context.Context) error {
	run, stop := context.WithCancel(ctx)
	defer stop()
	var by *claim
	if r.in.node.Unused() && r.alone() && !r.in.plan.ensemble.open {
		select {
		case by = <-r.claims:
			stop()
		case <-ctx.Done():
		case <-time.After(listenTime):
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- r.in.node.Run(run) }()
	if by == nil {
		select {
		case err := <-ended:
			return err
		case by = <-r.claims:
			stop()
		}
	}
	err := <-ended
	return errors.Join(r.leave(by), err)
}

// leave notes that this server must not go on with its data directory, and says why.
func (r *reconfigured) leave(c *claim) error {
	p, upTo := r.in.plan, r.in.node.Durable()
	text := fmt.Sprintf("server %d, a member of %s since %s, has server %d for one of them", c.from, memberList(c.members), c.since.UTC().Format(time.RFC3339), p.id)
	if upTo > 0 {
		text += fmt.Sprintf("; what this server has acknowledged on its own, up to %v, is in this directory and nowhere else", upTo)
	}
	if err := p.replace(claimFile, text+"\n"); err != nil {
		return errors.Join(p.claimError(text), err)
	}
	return p.claimError(text)
}

// claimError is what a server ends with that was claimed.
func (p *plan) claimError(text string) error {
	return fmt.Errorf("%s: this server seems to have lost its disk: %s. On its own it would serve what the others do not have, and lack what they have. "+
		"Start it with an empty data directory and a configuration that names the present members: a leader brings it back. "+
		"If it is none of them, have them forget it, and remove the file %s", p.dataDir, text, filepath.Join(p.dataDir, claimFile))
}

// checkClaim returns why a server must not be started with the data directory.
func (p *plan) checkClaim() error {
	text, err := os.ReadFile(filepath.Join(p.dataDir, claimFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	return p.claimError(strings.TrimSpace(string(text)))
}

// notedAt is when the members that the data directory notes were noted; for one that is
// on its own, when the directory was begun.
func (p *plan) notedAt() (time.Time, error) {
	st, err := os.Stat(filepath.Join(p.dataDir, membersFile))
	if err != nil {
		return time.Time{}, err
	}
	return st.ModTime(), nil
}
