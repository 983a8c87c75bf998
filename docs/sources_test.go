package docs_test

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	rule = regexp.MustCompile(`\bZ-[0-9]{2}\b`)
	// cited is a citation up to the end of its list of sections.
	cited   = regexp.MustCompile(`zookeeper-protocol(?: sections?)? ((?:[0-9]+(?:\.[0-9]+)?(?:, and |, | and |\b))+)`)
	section = regexp.MustCompile(`[0-9]+(?:\.[0-9]+)?`)
)

func TestEveryRuleThatACommentCitesIsExplained(t *testing.T) {
	const page = "protocol/sources.md"
	rules, sections := map[string]bool{}, map[string]bool{}
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == "interop" || d.Name() == ".git"):
			return fs.SkipDir
		case filepath.Ext(path) != ".go":
			return nil
		}
		text := read(t, path)
		for _, name := range rule.FindAllString(text, -1) {
			rules[name] = true
		}
		for _, m := range cited.FindAllStringSubmatch(text, -1) {
			for _, n := range section.FindAllString(m[1], -1) {
				sections[n] = true
			}
		}
		return nil
	}))
	require.Greater(t, len(rules), 10)
	require.Greater(t, len(sections), 10)
	explained := column(rows(t, page, "## ZAB"), 0)
	for name := range rules {
		require.Contains(t, explained, name)
	}
	for _, name := range explained {
		require.True(t, rules[name], "nothing cites %s", name)
	}
	known := column(rows(t, page, "## ZooKeeper's client protocol"), 0)
	for n := range sections {
		require.True(t, slices.Contains(known, n), "section %s", n)
	}
}
