package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// mutant is one mistake. The list has, for each,
//
//	mutant <name>
//	<what is wrong then, in one line>
//	rule <which rule forbids it>
//
// and then any of
//
//	world ensemble|alone|twice|members
//	                             where it is looked for; ensemble if nothing is said.
//	                             twice: in ensembles, of which each seed is run twice;
//	                             members: in those whose members change
//	only <fault>                 the one kind of fault there is
//	pending <why>                it cannot be made yet
//	seam                         package sim makes it, under its name
//	in <file>                    which file is changed
//	replace                      the lines that go, up to with; they occur once
//	with                         the lines that come instead, up to end
//	end
//
// A line "ours" says that the following mistakes are nobody's but ours.
type mutant struct {
	name, what, rule string
	world, only      string
	pending          string
	seam, ours       bool
	edits            []edit
}

// edit is a change of a file.
type edit struct{ file, from, to string }

// parse reads a list.
func parse(text string) ([]*mutant, error) {
	var list []*mutant
	var m *mutant
	var file string
	ours := false
	lines := bufio.NewScanner(strings.NewReader(text))
	n := 0
	block := func(end string) (string, error) {
		var b strings.Builder
		for lines.Scan() {
			n++
			if lines.Text() == end {
				return b.String(), nil
			}
			b.WriteString(lines.Text() + "\n")
		}
		return "", fmt.Errorf("line %d: no %q", n, end)
	}
	for lines.Scan() {
		n++
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch {
		case word == "" || strings.HasPrefix(word, "#"):
			continue
		case word == "ours":
			ours = true
			continue
		case word == "mutant":
			m = &mutant{name: rest, world: "ensemble", ours: ours}
			list = append(list, m)
			file = ""
			continue
		case m == nil:
			return nil, fmt.Errorf("line %d: %q before any mutant", n, word)
		}
		switch word {
		case "rule":
			m.rule = rest
		case "world":
			m.world = rest
		case "only":
			m.only = rest
		case "pending":
			m.pending = rest
		case "seam":
			m.seam = true
		case "in":
			file = rest
		case "replace":
			from, err := block("with")
			if err != nil {
				return nil, err
			}
			to, err := block("end")
			if err != nil {
				return nil, err
			}
			m.edits = append(m.edits, edit{file, from, to})
		default:
			if m.what != "" {
				return nil, fmt.Errorf("line %d: %q", n, lines.Text())
			}
			m.what = lines.Text()
		}
	}
	return list, lines.Err()
}

// overlay makes the changed files of a mutant, as the go command's -overlay takes them.
func (m *mutant) overlay(root string) (map[string]string, error) {
	files := map[string]string{}
	var failed []error
	for _, e := range m.edits {
		text, ok := files[e.file]
		if !ok {
			b, err := os.ReadFile(filepath.Join(root, e.file))
			if err != nil {
				return nil, err
			}
			text = string(b)
		}
		if n := strings.Count(text, e.from); n != 1 {
			failed = append(failed, fmt.Errorf("%s: what is to be replaced in %s is there %d times:\n%s", m.name, e.file, n, e.from))
			continue
		}
		files[e.file] = strings.Replace(text, e.from, e.to, 1)
	}
	return files, errors.Join(failed...)
}
