package testkit

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// RoleVariable makes every server that Start starts with a zoo.cfg one of an
// ensemble, the one in the role that the variable names: leader, follower or
// observer. So the tests of single servers are tests of members too. With OnZooKeeper
// they are tests of a server on an Apache ZooKeeper.
const RoleVariable = "ZENSUS_TEST_ROLE"

// RoleAsked is the role of servers that Start starts.
func RoleAsked() string {
	if role := os.Getenv(RoleVariable); role != "" {
		return role
	}
	return "standalone"
}

// StartEnsemble runs servers that hold the same data until the test ends: so many
// that vote, and behind them so many observers. It returns when all of them serve.
func StartEnsemble(t testing.TB, o Options, voters, observers int) []*Server {
	t.Helper()
	if RoleAsked() == OnZooKeeper {
		t.Skip("members of an ensemble of ours have no Apache ZooKeeper behind them")
	}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("a secret that the servers of a test have in common\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	lines := map[string]string{"initLimit": "20", "syncLimit": "10", "zensus.secret_file": secret}
	var all []*Server
	var peers, ends []string // addresses, and what follows them in a line
	for i := range voters + observers {
		s := &Server{t: t, Dir: t.TempDir(), member: maps.Clone(lines)}
		s.pickPorts(o)
		role := "participant"
		if i >= voters {
			role = "observer"
		}
		s.id, s.peer = i+1, loopback(FreePort(t))
		peers = append(peers, s.peer)
		ends = append(ends, role+";"+s.ZooKeeper)
		all = append(all, s)
	}
	for i, s := range all {
		if err := os.MkdirAll(s.DataDir(), 0o700); err != nil {
			t.Fatal(err)
		}
		if o.Data != nil {
			o.Data(i+1, s.DataDir())
		}
		if err := os.WriteFile(filepath.Join(s.DataDir(), "myid"), fmt.Appendln(nil, i+1), 0o600); err != nil {
			t.Fatal(err)
		}
		for j, peer := range peers {
			if i != j && o.Between != nil {
				peer = o.Between(i+1, j+1, peer)
			}
			member := fmt.Sprintf("%d=%s", j+1, peer)
			if j >= voters {
				member += ";observer"
			}
			s.members = append(s.members, member)
			_, port, _ := strings.Cut(peer, ":")
			s.member[fmt.Sprintf("server.%d", j+1)] = peer + ":" + port + ":" + ends[j]
		}
		s.configure(o)
		if err := s.launch(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.close)
	}
	for _, s := range all {
		if err := s.await(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// configureSettings writes a zensus.yaml, as JSON, which is YAML.
func (s *Server) configureSettings(o Options) {
	all := map[string]any{
		"data_dir": s.DataDir(), "secret_file": s.member["zensus.secret_file"], "members": s.members,
	}
	sections := map[string]map[string]any{
		"node":   {"id": s.id},
		"listen": {"http": "off", "grpc": "off", "zookeeper": s.ZooKeeper, "peer": s.peer},
		"engine": {"tick_time": "500ms", "max_session_timeout": "60s", "four_letter_words": []string{"*"}},
		"limits": {"zookeeper_connections_per_address": 0},
	}
	if o.Nacos {
		maps.Copy(sections["listen"], map[string]any{"http": s.HTTP, "grpc": s.GRPC})
	}
	for name, section := range o.Settings {
		if sections[name] == nil {
			sections[name] = map[string]any{}
		}
		maps.Copy(sections[name], section)
	}
	for name, section := range sections {
		all[name] = section
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err == nil {
		err = os.WriteFile(s.file("zensus.yaml"), text, 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.args = []string{"serve", "-c", s.file("zensus.yaml")}
}

// Role is what the server says that it is: standalone, leader, follower or observer;
// empty while it does not serve.
func (s *Server) Role() string {
	word, err := FourLetterWord(s.ZooKeeper, "srvr")
	if err != nil {
		return ""
	}
	_, role, _ := strings.Cut(word, "Mode: ")
	role, _, _ = strings.Cut(role, "\n")
	return role
}

// startAs runs an ensemble and returns the server in a role.
func startAs(t testing.TB, o Options, role string) *Server {
	t.Helper()
	all := StartEnsemble(t, o, 3, 1)
	for deadline := time.Now().Add(startTime); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		for _, s := range all {
			if s.Role() == role {
				return s
			}
		}
	}
	t.Fatalf("testkit: nobody is %s", role)
	return nil
}
