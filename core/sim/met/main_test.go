package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../../.."

// elsewhere are the rules that nothing in a simulated server names, and what holds them.
var elsewhere = map[string]string{
	"Z-62": "cmd/zensus: TestVotersChangeOnlySoThatQuorumsMeet",
}

// rows are the cells of the table under a heading, without its head.
func rows(t *testing.T, file, heading string) (list [][]string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, file))
	require.NoError(t, err)
	_, text, ok := strings.Cut(string(b), heading+"\n")
	require.True(t, ok, heading)
	text, _, _ = strings.Cut(text, "\n## ")
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "| ") {
			list = append(list, strings.Split(strings.Trim(line, "| "), " | "))
		}
	}
	require.Greater(t, len(list), 1, heading)
	return list[1:]
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

func TestTheFloorWasMet(t *testing.T) {
	met := map[string]int{}
	for _, row := range rows(t, "docs/simulated.md", "## The floor") {
		met[row[0]] = number(t, row[1])
	}
	for _, f := range floor() {
		require.GreaterOrEqual(t, met[f.name], f.least, "%s: run `make sim`", f.name)
	}
}

func TestProcessesEndedAtEveryCall(t *testing.T) {
	calls := map[string]int{}
	for _, row := range rows(t, "docs/simulated.md", "## Where processes ended") {
		if row[2] == "in core/storage" {
			require.Contains(t, byMatrix, row[0])
			continue
		}
		calls[row[0]] = number(t, row[2])
		require.Positive(t, calls[row[0]], row[0])
	}
	for _, call := range []string{
		"create of spare", "write of segment", "sync of segment", "rename of spare", "syncdir of logdir", "write of meta", "sync of meta",
		"create of snaptemp", "write of snaptemp", "sync of snaptemp", "rename of snaptemp", "syncdir of snapdir", "remove of snapshot",
		"truncate of segment",
	} {
		require.Contains(t, calls, call)
	}
}

func TestEveryRuleWasExecuted(t *testing.T) {
	executed := map[string]bool{}
	for _, row := range rows(t, "docs/simulated.md", "## The rules") {
		require.Positive(t, number(t, row[2]), row)
		executed[row[0]] = true
	}
	for _, row := range rows(t, "docs/protocol/sources.md", "## ZAB") {
		if rule.MatchString(row[0]) && elsewhere[row[0]] == "" {
			require.True(t, executed[row[0]], "%s: run `make sim`", row[0])
		}
	}
}

// source names rules in the ways in which sources do.
const source = `package a

// Z-01 is of a type.
type a struct{}

// b keeps Z-02.
func b() {
	if true {
		return // Z-03
	}
	// Z-04: and
	// more of it.
	b()
}
`

func TestSitesAndTheirCounts(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.go")
	require.NoError(t, os.WriteFile(file, []byte(source), 0o600))
	sites := map[string][]site{}
	require.NoError(t, sitesOf(file, sites))
	require.Empty(t, sites["Z-01"])
	require.Equal(t, 8, sites["Z-02"][0].line)
	require.Equal(t, 9, sites["Z-03"][0].line)
	require.Equal(t, 13, sites["Z-04"][0].line)

	profile := filepath.Join(dir, "cover")
	text := "mode: count\nx/" + strings.TrimPrefix(filepath.ToSlash(file), "/") + ":7.10,8.10 1 5\nx" + filepath.ToSlash(file) + ":8.10,10.3 1 2\nx" + filepath.ToSlash(file) + ":13.2,13.5 1 0\n"
	require.NoError(t, os.WriteFile(profile, []byte(text), 0o600))
	cover := coverage{}
	require.NoError(t, cover.read(profile))
	for _, s := range []struct{ line, count int }{{9, 2}, {13, 0}} {
		require.Equal(t, s.count, cover.at(site{file: strings.TrimPrefix(filepath.ToSlash(file), "/"), line: s.line, column: 3}))
	}
}

func TestCountsAreRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "counts")
	require.NoError(t, os.WriteFile(file, []byte("a thing 3\nanother 1\n"), 0o600))
	met := map[string]int{"another": 1}
	require.NoError(t, readCounts(file, met))
	require.Equal(t, map[string]int{"a thing": 3, "another": 2}, met)
	require.NoError(t, os.WriteFile(file, []byte("nothing\n"), 0o600))
	require.Error(t, readCounts(file, met))
}
