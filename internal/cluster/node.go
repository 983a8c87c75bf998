package cluster

import (
	"errors"
	"fmt"
	"time"

	"github.com/zensus-io/zensus/internal/picture"
)

// State says how a node looks from here.
type State int

// The states.
const (
	// Up: the node is live and answers.
	Up State = iota
	// Suspicious: it is live, and the last ping of it failed.
	Suspicious
	// Down: it is not live, or pings have failed for a while.
	Down
)

var stateText = [...]string{Up: "UP", Suspicious: "SUSPICIOUS", Down: "DOWN"}

// String is the state in Nacos's words.
func (s State) String() string { return stateText[s] }

// Load is how much a node has to do.
type Load struct {
	Connections int     `json:"connections"` // over gRPC
	SDK         int     `json:"sdk"`         // those of them with an application behind
	CPU         float64 `json:"cpu"`         // of the machine, 0 to 1; negative where it is not known
	Average     float64 `json:"average"`     // the machine's load average of a minute; negative where it is not known
}

// Node is a server of the cluster.
type Node struct {
	About
	Self bool
	Live bool // it has a znode
	// Hidden says that its address is this node's own: it is on another machine, and
	// listens on loopback only. It cannot be called, nor clients be sent there.
	Hidden bool
	State  State
	// Failures is how many pings in a row have failed.
	Failures int
	// Role and Load are those of the last answer to a ping, at Heard, which is zero
	// where there was none.
	Role  string
	Load  Load
	Heard time.Time
}

// Usable reports whether clients can be sent to the node.
func (n *Node) Usable() bool { return n.Live && n.State == Up && !n.Draining && !n.Hidden }

// About is what a node tells of itself.
type About struct {
	ID      string    `json:"id"`
	HTTP    string    `json:"http,omitempty"` // host:port as clients dial it; empty where the port is closed
	GRPC    string    `json:"grpc,omitempty"` // likewise
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	// Life is a random number of this start of the node.
	Life string `json:"life"`
	// Draining says that the node sends its clients away and is about to stop.
	Draining bool `json:"draining,omitempty"`
}

// dial is where calls to the node go; HTTP's port speaks gRPC too.
func (a *About) dial() string {
	if a.GRPC != "" {
		return a.GRPC
	}
	return a.HTTP
}

func (a *About) encode() ([]byte, error) { return picture.Encode(a) }

func decodeAbout(b []byte) (a About, err error) {
	err = picture.Decode(b, &a)
	if err != nil && !errors.Is(err, picture.ErrFormat) {
		err = fmt.Errorf("unreadable: %w", err)
	}
	return a, err
}

// sameAddresses reports whether a value of known still says where the node is.
func (a *About) sameAddresses(b []byte) bool {
	old, err := decodeAbout(b)
	return err == nil && old.HTTP == a.HTTP && old.GRPC == a.GRPC && old.Version == a.Version
}
