package zab

import "github.com/zensus-io/zensus/core"

// Config describes the ensemble. Zero values stand for the defaults named.
type Config struct {
	Self core.PeerID
	// Voters are those of the configuration: who votes until a reconfiguration says who.
	Voters []core.PeerID
	// TickMillis is the unit of the limits below. 0 is 2000.
	TickMillis int64
	// InitTicks is how long a learner may take to come to the leader's history, and a
	// leader to have a quorum; SyncTicks how long either may say nothing afterwards.
	// 0 is InitTicksDefault and SyncTicksDefault.
	InitTicks, SyncTicks int64
	// RecentBytes is how much of the log is kept in memory for learners that lack
	// little. 0 is 32 MiB.
	RecentBytes int
	// WindowBytes is how much a learner may be sent that it has not made durable. 0 is
	// 16 MiB.
	WindowBytes int
	// CounterMax is the counter at which a new epoch begins, before 32 bits run
	// out (zab 11). 0 is 0xfff00000.
	CounterMax uint32
	// Several says that the ensemble may come to have more servers than one.
	Several bool
	// MembersOf reads the transaction of a reconfiguration. Nil if there are none.
	MembersOf func(payload []byte) (Members, error)
}

const defaultCounterMax = 0xfff00000

// The limits that hold where nothing is said.
const (
	InitTicksDefault = 10
	SyncTicksDefault = 5
)

func (c *Config) fill() {
	def := func(p *int64, v int64) {
		if *p == 0 {
			*p = v
		}
	}
	def(&c.TickMillis, 2000)
	def(&c.InitTicks, InitTicksDefault)
	def(&c.SyncTicks, SyncTicksDefault)
	if c.RecentBytes == 0 {
		c.RecentBytes = 32 << 20
	}
	if c.WindowBytes == 0 {
		c.WindowBytes = 16 << 20
	}
	if c.CounterMax == 0 {
		c.CounterMax = defaultCounterMax
	}
}

// Durable is what the disk holds when the machine starts.
type Durable struct {
	AcceptedEpoch, CurrentEpoch core.Epoch
	LastLogged                  core.Zxid
	LastChain                   uint64
	// Base is where the log begins, Epochs where each epoch in it ends, oldest first.
	Base   core.Zxid
	Epochs []EpochEnd
	// Members are those of the snapshot that the log goes on from, nil if it says
	// nothing; Configs the reconfigurations behind it, in order; CommitHint what the log
	// knows to be committed.
	Members    *Members
	Configs    []Members
	CommitHint core.Zxid
	// Voteable is false after damage in the middle of the log: such a server
	// must be repaired before it counts (Z-04).
	Voteable bool
	// Doubtful: the log is whole, and another state comes of it than it says (Z-50). Among
	// others such a server does not count before the state of a leader is in its place.
	Doubtful bool
	// Fresh: nothing was ever logged. Servers of which all are fresh may begin
	// together (Z-14).
	Fresh bool
}

// Epochs is the part of the meta record that the protocol owns.
type Epochs struct {
	Accepted, Current core.Epoch
	Voteable          bool // it has a history to vouch for (Z-14)
}
