package differential_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	if os.Getenv("ZENSUS_DIFF_SURVEY") != "" {
		m.t.Errorf("seed %d: %v", s.Seed, f)
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

var run *result

func TestNoDifferenceOutsideTheClasses(t *testing.T) {
	want := envInt(t, "ZENSUS_DIFF_OPS", 20_000)
	seed := uint64(envInt(t, "ZENSUS_DIFF_SEED", 1))
	r := &result{hits: map[string]int{}, coverage: differential.NewCoverage()}
	for i, p := range profiles {
		t.Run(p.name, func(t *testing.T) {
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
		})
	}
	for _, c := range differential.Classes() {
		t.Logf("%6d %s", r.hits[c.Name], c.Name)
	}
	path := os.Getenv("ZENSUS_EVIDENCE")
	if path == "" {
		path = filepath.Join(t.TempDir(), "coverage.txt")
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.coverage.Write(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	run = r
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
