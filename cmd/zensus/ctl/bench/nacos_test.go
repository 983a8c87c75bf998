//go:build unix

package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/cmd/zensus/ctl/bench/lean"
	"github.com/zensus-io/zensus/internal/testkit"
)

// small are sizes with which all of it ends soon.
const small = "--rounds 1 --time 500ms --shape 2x1 --subscribers 5 --changes 2 --connections 4 --services 50 --instances 200 " +
	"--watch 1s --configs 20 --clients 200 --churn 4s --settle 100ms --sizes 100,200 --quiet"

func benchNacos(t *testing.T, args ...string) (rows []Row) {
	t.Helper()
	result := filepath.Join(t.TempDir(), "result")
	cmd := nacosCommand()
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	var out strings.Builder
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(append(append(args, "--json", result), strings.Fields(small)...))
	require.NoError(t, cmd.ExecuteContext(t.Context()), out.String())
	text, err := os.ReadFile(result)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &rows))
	return rows
}

func TestBenchNacosMeasuresEverything(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and runs the binary")
	}
	addr := fmt.Sprintf("127.0.0.1:%d", testkit.FreePort(t, grpcOffset))
	start := fmt.Sprintf(`%s serve --data-dir "$BENCH_DIR" --http %s --zookeeper off`, testkit.Binary(t), addr)
	t.Setenv("TMPDIR", t.TempDir())
	rows := benchNacos(t, addr, "--start", start, "-w", "all")
	figures := map[string]int{}
	zero := []string{"found the old content", "wrong answers", "cut off", "missing", "too many"} // what must not happen
	for _, r := range rows {
		name, _, _ := strings.Cut(r.Workload, ":")
		figures[name]++
		require.Len(t, r.Sides, 1)
		values := r.Sides[0].Values
		require.Len(t, values, 1, r.Workload)
		switch {
		case slices.ContainsFunc(zero, func(what string) bool { return strings.Contains(r.Workload, what) }):
			require.Zero(t, values[0], r.Workload)
		case !strings.Contains(r.Workload, "CPU"): // it is counted in hundredths of a second
			require.Positive(t, values[0], r.Workload)
		}
	}
	require.Equal(t, map[string]int{
		"register": 1, "register-http": 1, "query": 1, "query-http": 1, "publish": 1, "publish-http": 1, "get": 1, "get-http": 1,
		"push": 3, "listen": 6, "poll": 6, "start": 3, "hold": 2, "churn": 8, "growth": 2 * 8,
	}, figures)
	left, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "zensus-bench-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestBenchNacosLeavesAServerAsItWas(t *testing.T) {
	s := testkit.Start(t, testkit.Options{Nacos: true})
	get := func(path string) string {
		r, err := http.Get("http://" + s.HTTP + "/nacos" + path) //nolint:noctx // of a test
		require.NoError(t, err)
		defer func() { _ = r.Body.Close() }()
		text, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, r.StatusCode, string(text))
		return string(text)
	}
	for _, api := range []string{"v1", "v2"} {
		rows := benchNacos(t, s.HTTP, "--api", api, "-w", "register,register-http,query-http,publish,publish-http,get,get-http,push,listen,poll")
		require.Len(t, rows, 7+2+5+5)
		require.Contains(t, get("/v1/cs/configs?search=blur&dataId=*&group=*&pageNo=1&pageSize=10"), `"totalCount":0`)
		require.Eventually(t, func() bool { // those of connections go with them
			return strings.Contains(get("/v1/ns/operator/metrics?onlyStatus=false"), `"instanceCount":0`)
		}, 10*time.Second, 20*time.Millisecond)
	}
}

func TestBenchNacosSaysWhatItLacks(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"-w nothing", `no workload "nothing"`},
		{"-w hold", "hold needs --start"},
		{"--start x --start y", "--start: 2 commands for 1 servers"},
		{"--shape 16 -w register", `--shape: "16" is not of the form 16x16`},
		{"--api v3", `--api: "v3" is neither v1 nor v2`},
		{"--bytes 10", "--bytes: 10 is not from 64 to 32768"},
		{"--rounds 0", "--rounds, --time, --watch and --churn are out of range"},
		{"--changes 0", "counts begin with 1"},
		{"--instances 100001", "--instances has to be a multiple of --services, --connections and --clients"},
		{"--services 10", "--services: a client registers one instance in a service, and there are too few"},
		{"--sizes 100,10", "--sizes are to grow, in multiples of 10"},
	} {
		cmd := nacosCommand()
		cmd.SilenceUsage, cmd.SilenceErrors = true, true
		cmd.SetArgs(append(strings.Fields(tt.args), "--quiet"))
		require.ErrorContains(t, cmd.ExecuteContext(t.Context()), tt.want, tt.args)
	}
}

// An answer that is wrong ends the measurement: a server is not the faster for it.
func TestBenchNacosTakesNoWrongAnswer(t *testing.T) {
	g := &ground{prefix: "p", filler: strings.Repeat("x", 100), shape: &Shape{Conns: 1}}
	fifty := `{"resultCode":200,"hosts":[` + strings.Repeat(`{"ip":"10.0.0.1"},`, querySize) + `]}`
	for _, tt := range []struct{ act, right, wrong string }{
		{"register", `{"resultCode":200}`, `{"resultCode":500}`},
		{"register-http", "ok", "no"},
		{"query", fifty, `{"resultCode":200,"hosts":[]}`},
		{"query-http", fifty, strings.Replace(fifty, `"ip"`, "", 1)},
		{"publish", `{"resultCode":200}`, `{"resultCode":500}`},
		{"publish-http", "true", "false"},
		{"get", `{"resultCode":200,"content":"` + g.content(0, 3) + `"}`, `{"resultCode":200,"content":"` + g.content(0, 4) + `"}`},
		{"get-http", g.content(0, 3), g.content(0, 3)[1:]},
	} {
		a := findAct(tt.act)
		require.NoError(t, a.right(g, 1, 2, []byte(tt.right)), tt.act)
		require.Error(t, a.right(g, 1, 2, []byte(tt.wrong)), tt.act)
	}
	require.Error(t, isRight([]byte("ErrorResponse"), []byte(`{"resultCode":200}`)))
	require.Error(t, isRight([]byte("InstanceResponse"), []byte(`{"resultCode":500}`)))
}

func TestRefusalsAreTold(t *testing.T) {
	srv := &Server{Name: "s"}
	side := sideOf(srv, []Sample{{Requests: 10}, {Requests: 20, Refused: 2, Refusal: "no"}, {Requests: 5, Refused: 1, Refusal: "never"}})
	require.Equal(t, "3 requests were refused, and 35 were done: no", side.Comment)
	require.Empty(t, sideOf(srv, []Sample{{Requests: 10}}).Comment)

	var out strings.Builder
	f := &frame{stdout: &out}
	require.NoError(t, f.report([]Row{{Workload: "publish", Shape: "1 x 1", Sides: []Side{side}}}))
	require.Contains(t, out.String(), "publish 1 x 1, s: 3 requests were refused")
}

func TestContentsHaveTheirSize(t *testing.T) {
	g := &ground{filler: strings.Repeat("x", 64)}
	seen := map[string]bool{}
	for i := range 3 {
		for n := range 100 {
			seen[g.content(i, n)] = true
			require.Len(t, g.content(i, n), 64)
		}
	}
	require.Len(t, seen, 300)
}

func TestQuantile(t *testing.T) {
	v := []float64{5, 1, 4, 2, 3}
	require.InDelta(t, 5, quantile(v, 0.99), 0)
	require.InDelta(t, 3, quantile(v, 0.5), 0)
	require.InDelta(t, 1, quantile(v, 0), 0)
}

func TestAPushIsAcknowledgedByItsNumber(t *testing.T) {
	require.Equal(t, "17", string(requestID([]byte(`{"requestId":"17","a":1}`))))
	require.Empty(t, requestID([]byte(`{"a":1}`)))
	require.Empty(t, requestID([]byte(`{"requestId":"17`)))
	require.NoError(t, acknowledge(nil, lean.Message{Kind: []byte("SetupAckRequest"), JSON: []byte(`{"requestId":"1"}`)}), "nobody waits for it")
}
