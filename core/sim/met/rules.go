package main

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// site is a place in the source whose comment names a rule: line is that of the first
// statement at or behind the comment.
type site struct {
	file, fn     string
	line, column int
}

var rule = regexp.MustCompile(`\bZ-[0-9]{2}\b`)

// outside are the packages below core that no simulated server runs.
var outside = []string{"sim", "node", "server", "peer", "zkclient", "mirror", "coretest", "apache", "member", "pool", "lasting"}

// findSites finds, for each rule, the functions that name it.
func findSites(root string) (map[string][]site, error) {
	sites := map[string][]site{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			for _, name := range outside {
				if d.Name() == name && filepath.Dir(path) == root {
					return fs.SkipDir
				}
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		return sitesOf(path, sites)
	})
	return sites, err
}

func sitesOf(path string, sites map[string][]site) error {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
	if err != nil {
		return err
	}
	for _, group := range file.Comments {
		for _, name := range rule.FindAllString(group.Text(), -1) {
			for _, decl := range file.Decls {
				fn, ok := decl.(*ast.FuncDecl)
				if !ok || fn.Body == nil || len(fn.Body.List) == 0 {
					continue
				}
				var at ast.Node
				switch {
				case fn.Doc == group:
					at = fn.Body.List[0]
				case group.Pos() > fn.Body.Pos() && group.End() < fn.Body.End():
					at = behind(set, fn, group)
				}
				if at != nil {
					pos := set.Position(at.Pos())
					sites[name] = append(sites[name], site{filepath.ToSlash(path), fn.Name.Name, pos.Line, pos.Column})
				}
			}
		}
	}
	return nil
}

// behind is the first statement on the line of a comment or behind it.
func behind(set *token.FileSet, fn *ast.FuncDecl, group *ast.CommentGroup) (first ast.Node) {
	line := set.Position(group.Pos()).Line
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		if s, ok := n.(ast.Stmt); ok && n != fn.Body && set.Position(s.Pos()).Line >= line {
			if _, clause := n.(*ast.CaseClause); !clause && (first == nil || s.Pos() < first.Pos()) {
				first = s
			}
		}
		return true
	})
	return first
}

// coverage is how often each block was executed, by file.
type coverage map[string][]block

type block struct{ from, fromColumn, to, count int }

// read takes in a profile as `go test -coverprofile` writes it.
func (c coverage) read(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		file, rest, ok := strings.Cut(lines.Text(), ":")
		if !ok || file == "mode" {
			continue
		}
		var b block
		var toColumn, statements int
		if _, err := fmt.Sscanf(rest, "%d.%d,%d.%d %d %d", &b.from, &b.fromColumn, &b.to, &toColumn, &statements, &b.count); err != nil {
			return fmt.Errorf("%s: %q: %w", name, lines.Text(), err)
		}
		c[file] = append(c[file], b)
	}
	return lines.Err()
}

// at is how often a site was executed: the count of the innermost block around it.
func (c coverage) at(s site) int {
	best, count := block{}, 0
	for file, blocks := range c {
		if !strings.HasSuffix(file, "/"+s.file) {
			continue
		}
		for _, b := range blocks {
			if b.from > s.line || b.to < s.line || b.from == s.line && b.fromColumn > s.column {
				continue
			}
			switch {
			case b.from > best.from, b.from == best.from && b.fromColumn > best.fromColumn:
				best, count = b, b.count
			case b.from == best.from && b.fromColumn == best.fromColumn:
				count = max(count, b.count)
			}
		}
	}
	return count
}
