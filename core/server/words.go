package server

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zensus-io/zensus/core/apache"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/zab"
)

// Words says which four-letter words are answered.
type Words struct {
	// Allowed lists them; "*" is all. Nil is ZooKeeper's default: srvr.
	Allowed []string
}

func (w Words) allows(word string) bool {
	list := w.Allowed
	if list == nil {
		list = []string{"srvr"}
	}
	return slices.Contains(list, "*") || slices.Contains(list, word)
}

// word answers one four-letter word. arg is what follows it.
type word func(s *Server, ctx context.Context, arg []byte) (string, error)

// words are the commands of zookeeper-protocol 8.2. They are looked up by the
// first four bytes of a connection.
var words = map[string]word{
	"ruok": func(*Server, context.Context, []byte) (string, error) { return "imok", nil },
	"isro": (*Server).wordIsro,
	"gtmk": (*Server).wordGtmk,
	"stmk": (*Server).wordStmk,
	"crst": (*Server).wordCrst,
	"srst": (*Server).wordSrst,
	"srvr": (*Server).wordSrvr,
	"stat": (*Server).wordStat,
	"cons": (*Server).wordCons,
	"conf": (*Server).wordConf,
	"envi": (*Server).wordEnvi,
	"dirs": (*Server).wordDirs,
	"dump": (*Server).wordDump,
	"wchs": (*Server).wordWchs,
	"wchc": (*Server).wordWchc,
	"wchp": (*Server).wordWchp,
	"hash": (*Server).wordHash,
	"mntr": (*Server).wordMntr,

	"\xff\xf4\xff\xfd": func(*Server, context.Context, []byte) (string, error) { return "", nil }, // telnet: interrupted
}

// withoutServing are the words that are answered as usual when clients are not.
var withoutServing = []string{"ruok", "isro", "envi", "gtmk", "stmk", "\xff\xf4\xff\xfd"}

// IsWord reports whether the first four bytes of a connection are a four-letter
// word that is known, allowed or not.
func IsWord(w string) bool {
	_, ok := words[w]
	return ok
}

// wordTime bounds the work on and the writing of one answer.
const wordTime = 10 * time.Second

// answerWord answers one four-letter word and ends the connection.
func (s *Server) answerWord(c *conn, name string, arg []byte) {
	_ = c.net.SetDeadline(time.Now().Add(wordTime))
	ctx, cancel := context.WithTimeout(context.Background(), wordTime)
	defer cancel()
	if name == "stmk" {
		arg = c.readUpTo(arg, 8)
	}
	text := s.wordText(ctx, name, arg)
	_, _ = net.Conn.Write(c.net, []byte(text))
	if t, ok := c.net.(interface{ CloseWrite() error }); ok {
		_ = t.CloseWrite()
	}
}

// readUpTo reads on until there are n bytes or no more come soon.
func (c *conn) readUpTo(have []byte, n int) []byte {
	have = slices.Clone(have)
	_ = c.net.SetReadDeadline(time.Now().Add(lingerTime))
	for len(have) < n {
		b := make([]byte, n-len(have))
		m, err := c.net.Read(b)
		have = append(have, b[:m]...)
		if err != nil {
			break
		}
	}
	return have
}

const notServing = "This ZooKeeper instance is not currently serving requests\n"

func (s *Server) wordText(ctx context.Context, name string, arg []byte) string {
	if !s.cfg.Words.allows(name) {
		return name + " is not executed because it is not in the whitelist.\n"
	}
	if !s.serves(ctx) {
		if !slices.Contains(withoutServing, name) {
			return notServing
		}
		if name == "isro" {
			return "null"
		}
	}
	text, err := words[name](s, ctx, arg)
	switch {
	case errors.Is(err, errTooMuch):
		return name + " is " + err.Error() + ".\n"
	case err != nil:
		return notServing
	}
	return text
}

func (s *Server) wordIsro(ctx context.Context, _ []byte) (string, error) {
	r, err := s.look(ctx, false)
	if r.ReadOnly {
		return "ro", err
	}
	return "rw", err
}

func (s *Server) wordGtmk(context.Context, []byte) (string, error) {
	return strconv.FormatInt(s.traceMask.Load(), 10), nil
}

func (s *Server) wordStmk(_ context.Context, arg []byte) (string, error) {
	if len(arg) >= 8 {
		s.traceMask.Store(int64(binary.BigEndian.Uint64(arg)))
	}
	return strconv.FormatInt(s.traceMask.Load(), 10), nil
}

func (s *Server) wordCrst(ctx context.Context, _ []byte) (string, error) {
	return "Connection stats reset.\n", s.node.Do(ctx, (*replica.Replica).ResetConnStats)
}

func (s *Server) wordSrst(ctx context.Context, _ []byte) (string, error) {
	s.node.ResetLongestStep()
	return "Server stats reset.\n", s.node.Do(ctx, (*replica.Replica).ResetStats)
}

func (s *Server) wordSrvr(ctx context.Context, _ []byte) (string, error) {
	r, err := s.look(ctx, false)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Zookeeper version: %s\n%s", s.version(), readOnlyLine(&r))
	s.writeServerLines(&b, &r)
	return b.String(), nil
}

// connections counts what is connected, the asking command too, as ZooKeeper does.
func (s *Server) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.conns)
}

func (s *Server) writeServerLines(b *strings.Builder, r *report) {
	fmt.Fprintf(b, "Latency min/avg/max: %d/%s/%d\n", r.LatencyMin, average(r.LatencySum, r.Answered), r.LatencyMax)
	fmt.Fprintf(b, "Received: %d\n", r.Received)
	fmt.Fprintf(b, "Sent: %d\n", r.Sent)
	fmt.Fprintf(b, "Connections: %d\n", s.connections())
	fmt.Fprintf(b, "Outstanding: %d\n", r.Outstanding)
	fmt.Fprintf(b, "Zxid: %v\n", r.Applied)
	fmt.Fprintf(b, "Mode: %s\n", s.mode(r))
	fmt.Fprintf(b, "Node count: %d\n", r.Nodes)
	if s.mode(r) == "leader" {
		b.WriteString("Proposal sizes last/min/max: -1/-1/-1\n") // which are not kept
	}
}

// readOnlyLine is what srvr and stat say of a server that serves reads only.
func readOnlyLine(r *report) string {
	if !r.ReadOnly {
		return ""
	}
	return "READ-ONLY mode; serving only read-only clients\n"
}

// mode is the role as the field names it.
func (s *Server) mode(r *report) string {
	if r.ReadOnly {
		return "read-only"
	}
	if len(s.servers()) == 0 {
		return "standalone"
	}
	switch r.Role {
	case zab.Leading:
		return "leader"
	case zab.Following:
		return "follower"
	case zab.Observing:
		return "observer"
	}
	return "looking"
}

func (s *Server) wordStat(ctx context.Context, _ []byte) (string, error) {
	r, err := s.look(ctx, true)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Zookeeper version: %s\n%sClients:\n", s.version(), readOnlyLine(&r))
	for i := range r.conns {
		writeConnLine(&b, &r.conns[i], false)
	}
	b.WriteByte('\n')
	s.writeServerLines(&b, &r)
	return b.String(), nil
}

func (s *Server) wordCons(ctx context.Context, _ []byte) (string, error) {
	r, err := s.look(ctx, true)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for i := range r.conns {
		writeConnLine(&b, &r.conns[i], true)
	}
	b.WriteByte('\n')
	return b.String(), nil
}

func writeConnLine(b *strings.Builder, c *replica.ConnInfo, full bool) {
	if c.Local {
		return
	}
	fmt.Fprintf(b, " /%s[1](queued=%d,recved=%d,sent=%d", c.Remote, c.Queued, c.Received, c.Sent)
	if full && c.Session != 0 {
		fmt.Fprintf(b, ",sid=%v,lop=%s,est=%d,to=%d,", c.Session, lastOp(int32(c.LastOp)), c.Opened, c.TimeoutMillis)
		if c.HasCxid {
			fmt.Fprintf(b, "lcxid=0x%x,", c.LastCxid)
		}
		fmt.Fprintf(b, "lzxid=%v,lresp=%d,llat=%d,minlat=%d,avglat=%d,maxlat=%d",
			c.LastZxid, c.LastResponse, c.LastLatency, c.MinLatency, c.SumLatency/max(c.Sent, 1), c.MaxLatency)
	}
	b.WriteString(")\n")
}

func (s *Server) wordConf(context.Context, []byte) (string, error) {
	a, size := &s.cfg.About, s.diskSize()
	secure := a.SecurePort
	if secure == 0 {
		secure = -1
	}
	var b strings.Builder
	for _, kv := range []struct {
		key   string
		value any
	}{
		{"clientPort", a.ClientPort},
		{"secureClientPort", secure},
		{"dataDir", a.DataDir},
		{"dataDirSize", size.SnapshotBytes},
		{"dataLogDir", a.DataDir},
		{"dataLogSize", size.LogBytes},
		{"tickTime", a.TickMillis},
		{"maxClientCnxns", s.cfg.ConnsPerAddress},
		{"minSessionTimeout", a.MinTimeout},
		{"maxSessionTimeout", a.MaxTimeout},
		{"clientPortListenBacklog", a.Backlog},
		{"serverId", s.serverID()},
	} {
		fmt.Fprintf(&b, "%s=%v\n", kv.key, kv.value)
	}
	if len(s.servers()) > 0 {
		s.writeEnsemble(&b)
	}
	return b.String(), nil
}

// serverID is what ZooKeeper shows: 0 for a standalone server, whatever its id.
func (s *Server) serverID() int {
	if len(s.servers()) == 0 {
		return 0
	}
	return s.cfg.About.ServerID
}

// writeEnsemble writes what conf says of a member, as ZooKeeper does.
func (s *Server) writeEnsemble(b *strings.Builder) {
	a := &s.cfg.About
	for _, m := range s.servers() {
		if int(m.ID) != a.ServerID {
			continue
		}
		peerType := 0
		if m.Role == apache.Observer {
			peerType = 1
		}
		fmt.Fprintf(b, "initLimit=%d\nsyncLimit=%d\nelectionAlg=3\nelectionPort=%d\nquorumPort=%d\npeerType=%d\n",
			a.InitTicks, a.SyncTicks, m.Addresses[0].ElectionPort, m.Addresses[0].QuorumPort, peerType)
	}
	b.WriteString("membership: \n" + s.members.Load().String())
}

// environment are the lines of envi. The keys are those that monitoring reads;
// what is Java's there says here what takes its place.
func (s *Server) environment() [][2]string {
	host, _ := os.Hostname()
	dir, _ := os.Getwd()
	name, home := "", ""
	if u, err := user.Current(); err == nil {
		name, home = u.Username, u.HomeDir
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	mb := func(n uint64) string { return strconv.FormatUint(n>>20, 10) + "MB" }
	return [][2]string{
		{"zookeeper.version", s.version()},
		{"host.name", host},
		{"java.version", runtime.Version()},
		{"java.vendor", "The Go project"},
		{"java.home", "NA"},
		{"java.class.path", "NA"},
		{"java.library.path", "NA"},
		{"java.io.tmpdir", os.TempDir()},
		{"java.compiler", runtime.Compiler},
		{"os.name", runtime.GOOS},
		{"os.arch", runtime.GOARCH},
		{"os.version", "NA"},
		{"user.name", name},
		{"user.home", home},
		{"user.dir", dir},
		{"os.memory.free", mb(m.HeapIdle - m.HeapReleased)},
		{"os.memory.max", mb(m.Sys)},
		{"os.memory.total", mb(m.HeapSys)},
	}
}

func (s *Server) wordEnvi(context.Context, []byte) (string, error) {
	var b strings.Builder
	b.WriteString("Environment:\n")
	for _, kv := range s.environment() {
		b.WriteString(kv[0] + "=" + kv[1] + "\n")
	}
	return b.String(), nil
}

func (s *Server) wordDirs(context.Context, []byte) (string, error) {
	size := s.diskSize()
	return fmt.Sprintf("datadir_size: %d\nlogdir_size: %d\n", size.SnapshotBytes, size.LogBytes), nil
}

// javaDate is how Java prints a date.
const javaDate = "Mon Jan 02 15:04:05 MST 2006"

func (s *Server) wordDump(ctx context.Context, _ []byte) (string, error) {
	r, err := s.lookSessions(ctx, Strangers)
	if err != nil {
		return "", err
	}
	all, err := s.look(ctx, true)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "SessionTracker dump:\nSession Sets (%d)/(%d):\n", len(r.buckets), r.sessions)
	for _, k := range r.buckets {
		fmt.Fprintf(&b, "%d expire at %s:\n", len(k.sessions), k.at.UTC().Format(javaDate))
		for _, id := range k.sessions {
			fmt.Fprintf(&b, "\t%v\n", id)
		}
	}
	fmt.Fprintf(&b, "ephemeral nodes dump:\nSessions with Ephemerals (%d):\n", len(r.ephemerals))
	for _, e := range r.ephemerals {
		fmt.Fprintf(&b, "%v:\n", e.session)
		for _, p := range e.paths {
			fmt.Fprintf(&b, "\t%s\n", p)
		}
	}
	conns := slices.DeleteFunc(all.conns, func(c replica.ConnInfo) bool { return c.Local })
	deadline := func(c *replica.ConnInfo) int64 {
		return (c.LastResponse+int64(c.TimeoutMillis))/10_000*10_000 + 10_000
	}
	slices.SortStableFunc(conns, func(x, y replica.ConnInfo) int { return int(deadline(&x) - deadline(&y)) })
	var sets [][]replica.ConnInfo
	for i := range conns {
		if n := len(sets); n > 0 && deadline(&sets[n-1][0]) == deadline(&conns[i]) {
			sets[n-1] = append(sets[n-1], conns[i])
		} else {
			sets = append(sets, conns[i:i+1:i+1])
		}
	}
	fmt.Fprintf(&b, "Connections dump:\nConnections Sets (%d)/(%d):\n", len(sets), len(conns))
	for _, set := range sets {
		at := time.UnixMilli(all.now.Wall + deadline(&set[0]) - all.now.Mono)
		fmt.Fprintf(&b, "%d expire at %s:\n", len(set), at.UTC().Format(javaDate))
		for i := range set {
			fmt.Fprintf(&b, "\tip: /%s sessionId: %v\n", set[i].Remote, set[i].Session)
		}
	}
	return b.String(), nil
}

func (s *Server) wordWchs(ctx context.Context, _ []byte) (string, error) {
	conns, paths, total, err := s.lookWatches(ctx)
	return fmt.Sprintf("%d connections watching %d paths\nTotal watches:%d\n", conns, paths, total), err
}

func (s *Server) wordWchc(ctx context.Context, _ []byte) (string, error) {
	all, err := s.watchesByConn(ctx, Strangers)
	var b strings.Builder
	for _, c := range all {
		fmt.Fprintf(&b, "%v\n", c.session)
		for _, p := range c.paths {
			fmt.Fprintf(&b, "\t%s\n", p)
		}
	}
	b.WriteByte('\n')
	return b.String(), err
}

func (s *Server) wordWchp(ctx context.Context, _ []byte) (string, error) {
	all, err := s.watchesByPath(ctx, Strangers)
	var b strings.Builder
	for _, p := range all {
		fmt.Fprintf(&b, "%s\n", p.path)
		for _, id := range p.sessions {
			fmt.Fprintf(&b, "\t%v\n", id)
		}
	}
	b.WriteByte('\n')
	return b.String(), err
}

func (s *Server) wordHash(ctx context.Context, _ []byte) (string, error) {
	digests, err := s.lookDigests(ctx)
	var b strings.Builder
	for _, d := range digests {
		fmt.Fprintf(&b, "%x: %d\n", uint64(d.Zxid), d.Digest)
	}
	return b.String(), err
}

func (s *Server) wordMntr(ctx context.Context, _ []byte) (string, error) {
	r, err := s.look(ctx, false)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, m := range s.monitor(&r) {
		fmt.Fprintf(&b, "zk_%s\t%s\n", m.key, m.text())
	}
	return b.String(), nil
}
