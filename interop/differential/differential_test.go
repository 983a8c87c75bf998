package differential_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
	"github.com/zensus-io/zensus/internal/testkit"
	"github.com/zensus-io/zensus/interop/differential"
)

func TestMain(m *testing.M) {
	code := m.Run()
	testkit.Cleanup()
	os.Exit(code)
}

// profile is a configuration.
type profile struct {
	name string
	cfg  map[string]string
}

func (p *profile) options() differential.Options {
	return differential.Options{Steps: 150, Large: true, Enforced: p.cfg["enforceQuota"] == "true"}
}

// profiles are the configurations in which the servers are compared.
var profiles = []profile{
	{"as installed", nil},
	{"quotas enforced, reconfig enabled", map[string]string{"enforceQuota": "true", "reconfigEnabled": "true"}},
}

// farOff is an interval in which nothing is reaped while a test runs.
const farOff = "100000000"

// match is a pair of servers under comparison.
type match struct {
	t          testing.TB
	ref, ours  *differential.Side
	judge      *differential.Judge
	played     int
	operations int
	unrepeated int // differences that did not show again
}

func newMatch(t testing.TB, cfg map[string]string) *match {
	t.Helper()
	all := settings(cfg)
	if all["znode.container.checkIntervalMs"] == "" {
		all["znode.container.checkIntervalMs"] = farOff
	}
	refAddr := startReference(t, all)
	server := testkit.Start(t, testkit.Options{Config: all})
	ref, err := differential.NewSide("reference", refAddr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ref.Close)
	ours, err := differential.NewSide("zensus", server.ZooKeeper)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ours.Close)
	return &match{t: t, ref: ref, ours: ours, judge: differential.NewJudge(ref, ours)}
}

// play plays a script on both and compares.
func (m *match) play(s *differential.Script) (*differential.Finding, error) {
	root := fmt.Sprintf("/s%05d", m.played)
	m.played++
	m.operations += s.Operations()
	type done struct {
		rec *differential.Record
		err error
	}
	other := make(chan done, 1)
	go func() {
		rec, err := m.ref.Play(s, root)
		other <- done{rec, err}
	}()
	ours, err := m.ours.Play(s, root)
	ref := <-other
	if err != nil || ref.err != nil {
		return nil, fmt.Errorf("zensus: %v; reference: %v", err, ref.err)
	}
	return m.judge.Compare(s, ref.rec, ours), nil
}

// unrepeatedMax is how many differences of a run may be ones of timing: when a
// connection that both servers close is seen to be closed depends on the moment.
const unrepeatedMax = 2

// repeats reports whether a script shows a difference when it is played again.
func (m *match) repeats(s *differential.Script) bool {
	for range 3 {
		if f, err := m.play(s); err != nil || f != nil {
			return true
		}
	}
	return false
}

// demand plays a script and fails the test with the smallest part of it that
// shows a difference.
func (m *match) demand(s *differential.Script) {
	m.t.Helper()
	f, err := m.play(s)
	if err != nil {
		m.t.Fatalf("seed %d: %v", s.Seed, err)
	}
	if f == nil {
		return
	}
	if os.Getenv("ZENSUS_DIFF_SURVEY") != "" { // go on, to see what else there is
		m.t.Errorf("seed %d: %v", s.Seed, f)
		return
	}
	if !m.repeats(s) {
		m.t.Logf("seed %d: a difference that does not show again: %v", s.Seed, f)
		if m.unrepeated++; m.unrepeated > unrepeatedMax {
			m.t.Fatalf("%d differences did not show again: that is no matter of timing any more", m.unrepeated)
		}
		return
	}
	m.t.Logf("seed %d: a difference, to be reduced: %v", s.Seed, f)
	small := differential.Shrink(s, f.Sort, m.play)
	var b strings.Builder
	for i := range small.Steps {
		fmt.Fprintf(&b, "  %v\n", &small.Steps[i])
	}
	m.t.Fatalf("seed %d: a difference: %v\nthe script, reduced:\n%s", s.Seed, f, b.String())
}

// result is what the run of a test process came to.
type result struct {
	operations int
	hits       map[string]int
	coverage   *differential.Coverage
}

// longRun is where a run is long enough to have met every class.
const longRun = 100_000

var theRun struct {
	began bool
	*result
}

// played is the run, which the first test that asks for it makes.
func played(t *testing.T) *result {
	t.Helper()
	if !theRun.began {
		theRun.began = true
		theRun.result = playAll(t)
	}
	if theRun.result == nil {
		t.Skip("the run did not come to its end")
	}
	return theRun.result
}

// playAll plays until ZENSUS_DIFF_OPS operations were compared, in all profiles
// together, and writes the table of results to the file ZENSUS_EVIDENCE.
func playAll(t *testing.T) *result {
	want := envInt(t, "ZENSUS_DIFF_OPS", 20_000)
	seed := uint64(envInt(t, "ZENSUS_DIFF_SEED", 1))
	r := &result{hits: map[string]int{}, coverage: differential.NewCoverage()}
	whole := true
	for i, p := range profiles {
		whole = t.Run(p.name, func(t *testing.T) {
			m := newMatch(t, p.cfg)
			began := time.Now()
			for m.operations < want/len(profiles) {
				m.demand(differential.Generate(seed*1_000_000+uint64(i)*100_000+uint64(m.played), p.options()))
			}
			t.Logf("%d operations in %d scripts, %v", m.operations, m.played, time.Since(began).Round(time.Millisecond))
			r.operations += m.operations
			r.coverage.Add(m.judge.Coverage)
			for k, v := range m.judge.Hits {
				r.hits[k] += v
			}
		}) && whole
	}
	if !whole || r.operations == 0 {
		return nil
	}
	var table strings.Builder
	fmt.Fprintf(&table, "%d operations, seed %d\n\n", r.operations, seed)
	if err := r.coverage.Write(&table); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&table, "\ndifferences, by class\n")
	for _, c := range differential.Classes() {
		fmt.Fprintf(&table, "%6d %s\n", r.hits[c.Name], c.Name)
	}
	path := os.Getenv("ZENSUS_EVIDENCE")
	if path == "" {
		path = filepath.Join(t.TempDir(), "differential.txt")
	}
	if err := os.WriteFile(path, []byte(table.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", table.String())
	return r
}

func TestNoDifferenceOutsideTheClasses(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs two servers for a minute")
	}
	played(t)
}

func TestCoverage(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs two servers for a minute")
	}
	r := played(t)
	for side, name := range []string{"the reference", "zensus"} {
		for _, c := range r.coverage.Missing(side) {
			t.Errorf("%s never answered %v with %d", name, c.Op, c.Code)
		}
	}
	if r.coverage.Refusals[1] == 0 || r.coverage.Refusals[0] == 0 {
		t.Error("no session was refused")
	}
}

func TestEveryClassIsMetInALongRun(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs two servers for a minute")
	}
	r := played(t)
	if r.operations < longRun {
		t.Skipf("a run of %d operations is not long (ZENSUS_DIFF_OPS)", r.operations)
	}
	for _, c := range differential.Classes() {
		if r.hits[c.Name] == 0 && !c.Rare {
			t.Errorf("no difference was of the class %q", c.Name)
		}
	}
}

func TestContainersAndTimesToLiveEndAlike(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs two servers")
	}
	m := newMatch(t, map[string]string{"znode.container.checkIntervalMs": "500"})
	m.demand(differential.Reaping(5))
}

func TestEveryCodeIsRequiredOrExplained(t *testing.T) {
	known := map[core.Code]bool{}
	for _, c := range differential.RequiredCodes {
		known[c] = true
	}
	for _, u := range differential.Unreached {
		if known[u.Code] {
			t.Errorf("%v is required and said not to be reached", u.Code)
		}
		known[u.Code] = true
	}
	for c := core.Code(0); c > -200; c-- {
		if named := !strings.HasPrefix(c.Error(), "code "); named != known[c] {
			t.Errorf("code %d is named %v and accounted for %v", c, named, known[c])
		}
	}
	for op := wire.OpCode(-20); op < 200; op++ {
		_, required := differential.RequiredOps[op]
		_, disputed := differential.DisputedOps[op]
		named := op.String() != fmt.Sprint(int32(op)) && op != wire.OpError && op != wire.OpCheck
		if named != (required || disputed) {
			t.Errorf("operation %v is named %v and required %v", op, named, required || disputed)
		}
	}
}

var update = flag.Bool("update", false, "write the page of differences")

func TestPageSaysWhatTheListSays(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "protocol", "zookeeper-differences.md")
	if *update {
		if err := os.WriteFile(path, []byte(differential.Document()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != differential.Document() {
		t.Error("the page is not what the list says: go test ./differential -run Page -update")
	}
}

func TestSameSeedMakesTheSameScript(t *testing.T) {
	o := differential.Options{Steps: 60}
	if a, b := differential.Generate(7, o), differential.Generate(7, o); !reflect.DeepEqual(a, b) {
		t.Error("two scripts of one seed differ")
	}
}

// TestScript plays one script alone: ZENSUS_DIFF_SCRIPT is its seed, as a failure
// of the run prints it.
func TestScript(t *testing.T) {
	seed := envInt(t, "ZENSUS_DIFF_SCRIPT", 0)
	if seed == 0 {
		t.Skip("ZENSUS_DIFF_SCRIPT names no script")
	}
	p := profiles[seed/100_000%10]
	newMatch(t, p.cfg).demand(differential.Generate(uint64(seed), p.options()))
}
