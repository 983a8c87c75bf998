package apache

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/member"
)

// The members of an ensemble are written in a zoo.cfg as everywhere else.
type (
	// Server is a line server.N.
	Server = member.Server
	// Role is what a member may do in elections.
	Role = member.Role
	// Endpoint is a host and a port.
	Endpoint = member.Endpoint
	// PeerAddress is where a member is reached by the others.
	PeerAddress = member.PeerAddress
)

// The roles of ZooKeeper.
const (
	Participant = member.Participant
	Observer    = member.Observer
)

// ParseServer reads a line server.N (member.ParseServer).
func ParseServer(id, value string) (Server, error) { return member.ParseServer(id, value) }

// FormatDynamic is the members and their version as a dynamic file shows them
// (member.Format). ReadDynamic reads it.
func FormatDynamic(servers []Server, version core.Zxid) string {
	return member.Format(servers, version)
}

// ParseMyID reads a myid file: the id of the server whose data directory it is in.
func ParseMyID(r io.Reader) (core.PeerID, error) {
	const idBytesMax = 64
	text, err := io.ReadAll(io.LimitReader(r, idBytesMax))
	if err != nil {
		return 0, err
	}
	id := strings.TrimSpace(string(text))
	n, err := strconv.Atoi(id)
	if err != nil || n < 1 || n > 254 {
		return 0, fmt.Errorf("%q is not a number from 1 to 254", id)
	}
	return core.PeerID(n), nil
}
