package member

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/zensus-io/zensus/core"
)

// Role is what a member may do in elections.
type Role string

// The roles of ZooKeeper.
const (
	Participant Role = "participant"
	Observer    Role = "observer"
)

// Endpoint is a host, which may be empty for any, and a port; the zero value is
// none.
type Endpoint struct {
	Host string
	Port int
}

// String is host:port, with an IPv6 host in brackets and any host as 0.0.0.0.
func (e Endpoint) String() string {
	host := e.Host
	if host == "" {
		host = "0.0.0.0"
	}
	return joinHostPort(host, strconv.Itoa(e.Port))
}

// PeerAddress is where one member is reached by the others.
type PeerAddress struct {
	Host         string
	QuorumPort   int
	ElectionPort int // read, and not used: one port serves both here
}

// String is host:quorum:election, with an IPv6 host in brackets.
func (a PeerAddress) String() string {
	return joinHostPort(a.Host, strconv.Itoa(a.QuorumPort)) + ":" + strconv.Itoa(a.ElectionPort)
}

// Server is a member of the ensemble, as a line server.N describes it.
type Server struct {
	ID        core.PeerID
	Addresses []PeerAddress // at least one; several are ways to the same member
	Role      Role
	Client    Endpoint // zero if the line names none
	Secure    Endpoint // of the TLS port, likewise
}

// String is the line as /zookeeper/config shows it.
func (s Server) String() string {
	addresses := make([]string, len(s.Addresses))
	for i, a := range s.Addresses {
		addresses[i] = a.String()
	}
	text := fmt.Sprintf("server.%d=%s:%s", s.ID, strings.Join(addresses, "|"), s.Role)
	if s.Client != (Endpoint{}) {
		text += ";" + s.Client.String()
	}
	if s.Secure != (Endpoint{}) {
		if s.Client == (Endpoint{}) {
			text += ";"
		}
		text += ";" + s.Secure.String()
	}
	return text
}

// ParseServer reads a member: the N of server.N, and
// host:quorumPort:electionPort[:role][;[host:]clientPort[;[host:]securePort]],
// where several host:port:port parted by bars are addresses of one member.
func ParseServer(id, value string) (Server, error) {
	n, err := strconv.Atoi(id)
	if err != nil || n < 1 || n > 254 {
		return Server{}, fmt.Errorf("id %q is not a number from 1 to 254", id)
	}
	s := Server{ID: core.PeerID(n), Role: Participant}
	parts := strings.Split(value, ";")
	if len(parts) > 3 {
		return Server{}, errors.New("more than two client addresses")
	}
	for i, to := range []*Endpoint{&s.Client, &s.Secure} {
		if i+1 >= len(parts) || strings.TrimSpace(parts[i+1]) == "" {
			continue
		}
		if *to, err = parseEndpoint(strings.TrimSpace(parts[i+1])); err != nil {
			return Server{}, fmt.Errorf("client address: %w", err)
		}
	}
	for i, text := range strings.Split(parts[0], "|") {
		address, role, err := parsePeerAddress(strings.TrimSpace(text))
		if err != nil {
			return Server{}, err
		}
		s.Addresses = append(s.Addresses, address)
		if role == "" {
			continue
		}
		if i != strings.Count(parts[0], "|") {
			return Server{}, errors.New("a role stands before the last address")
		}
		switch s.Role = Role(strings.ToLower(role)); s.Role {
		case Participant, Observer:
		default:
			return Server{}, fmt.Errorf("role %q is neither participant nor observer", role)
		}
	}
	return s, nil
}

func parsePeerAddress(text string) (a PeerAddress, role string, err error) {
	host, rest, err := cutHost(text)
	if err != nil {
		return PeerAddress{}, "", err
	}
	if host == "" {
		return PeerAddress{}, "", errors.New("no host")
	}
	fields := strings.Split(rest, ":")
	if len(fields) < 2 || len(fields) > 3 {
		return PeerAddress{}, "", errors.New("want host:quorumPort:electionPort[:role]")
	}
	a.Host = host
	if a.QuorumPort, err = ParsePort(fields[0]); err != nil {
		return PeerAddress{}, "", fmt.Errorf("quorum port: %w", err)
	}
	if a.ElectionPort, err = ParsePort(fields[1]); err != nil {
		return PeerAddress{}, "", fmt.Errorf("election port: %w", err)
	}
	if len(fields) == 3 {
		if role = strings.TrimSpace(fields[2]); role == "" {
			return PeerAddress{}, "", errors.New("empty role")
		}
	}
	return a, role, nil
}

// parseEndpoint reads [host:]port.
func parseEndpoint(text string) (Endpoint, error) {
	host := ""
	if strings.Contains(text, ":") {
		var err error
		if host, text, err = cutHost(text); err != nil {
			return Endpoint{}, err
		}
	}
	port, err := ParsePort(text)
	if err != nil {
		return Endpoint{}, err
	}
	return Endpoint{Host: NormalHost(host), Port: port}, nil
}

// cutHost cuts a host, in brackets if it is IPv6, and the colon after it.
func cutHost(text string) (host, rest string, err error) {
	if inner, ok := strings.CutPrefix(text, "["); ok {
		host, rest, ok = strings.Cut(inner, "]:")
		if !ok || !isIP(host) {
			return "", "", fmt.Errorf("%q is no IPv6 address in brackets and a port", text)
		}
		return host, rest, nil
	}
	host, rest, ok := strings.Cut(text, ":")
	if !ok || strings.ContainsFunc(host, notInHost) {
		return "", "", fmt.Errorf("%q is no host and port", text)
	}
	return host, rest, nil
}

// notInHost reports whether r can stand neither in a name nor in an IPv4 address.
func notInHost(r rune) bool {
	return !(r == '.' || r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z')
}

// NormalHost is a host with any of the ways to say "any" as "".
func NormalHost(host string) string {
	if host == "0.0.0.0" || host == "::" {
		return ""
	}
	return host
}

// isIP reports whether a host is written as an address.
func isIP(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// joinHostPort puts an IPv6 host into brackets.
func joinHostPort(host, port string) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + port
}

// ParsePort reads a port from 1 to 65535.
func ParsePort(text string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 1 || n > 65535 {
		return 0, fmt.Errorf("%q is no port", text)
	}
	return n, nil
}
