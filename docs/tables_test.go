package docs_test

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core/apache"
	"github.com/zensus-io/zensus/internal/settings"
)

var update = flag.Bool("update", false, "write the tables that follow from the code")

// rows are the cells of the table that follows a line of text, without its head.
func rows(t *testing.T, file, after string) [][]string {
	t.Helper()
	_, text, found := strings.Cut(read(t, file), after)
	require.True(t, found, "%s: %q is missing", file, after)
	var out [][]string
	n := 0
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			if n > 0 {
				break
			}
			continue
		}
		if n++; n <= 2 {
			continue // head and rule
		}
		cells := strings.Split(strings.Trim(line, "|"), " | ")
		for i := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(cells[i]), "`")
		}
		out = append(out, cells)
	}
	require.NotEmpty(t, out, "%s: no table after %q", file, after)
	return out
}

func column(table [][]string, i int) []string {
	var out []string
	for _, cells := range table {
		out = append(out, cells[i])
	}
	return out
}

const (
	generated = "<!-- The table follows from core/apache/keys.go: go test ./docs -update writes it. -->\n"
	generates = "<!-- end -->"
)

func TestTableOfZooCfgIsThatOfTheCode(t *testing.T) {
	const file = "zoo-cfg.md"
	var want strings.Builder
	want.WriteString("| key | default | what becomes of it | note |\n|---|---|---|---|\n")
	for _, k := range apache.Keys() {
		value := ""
		if k.Default != "" {
			value = "`" + k.Default + "`"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %v | %s |\n", k.Name, value, k.Status, k.Note)
	}
	text := read(t, file)
	head, rest, ok := strings.Cut(text, generated)
	require.True(t, ok, "no beginning")
	got, tail, ok := strings.Cut(rest, generates)
	require.True(t, ok, "no end")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(head+generated+want.String()+generates+tail), 0o644))
		return
	}
	require.Equal(t, want.String(), got)
}

// defaults are the defaults of the settings as `zensus serve --check` prints them.
func defaults(t *testing.T) map[string]string {
	t.Helper()
	var b bytes.Buffer
	d := settings.Default()
	require.NoError(t, d.Print(&b))
	out := map[string]string{}
	var sections []string
	for line := range strings.SplitSeq(strings.TrimSpace(b.String()), "\n") {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		depth := (len(line) - len(strings.TrimLeft(line, " "))) / 2
		sections = append(sections[:depth], key)
		out[strings.Join(sections, ".")] = strings.Trim(strings.TrimSpace(value), `"`)
	}
	return out
}

func TestTableOfSettingsIsThatOfTheCode(t *testing.T) {
	table := rows(t, "settings.md", "## All keys")
	require.Equal(t, settings.Keys(), column(table, 0))
	want := defaults(t)
	for _, cells := range table {
		require.Equal(t, want[cells[0]], strings.ReplaceAll(cells[1], "blank", ""), cells[0])
	}
}

func TestSampleConfigurationHoldsTheDefaults(t *testing.T) {
	s, err := settings.Load(filepath.Join(root, "deploy", "zensus.yaml"), nil)
	require.NoError(t, err)
	d := settings.Default()
	d.DataDir = s.DataDir
	require.Equal(t, "/var/lib/zensus", s.DataDir)
	var got, want bytes.Buffer
	require.NoError(t, s.Print(&got))
	require.NoError(t, d.Print(&want))
	require.Equal(t, want.String(), got.String())

	// What is commented out is the default too, and every key is there.
	sample := read(t, filepath.Join(root, "deploy", "zensus.yaml"))
	full := filepath.Join(t.TempDir(), "zensus.yaml")
	require.NoError(t, os.WriteFile(full, []byte(commented.ReplaceAllString(sample, "$1$2")), 0o600))
	s, err = settings.Load(full, nil)
	require.NoError(t, err)
	got.Reset()
	require.NoError(t, s.Print(&got))
	require.Equal(t, want.String(), got.String())
	for _, key := range settings.Keys() {
		last := key[strings.LastIndexByte(key, '.')+1:]
		require.Regexp(t, `(?m)^[ #]*`+last+`:`, sample, "every key is in the sample")
	}
}

// commented is a setting that is commented out: "# key: value".
var commented = regexp.MustCompile(`(?m)^( *)# ( *[a-z_]+:(?: .*)?)$`)

var metric = regexp.MustCompile(`"(zensus_[a-z_]+)"`)

func TestTableOfMetricsIsThatOfTheCode(t *testing.T) {
	found := map[string]bool{}
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == "console" || d.Name() == "interop" || d.Name() == ".git"):
			return fs.SkipDir
		case filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		for _, m := range metric.FindAllStringSubmatch(read(t, path), -1) {
			found[m[1]] = true
		}
		return nil
	}))
	var want []string
	for name := range found {
		want = append(want, name)
	}
	slices.Sort(want)
	got := column(rows(t, "operations.md", "## Metrics"), 0)
	require.Equal(t, want, got)
}

func TestTableOfDependenciesIsThatOfTheModule(t *testing.T) {
	versions := map[string]string{}
	require := require.New(t)
	for line := range strings.SplitSeq(read(t, filepath.Join(root, "go.mod")), "\n") {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(fields) >= 2 && strings.HasPrefix(fields[1], "v") {
			versions[fields[0]] = fields[1]
		}
	}
	cmd := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}{{"\n"}}{{join .TestImports "\n"}}{{"\n"}}{{join .XTestImports "\n"}}`, "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	require.NoError(err)
	direct := map[string]bool{}
	for imported := range strings.FieldsSeq(string(out)) {
		for path := imported; strings.Contains(path, "/"); path = path[:strings.LastIndexByte(path, '/')] {
			if _, known := versions[path]; known {
				direct[path] = true
				break
			}
		}
	}
	require.NotEmpty(direct)
	var want []string
	for path := range direct {
		want = append(want, path+" "+versions[path])
	}
	slices.Sort(want)
	var got []string
	for _, cells := range rows(t, "dependencies.md", "## Direct requirements") {
		got = append(got, cells[0]+" "+cells[1])
	}
	slices.Sort(got)
	require.Equal(want, got)
}
