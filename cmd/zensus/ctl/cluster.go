package ctl

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// cluster is one use of `zensus cluster`.
type cluster struct{ asker }

func clusterCommand() *cobra.Command {
	c := &cluster{asker{timeout: 20 * time.Second, output: text}}
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "see how an ensemble stands, and change who belongs to it",
		Long: `See how an ensemble stands, and change who belongs to it without a restart. Any server
of it may be asked. Where logins are required, whoever asks shows the admin token or
logs in as an administrator.

A server more is added first and learns; when it is in step, it is promoted, and votes.
What would leave the ensemble without a quorum is refused.`,
	}
	c.flags(cmd)
	cmd.AddCommand(c.statusCommand(), c.addCommand(), c.promoteCommand(), c.removeCommand(), c.transferCommand(), c.drainCommand())
	return cmd
}

// clusterStatus is what a server says of its ensemble.
type clusterStatus struct {
	Asked      int             `json:"asked"`
	Leader     int             `json:"leader"`
	Version    string          `json:"version"`
	Servers    []clusterServer `json:"servers"`
	Voters     int             `json:"voters"`
	Serving    int             `json:"voters_serving"`
	Tolerates  int             `json:"tolerates"`
	MayLoseNow int             `json:"may_lose_now"`
	Note       string          `json:"note,omitempty"`
	Members    string          `json:"members"`
	Changeable bool            `json:"reconfigurable"`
	Pending    bool            `json:"reconfiguring"`
}

type clusterServer struct {
	ID       int    `json:"id"`
	Address  string `json:"address"`
	Client   string `json:"client,omitempty"`
	Role     string `json:"role"`
	Answers  bool   `json:"answers"`
	State    string `json:"state,omitempty"`
	Phase    string `json:"phase,omitempty"`
	Serving  bool   `json:"serving"`
	Draining bool   `json:"draining,omitempty"`
	Epoch    uint32 `json:"epoch"`
	Zxid     string `json:"zxid,omitempty"`
	Lag      int64  `json:"lag"`
	LastSync string `json:"last_sync,omitempty"`
	Clients  int    `json:"clients"`
}

// open finds the server, and shows it who asks if it wants to know.
func (c *cluster) open(cmd *cobra.Command) (*api, error) {
	a, err := newAPI(c.server, c.timeout)
	if err != nil {
		return nil, err
	}
	off, err := a.authOff(cmd.Context())
	if err != nil || off {
		return a, err
	}
	return a, c.show(cmd, a)
}

// ask sends a form and prints the state of the ensemble that comes back.
func (c *cluster) ask(cmd *cobra.Command, method, path string, form url.Values) error {
	a, err := c.open(cmd)
	if err != nil {
		return err
	}
	var s clusterStatus
	if err := a.cluster(cmd.Context(), method, path, form, &s); err != nil {
		return err
	}
	return c.print(cmd, &s)
}

func (c *cluster) print(cmd *cobra.Command, s *clusterStatus) error {
	w := cmd.OutOrStdout()
	if c.output == asJSON {
		return writeJSON(w, s)
	}
	if len(s.Servers) == 0 {
		_, err := fmt.Fprintln(w, cmp.Or(s.Note, "this is a single server"))
		return err
	}
	t := newTable("server", "address", "role", "state", "phase", "epoch", "zxid", "lag", "last sync", "clients")
	for i := range s.Servers {
		v := &s.Servers[i]
		if !v.Answers {
			t.AppendRow(row(v.ID, v.Address, v.Role, "does not answer", "", "", "", "", "", ""))
			continue
		}
		lag, state := strconv.FormatInt(v.Lag, 10), v.State
		if v.Lag < 0 {
			lag = "?"
		}
		if v.Draining {
			state += ", draining"
		}
		t.AppendRow(row(v.ID, v.Address, v.Role, state, v.Phase, v.Epoch, v.Zxid, lag, v.LastSync, v.Clients))
	}
	if err := render(w, t); err != nil {
		return err
	}
	return sayHow(cmd, s)
}

// sayHow puts into words what the ensemble can lose.
func sayHow(cmd *cobra.Command, s *clusterStatus) error {
	text := fmt.Sprintf("%d of %d voters serve; the ensemble tolerates %s", s.Serving, s.Voters, failures(s.Tolerates))
	switch {
	case s.Leader == 0:
		text += ", and has no leader at the moment"
	case s.MayLoseNow < 0:
		text += ", and has no quorum at the moment"
	case s.MayLoseNow < s.Tolerates:
		text += fmt.Sprintf(", %d more now", s.MayLoseNow)
	}
	if s.Note != "" {
		text += "\n" + s.Note
	}
	if s.Pending {
		text += "\na change of the members is under way"
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), text)
	return err
}

func failures(n int) string {
	if n == 1 {
		return "1 failure"
	}
	return fmt.Sprintf("%d failures", n)
}

func (c *cluster) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "list the servers and how they stand",
		Args: NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.ask(cmd, http.MethodGet, "/cluster", nil) },
	}
}

func (c *cluster) addCommand() *cobra.Command {
	return &cobra.Command{
		Use: "add ID=HOST:PORT", Short: "add a server, which learns and does not vote yet",
		Long: `Add a server, which learns and does not vote yet. HOST:PORT is where it listens for the
others. Start it with the members of the ensemble and itself in its configuration. The
form of a zoo.cfg is taken too: ID=HOST:PORT:ELECTIONPORT;CLIENTHOST:CLIENTPORT. One that
is to stay an observer is not promoted.`,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			line, err := serverLine(args[0])
			if err != nil {
				return err
			}
			return c.ask(cmd, http.MethodPost, "/cluster/add", url.Values{"server": {line}})
		},
	}
}

func (c *cluster) promoteCommand() *cobra.Command {
	return c.ofID("promote", "have a server vote that is in step")
}

func (c *cluster) removeCommand() *cobra.Command {
	return c.ofID("remove", "remove a server from the ensemble; one that leads hands over")
}

// ofID is a command about one server.
func (c *cluster) ofID(verb, short string) *cobra.Command {
	return &cobra.Command{
		Use: verb + " ID", Short: short,
		Args: exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.ask(cmd, http.MethodPost, "/cluster/"+verb, url.Values{"id": {args[0]}})
		},
	}
}

func (c *cluster) transferCommand() *cobra.Command {
	return &cobra.Command{
		Use: "transfer-leader [ID]", Short: "have another server lead; clients notice nothing",
		Args: rangeArgs(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			form := url.Values{}
			if len(args) > 0 {
				form.Set("id", args[0])
			}
			a, err := c.open(cmd)
			if err != nil {
				return err
			}
			var answer struct {
				Leader int `json:"leader"`
			}
			if err := a.cluster(cmd.Context(), http.MethodPost, "/cluster/transfer", form, &answer); err != nil {
				return err
			}
			if c.output == asJSON {
				return writeJSON(cmd.OutOrStdout(), answer)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "server %d leads\n", answer.Leader)
			return err
		},
	}
}

func (c *cluster) drainCommand() *cobra.Command {
	var undo bool
	cmd := &cobra.Command{
		Use: "drain", Short: "send the clients of the server that is asked to others, and the leadership with them",
		Long: `Send the clients of the server that is asked (--server) to others, and the leadership with
them, before it is stopped: those of ZooKeeper, and those of Nacos where another server can
take them. It refuses new clients until it is restarted or --undo.`,
		Args: NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.ask(cmd, http.MethodPost, "/cluster/drain", url.Values{"on": {strconv.FormatBool(!undo)}})
		},
	}
	cmd.Flags().BoolVar(&undo, "undo", false, "take clients again")
	return cmd
}

// serverLine is ID=HOST:PORT, also with ";observer", as a zoo.cfg has it, whose second port
// has no use here.
func serverLine(arg string) (string, error) {
	id, value, ok := strings.Cut(strings.TrimPrefix(arg, "server."), "=")
	if !ok || id == "" || value == "" {
		return "", fmt.Errorf("%q: want ID=HOST:PORT, such as 4=10.0.0.4:2888", arg)
	}
	peer, client, more := strings.Cut(value, ";")
	if client == "observer" { // as members of a zensus.yaml has it, and as whoever is added begins
		more = false
	}
	if _, port, err := net.SplitHostPort(peer); err == nil {
		peer += ":" + port
	}
	if more {
		peer += ";" + client
	}
	return "server." + id + "=" + peer, nil
}
