package settings

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zensus-io/zensus/core"
)

// grpcOffset is where Nacos clients look for gRPC, from the port of HTTP.
const grpcOffset = 1000

// Member is one server of the ensemble.
type Member struct {
	ID       int
	Address  string // of its peer port
	Observer bool
}

// GRPCAddress is the address of the gRPC port, "" if it is closed.
func (s *Settings) GRPCAddress() (string, error) {
	switch s.Listen.GRPC {
	case Off:
		return "", nil
	case "":
		if s.Listen.HTTP == Off {
			return "", nil
		}
		host, port, err := splitAddress(s.Listen.HTTP)
		if err != nil {
			return "", err
		}
		if port == 0 {
			return net.JoinHostPort(host, "0"), nil
		}
		if port+grpcOffset > 65535 {
			return "", fmt.Errorf("the port of listen.http plus %d is no port; name one", grpcOffset)
		}
		return net.JoinHostPort(host, strconv.Itoa(port+grpcOffset)), nil
	}
	_, _, err := splitAddress(s.Listen.GRPC)
	return s.Listen.GRPC, err
}

// Opened are the ports to open by key, of those that are not closed. The peer
// port is opened in an ensemble only.
func (s *Settings) Opened() map[string]string {
	open := map[string]string{}
	add := func(key, address string) {
		if address != Off && address != "" {
			open[key] = address
		}
	}
	add("listen.http", s.Listen.HTTP)
	if grpc, err := s.GRPCAddress(); err == nil {
		add("listen.grpc", grpc)
	}
	if s.Engine.Servers() == nil {
		add("listen.zookeeper", s.Listen.ZooKeeper)
	}
	if len(s.Members) > 0 {
		add("listen.peer", s.Listen.Peer)
	}
	return open
}

// AuthEnabled reports whether logins are required. Left to itself (auto), it is
// off while every port is on loopback and on otherwise.
func (s *Settings) AuthEnabled() bool {
	switch s.Auth.Enabled {
	case AuthOn:
		return true
	case AuthOff:
		return false
	}
	for _, address := range s.Opened() {
		if !isLoopback(address) {
			return true
		}
	}
	return false
}

// Exposed reports whether a port is open to others while no login is required:
// worth a warning.
func (s *Settings) Exposed() bool {
	if s.AuthEnabled() {
		return false
	}
	for _, address := range s.Opened() {
		if !isLoopback(address) {
			return true
		}
	}
	return false
}

func isLoopback(address string) bool {
	host, _, err := splitAddress(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// isHost reports whether text is an address or a name of one machine.
func isHost(text string) bool {
	if ip, err := netip.ParseAddr(text); err == nil {
		return !ip.IsUnspecified() && ip.Zone() == ""
	}
	return len(text) <= 253 && !strings.ContainsFunc(text, func(r rune) bool {
		return r != '.' && r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("%q is no address of the form host:port", address)
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("%q has no port from 0 to 65535", address)
	}
	return host, port, nil
}

// ParseMembers reads Members.
func (s *Settings) ParseMembers() ([]Member, error) {
	var (
		all      []Member
		problems []error
	)
	wrong := func(text, why string) {
		problems = append(problems, fmt.Errorf("members: %q %s", text, why))
	}
	for _, text := range s.Members {
		id, rest, ok := strings.Cut(text, "=")
		address, role, _ := strings.Cut(rest, ";")
		m := Member{Address: strings.TrimSpace(address)}
		var err error
		if m.ID, err = strconv.Atoi(strings.TrimSpace(id)); !ok || err != nil || m.ID < 1 || m.ID > 254 {
			wrong(text, "is not of the form id=host:port with an id from 1 to 254")
			continue
		}
		if host, port, err := splitAddress(m.Address); err != nil || host == "" || port == 0 {
			wrong(text, "has no address that the others could reach")
			continue
		}
		switch strings.TrimSpace(role) {
		case "", "participant":
		case "observer":
			m.Observer = true
		default:
			wrong(text, "has a role other than participant and observer")
			continue
		}
		if slices.ContainsFunc(all, func(o Member) bool { return o.ID == m.ID || o.Address == m.Address }) {
			wrong(text, "has the id or address of another")
			continue
		}
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b Member) int { return a.ID - b.ID })
	return all, errors.Join(problems...)
}

// Validate reports everything that is wrong, each with its key.
func (s *Settings) Validate() error {
	var problems []error
	check := func(ok bool, key, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
		}
	}
	oneOf := func(key, value string, allowed ...string) {
		check(slices.Contains(allowed, value), key, "%q is none of %s", value, strings.Join(allowed, ", "))
	}
	check(s.DataDir != "", "data_dir", "is blank")
	for key, address := range map[string]string{"listen.http": s.Listen.HTTP, "listen.zookeeper": s.Listen.ZooKeeper, "listen.peer": s.Listen.Peer} {
		if address != Off {
			_, _, err := splitAddress(address)
			check(err == nil, key, "%v", err)
		}
	}
	_, err := s.GRPCAddress()
	if s.Listen.GRPC == "" {
		if _, _, wrong := splitAddress(s.Listen.HTTP); wrong != nil {
			err = nil // which is said of listen.http
		}
	}
	check(err == nil, "listen.grpc", "%v", err)
	problems = append(problems, s.clashes()...)

	check(s.Node.ID >= 1 && s.Node.ID <= 254, "node.id", "%d is not from 1 to 254", s.Node.ID)
	check(s.Node.Address == "" || isHost(s.Node.Address), "node.address", "%q is no host that others could reach, without a port", s.Node.Address)
	if s.Engine.Servers() != nil {
		problems = append(problems, s.beside()...)
	}
	members, err := s.ParseMembers()
	if err != nil {
		problems = append(problems, err)
	} else if len(members) > 0 {
		check(slices.ContainsFunc(members, func(m Member) bool { return m.ID == s.Node.ID }), "node.id", "%d is none of the members", s.Node.ID)
		check(slices.ContainsFunc(members, func(m Member) bool { return !m.Observer }), "members", "all are observers")
		check(s.Listen.Peer != Off, "listen.peer", "is off, but there are members")
		check(s.SecretFile != "", "secret_file", "is blank: members must share one")
	}
	oneOf("peer.tls.mode", s.Peer.TLS.Mode, Off, TLSAccept, TLSPrefer, TLSRequire)
	oneOf("peer.tls.client_auth", s.Peer.TLS.ClientAuth, ClientAuthNeed, ClientAuthWant, ClientAuthNone)
	if s.Peer.TLS.Mode != Off {
		check(s.Peer.TLS.CertFile != "", "peer.tls.cert_file", "is blank")
		check(s.Peer.TLS.CAFile != "", "peer.tls.ca_file", "is blank")
	}
	oneOf("auth.enabled", s.Auth.Enabled, AuthAuto, AuthOn, AuthOff)
	within := func(key string, d, least, most time.Duration) {
		check(d >= least && d <= most, key, "%v is not from %v to %v", d, least, most)
	}
	within("node.drain_time", s.Node.DrainTime, 0, time.Minute)
	within("auth.token_ttl", s.Auth.TokenTTL, time.Minute, 30*24*time.Hour)
	problems = append(problems, s.Engine.validate(within)...)
	if s.Audit.AgeMax != 0 {
		within("audit.age_max", s.Audit.AgeMax, time.Hour, 10*365*24*time.Hour)
	}

	atLeast := func(key string, n, least int) { check(n >= least, key, "%d is below %d", n, least) }
	atLeast("audit.records_max", s.Audit.RecordsMax, 0)
	check(s.Audit.RecordsMax <= 10_000_000, "audit.records_max", "%d is above 10000000", s.Audit.RecordsMax)
	atLeast("limits.zookeeper_connections", s.Limits.ZooKeeperConnections, 0)
	atLeast("limits.zookeeper_connections_per_address", s.Limits.ZooKeeperConnectionsPerAddress, 0)
	atLeast("limits.http_connections", s.Limits.HTTPConnections, 1)
	atLeast("limits.http_connections_per_address", s.Limits.HTTPConnectionsPerAddress, 1)
	atLeast("limits.grpc_connections", s.Limits.GRPCConnections, 1)
	atLeast("limits.grpc_connections_per_address", s.Limits.GRPCConnectionsPerAddress, 1)
	atLeast("limits.grpc_requests_per_second", s.Limits.GRPCRequestsPerSecond, 1)
	oneOf("configs.validate", s.Configs.Validate, ValidateOff, ValidateWarn, ValidateRefuse)
	oneOf("log.level", s.Log.Level, "trace", "debug", "info", "warn", "error", "off")
	oneOf("log.format", s.Log.Format, "auto", "text", "json")
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(problems...)
}

func (e *Engine) validate(within func(key string, d, least, most time.Duration)) []error {
	var problems []error
	check := func(ok bool, key, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf("engine.%s: %s", key, fmt.Sprintf(format, args...)))
		}
	}
	if servers := e.Servers(); servers != nil {
		for _, address := range servers {
			name, port, err := splitAddress(address)
			check(err == nil && name != "" && port != 0, "backend", "%q is no server's address", address)
		}
		if chroot := e.Chroot(); chroot != "" {
			err := core.ValidatePath(chroot)
			check(err == nil && chroot != "/", "backend", "%q is no path of a znode", chroot)
		}
	} else {
		check(e.Backend == BackendEmbedded, "backend", "%q is neither %s nor zookeeper://host:port,host:port/path", e.Backend, BackendEmbedded)
	}
	within("engine.tick_time", e.TickTime, 10*time.Millisecond, time.Minute)
	within("engine.container_check_time", e.ContainerCheckTime, time.Second, 24*time.Hour)
	least, most := e.SessionTimeouts()
	check(e.MinSessionTimeout >= 0 && e.MaxSessionTimeout >= 0 && least <= most, "min_session_timeout", "%v is above max_session_timeout, %v", least, most)
	atLeast := func(key string, n, least int64) { check(n >= least, key, "%d is below %d", n, least) }
	atLeast("outstanding_max", int64(e.OutstandingMax), 1)
	atLeast("frame_bytes_max", int64(e.FrameBytesMax), 1<<10)
	check(e.FrameBytesMax <= 8<<20, "frame_bytes_max", "%d is above 8 MiB", e.FrameBytesMax)
	atLeast("snapshot_txns", int64(e.SnapshotTxns), 2)
	atLeast("snapshot_bytes", e.SnapshotBytes, 1<<20)
	atLeast("snapshots_retained", int64(e.SnapshotsRetained), 3)
	atLeast("log_segment_bytes", e.LogSegmentBytes, 4<<20)
	atLeast("disk_low_water_bytes", e.DiskLowWaterBytes, -1)
	atLeast("disk_ballast_bytes", e.DiskBallastBytes, -1)
	for _, word := range e.FourLetterWords {
		check(word == "*" || len(word) == 4, "four_letter_words", "%q is no word of four letters", word)
	}
	return problems
}

// Servers are those of the Apache ZooKeeper ensemble that is the backend, host:port;
// nil if the engine is in this process.
func (e *Engine) Servers() []string {
	list, ok := strings.CutPrefix(e.Backend, backendZooKeeper)
	if !ok {
		return nil
	}
	list, _, _ = strings.Cut(list, "/")
	return strings.Split(list, ",")
}

// Chroot is the path behind the servers, below which everything is kept; "" is none.
func (e *Engine) Chroot() string {
	list := strings.TrimPrefix(e.Backend, backendZooKeeper)
	if at := strings.IndexByte(list, '/'); e.Servers() != nil && at >= 0 {
		return list[at:]
	}
	return ""
}

// beside are settings that contradict an engine elsewhere.
func (s *Settings) beside() []error {
	var problems []error
	for key, set := range map[string]bool{
		"members":          len(s.Members) > 0,
		"listen.zookeeper": s.Listen.ZooKeeper != Off && s.Listen.ZooKeeper != Default().Listen.ZooKeeper,
		"listen.peer":      s.Listen.Peer != Off && s.Listen.Peer != Default().Listen.Peer,
	} {
		if set {
			problems = append(problems, fmt.Errorf("%s: there is no engine of this node's own beside engine.backend, %s", key, s.Engine.Backend))
		}
	}
	return problems
}

// SessionTimeouts are the bounds on negotiated session timeouts: 2 and 20 ticks
// where nothing is said.
func (e *Engine) SessionTimeouts() (least, most time.Duration) {
	least, most = e.MinSessionTimeout, e.MaxSessionTimeout
	if least == 0 {
		least = 2 * e.TickTime
	}
	if most == 0 {
		most = 20 * e.TickTime
	}
	return least, most
}

// clashes are ports that would be opened twice.
func (s *Settings) clashes() []error {
	var problems []error
	byPort := map[string]string{}
	open := s.Opened()
	for _, key := range []string{"listen.http", "listen.grpc", "listen.zookeeper", "listen.peer"} {
		address, ok := open[key]
		if !ok {
			continue
		}
		if _, port, err := splitAddress(address); err != nil || port == 0 {
			continue
		}
		if other, taken := byPort[address]; taken {
			problems = append(problems, fmt.Errorf("%s: %s is that of %s already", key, address, other))
		}
		byPort[address] = key
	}
	return problems
}
