package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core/sim"
)

const root = "../../.."

// wanted are the mistakes that others have paid for. None of them may be missing.
const wanted = `ack-newleader-before-fsync, async-log-then-ack, epoch-before-log, ack-reorder, snap-in-memory,
	apply-before-newleader, apply-before-durable, hole-in-ring, leak-disk-goroutine, position-before-state,
	create-after-closing, uptodate-zxid, forward-set, trunc-inexact, trunc-no-fsync, no-dir-fsync,
	fsync-retry, empty-disk-votes, acceptedEpoch-after-ackepoch, double-ackepoch, old-quorum-only-in-reconfig,
	commit-out-of-order, observer-sees-uncommitted, sync-without-confirmation, touch-lost-on-stall,
	expiry-forwarded, setwatches-off-by-one, watch-before-data, session-id-reuse, purge-by-count,
	snapshot-above-commit, torn-tail-truncates-middle, reply-zxid, reuse-sync-nonce, second-apply-path,
	pending-config-survives-trunc, stale-generation-ack, lastSeen-gate-off, revalidate-late-owner`

func load(t *testing.T) []*mutant {
	t.Helper()
	list, err := parse(mutants)
	require.NoError(t, err)
	return list
}

func TestTheListHasEveryMistakeThatWasPaidFor(t *testing.T) {
	var names []string
	for _, m := range load(t) {
		require.NotContains(t, names, m.name, "twice")
		names = append(names, m.name)
		require.NotEmpty(t, m.what, m.name)
		require.NotEmpty(t, m.rule, m.name)
		ways := 0
		for _, has := range []bool{m.pending != "", m.seam, len(m.edits) > 0} {
			if has {
				ways++
			}
		}
		require.Equal(t, 1, ways, "%s is made in one way, or not yet", m.name)
		require.Contains(t, []string{"ensemble", "alone", "twice", "members"}, m.world, m.name)
		if m.seam {
			require.True(t, slices.Contains(sim.Mutants, sim.Mutant(m.name)), m.name)
		}
	}
	for name := range strings.SplitSeq(wanted, ",") {
		require.Contains(t, names, strings.TrimSpace(name))
	}
	for _, m := range sim.Mutants {
		require.Contains(t, names, string(m))
	}
}

// TestEveryMistakeFits fails when the source has moved on: then the mistake is to be
// put where the source is now, and `make mutants` to be run.
func TestEveryMistakeFits(t *testing.T) {
	for _, m := range load(t) {
		files, err := m.overlay(root)
		require.NoError(t, err)
		for file, text := range files {
			before, err := os.ReadFile(filepath.Join(root, file))
			require.NoError(t, err)
			require.NotEqual(t, string(before), text, m.name)
		}
	}
}

// TestTheTableIsOfThisList compares the page that `make mutants` has written with the
// list: every mistake that can be made has a seed that finds it.
func TestTheTableIsOfThisList(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "docs", "mutants.md"))
	require.NoError(t, err)
	rows := map[string][]string{}
	var order []string
	for line := range strings.Lines(string(b)) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if name := strings.TrimPrefix(cells[0], "| "); len(cells) == 6 && name != "mistake" {
			rows[name], order = cells, append(order, name)
		}
	}
	var names []string
	for _, m := range load(t) {
		names = append(names, m.name)
		row := rows[m.name]
		require.NotNil(t, row, "%s is not in the table: run `make mutants`", m.name)
		require.Equal(t, []string{m.what, m.rule}, row[1:3], m.name)
		if m.pending == "" {
			require.Regexp(t, seedText, row[4], "%s was not found", m.name)
		}
	}
	require.Equal(t, names, order)
}

func TestAListThatIsNone(t *testing.T) {
	for _, text := range []string{"rule Z-01", "mutant a\nwhat\nreplace\nx", "mutant a\nwhat\nmore words", "mutant a\nreplace\nx\nwith\ny"} {
		_, err := parse(text)
		require.Error(t, err, text)
	}
	m := &mutant{name: "a", edits: []edit{{"core/sim/doc.go", "nowhere is this\n", ""}}}
	_, err := m.overlay(root)
	require.ErrorContains(t, err, "0 times")
}
