package conformance

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A script is a file of steps:
//
//	like 2.5.1                     the release that decides
//
//	POST /v1/ns/instance           a request; the context path is left out
//	    serviceName=orders         a parameter, in the query
//	    header betaIps: 10.0.0.1
//	    form                       parameters go into the body instead
//	    body {"a":1}               the body, JSON unless a header Content-Type says otherwise
//	    file policy.zip <- saved   an upload of an earlier answer
//	    zip "a/b.txt" "c\n"        an upload of an archive, which has this and more such entries
//	    until                      asked again until the answer is the recorded one
//	    sort                       lists may have any order
//	    with orders                of lists, only what contains that text
//	    unheard                    the answer is not compared
//	    save id pageItems.0.id     a part of the answer for later steps: $id
//	    mask port                  members that differ from run to run, or that are not meant
//	    drop createTime            members that are not compared at all
//	    later poll                 the steps that follow are done while this one is not answered
//	await poll                     its answer
//	connect a {"labels":{}}        a connection over gRPC, set up; that it is, is not compared
//	dial a                         one without a setup, and
//	send a NAME {...}              a message on its stream that nobody answers
//	ask a InstanceRequest {...}    a request on it
//	told a NotifySubscriberRequest a push that must come, whatever comes before it; it is acknowledged
//	cut a                          the connection ends
//	wait 500ms
//	settle 16s                     likewise, but only where Nacos is recorded
//
// and # begins a comment.
type script struct {
	name  string // of the file, without .txt
	like  string
	steps []step
}

// step is one thing to be done, with what it is answered.
type step struct {
	ask     string // the line it begins with
	line    int
	method  string // of HTTP, or connect, dial, send, ask, told, cut, wait, settle, await
	path    string // of HTTP, or the connection's name, or that of a step to be awaited
	kind    string // of a payload
	json    string // of a payload or a body
	params  [][2]string
	header  http.Header
	form    bool
	until   bool
	sort    bool
	with    string
	silent  bool
	upload  string      // the name of what was saved
	entries [][2]string // of an archive to be uploaded
	later   string      // the name to be awaited by
	saves   [][2]string
	masks   []string
	drops   []string
	wait    time.Duration
}

// answered reports whether a step has an answer to be compared.
func (s *step) answered() bool {
	return s.later == "" && !s.silent && !slices.Contains([]string{"connect", "dial", "send", "cut", "wait", "settle"}, s.method)
}

// http reports whether a step is a request over HTTP.
func (s *step) http() bool { return strings.ToUpper(s.method) == s.method }

var versions = []string{"2.5.1", "3.0.3"}

func readScripts(dir string) ([]*script, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no scripts in %s", dir)
	}
	var all []*script
	for _, file := range files {
		s, err := readScript(file)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func readScript(file string) (*script, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := &script{name: strings.TrimSuffix(filepath.Base(file), ".txt")}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimRight(lines.Text(), " \t")
		text := strings.TrimSpace(line)
		switch {
		case text == "" || strings.HasPrefix(text, "#"):
		case text != line: // indented
			if len(s.steps) == 0 {
				err = fmt.Errorf("no step to belong to")
			} else {
				err = s.steps[len(s.steps)-1].option(text)
			}
		case strings.HasPrefix(text, "like "):
			s.like = strings.TrimPrefix(text, "like ")
		default:
			var st step
			if st, err = readStep(text); err == nil {
				st.line = n
				s.steps = append(s.steps, st)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, n, err)
		}
	}
	if !slices.Contains(versions, s.like) {
		return nil, fmt.Errorf("%s: like %q, and not one of %v", file, s.like, versions)
	}
	return s, lines.Err()
}

func readStep(text string) (step, error) {
	words := strings.SplitN(text, " ", 4)
	s := step{ask: text, method: words[0], header: http.Header{}}
	word := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	switch s.method {
	case "wait", "settle":
		var err error
		s.wait, err = time.ParseDuration(word(1))
		return s, err
	case "connect":
		_, s.json, _ = strings.Cut(text, word(1)+" ")
		s.path, s.kind = word(1), "ConnectionSetupRequest"
	case "ask", "told", "send":
		s.path, s.kind, s.json = word(1), word(2), word(3)
		if s.kind == "" {
			return s, fmt.Errorf("of what type?")
		}
	case "dial", "cut", "await":
		s.path = word(1)
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch:
		s.path = word(1)
	default:
		return s, fmt.Errorf("%q is no step", s.method)
	}
	return s, nil
}

func (s *step) option(text string) error {
	name, rest, _ := strings.Cut(text, " ")
	switch name {
	case "form":
		s.form = true
	case "until":
		s.until = true
	case "sort":
		s.sort = true
	case "with":
		s.with = rest
	case "unheard":
		s.silent = true
	case "header":
		k, v, ok := strings.Cut(rest, ": ")
		if !ok {
			return fmt.Errorf("a header is name: value")
		}
		if s.http() {
			k = http.CanonicalHeaderKey(k)
		}
		s.header[k] = []string{v}
	case "body":
		s.json = rest
	case "file":
		_, saved, ok := strings.Cut(rest, " <- ")
		if !ok {
			return fmt.Errorf("a file is name <- saved")
		}
		s.upload = saved
	case "zip":
		var entry [2]string
		quoted := json.NewDecoder(strings.NewReader(rest))
		if err := errors.Join(quoted.Decode(&entry[0]), quoted.Decode(&entry[1])); err != nil {
			return fmt.Errorf("an entry is a name and a content, both quoted: %w", err)
		}
		s.entries = append(s.entries, entry)
	case "later":
		s.later = rest
	case "save":
		k, v, _ := strings.Cut(rest, " ")
		s.saves = append(s.saves, [2]string{k, v})
	case "mask":
		s.masks = append(s.masks, strings.Fields(rest)...)
	case "drop":
		s.drops = append(s.drops, strings.Fields(rest)...)
	default:
		k, v, ok := strings.Cut(text, "=")
		if !ok {
			return fmt.Errorf("%q is no option", text)
		}
		s.params = append(s.params, [2]string{k, v})
	}
	return nil
}
