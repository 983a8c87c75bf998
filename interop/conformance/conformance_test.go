package conformance

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pmezard/go-difflib/difflib"
	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

var (
	record   = flag.String("record", "", "record the answers of a Nacos of this version, at -http and -grpc")
	httpAt   = flag.String("http", "http://127.0.0.1:8848", "where it is")
	consoled = flag.String("console", "http://127.0.0.1:8080", "and its console")
	grpcAt   = flag.String("grpc", "127.0.0.1:9848", "likewise")
	only     = flag.String("only", "", "only the script of this name")
	update   = flag.Bool("update", false, "write what Zensus answers where it differs, and the table")
	accept   = flag.Bool("accept", false, "write into lacking.txt what differs and should not")
)

func TestMain(m *testing.M) {
	code := m.Run()
	testkit.Cleanup()
	os.Exit(code)
}

func scripts(t *testing.T) []*script {
	t.Helper()
	all, err := readScripts("cases")
	require.NoError(t, err)
	return all
}

func TestRecord(t *testing.T) {
	if *record == "" {
		t.Skip("needs a Nacos server: -record")
	}
	require.Contains(t, versions, *record)
	at := &target{http: *httpAt + "/nacos", console: *consoled, grpc: *grpcAt}
	for _, s := range scripts(t) {
		if s.like != *record || *only != "" && s.name != *only {
			continue
		}
		answers := map[int]*answer{}
		require.NoError(t, at.play(s, nil, func(i int, a *answer) { answers[i] = a }))
		require.NoError(t, writeExchanges(s.like, s, answers))
	}
}

// TestAnswersAreThoseOfNacos plays every script against a Zensus that was just started.
func TestAnswersAreThoseOfNacos(t *testing.T) {
	if *record != "" {
		t.Skip("recording")
	}
	differs, err := reasons("differs.txt")
	require.NoError(t, err)
	// What follows a content that Nacos takes and Zensus refuses is to be compared too.
	server := testkit.Start(t, testkit.Options{Nacos: true, Config: map[string]string{"zensus.configs.validate": "warn"}})
	at := &target{
		http: fmt.Sprintf("http://127.0.0.1:%d/nacos", server.HTTPPort), console: fmt.Sprintf("http://127.0.0.1:%d/nacos", server.HTTPPort),
		grpc: fmt.Sprintf("127.0.0.1:%d", server.GRPCPort),
	}
	if *accept {
		at.patience = 3 * time.Second
	}
	lacking, err := steps("lacking.txt")
	require.NoError(t, err)
	c := comparison{at: at, differs: differs, lacking: lacking, seen: map[string]bool{}}
	for _, s := range scripts(t) {
		if *only != "" && s.name != *only {
			continue
		}
		t.Run(s.name, func(t *testing.T) { c.compare(t, s) })
	}
	if *only != "" {
		return
	}
	if *accept {
		require.NoError(t, writeSteps("lacking.txt", c.found))
		return
	}
	for what := range differs {
		if !c.seen[what] {
			t.Errorf("differs.txt: %s differs no more, or is no step", what)
		}
	}
	for what := range lacking {
		if !c.seen[what] {
			t.Errorf("lacking.txt: %s is answered as it should, or is no step: take it out", what)
		}
	}
}

// comparison is of Zensus with what was recorded.
type comparison struct {
	at      *target
	differs map[string]string   // on purpose
	lacking map[string]struct{} // and not
	seen    map[string]bool     // of both
	found   []string            // what lacks
}

// compare plays one script and compares the answers.
func (c *comparison) compare(t *testing.T, s *script) {
	theirs, err := exchanges(s.like, s)
	require.NoError(t, err)
	ours, err := exchanges("zensus", s)
	if err != nil && !os.IsNotExist(err) && !*update {
		require.NoError(t, err)
	}
	enough := func(i int, a *answer) bool {
		id := s.id(i)
		if _, lacks := c.lacking[id]; lacks && !*accept {
			return true
		}
		if _, differ := c.differs[id]; differ {
			return text(a) == text(ours[i].Answer)
		}
		return text(a) == text(theirs[i].Answer)
	}
	own := map[int]*answer{}
	err = c.at.play(s, enough, func(i int, a *answer) {
		id := s.id(i)
		if text(a) == text(theirs[i].Answer) {
			return
		}
		at := fmt.Sprintf("%s (line %d) %s", id, s.steps[i].line, s.steps[i].describe())
		_, lacks := c.lacking[id]
		switch _, differ := c.differs[id]; {
		case differ:
			c.seen[id], own[i] = true, a
			if !*update && text(a) != text(ours[i].Answer) {
				t.Errorf("%s: Zensus itself answered otherwise before\n%s", at, difference(text(ours[i].Answer), text(a)))
			}
		case lacks, *accept:
			c.seen[id] = true
			c.found = append(c.found, id)
		default:
			t.Errorf("%s\n%s", at, difference(text(theirs[i].Answer), text(a)))
		}
	})
	// A script ends where a push does not come, or what later steps need.
	if ended := new(stepError); errors.As(err, &ended) {
		id := s.id(ended.step)
		_, lacks := c.lacking[id]
		switch {
		case *accept:
			c.found = append(c.found, id)
			fallthrough
		case lacks:
			c.seen[id], err = true, nil
		}
	}
	if err != nil {
		t.Error(err)
	}
	if *update {
		require.NoError(t, writeExchanges("zensus", s, own))
	}
}

// id names a step in differs.txt.
func (s *script) id(i int) string { return fmt.Sprintf("%s.%03d", s.name, i+1) }

// difference shows what is not alike in two texts.
func difference(want, got string) string {
	if len(want) < 400 && len(got) < 400 {
		return "Nacos:  " + compact(want) + "\nZensus: " + compact(got)
	}
	diff, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: difflib.SplitLines(want), B: difflib.SplitLines(got), FromFile: "Nacos", ToFile: "Zensus", Context: 2,
	})
	if err != nil {
		return err.Error()
	}
	return diff
}

func compact(s string) string { return strings.Join(strings.Fields(s), " ") }
