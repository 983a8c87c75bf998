package conformance

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// exchange is a step and its answer, as files have it.
type exchange struct {
	Ask    string  `json:"ask"`
	Answer *answer `json:"answer"`
}

func recording(dir, name string) string { return filepath.Join("recorded", dir, name+".json") }

// exchanges reads what was recorded: by the number of the step.
func exchanges(dir string, s *script) (map[int]exchange, error) {
	b, err := os.ReadFile(recording(dir, s.name))
	if err != nil {
		return nil, err
	}
	var all map[string]exchange
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, err
	}
	out := map[int]exchange{}
	for k, e := range all {
		i, err := strconv.Atoi(k)
		if err != nil || i < 1 || i > len(s.steps) || s.steps[i-1].describe() != e.Ask {
			return nil, fmt.Errorf("%s: step %s is %q there, and not in the script: record it again", recording(dir, s.name), k, e.Ask)
		}
		e.Answer.Body = mask(e.Answer.Body, &step{masks: s.steps[i-1].masks}) // what is masked now may not have been when it was recorded
		out[i-1] = e
	}
	return out, nil
}

// describe is a step on one line: a recording is good for just that one.
func (s *step) describe() string {
	var b strings.Builder
	b.WriteString(s.ask)
	for _, kv := range s.params {
		fmt.Fprintf(&b, " %s=%s", kv[0], kv[1])
	}
	for _, k := range slices.Sorted(maps.Keys(s.header)) {
		fmt.Fprintf(&b, " %s: %s", k, s.header[k][0])
	}
	if s.http() && s.json != "" {
		b.WriteString(" " + s.json)
	}
	for _, e := range s.entries {
		fmt.Fprintf(&b, " zip %q", e)
	}
	return b.String()
}

func writeExchanges(dir string, s *script, answers map[int]*answer) error {
	all := map[string]exchange{}
	for i, a := range answers {
		all[fmt.Sprintf("%03d", i+1)] = exchange{s.steps[i].describe(), a}
	}
	file := recording(dir, s.name)
	if len(all) == 0 {
		if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
			return err
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text(all)), 0o644)
}

// reasons are the lines of a file, "WHAT: WHY".
func reasons(file string) (map[string]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out := map[string]string{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		what, why, ok := strings.Cut(line, ": ")
		if !ok || why == "" {
			return nil, fmt.Errorf("%s:%d: %q has no reason", file, n, line)
		}
		if _, twice := out[what]; twice {
			return nil, fmt.Errorf("%s:%d: %s again", file, n, what)
		}
		out[what] = why
	}
	return out, lines.Err()
}

// steps are the lines of a file, each the name of a step.
func steps(file string) (map[string]struct{}, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	out := map[string]struct{}{}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out[line] = struct{}{}
		}
	}
	return out, nil
}

const lackingHead = "# Steps that are not answered as they should be yet. What is mended is taken out; nothing is put in.\n"

func writeSteps(file string, names []string) error {
	slices.Sort(names)
	var b strings.Builder
	b.WriteString(lackingHead)
	for _, name := range names {
		b.WriteString(name + "\n")
	}
	return os.WriteFile(file, []byte(b.String()), 0o644)
}
