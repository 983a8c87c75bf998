package server_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/node"
	"github.com/zensus-io/zensus/core/replica"
	"github.com/zensus-io/zensus/core/server"
	"github.com/zensus-io/zensus/core/state"
	"github.com/zensus-io/zensus/core/storage"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/core/zab"
	"github.com/zensus-io/zensus/core/zkclient"
	"github.com/zensus-io/zensus/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a server on a port of 127.0.0.1 and stops it with the test.
func serve(t *testing.T, cfg server.Config) (string, *server.Server) {
	t.Helper()
	n, err := node.New(node.Config{
		Replica: replica.Config{
			Zab:    zab.Config{Self: 1, Voters: []core.PeerID{1}},
			State:  state.Config{TTLNodes: true},
			Secret: []byte("a secret of this test"),
		},
		Storage: storage.Options{Dir: t.TempDir(), SegmentBytes: 1 << 20, BallastBytes: -1, LowWaterBytes: -1},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- n.Run(ctx) }()
	<-n.Serving()
	cfg.About = server.About{Version: "3.9.5-test", Built: "2026-11-25 17:00 UTC"}
	s := server.New(cfg, n)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		closeCtx, stop := context.WithTimeout(context.Background(), time.Minute)
		defer stop()
		require.NoError(t, s.Close(closeCtx))
		require.NoError(t, <-served)
		cancel()
		require.NoError(t, <-ran)
	})
	return l.Addr().String(), s
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
	return c
}

func client(t *testing.T, addr string) *zkclient.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := zkclient.Dial(ctx, []string{addr}, zkclient.Options{Timeout: 30 * time.Second})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func word(t *testing.T, addr, w string) string {
	t.Helper()
	c := dial(t, addr)
	_, err := c.Write([]byte(w))
	require.NoError(t, err)
	text, err := io.ReadAll(c)
	require.NoError(t, err)
	return string(text)
}

var all = server.Words{Allowed: []string{"*"}}

func TestClientWorksOverTCP(t *testing.T) {
	addr, _ := serve(t, server.Config{})
	ctx := context.Background()
	c := client(t, addr)
	_, _, err := c.Create(ctx, "/a", []byte("x"), core.CreateOptions{})
	require.NoError(t, err)
	data, st, err := c.Get(ctx, "/a")
	require.NoError(t, err)
	require.Equal(t, "x", string(data))
	require.EqualValues(t, 1, st.DataLength)
}

func TestHostileFramesCloseTheirOwnConnectionOnly(t *testing.T) {
	addr, _ := serve(t, server.Config{})
	good := client(t, addr)
	for name, bytes := range map[string][]byte{
		"a negative length":        {0xff, 0xff, 0xff, 0xfe},
		"a length over the limit":  binary.BigEndian.AppendUint32(nil, wire.FrameBytesMax+1),
		"a handshake cut short":    {0, 0, 0, 4, 0, 0, 0, 0},
		"an empty first frame":     {0, 0, 0, 0},
		"a word after the session": append(connectFrame(), "ruok"...),
		"a request of 3 bytes":     append(connectFrame(), 0, 0, 0, 3, 1, 2, 3),
	} {
		c := dial(t, addr)
		_, err := c.Write(bytes)
		require.NoError(t, err, name)
		_, err = io.ReadAll(c)
		require.NoError(t, err, name) // the end, not a deadline
	}
	_, err := good.Exists(context.Background(), "/")
	require.NoError(t, err)
}

func connectFrame() []byte {
	body := wire.ConnectRequest{TimeoutMillis: 10_000, HasReadOnly: true}.Append(nil)
	return append(wire.AppendInt(nil, int32(len(body))), body...)
}

func TestFrameThatComesByteByByteIsServed(t *testing.T) {
	addr, _ := serve(t, server.Config{})
	c := dial(t, addr)
	frame := append(connectFrame(), 0, 0, 0, 8, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 11)
	for i := range frame {
		_, err := c.Write(frame[i : i+1])
		require.NoError(t, err)
	}
	var resp [41 + 20]byte
	_, err := io.ReadFull(c, resp[:])
	require.NoError(t, err)
	require.EqualValues(t, 37, binary.BigEndian.Uint32(resp[:]))
	require.EqualValues(t, uint32(0xfffffffe), binary.BigEndian.Uint32(resp[45:]))
}

func TestConnectionsOverTheLimitAreClosedAtOnce(t *testing.T) {
	log := new(testkit.Buffer)
	addr, _ := serve(t, server.Config{ConnsPerAddress: 2, Logger: hclog.New(&hclog.LoggerOptions{Output: log})})
	a, b := client(t, addr), client(t, addr)
	for range 20 {
		c, err := net.Dial("tcp", addr)
		if err == nil { // else it was reset before the dial had returned
			_, err = c.Read(make([]byte, 1))
			require.NoError(t, c.Close())
		}
		require.Error(t, err)
	}
	require.Equal(t, 1, strings.Count(log.String(), "too many connections"), "whoever comes again and again does not fill the log")
	_, err := a.Exists(context.Background(), "/")
	require.NoError(t, err)
	_, err = b.Exists(context.Background(), "/")
	require.NoError(t, err)
}

func TestClientThatNeverReadsHarmsNobody(t *testing.T) {
	addr, _ := serve(t, server.Config{})
	ctx := context.Background()
	good := client(t, addr)
	_, _, err := good.Create(ctx, "/big", make([]byte, 900<<10), core.CreateOptions{})
	require.NoError(t, err)
	mute := dial(t, addr)
	_, err = mute.Write(connectFrame())
	require.NoError(t, err)
	body := append(wire.AppendRequestHeader(nil, 1, wire.OpGetData), wire.AppendPathWatch(nil, "/big", false)...)
	frame := append(wire.AppendInt(nil, int32(len(body))), body...)
	_ = mute.SetWriteDeadline(time.Now().Add(2 * time.Second))
	for range 5000 { // about 4.5 GB of answers, were they all made
		if _, err := mute.Write(frame); err != nil {
			break // the server reads no further
		}
	}
	for range 100 {
		_, err := good.Exists(ctx, "/big")
		require.NoError(t, err)
	}
}

func TestWordsAnswerAsZooKeeperDoes(t *testing.T) {
	addr, _ := serve(t, server.Config{Words: all})
	ctx := context.Background()
	c := client(t, addr)
	_, _, err := c.Create(ctx, "/e", nil, core.CreateOptions{Mode: core.Ephemeral})
	require.NoError(t, err)
	_, _, err = c.Do(ctx, wire.OpExists, wire.AppendPathWatch(nil, "/e", true))
	require.NoError(t, err)
	sid := c.Session().ID.String()

	require.Equal(t, "imok", word(t, addr, "ruok"))
	require.Equal(t, "imok", word(t, addr, "ruok\n"))
	require.Equal(t, "rw", word(t, addr, "isro"))
	require.Equal(t, "306", word(t, addr, "gtmk"))
	require.Equal(t, "7", word(t, addr, "stmk\x00\x00\x00\x00\x00\x00\x00\x07"))
	srvr := word(t, addr, "srvr")
	require.Regexp(t, `^Zookeeper version: 3\.9\.5-test, built on 2026-11-25 17:00 UTC
Latency min/avg/max: \d+/\d+\.\d+/\d+
Received: \d+
Sent: \d+
Connections: \d+
Outstanding: 0
Zxid: 0x1000000\d\d
Mode: standalone
Node count: 6
$`, srvr)
	require.Regexp(t, `^Zookeeper version: .*\nClients:\n /127\.0\.0\.1:\d+\[1\]\(queued=0,recved=\d+,sent=\d+\)\n\nLatency`, word(t, addr, "stat"))
	require.Regexp(t, `,sid=`+sid+`,lop=EXIS,est=\d+,to=30000,lcxid=0x\d,lzxid=0x1\w+,lresp=\d+,llat=\d+,minlat=\d+,avglat=\d+,maxlat=\d+\)\n\n$`, word(t, addr, "cons"))
	require.Equal(t, "1 connections watching 1 paths\nTotal watches:1\n", word(t, addr, "wchs"))
	require.Equal(t, sid+"\n\t/e\n\n", word(t, addr, "wchc"))
	require.Equal(t, "/e\n\t"+sid+"\n\n", word(t, addr, "wchp"))
	require.Contains(t, word(t, addr, "dump"), "Sessions with Ephemerals (1):\n"+sid+":\n\t/e\n")
	require.Contains(t, word(t, addr, "conf"), "serverId=0\n")
	require.Contains(t, word(t, addr, "envi"), "Environment:\nzookeeper.version=3.9.5-test")
	require.Regexp(t, `^datadir_size: \d+\nlogdir_size: \d+\n$`, word(t, addr, "dirs"))
	require.Contains(t, word(t, addr, "mntr"), "zk_server_state\tstandalone\n")
	require.Equal(t, "Server stats reset.\n", word(t, addr, "srst"))
	require.Equal(t, "Connection stats reset.\n", word(t, addr, "crst"))
	require.Empty(t, word(t, addr, "nope"))
}

// What lies below a znode that anybody may not list, however deep, is told to nobody who has
// not shown who he is: not by a word, nor by an AdminServer without a login.
func TestStrangersAreNotToldWhatTheyMayNotList(t *testing.T) {
	addr, s := serve(t, server.Config{Words: all})
	ctx := context.Background()
	c, other := client(t, addr), client(t, addr)
	create := func(c *zkclient.Client, path string, mode core.CreateMode, perms core.Perms) {
		_, _, err := c.Create(ctx, path, nil, core.CreateOptions{Mode: mode, ACL: []core.ACL{{Perms: perms, Scheme: "world", ID: "anyone"}}})
		require.NoError(t, err)
	}
	create(c, "/shut", core.Persistent, core.PermCreate)
	create(c, "/shut/within", core.Persistent, core.PermAll)
	create(c, "/shut/within/e1", core.Ephemeral, core.PermAll)
	create(c, "/shut/e2", core.Ephemeral, core.PermAll)
	create(c, "/open", core.Persistent, core.PermAll)
	create(c, "/open/e3", core.Ephemeral, core.PermCreate) // only its parent counts
	create(other, "/shut/e4", core.Ephemeral, core.PermAll)
	for _, path := range []string{"/", "/shut/within", "/shut/within/e1", "/shut/none/such", "/open/none/such"} {
		_, _, err := c.Do(ctx, wire.OpExists, wire.AppendPathWatch(nil, path, true))
		if err != nil {
			require.ErrorIs(t, err, core.NoNode)
		}
	}

	sid := c.Session().ID.String()
	dump := word(t, addr, "dump")
	require.NotContains(t, dump, "/shut")
	require.Contains(t, dump, "Sessions with Ephemerals (2):\n", "sessions are counted as they are")
	require.Contains(t, dump, sid+":\n\t/open/e3\n")
	require.Equal(t, sid+"\n\t/\n\t/open/none/such\n\n", word(t, addr, "wchc"))
	require.Equal(t, "/\n\t"+sid+"\n/open/none/such\n\t"+sid+"\n\n", word(t, addr, "wchp"))
	require.Equal(t, "1 connections watching 5 paths\nTotal watches:5\n", word(t, addr, "wchs"))

	ask := func(to server.Audience, command string) string {
		w := httptest.NewRecorder()
		s.Admin("/commands", to).ServeHTTP(w, httptest.NewRequest("GET", "/commands/"+command, nil))
		require.Contains(t, w.Body.String(), `"error": null`)
		return w.Body.String()
	}
	for command, path := range map[string]string{"dump": "/open/e3", "wchc": "/open/none/such", "wchp": "/open/none/such"} {
		require.Contains(t, ask(server.Operators, command), `"/shut/within/e1"`)
		require.Contains(t, ask(server.Strangers, command), path)
		require.NotContains(t, ask(server.Strangers, command), "/shut")
	}
}

func TestWordThatIsNotAllowedSaysSo(t *testing.T) {
	addr, _ := serve(t, server.Config{})
	require.Contains(t, word(t, addr, "srvr"), "Mode: standalone")
	require.Equal(t, "ruok is not executed because it is not in the whitelist.\n", word(t, addr, "ruok"))
}

func TestAdminCommandsAnswerInJSON(t *testing.T) {
	_, s := serve(t, server.Config{})
	h := s.Admin("/commands", server.Operators)
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Code, w.Body.String()
	}
	code, list := get("/commands")
	require.Equal(t, 200, code)
	for _, line := range strings.Split(strings.TrimSpace(list), "\n<br/>\n") {
		name := strings.TrimSuffix(strings.TrimSuffix(line[strings.Index(line, ">")+1:], "\n<br/>"), "</a>")
		code, body := get("/commands/" + name)
		require.Equal(t, 200, code, name)
		var answer map[string]any
		require.NoError(t, json.Unmarshal([]byte(body), &answer), name)
		require.Equal(t, name, answer["command"])
		require.Contains(t, answer, "error")
	}
	_, body := get("/commands/srvr")
	require.Contains(t, body, `"command": "server_stats"`)
	_, body = get("/commands/nope")
	require.Contains(t, body, `"error": "Unknown command: nope"`)
	code, _ = get("/commands/a/b")
	require.Equal(t, 404, code)
}
