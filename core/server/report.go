package server

import (
	"context"
	"fmt"
	"time"

	"github.com/zensus-io/zensus/core/member"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/storage"
)

// About is what the monitoring commands tell of the server that the replica does
// not know.
type About struct {
	// Version is printed as the ZooKeeper version; it begins with the one that
	// is emulated, as "3.9.5-zensus-0.1.0". Built is its date, as "2026-11-25 17:00 UTC".
	Version, Built string
	ClientHost     string // where the client port is opened; empty is every address
	ClientPort     int    // 0 is none
	SecurePort     int    // 0 is none
	DataDir        string
	TickMillis     int
	MinTimeout     int // milliseconds
	MaxTimeout     int
	Backlog        int // -1 is the system's
	ServerID       int
	InitTicks      int // of the ensemble
	SyncTicks      int
	// Servers are those of the ensemble by its configuration (Server.SetMembers); nil for
	// a single one. Reconfigurable says that they may change without a restart.
	Servers        []member.Server
	Reconfigurable bool
	// InitialConfig is the text of the configuration file.
	InitialConfig string
}

// report is one look at the server.
type report struct {
	replica.Status
	now    replica.Now
	conns  []replica.ConnInfo
	uptime time.Duration
}

// look takes a report. conns says whether the connections are wanted too.
func (s *Server) look(ctx context.Context, conns bool) (report, error) {
	var r report
	err := s.node.Do(ctx, func(rep *replica.Replica) {
		r.Status = rep.Status()
		if conns {
			r.conns = rep.Conns()
		}
	})
	r.now = s.node.Now()
	r.uptime = s.node.Uptime()
	return r, err
}

// version is what the field expects to read.
func (s *Server) version() string {
	return fmt.Sprintf("%s, built on %s", s.cfg.About.Version, s.cfg.About.Built)
}

// average prints as a Java double with at most four decimals.
func average(sum, count int64) string {
	if count == 0 {
		return "0.0"
	}
	return trimDecimal(float64(sum) / float64(count))
}

func trimDecimal(v float64) string {
	text := fmt.Sprintf("%.4f", v)
	for len(text) > 1 && text[len(text)-1] == '0' && text[len(text)-2] != '.' {
		text = text[:len(text)-1]
	}
	return text
}

// lastOps are the names that the connection lines use (zookeeper-protocol 8.2).
var lastOps = map[int32]string{
	-10: "SESS", -11: "CLOS", 1: "CREA", 15: "CREA", 19: "CREA", 21: "CREA", 2: "DELE", 3: "EXIS", 4: "GETD",
	5: "SETD", 6: "GETA", 7: "SETA", 8: "GETC", 12: "GETC", 9: "SYNC", 11: "PING", 14: "MULT", 22: "MLTR",
	16: "RECO", 17: "CHKW", 18: "REMW", 101: "SETW", 105: "STW2", 106: "ADDW", 103: "GETE", 104: "GETACN",
	107: "HOMI", 13: "CHEC",
}

func lastOp(op int32) string {
	if s, ok := lastOps[op]; ok {
		return s
	}
	return "NA"
}

func (s *Server) lookDigests(ctx context.Context) (digests []state.Digest, err error) {
	err = s.node.Do(ctx, func(rep *replica.Replica) { digests = rep.State().Digests() })
	return digests, err
}

// diskSize is what the files take; zero where the disk does not say.
func (s *Server) diskSize() storage.Stats {
	st, err := s.node.DiskStats()
	if err != nil {
		return storage.Stats{}
	}
	return st
}
