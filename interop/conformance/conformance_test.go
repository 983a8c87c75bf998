package conformance

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

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
	server := testkit.Start(t, testkit.Options{Nacos: true})
	at := &target{
		http: fmt.Sprintf("http://127.0.0.1:%d/nacos", server.HTTPPort), console: fmt.Sprintf("http://127.0.0.1:%d/nacos", server.HTTPPort),
		grpc: fmt.Sprintf("127.0.0.1:%d", server.GRPCPort),
	}
	used := map[string]bool{}
	for _, s := range scripts(t) {
		if *only != "" && s.name != *only {
			continue
		}
		t.Run(s.name, func(t *testing.T) { s.compare(t, at, differs, used) })
	}
	if *only == "" && !t.Failed() {
		for what := range differs {
			require.True(t, used[what], "%s differs no more, or is no step", what)
		}
	}
}

// compare plays one script and compares the answers.
func (s *script) compare(t *testing.T, at *target, differs map[string]string, used map[string]bool) {
	theirs, err := exchanges(s.like, s)
	require.NoError(t, err)
	ours, err := exchanges("zensus", s)
	if err != nil && !os.IsNotExist(err) && !*update {
		require.NoError(t, err)
	}
	want := func(i int) string {
		if _, differ := differs[s.id(i)]; differ {
			return text(ours[i].Answer)
		}
		return text(theirs[i].Answer)
	}
	own := map[int]*answer{}
	err = at.play(s, func(i int, a *answer) bool { return text(a) == want(i) }, func(i int, a *answer) {
		id := s.id(i)
		same := text(a) == text(theirs[i].Answer)
		_, differ := differs[id]
		switch {
		case !differ && !same:
			t.Errorf("%s (line %d) %s\n%s", id, s.steps[i].line, s.steps[i].describe(), difference(text(theirs[i].Answer), text(a)))
		case differ && !same:
			used[id], own[i] = true, a
			if !*update && text(a) != text(ours[i].Answer) {
				t.Errorf("%s (line %d) %s: Zensus itself answered otherwise before\n%s", id, s.steps[i].line, s.steps[i].describe(),
					difference(text(ours[i].Answer), text(a)))
			}
		}
	})
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
