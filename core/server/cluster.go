package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/member"
	"github.com/zensus-io/zensus/core/node"
	"github.com/zensus-io/zensus/core/quorum"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
)

// SetMembers says who the members of the ensemble are from now on.
func (s *Server) SetMembers(m *member.Members) { s.members.Store(m) }

// Members are the members of the ensemble; none for a single server.
func (s *Server) Members() *member.Members { return s.members.Load() }

// servers are the members of the ensemble; nil for a single server.
func (s *Server) servers() []member.Server { return s.members.Load().Servers }

// ClusterStatus is how an ensemble stands, as one of its servers sees it.
type ClusterStatus struct {
	Asked      int             `json:"asked"`
	Leader     int             `json:"leader"`  // 0 is nobody
	Version    string          `json:"version"` // of the members, in hexadecimal
	Servers    []ClusterServer `json:"servers"`
	Voters     int             `json:"voters"`
	Serving    int             `json:"voters_serving"`
	Tolerates  int             `json:"tolerates"`      // failures of voters, all of them being there
	MayLoseNow int             `json:"may_lose_now"`   // of those that serve; below 0 there is no quorum
	Note       string          `json:"note,omitempty"` // on the number of voters
	Text       string          `json:"members"`        // as /zookeeper/config has it
	Changeable bool            `json:"reconfigurable"` // without a restart
	Pending    bool            `json:"reconfiguring"`  // a change is under way
}

// ClusterServer is one server of an ensemble. What it has not said is empty.
type ClusterServer struct {
	ID       int    `json:"id"`
	Address  string `json:"address"`
	Client   string `json:"client,omitempty"`
	Role     string `json:"role"` // participant or observer
	Answers  bool   `json:"answers"`
	State    string `json:"state,omitempty"` // LOOKING, FOLLOWING, LEADING, OBSERVING
	Phase    string `json:"phase,omitempty"`
	Serving  bool   `json:"serving"`
	Draining bool   `json:"draining,omitempty"`
	Epoch    uint32 `json:"epoch"`
	Zxid     string `json:"zxid,omitempty"` // of the last transaction on its disk
	Lag      int64  `json:"lag"`            // transactions behind the leader; -1 unknown
	LastSync string `json:"last_sync,omitempty"`
	Clients  int    `json:"clients"`
}

// clusterTime bounds what a request about the ensemble may take.
const clusterTime = 15 * time.Second

// Cluster serves what `zensus cluster` asks for: GET how the ensemble stands, POST add,
// promote, remove, transfer and drain below it, with parameters in the query. Who may ask
// is for the caller to say.
func (s *Server) Cluster(prefix string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), clusterTime)
		defer cancel()
		verb := strings.Trim(strings.TrimPrefix(r.URL.Path, prefix), "/")
		var answer any
		var err error
		switch {
		case verb == "" && r.Method == http.MethodGet:
			answer, err = s.clusterStatus(ctx)
		case r.Method != http.MethodPost:
			err = &refusal{http.StatusMethodNotAllowed, "POST what is to be changed"}
		case r.Header.Get(ClusterHeader) == "": // as of a page in a browser that is of somebody else
			err = &refusal{http.StatusForbidden, "the header " + ClusterHeader + " is missing"}
		default:
			answer, err = s.changeCluster(ctx, verb, r.URL.Query())
		}
		w.Header().Set("Content-Type", "application/json;charset=utf-8")
		if err != nil {
			status := http.StatusServiceUnavailable
			if no := (*refusal)(nil); errors.As(err, &no) {
				status = no.status
			}
			w.WriteHeader(status)
			answer = map[string]string{"error": err.Error()}
		}
		_ = json.NewEncoder(w).Encode(answer)
	})
}

// ClusterHeader must be on what changes an ensemble.
const ClusterHeader = "X-Zensus-Cluster"

// refusal is why a request is not carried out.
type refusal struct {
	status int
	why    string
}

func (r *refusal) Error() string { return r.why }

func refuse(format string, args ...any) error {
	return &refusal{http.StatusConflict, fmt.Sprintf(format, args...)}
}

func (s *Server) clusterStatus(ctx context.Context) (*ClusterStatus, error) {
	reports, err := s.node.Survey(ctx)
	if err != nil {
		return nil, err
	}
	members := s.members.Load()
	c := &ClusterStatus{
		Asked: s.cfg.About.ServerID, Version: fmt.Sprintf("%x", uint64(members.Version)), Text: members.String(),
		Changeable: s.cfg.About.Reconfigurable,
	}
	if err := s.node.Do(ctx, func(r *replica.Replica) { c.Pending = r.Reconfiguring() }); err != nil {
		return nil, err
	}
	var leader *replica.Report
	for id, r := range reports {
		if r.Role == zab.Leading && r.Serving && (leader == nil || r.Epoch > leader.Epoch) {
			leader, c.Leader = &r, int(id)
		}
	}
	var serving quorum.Set
	for i := range members.Servers {
		m := &members.Servers[i]
		r, ok := reports[m.ID]
		if ok && r.Serving && leader != nil && r.Epoch == leader.Epoch {
			serving.Add(m.ID)
		}
		c.Servers = append(c.Servers, clusterServer(m, ok, &r, leader))
	}
	voters := members.Voters()
	c.count(voters, voters.Intersect(serving).Len())
	return c, nil
}

// count says what the ensemble can lose.
func (c *ClusterStatus) count(voters quorum.Set, serving int) {
	c.Voters, c.Serving = voters.Len(), serving
	if c.Voters == 0 {
		return // a single server
	}
	most := c.Voters/2 + 1
	c.Tolerates, c.MayLoseNow = c.Voters-most, serving-most
	if c.Voters%2 == 0 {
		c.Note = fmt.Sprintf("%d voters tolerate no more failures than %d do: an even number only makes quorums larger", c.Voters, c.Voters-1)
	}
}

func clusterServer(m *member.Server, answers bool, r, leader *replica.Report) ClusterServer {
	v := ClusterServer{ID: int(m.ID), Role: string(m.Role), Answers: answers, Lag: -1}
	if len(m.Addresses) > 0 {
		v.Address = member.Endpoint{Host: m.Addresses[0].Host, Port: m.Addresses[0].QuorumPort}.String()
	}
	if m.Client != (member.Endpoint{}) {
		v.Client = m.Client.String()
	}
	if !answers {
		return v
	}
	v.State, v.Phase, v.Serving, v.Draining = r.Role.String(), r.Phase.String(), r.Serving, r.Draining
	v.Epoch, v.Zxid, v.LastSync, v.Clients = uint32(r.Epoch), r.Durable.String(), r.LastSync.String(), int(r.Conns)
	if r.Role == zab.Leading {
		v.LastSync = ""
	}
	if leader != nil && r.Durable.Epoch() == leader.Logged.Epoch() {
		v.Lag = max(0, int64(leader.Logged)-int64(r.Durable))
	}
	return v
}

// changeCluster carries out a change, or says why not.
func (s *Server) changeCluster(ctx context.Context, verb string, form url.Values) (any, error) {
	id := core.PeerID(0)
	if text := form.Get("id"); text != "" {
		n, err := strconv.ParseUint(text, 10, 8)
		if err != nil || n == 0 || n > member.Most {
			return nil, &refusal{http.StatusBadRequest, fmt.Sprintf("%q is no id from 1 to %d", text, member.Most)}
		}
		id = core.PeerID(n)
	} else if verb == "promote" || verb == "remove" {
		return nil, &refusal{http.StatusBadRequest, "the id of a server is missing"}
	}
	switch verb {
	case "drain":
		on, err := drainOn(form.Get("on"))
		if err != nil {
			return nil, err
		}
		if len(s.servers()) == 0 {
			return nil, errAlone
		}
		s.node.Drain(on)
		if status, err := s.settled(ctx); err == nil { // one that led has handed over
			return status, nil
		}
		return s.clusterStatus(ctx)
	case "transfer":
		if len(s.servers()) == 0 {
			return nil, errAlone
		}
		return s.transfer(ctx, id)
	case "add", "promote", "remove":
	default:
		return nil, &refusal{http.StatusNotFound, fmt.Sprintf("there is no %q", verb)}
	}
	if !s.cfg.About.Reconfigurable {
		return nil, s.unchangeable()
	}
	status, err := s.settled(ctx)
	if err != nil {
		return nil, err
	}
	q, err := s.changeOf(verb, id, form.Get("server"), status)
	if err != nil {
		return nil, err
	}
	if _, err := s.node.Reconfigure(ctx, q); err != nil {
		return nil, inWords(err)
	}
	return s.clusterStatus(ctx)
}

// errAlone refuses what needs another server.
var errAlone = refuse("this is a single server: there is no other to which its clients, or the leadership, could go")

// electionTime is how long a change waits for a leader: mostly one is being elected.
const electionTime = 3 * time.Second

// settled is how the ensemble stands under a leader.
func (s *Server) settled(ctx context.Context) (*ClusterStatus, error) {
	for began := time.Now(); ; {
		status, err := s.clusterStatus(ctx)
		switch {
		case err != nil:
			return nil, err
		case status.Leader != 0:
			return status, nil
		case time.Since(began) > electionTime:
			return nil, node.ErrNoLeader
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// unchangeable says why the members cannot be changed here.
func (s *Server) unchangeable() error {
	if len(s.servers()) == 0 {
		return refuse("this is a single server that listens for no others: start it with itself as the only member (members; in a zoo.cfg server.N, standaloneEnabled=false and reconfigEnabled=true), and the others can be added")
	}
	return refuse("the members are those of the configuration files, and change with these: reconfigEnabled is not set")
}

// changeOf is the reconfiguration that a verb asks for, if it is safe.
func (s *Server) changeOf(verb string, id core.PeerID, line string, status *ClusterStatus) (*wire.Reconfig, error) {
	members := s.members.Load()
	q := &wire.Reconfig{CurConfigID: int64(members.Version)}
	if verb == "add" {
		name, value, _ := strings.Cut(line, "=")
		added, err := member.ParseServer(strings.TrimPrefix(name, "server."), value)
		switch _, known := members.Server(added.ID); {
		case err != nil:
			return nil, &refusal{http.StatusBadRequest, err.Error()}
		case known:
			return nil, refuse("server %d is a member already", added.ID)
		}
		added.Role = member.Observer // first it learns
		q.Joining = []byte(added.String())
		return q, nil
	}
	m, known := members.Server(id)
	if !known {
		return nil, refuse("server %d is no member", id)
	}
	at := slices.IndexFunc(status.Servers, func(v ClusterServer) bool { return v.ID == int(id) })
	if at < 0 {
		return nil, inWords(core.BadVersion)
	}
	now := &status.Servers[at]
	if verb == "promote" {
		switch {
		case m.Role == member.Participant:
			return nil, refuse("server %d votes already", id)
		case !now.Serving || now.Lag < 0 || now.Lag > promoteLagMax:
			return nil, refuse("server %d is not in step with the leader yet, and only one that is can vote: %s", id, now.inWords())
		}
		m.Role = member.Participant
		q.Joining = []byte(m.String())
		return q, nil
	}
	left := status.Voters
	serving := status.Serving
	if m.Role == member.Participant {
		if left--; now.Serving {
			serving--
		}
	}
	switch {
	case left == 0:
		return nil, refuse("server %d is the only one that votes", id)
	case serving < left/2+1:
		return nil, refuse("without server %d there would be no quorum: of the %d voters left %d serve", id, left, serving)
	}
	q.Leaving = []byte(strconv.Itoa(int(id)))
	return q, nil
}

// inWords says how a server stands that is not in step.
func (v *ClusterServer) inWords() string {
	switch {
	case !v.Answers:
		return "it does not answer"
	case !v.Serving:
		return fmt.Sprintf("it is %s, in %s", v.State, v.Phase)
	}
	return fmt.Sprintf("it is %d transactions behind", v.Lag)
}

// drainOn reads whether to drain, which is what was asked for if nothing else is said.
func drainOn(text string) (bool, error) {
	switch text {
	case "", "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, &refusal{http.StatusBadRequest, fmt.Sprintf("on is %q, and neither true nor false", text)}
}

// promoteLagMax is how far behind the leader a server may be that becomes a voter.
const promoteLagMax = 1000

func (s *Server) transfer(ctx context.Context, to core.PeerID) (any, error) {
	if to != 0 {
		m, known := s.members.Load().Server(to)
		if !known {
			return nil, refuse("server %d is no member", to)
		}
		if m.Role != member.Participant {
			return nil, refuse("server %d does not vote, and cannot lead", to)
		}
		reports, err := s.node.Survey(ctx)
		if err != nil {
			return nil, err
		}
		if _, answers := reports[to]; !answers { // which the leader may not have noticed yet
			return nil, refuse("server %d does not answer: the others would wait for it, for syncLimit ticks", to)
		}
	}
	leader, err := s.node.Transfer(ctx, to)
	if err != nil {
		return nil, err
	}
	return map[string]int{"leader": int(leader)}, nil
}

// inWords says why a reconfiguration was refused.
func inWords(err error) error {
	switch core.CodeOf(err) {
	case core.NewConfigNoQuorum:
		return refuse("no quorum of the voters that would be serves at the moment")
	case core.ReconfigInProgress:
		return refuse("another change is under way")
	case core.BadVersion:
		return refuse("the members have changed meanwhile: look again")
	case core.BadArguments:
		return refuse("these members make no sense together: an address or id is there twice, or nobody would vote")
	}
	if core.IsUnknownOutcome(err) {
		return &refusal{http.StatusGatewayTimeout, "it is not known whether the change was made: this server lost its leader while it waited, or is being removed itself. " +
			"`zensus cluster status` tells who the members are by now; ask a server that stays one"}
	}
	return err
}
