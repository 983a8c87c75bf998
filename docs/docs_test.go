package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/testkit"
)

const root = ".."

func TestMain(m *testing.M) {
	code := m.Run()
	testkit.Cleanup()
	os.Exit(code)
}

// documents are all of them: those of the root, and those below docs and deploy.
func documents(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "deploy/*.md", "deploy/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		files = append(files, found...)
	}
	require.NotEmpty(t, files)
	return files
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(b)
}

var link = regexp.MustCompile(`!?\[[^\]]*\]\(([^)\s]+)\)`)

// outside code, where brackets mean something else.
var code = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")

func TestLinksLeadSomewhere(t *testing.T) {
	n := 0
	for _, file := range documents(t) {
		text := code.ReplaceAllString(read(t, file), "")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target := m[1]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue // the tests run without a network
			}
			n++
			path, anchor, _ := strings.Cut(target, "#")
			to := file
			if path != "" {
				to = filepath.Join(filepath.Dir(file), path)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %s leads nowhere", file, target)
				continue
			}
			if anchor != "" && !anchors(read(t, to))[anchor] {
				t.Errorf("%s: there is no heading for %s", file, target)
			}
		}
	}
	require.Greater(t, n, 10)
}

var notInAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)

// anchors are those that headings get where the documents are shown.
func anchors(text string) map[string]bool {
	out := map[string]bool{}
	for line := range strings.SplitSeq(code.ReplaceAllString(text, ""), "\n") {
		if heading := strings.TrimLeft(line, "#"); heading != line {
			s := notInAnchor.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), "")
			out[strings.ReplaceAll(s, " ", "-")] = true
		}
	}
	return out
}

func TestDecisionsHaveTheirParts(t *testing.T) {
	files, err := filepath.Glob("decisions/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	name := regexp.MustCompile(`^\d{4}-[a-z0-9-]+\.md$`)
	seen := map[string]bool{}
	for _, file := range files {
		base := filepath.Base(file)
		if base == "README.md" {
			continue
		}
		require.Regexp(t, name, base)
		require.False(t, seen[base[:4]], "two decisions have the number %s", base[:4])
		seen[base[:4]] = true
		text := read(t, file)
		for _, part := range []string{"## Context", "## Decision", "## Consequences", "## Rejected"} {
			require.Contains(t, text, part+"\n", file)
		}
		require.Contains(t, read(t, "decisions/README.md"), "("+base+")", "the list of decisions names all of them")
	}
}
