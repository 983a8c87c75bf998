package conformance

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"
)

// endpoint is one thing that Nacos offers.
type endpoint struct {
	release string
	method  string // of HTTP, or gRPC
	path    string // or the payload's type
	cond    string // a parameter that tells it from others of its path: export=true
}

func (e endpoint) String() string {
	return strings.TrimSpace(strings.Join([]string{e.release, e.method, e.path, e.cond}, " "))
}

func readEndpoints(file string) ([]endpoint, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []endpoint
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		w := strings.Fields(lines.Text())
		switch {
		case len(w) == 0 || w[0] == "#":
		case len(w) == 3:
			all = append(all, endpoint{w[0], w[1], w[2], ""})
		case len(w) == 4:
			all = append(all, endpoint{w[0], w[1], w[2], w[3]})
		default:
			return nil, fmt.Errorf("%s: %q is no endpoint", file, lines.Text())
		}
	}
	return all, lines.Err()
}

// asks reports whether a step of a script that is like a release asks this endpoint,
// others of its path aside.
func (e endpoint) asks(like string, s *step) bool {
	switch {
	case e.release != like:
		return false
	case e.method == "gRPC":
		return !s.http() && s.kind == e.path || s.method == "connect" && e.path == "SetupAckRequest"
	case s.method != e.method:
		return false
	}
	want, got := strings.Split(e.path, "/"), strings.Split(s.path, "/")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if want[i] != got[i] && !strings.HasPrefix(want[i], "{") {
			return false
		}
	}
	return e.cond == "" || slices.ContainsFunc(s.params, func(kv [2]string) bool { return kv[0]+"="+kv[1] == e.cond })
}

// tested is what became of an endpoint.
type tested struct {
	endpoint
	steps   int      // of scripts that ask it
	lacking int      // of them that are not answered as they should be yet
	differs []string // why some are answered otherwise, each reason once
	leftOut string   // why none is
}

// whatBecame counts the steps of every endpoint. A step counts for the endpoint that
// has its condition, and for the one without only where there is none.
func whatBecame(endpoints []endpoint, all []*script, differs, leftOut map[string]string, lacking map[string]struct{}) []tested {
	out := make([]tested, len(endpoints))
	for i, e := range endpoints {
		out[i] = tested{endpoint: e, leftOut: leftOut[e.String()]}
	}
	for _, s := range all {
		for n := range s.steps {
			hit := -1
			for i := range out {
				if out[i].asks(s.like, &s.steps[n]) && (hit < 0 || out[i].cond != "") {
					hit = i
				}
			}
			if hit < 0 {
				continue
			}
			out[hit].steps++
			if _, lacks := lacking[s.id(n)]; lacks {
				out[hit].lacking++
			}
			if why, ok := differs[s.id(n)]; ok && !slices.Contains(out[hit].differs, why) {
				out[hit].differs = append(out[hit].differs, why)
			}
		}
	}
	return out
}

// The table stands in a page between these lines.
const (
	tableBegins = "<!-- made by interop/conformance: go test ./conformance -update -->\n"
	tableEnds   = "<!-- end -->\n"
)

// table is what became of all, as a page has it.
func table(all []tested) string {
	var b strings.Builder
	b.WriteString("| asked | as Nacos | requests | not alike yet | different, or left out |\n|---|---|---|---|---|\n")
	for _, e := range all {
		what := e.method + " " + e.path
		if e.cond != "" {
			what += " " + e.cond
		}
		steps, lacking, rest := fmt.Sprint(e.steps), "", strings.Join(e.differs, "; ")
		if e.lacking > 0 {
			lacking = fmt.Sprint(e.lacking)
		}
		if e.leftOut != "" {
			steps, rest = "", "left out: "+e.leftOut
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", what, e.release, steps, lacking, rest)
	}
	return b.String()
}

// inPage is a page with another table in it.
func inPage(page, table string) (string, error) {
	before, rest, ok := strings.Cut(page, tableBegins)
	_, after, ended := strings.Cut(rest, tableEnds)
	if !ok || !ended {
		return "", fmt.Errorf("the page has no place for the table")
	}
	return before + tableBegins + table + tableEnds + after, nil
}
