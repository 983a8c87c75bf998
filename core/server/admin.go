package server

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zensus-io/zensus/core/apache"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/zab"
)

// fields is an answer in the order in which it is printed.
type fields []field

type field struct {
	key   string
	value any
}

// MarshalJSON keeps the order.
func (f fields) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	b.WriteByte('{')
	for i, kv := range f {
		if i > 0 {
			b.WriteByte(',')
		}
		v, err := json.Marshal(kv.value)
		if err != nil {
			return nil, err
		}
		key, err := json.Marshal(kv.key)
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(v)
	}
	b.WriteByte('}')
	return []byte(b.String()), nil
}

// command is one of the admin commands (zookeeper-protocol 8.3).
type command struct {
	names []string // the primary one first
	// always marks those that answer when clients are not served.
	always bool
	run    runner
	// open runs for strangers, where they are not told all.
	open runner
}

type runner func(s *Server, ctx context.Context, r *http.Request) (fields, error)

var commands = []command{
	{names: []string{"configuration", "conf", "config"}, run: (*Server).adminConf},
	{names: []string{"connections", "cons"}, run: (*Server).adminCons},
	{names: []string{"connection_stat_reset", "crst"}, run: (*Server).adminCrst},
	{names: []string{"dirs"}, run: (*Server).adminDirs},
	{names: []string{"dump"}, run: adminDump(Operators), open: adminDump(Strangers)},
	{names: []string{"environment", "env", "envi"}, always: true, run: (*Server).adminEnvi},
	{names: []string{"get_trace_mask", "gtmk"}, always: true, run: (*Server).adminGtmk},
	{names: []string{"hash"}, run: (*Server).adminHash},
	{names: []string{"initial_configuration", "icfg"}, always: true, run: (*Server).adminIcfg},
	{names: []string{"is_read_only", "isro"}, run: (*Server).adminIsro},
	{names: []string{"last_snapshot", "lsnp"}, run: (*Server).adminLsnp},
	{names: []string{"leader", "lead"}, run: (*Server).adminLead},
	{names: []string{"monitor", "mntr"}, run: (*Server).adminMntr},
	{names: []string{"observer_connection_stat_reset", "orst"}, run: (*Server).adminNothing},
	{names: []string{"observers", "obsr"}, run: (*Server).adminObsr},
	{names: []string{"ruok"}, always: true, run: (*Server).adminNothing},
	{names: []string{"server_stats", "srvr"}, run: (*Server).adminSrvr},
	{names: []string{"set_trace_mask", "stmk"}, always: true, run: (*Server).adminStmk},
	{names: []string{"stat_reset", "srst"}, run: (*Server).adminSrst},
	{names: []string{"stats", "stat"}, run: (*Server).adminStat},
	{names: []string{"system_properties", "sysp"}, always: true, run: (*Server).adminSysp},
	{names: []string{"voting_view"}, run: (*Server).adminVoting},
	{names: []string{"watch_summary", "wchs"}, run: (*Server).adminWchs},
	{names: []string{"watches", "wchc"}, run: adminWchc(Operators), open: adminWchc(Strangers)},
	{names: []string{"watches_by_path", "wchp"}, run: adminWchp(Operators), open: adminWchp(Strangers)},
	{names: []string{"zabstate"}, run: (*Server).adminZab},
}

// Admin serves the admin commands below prefix, which is "/commands" unless the
// configuration says otherwise. It asks nobody who he is: for Operators, the caller has.
func (s *Server) Admin(prefix string, to Audience) http.Handler {
	byName := make(map[string]*command)
	for i := range commands {
		for _, n := range commands[i].names {
			byName[n] = &commands[i]
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, ok := strings.CutPrefix(r.URL.Path, prefix)
		name = strings.Trim(name, "/")
		switch {
		case !ok || strings.Contains(name, "/"):
			http.NotFound(w, r)
		case name == "":
			s.listCommands(w, prefix)
		default:
			s.runCommand(w, r, name, byName[name], to)
		}
	})
}

func (s *Server) listCommands(w http.ResponseWriter, prefix string) {
	w.Header().Set("Content-Type", "text/html;charset=utf-8")
	for i := range commands {
		n := html.EscapeString(commands[i].names[0])
		fmt.Fprintf(w, "<a href=\"%s/%s\">%s</a>\n<br/>\n", html.EscapeString(prefix), n, n)
	}
}

func (s *Server) runCommand(w http.ResponseWriter, r *http.Request, name string, c *command, to Audience) {
	ctx, cancel := context.WithTimeout(r.Context(), wordTime)
	defer cancel()
	answer, problem := fields{}, any(nil)
	switch {
	case c == nil:
		problem = "Unknown command: " + name
	case !c.always && !s.serves(ctx):
		problem = strings.TrimSpace(notServing)
	default:
		run := c.run
		if to == Strangers && c.open != nil {
			run = c.open
		}
		var err error
		if answer, err = run(s, ctx, r); err != nil {
			problem = err.Error()
		}
	}
	if c != nil {
		name = c.names[0]
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(answerJSON(answer, name, problem), '\n'))
}

// answerJSON is the text of an answer. One that cannot be put into words is told
// as an error, so that there is always a text.
func answerJSON(answer fields, name string, problem any) []byte {
	text, err := json.MarshalIndent(append(answer, field{"command", name}, field{"error", problem}), "", "  ")
	if err != nil {
		return answerJSON(nil, name, err.Error())
	}
	return text
}

func (s *Server) serves(ctx context.Context) (ok bool) {
	err := s.node.Do(ctx, func(r *replica.Replica) { ok = r.Serving() || r.ServingReadOnly() })
	return ok && err == nil
}

func (s *Server) adminNothing(context.Context, *http.Request) (fields, error) { return nil, nil }

func (s *Server) adminConf(context.Context, *http.Request) (fields, error) {
	a := &s.cfg.About
	return fields{
		{"client_port", a.ClientPort},
		{"data_dir", a.DataDir},
		{"data_log_dir", a.DataDir},
		{"tick_time", a.TickMillis},
		{"max_client_cnxns", s.cfg.ConnsPerAddress},
		{"min_session_timeout", a.MinTimeout},
		{"max_session_timeout", a.MaxTimeout},
		{"server_id", s.serverID()},
		{"client_port_listen_backlog", a.Backlog},
	}, nil
}

func connFields(c *replica.ConnInfo, full bool) fields {
	f := fields{
		{"remote_socket_address", c.Remote.String()},
		{"interest_ops", 1},
		{"outstanding_requests", c.Queued},
		{"packets_received", c.Received},
		{"packets_sent", c.Sent},
	}
	if !full || c.Session == 0 {
		return f
	}
	return append(f,
		field{"session_id", int64(c.Session)},
		field{"last_operation", lastOp(int32(c.LastOp))},
		field{"established", time.UnixMilli(c.Opened).UTC().Format("2006-01-02T15:04:05.000+00:00")},
		field{"session_timeout", c.TimeoutMillis},
		field{"last_cxid", c.LastCxid},
		field{"last_zxid", int64(c.LastZxid)},
		field{"last_response_time", c.LastResponse},
		field{"last_latency", c.LastLatency},
		field{"min_latency", c.MinLatency},
		field{"avg_latency", c.SumLatency / max(c.Sent, 1)},
		field{"max_latency", c.MaxLatency},
	)
}

func allConnFields(conns []replica.ConnInfo, full bool) []fields {
	list := []fields{}
	for i := range conns {
		if !conns[i].Local {
			list = append(list, connFields(&conns[i], full))
		}
	}
	return list
}

func (s *Server) adminCons(ctx context.Context, _ *http.Request) (fields, error) {
	r, err := s.look(ctx, true)
	return fields{{"connections", allConnFields(r.conns, true)}, {"secure_connections", []fields{}}}, err
}

func (s *Server) adminCrst(ctx context.Context, _ *http.Request) (fields, error) {
	return nil, s.node.Do(ctx, (*replica.Replica).ResetConnStats)
}

func (s *Server) adminSrst(ctx context.Context, _ *http.Request) (fields, error) {
	return nil, s.node.Do(ctx, (*replica.Replica).ResetStats)
}

func (s *Server) adminDirs(context.Context, *http.Request) (fields, error) {
	size := s.diskSize()
	return fields{{"datadir_size", size.SnapshotBytes}, {"logdir_size", size.LogBytes}}, nil
}

func adminDump(to Audience) runner {
	return func(s *Server, ctx context.Context, _ *http.Request) (fields, error) {
		r, err := s.lookSessions(ctx, to)
		expiry, owned := fields{}, fields{}
		for _, b := range r.buckets {
			expiry = append(expiry, field{strconv.FormatInt(b.at.UnixMilli(), 10), b.sessions})
		}
		for _, e := range r.ephemerals {
			owned = append(owned, field{strconv.FormatInt(int64(e.session), 10), e.paths})
		}
		return fields{{"expiry_time_to_session_ids", expiry}, {"session_id_to_ephemeral_paths", owned}}, err
	}
}

func (s *Server) adminEnvi(context.Context, *http.Request) (fields, error) {
	var f fields
	for _, kv := range s.environment() {
		f = append(f, field{kv[0], kv[1]})
	}
	return f, nil
}

func (s *Server) adminGtmk(context.Context, *http.Request) (fields, error) {
	return fields{{"tracemask", s.traceMask.Load()}}, nil
}

func (s *Server) adminStmk(_ context.Context, r *http.Request) (fields, error) {
	mask, err := strconv.ParseInt(r.URL.Query().Get("traceMask"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("setTraceMask requires long traceMask argument")
	}
	s.traceMask.Store(mask)
	return fields{{"tracemask", mask}}, nil
}

func (s *Server) adminHash(ctx context.Context, _ *http.Request) (fields, error) {
	digests, err := s.lookDigests(ctx)
	list := []fields{}
	for _, d := range digests {
		list = append(list, fields{{"zxid", int64(d.Zxid)}, {"digest", d.Digest}, {"digest_version", 2}})
	}
	return fields{{"digests", list}}, err
}

func (s *Server) adminIcfg(context.Context, *http.Request) (fields, error) {
	return fields{{"initial_configuration", apache.Redact(s.cfg.About.InitialConfig)}}, nil
}

func (s *Server) adminIsro(ctx context.Context, _ *http.Request) (fields, error) {
	r, err := s.look(ctx, false)
	return fields{{"read_only", r.ReadOnly}}, err
}

func (s *Server) adminLsnp(ctx context.Context, _ *http.Request) (fields, error) {
	r, err := s.look(ctx, false)
	return fields{
		{"zxid", strconv.FormatUint(uint64(r.LastSnapshot), 16)},
		{"timestamp", r.LastSnapshotWall / 1000},
	}, err
}

func (s *Server) adminLead(ctx context.Context, _ *http.Request) (fields, error) {
	if len(s.servers()) == 0 {
		return nil, fmt.Errorf("server is not initialized")
	}
	r, err := s.look(ctx, false)
	host := ""
	for _, m := range s.servers() {
		if m.ID == r.Leader {
			host = m.Addresses[0].Host
		}
	}
	return fields{{"is_leader", r.Role == zab.Leading}, {"leader_id", int64(r.Leader)}, {"leader_ip", host}}, err
}

// peerAddresses are where the others reach a member, as ZooKeeper writes them.
func peerAddresses(m apache.Server) (quorum, election []string) {
	for _, a := range m.Addresses {
		quorum = append(quorum, apache.Endpoint{Host: a.Host, Port: a.QuorumPort}.String())
		election = append(election, apache.Endpoint{Host: a.Host, Port: a.ElectionPort}.String())
	}
	return quorum, election
}

func (s *Server) adminMntr(ctx context.Context, _ *http.Request) (fields, error) {
	r, err := s.look(ctx, false)
	if err != nil {
		return nil, err
	}
	var f fields
	for _, m := range s.monitor(&r) {
		f = append(f, field(m))
	}
	return f, nil
}

// adminObsr lists the observers of a leader, by what it knows of them.
func (s *Server) adminObsr(ctx context.Context, _ *http.Request) (fields, error) {
	r, err := s.look(ctx, false)
	synced, list := 0, []fields{}
	for _, l := range r.Learners {
		if !l.Observer {
			continue
		}
		if l.UpToDate {
			synced++
		}
		list = append(list, fields{{"sid", int(l.Peer)}, {"last_zxid", int64(l.Sent)}})
	}
	return fields{{"synced_observers", synced}, {"observers", list}}, err
}

func (s *Server) serverFields(r *report) fields {
	size := s.diskSize()
	sizes := fields{{"last_buffer_size", -1}, {"min_buffer_size", -1}, {"max_buffer_size", -1}}
	latency := 0.0
	if r.Answered > 0 {
		latency = float64(r.LatencySum) / float64(r.Answered)
	}
	stats := fields{
		{"packets_sent", r.Sent},
		{"packets_received", r.Received},
		{"fsync_threshold_exceed_count", 0},
		{"client_response_stats", sizes},
		{"data_dir_size", size.SnapshotBytes},
		{"log_dir_size", size.LogBytes},
		{"provider_null", false},
		{"server_state", s.mode(r)},
		{"last_processed_zxid", int64(r.Applied)},
		{"outstanding_requests", r.Outstanding},
		{"avg_latency", latency},
		{"max_latency", r.LatencyMax},
		{"min_latency", r.LatencyMin},
		{"num_alive_client_connections", s.connections()},
		{"uptime", r.uptime.Milliseconds()},
		{"auth_failed_count", r.AuthFailed},
		{"non_mtlsremote_conn_count", 0},
		{"non_mtlslocal_conn_count", 0},
	}
	return fields{
		{"version", s.version()},
		{"read_only", r.ReadOnly},
		{"server_stats", stats},
		{"client_response", sizes},
		{"node_count", r.Nodes},
	}
}

func (s *Server) adminSrvr(ctx context.Context, _ *http.Request) (fields, error) {
	r, err := s.look(ctx, false)
	return s.serverFields(&r), err
}

func (s *Server) adminStat(ctx context.Context, _ *http.Request) (fields, error) {
	r, err := s.look(ctx, true)
	return append(s.serverFields(&r),
		field{"connections", allConnFields(r.conns, false)}, field{"secure_connections", []fields{}}), err
}

// adminSysp tells the environment: there are no system properties here.
func (s *Server) adminSysp(context.Context, *http.Request) (fields, error) {
	var f fields
	for _, kv := range os.Environ() {
		k, v, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(k, "ZENSUS_") && !secretive(k) {
			f = append(f, field{k, v})
		}
	}
	slices.SortFunc(f, func(a, b field) int { return strings.Compare(a.key, b.key) })
	return f, nil
}

func secretive(key string) bool {
	for _, word := range []string{"SECRET", "PASSWORD", "TOKEN", "KEY"} {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}

func (s *Server) adminVoting(context.Context, *http.Request) (fields, error) {
	voters := fields{}
	for _, m := range s.servers() {
		if m.Role != apache.Participant {
			continue
		}
		quorum, election := peerAddresses(m)
		client := ""
		switch {
		case m.Client != (apache.Endpoint{}):
			client = m.Client.String()
		case int(m.ID) == s.cfg.About.ServerID:
			client = s.clientAddress()
		}
		voters = append(voters, field{strconv.Itoa(int(m.ID)), fields{
			{"server_addresses", quorum},
			{"election_addresses", election},
			{"client_address", client},
			{"learner_type", "participant"},
		}})
	}
	return fields{{"current_config", voters}}, nil
}

func (s *Server) adminWchs(ctx context.Context, _ *http.Request) (fields, error) {
	conns, paths, total, err := s.lookWatches(ctx)
	return fields{{"num_connections", conns}, {"num_paths", paths}, {"num_total_watches", total}}, err
}

func adminWchc(to Audience) runner {
	return func(s *Server, ctx context.Context, _ *http.Request) (fields, error) {
		all, err := s.watchesByConn(ctx, to)
		f := fields{}
		for _, c := range all {
			f = append(f, field{strconv.FormatInt(int64(c.session), 10), c.paths})
		}
		return fields{{"session_id_to_watched_paths", f}}, err
	}
}

func adminWchp(to Audience) runner {
	return func(s *Server, ctx context.Context, _ *http.Request) (fields, error) {
		all, err := s.watchesByPath(ctx, to)
		f := fields{}
		for _, p := range all {
			f = append(f, field{p.path, p.sessions})
		}
		return fields{{"path_to_session_ids", f}}, err
	}
}

// clientAddress is where clients reach this server; empty where the port is closed.
func (s *Server) clientAddress() string {
	a := &s.cfg.About
	if a.ClientPort == 0 {
		return ""
	}
	return apache.Endpoint{Host: a.ClientHost, Port: a.ClientPort}.String()
}

// addressFields tells the addresses of a member as ZooKeeper does, without the fields that
// say which of them can be reached: nobody has tried.
func addressFields(m *apache.Server, port func(apache.PeerAddress) int) fields {
	all, wildcard, ports, hosts := []string{}, []string{}, []int{}, []string{}
	for _, a := range m.Addresses {
		all = append(all, apache.Endpoint{Host: a.Host, Port: port(a)}.String())
		wildcard = append(wildcard, apache.Endpoint{Port: port(a)}.String())
		ports, hosts = append(ports, port(a)), append(hosts, a.Host)
	}
	one := ""
	if len(all) > 0 {
		one = all[0]
	}
	return fields{
		{"empty", len(all) == 0}, {"all_addresses", all}, {"one", one}, {"wildcard_addresses", wildcard}, {"all_ports", ports}, {"all_host_strings", hosts},
	}
}

func (s *Server) adminZab(ctx context.Context, _ *http.Request) (fields, error) {
	r, err := s.look(ctx, false)
	f := fields{
		{"myid", s.cfg.About.ServerID},
		{"is_leader", false},
		{"quorum_address", ""},
		{"election_address", ""},
		{"client_address", ""},
		{"voting", false},
		{"last_zxid", r.Applied.String()},
		{"zab_epoch", uint32(r.Applied.Epoch())},
		{"zab_counter", r.Applied.Counter()},
		{"zabstate", ""},
	}
	for _, m := range s.servers() {
		if int(m.ID) == s.cfg.About.ServerID {
			f[1].value = r.Role == zab.Leading
			f[2].value = addressFields(&m, func(a apache.PeerAddress) int { return a.QuorumPort })
			f[3].value = addressFields(&m, func(a apache.PeerAddress) int { return a.ElectionPort })
			f[4].value = s.clientAddress()
			f[5].value, f[9].value = m.Role == apache.Participant, r.Phase.String()
		}
	}
	return f, err
}
