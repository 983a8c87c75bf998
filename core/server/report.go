package server

import (
	"context"
	"fmt"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/tree"
	"github.com/zensus-io/zensus/core/watch"
)

// About is what the monitoring commands tell of the server that the replica does
// not know.
type About struct {
	// Version is printed as the ZooKeeper version; it begins with the one that
	// is emulated, as "3.9.5-zensus-0.1.0". Built is its date, as "2026-11-25 17:00 UTC".
	Version, Built string
	ClientPort     int
	SecurePort     int // 0 is none
	DataDir        string
	TickMillis     int
	MinTimeout     int // milliseconds
	MaxTimeout     int
	Backlog        int // -1 is the system's
	ServerID       int
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

// watchReport is the data table of watches, by session and by path.
type watchReport struct {
	conns, paths, total int
	byConn              []connPaths
	byPath              []pathSessions
}

type connPaths struct {
	session core.SessionID
	paths   []string
}

type pathSessions struct {
	path     string
	sessions []core.SessionID
}

func (s *Server) lookWatches(ctx context.Context, byConn, byPath bool) (w watchReport, err error) {
	err = s.node.Do(ctx, func(rep *replica.Replica) {
		t := rep.State().Watches()
		w.conns, w.paths, w.total = t.Count()
		if byConn {
			t.ByConn(func(c watch.ConnID, paths []string) bool {
				w.byConn = append(w.byConn, connPaths{rep.SessionOfConn(c), append([]string(nil), paths...)})
				return true
			})
		}
		if byPath {
			t.ByPath(func(path string, conns []watch.ConnID) bool {
				p := pathSessions{path: path}
				for _, c := range conns {
					p.sessions = append(p.sessions, rep.SessionOfConn(c))
				}
				w.byPath = append(w.byPath, p)
				return true
			})
		}
	})
	return w, err
}

// sessionReport is what dump tells.
type sessionReport struct {
	buckets    []bucket
	sessions   int
	ephemerals []connPaths
}

type bucket struct {
	at       time.Time
	sessions []core.SessionID
}

func (s *Server) lookSessions(ctx context.Context) (r sessionReport, err error) {
	now := s.node.Now()
	err = s.node.Do(ctx, func(rep *replica.Replica) {
		rep.SessionBuckets(func(deadline int64, ids []core.SessionID) bool {
			at := time.UnixMilli(now.Wall + deadline - now.Mono)
			r.buckets = append(r.buckets, bucket{at, append([]core.SessionID(nil), ids...)})
			r.sessions += len(ids)
			return true
		})
		t := rep.State().Tree()
		t.EphemeralOwners(func(id core.SessionID, count int) bool {
			e := connPaths{session: id, paths: make([]string, 0, count)}
			t.Ephemerals(id, func(ref tree.Ref) bool {
				e.paths = append(e.paths, string(t.AppendPath(nil, ref)))
				return true
			})
			r.ephemerals = append(r.ephemerals, e)
			return true
		})
	})
	return r, err
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
