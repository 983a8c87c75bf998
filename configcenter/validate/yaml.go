package validate

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

func yamlSyntax(content string) *Fault {
	if end := strings.IndexByte(content, 0); end >= 0 { // for the library the text ends there
		return faultAt(content, end, "control characters are not allowed")
	}
	if at := TagDirectives(content); at >= 0 {
		return faultAt(content, at, fmt.Sprintf("there are more than %d %%TAG directives", yamlTagsMax))
	}
	return yamlDocuments(content, func(*yaml.Node) *Fault { return nil })
}

// yamlTagsMax bounds the directives of a text that name tags. The library compares each with
// all others: 2 MiB of them took half a minute.
const yamlTagsMax = 100

// TagDirectives is where a YAML text has one %TAG directive too many to be read, -1 if it
// has not.
func TagDirectives(content string) int {
	const directive = "%TAG"
	for at, n := 0, 0; ; at += len(directive) {
		i := strings.Index(content[at:], directive)
		if i < 0 {
			return -1
		}
		at += i
		if before, _ := utf8.DecodeLastRuneInString(content[:at]); at == 0 || strings.ContainsRune("\n\r\u0085\u2028\u2029", before) {
			if n++; n > yamlTagsMax {
				return at
			}
		}
	}
}

// yamlDocuments calls f with the documents of a text, one after the other until it has a
// fault, and is that or the text's own.
func yamlDocuments(content string, f func(doc *yaml.Node) *Fault) *Fault {
	for dec := yaml.NewDecoder(strings.NewReader(content)); ; {
		doc := &yaml.Node{}
		err := dec.Decode(doc)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return yamlFault(dec, content, err)
		}
		w := yamlWalk{anchored: map[*yaml.Node]extent{}}
		if _, wrong := w.extent(doc, 0); wrong != nil {
			return wrong
		}
		if wrong := f(doc); wrong != nil {
			return wrong
		}
	}
}

var yamlLine = regexp.MustCompile(`^line (\d+): `)

// yamlFault says where and why a decoder stopped. The line of the library's text is that at
// which a construct begins rather than that of the fault, and there is no column: the exact
// place is in the decoder's own fields.
func yamlFault(dec *yaml.Decoder, content string, err error) *Fault {
	f := &Fault{Line: 1, Column: 1, Reason: strings.TrimPrefix(err.Error(), "yaml: ")}
	if m := yamlLine.FindStringSubmatch(f.Reason); m != nil {
		f.Reason = f.Reason[len(m[0]):]
		_, _ = fmt.Sscan(m[1], &f.Line) // digits
	}
	fields := "problem_mark"
	switch {
	case strings.HasPrefix(f.Reason, "control characters"):
		return faultAt(content, strings.IndexFunc(content, isYAMLControl), f.Reason)
	case strings.HasPrefix(f.Reason, "unknown anchor"):
		fields = "start_mark"
	}
	if line, column, ok := yamlMark(dec, fields); ok {
		f.Line, f.Column = line, column
	}
	if line, column, ok := yamlMark(dec, "context_mark"); ok && strings.HasPrefix(f.Reason, "found unexpected end") {
		f.Reason += fmt.Sprintf(", within what begins at line %d, column %d", line, column)
	}
	return f
}

// yamlMark is a place that a decoder holds: the problem_mark or context_mark of its scanner,
// or the start_mark of the event that it is at. Another release of the library may have
// none; a test would say so.
func yamlMark(dec *yaml.Decoder, name string) (line, column int, ok bool) {
	state := reflect.ValueOf(dec).Elem().FieldByName("parser")
	if state.Kind() != reflect.Pointer || state.Elem().Kind() != reflect.Struct {
		return 0, 0, false
	}
	within := "parser"
	if name == "start_mark" {
		within = "event"
	}
	mark := state.Elem().FieldByName(within)
	if mark.Kind() == reflect.Struct {
		mark = mark.FieldByName(name)
	}
	if mark.Kind() != reflect.Struct {
		return 0, 0, false
	}
	l, c := mark.FieldByName("line"), mark.FieldByName("column")
	if !l.IsValid() || !c.IsValid() || !l.CanInt() || !c.CanInt() {
		return 0, 0, false
	}
	return int(l.Int()) + 1, int(c.Int()) + 1, true
}

// isYAMLControl reports whether a character must not stand in YAML.
func isYAMLControl(r rune) bool {
	switch {
	case r == '\t', r == '\n', r == '\r', r == 0x85:
		return false
	case r >= 0x20 && r <= 0x7e, r >= 0xa0 && r <= 0xd7ff, r >= 0x10000:
		return false
	case r >= 0xe000 && r <= 0xfffd && r != 0xfeff:
		return false
	}
	return true
}

// yamlValuesMax is how many values a text may stand for when each alias is replaced by what
// it is an alias of.
const yamlValuesMax = 1_000_000

// extent is how much a node is with each alias replaced.
type extent struct{ values, depth int }

// yamlWalk measures nodes without replacing anything.
type yamlWalk struct {
	anchored map[*yaml.Node]extent // of nodes with an anchor; 0 values while it is measured
}

// extent measures n, which is depth deep itself. It is a fault if it is too much, or if a
// mapping has a key twice.
func (w *yamlWalk) extent(n *yaml.Node, depth int) (extent, *Fault) {
	fault := func(reason string) (extent, *Fault) {
		return extent{}, &Fault{Line: max(n.Line, 1), Column: max(n.Column, 1), Reason: reason}
	}
	if depth > depthMax {
		return fault(tooDeep)
	}
	all := extent{values: 1}
	switch n.Kind {
	case yaml.AliasNode:
		all = w.anchored[n.Alias]
		switch {
		case all.values == 0:
			return fault("the alias *" + clip(n.Value) + " stands within what it is an alias of")
		case depth+all.depth > depthMax:
			return fault(tooDeep)
		}
		return all, nil
	case yaml.MappingNode:
		if f := yamlTwice(n); f != nil {
			return all, f
		}
	}
	if n.Anchor != "" {
		w.anchored[n] = extent{}
	}
	for _, child := range n.Content {
		part, f := w.extent(child, depth+1)
		if f != nil {
			return all, f
		}
		all.values += part.values
		all.depth = max(all.depth, part.depth+1)
		if all.values > yamlValuesMax && len(w.anchored) > 0 {
			return fault("the aliases stand for too many values")
		}
	}
	if n.Anchor != "" {
		w.anchored[n] = all
	}
	return all, nil
}

// mergeTag is that of the key <<, which may occur more than once.
const mergeTag = "!!merge"

// yamlTwice is the fault of a mapping with a key that occurs twice. Of which type a key is,
// is looked at only where two are written alike.
func yamlTwice(n *yaml.Node) *Fault {
	var seen, typed keys
	alike := false
	for i := 0; i+1 < len(n.Content) && !alike; i += 2 {
		k := n.Content[i]
		alike = k.Kind == yaml.ScalarNode && !seen.add(k.Value)
	}
	for i := 0; i+1 < len(n.Content) && alike; i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode || k.ShortTag() == mergeTag {
			continue
		}
		if !typed.add(k.ShortTag() + k.Value) {
			return &Fault{Line: k.Line, Column: k.Column, Reason: "the key " + clip(k.Value) + " occurs twice in its mapping"}
		}
	}
	return nil
}

// yamlValue is a node as the schema looks at it. Its size has been counted.
func yamlValue(n *yaml.Node) (any, *Fault) {
	switch n.Kind {
	case yaml.DocumentNode:
		if len(n.Content) == 0 {
			return nil, nil
		}
		return yamlValue(n.Content[0])
	case yaml.AliasNode:
		return yamlValue(n.Alias)
	case yaml.SequenceNode:
		out := make([]any, len(n.Content))
		for i, child := range n.Content {
			v, f := yamlValue(child)
			if f != nil {
				return nil, f
			}
			out[i] = v
		}
		return out, nil
	case yaml.MappingNode:
		out := make(map[string]any, len(n.Content)/2)
		return out, yamlInto(out, n)
	}
	return yamlScalar(n), nil
}

// yamlInto adds the pairs of a mapping to out, and of those that it merges the ones that it
// does not have itself.
func yamlInto(out map[string]any, n *yaml.Node) *Fault {
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		switch {
		case k.Kind != yaml.ScalarNode:
			return &Fault{Line: k.Line, Column: k.Column, Reason: "a key that is no scalar cannot be compared with a schema"}
		case k.ShortTag() == mergeTag:
			merged = append(merged, v)
			continue
		}
		if _, has := out[k.Value]; has {
			continue
		}
		value, f := yamlValue(v)
		if f != nil {
			return f
		}
		out[k.Value] = value
	}
	for _, m := range merged {
		if f := yamlMerge(out, m); f != nil {
			return f
		}
	}
	return nil
}

func yamlMerge(out map[string]any, m *yaml.Node) *Fault {
	if m.Kind == yaml.AliasNode {
		m = m.Alias
	}
	switch m.Kind {
	case yaml.MappingNode:
		return yamlInto(out, m)
	case yaml.SequenceNode:
		for _, part := range m.Content {
			if f := yamlMerge(out, part); f != nil {
				return f
			}
		}
		return nil
	}
	return &Fault{Line: m.Line, Column: m.Column, Reason: "only mappings can be merged"}
}

// yamlScalar is a boolean, number or null where it is written as one; all else is a string.
func yamlScalar(n *yaml.Node) any {
	switch n.ShortTag() {
	case "!!null", "!!bool", "!!int", "!!float":
		var v any
		if n.Decode(&v) != nil {
			return n.Value
		}
		if f, ok := v.(float64); ok {
			return number(f)
		}
		switch v.(type) {
		case nil, bool, int, int64, uint64:
			return v
		}
	}
	return n.Value
}

// yamlPlace is the place of the value that a path leads to, or of the last one on the way.
func yamlPlace(n *yaml.Node, path []string) (line, column int) {
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	line, column = max(n.Line, 1), max(n.Column, 1)
	for _, step := range path {
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		if n = yamlPart(n, step); n == nil {
			return line, column
		}
		line, column = n.Line, n.Column
	}
	return line, column
}

func yamlPart(n *yaml.Node, step string) *yaml.Node {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == step {
				return n.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		for i, child := range n.Content {
			if isIndex(step, i) {
				return child
			}
		}
	}
	return nil
}
