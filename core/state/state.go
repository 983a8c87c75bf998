package state

import (
	"cmp"
	"slices"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/acl"
	"github.com/zensus-io/zensus/core/check"
	"github.com/zensus-io/zensus/core/session"
	"github.com/zensus-io/zensus/core/tree"
	"github.com/zensus-io/zensus/core/watch"
	"github.com/zensus-io/zensus/core/wire"
)

// Config is what the owner may choose. The zero value is ZooKeeper's default.
type Config struct {
	// TTLNodes allows znodes with a time to live (extendedTypesEnabled).
	TTLNodes bool
	// EnforceQuota makes hard limits refuse (enforceQuota).
	EnforceQuota bool
	// ReconfigEnabled tells a reconfiguration apart that is switched off from one
	// that a server without an ensemble cannot do.
	ReconfigEnabled bool
	// Ensemble is the data of /zookeeper/config on a server that is one of several,
	// as its own configuration has it: it is not replicated. Empty for a single server.
	Ensemble string
	// EphemeralPathBytesMax bounds the paths that one session may own, so that
	// the transaction that closes it stays within a record. 0 is 4 MiB.
	EphemeralPathBytesMax int
	// Auth produces identities from auth packets. Nil is the default: digest, and
	// no super user.
	Auth *acl.Authenticator
}

const defaultEphemeralPathBytesMax = 4 << 20

// Session is what is replicated of a session.
type Session struct {
	ID            core.SessionID
	TimeoutMillis int32
}

// State is the replicated state of one server, and the watches that its
// connections hold. It is not safe for concurrent use.
type State struct {
	cfg      Config
	tree     *tree.Tree
	sessions map[core.SessionID]int32 // timeout in milliseconds
	highest  map[core.PeerID]core.SessionID
	watches  *watch.Table
	applied  core.Zxid

	pending  outstanding
	payloads chunk
	result   Result
	digests  digestRing
	samples  []Digest

	cost      int    // of reads, see TakeCost
	softQuota string // path of a quota whose soft limit was passed
}

// New makes an empty state, as on a server that was never started.
func New(cfg Config) *State { return newState(cfg, tree.New()) }

func newState(cfg Config, t *tree.Tree) *State {
	if cfg.EphemeralPathBytesMax == 0 {
		cfg.EphemeralPathBytesMax = defaultEphemeralPathBytesMax
	}
	if cfg.Auth == nil {
		cfg.Auth = acl.NewAuthenticator()
	}
	s := &State{
		cfg:      cfg,
		tree:     t,
		sessions: make(map[core.SessionID]int32),
		highest:  make(map[core.PeerID]core.SessionID),
		watches:  watch.New(),
	}
	s.pending.init()
	return s
}

// Tree is the tree, to be read and not changed.
func (s *State) Tree() *tree.Tree { return s.tree }

// Watches is the table of this server's watches.
func (s *State) Watches() *watch.Table { return s.watches }

// Applied is the zxid up to which the state has been brought.
func (s *State) Applied() core.Zxid { return s.applied }

// Auth produces identities from auth packets.
func (s *State) Auth() *acl.Authenticator { return s.cfg.Auth }

// SessionTimeout reports whether a session is alive in the applied state, and
// the timeout in milliseconds that its creation recorded.
func (s *State) SessionTimeout(id core.SessionID) (millis int32, ok bool) {
	millis, ok = s.sessions[id]
	return millis, ok
}

// SessionCount is the number of living sessions.
func (s *State) SessionCount() int { return len(s.sessions) }

// Sessions lists the living sessions by id.
func (s *State) Sessions() []Session {
	list := s.sessionList()
	sortSessions(list)
	return list
}

func (s *State) sessionList() []Session {
	list := make([]Session, 0, len(s.sessions))
	for id, timeout := range s.sessions {
		list = append(list, Session{ID: id, TimeoutMillis: timeout})
	}
	return list
}

func sortSessions(list []Session) {
	slices.SortFunc(list, func(a, b Session) int { return cmp.Compare(uint64(a.ID), uint64(b.ID)) })
}

// HighestSession is the highest id of all sessions, living or ended, that the
// server peer has created: whoever goes on above it gives no id out twice, even if
// the clock went back.
func (s *State) HighestSession(peer core.PeerID) core.SessionID { return s.highest[peer] }

// noteSession remembers the id of a session that was created.
func (s *State) noteSession(id core.SessionID) {
	if peer := session.PeerOf(id); uint64(id) > uint64(s.highest[peer]) {
		s.highest[peer] = id
	}
}

// ForgetOutstanding drops every change that was prepared and not applied: the
// end of a leadership.
func (s *State) ForgetOutstanding() { s.pending.init() }

// Skip moves the applied position over a record that changes nothing, an epoch
// marker.
func (s *State) Skip(z core.Zxid) {
	check.That(z > s.applied, "state: zxid went back from %v to %v", s.applied, z)
	s.applied = z
}

// Exists reports whether a path will exist when everything prepared so far is
// applied.
func (s *State) Exists(path []byte) bool {
	var at place
	s.look(&at, wire.View(path))
	return at.exists
}
