package validate

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// tomlKeysMax is how many keys a document may have that is read as a whole. The library
// compares each with all others: a hundred thousand take it minutes. Of a document with more
// it is not found if a key occurs twice.
const tomlKeysMax = 5000

func tomlSyntax(content string) *Fault {
	n, f := tomlKeys(content)
	if f != nil || n > tomlKeysMax {
		return f
	}
	_, f = tomlRead(content)
	return f
}

// tomlValue is a document as the schema looks at it.
func tomlValue(content string) (any, *Fault) {
	n, f := tomlKeys(content)
	switch {
	case f != nil:
		return nil, f
	case n > tomlKeysMax:
		return nil, faultAt(content, 0, fmt.Sprintf("has too many keys to be compared with a schema, at most %d are", tomlKeysMax))
	}
	return tomlRead(content)
}

// tomlKeys counts the keys of a text. Its fault is one of the syntax, or a key with more
// parts than a content may be deep.
func tomlKeys(content string) (n int, f *Fault) {
	var p unstable.Parser
	p.Reset([]byte(content))
	for p.NextExpression() {
		e := p.Expression()
		key, at := tomlKey(e)
		n += len(key)
		deep := len(key) > depthMax
		if e.Kind == unstable.KeyValue {
			tomlWithin(e.Value(), key, func(names []string, _ int) {
				n++
				deep = deep || len(names) > depthMax
			})
		}
		if deep {
			return n, faultAt(content, at, tooDeep)
		}
	}
	var wrong *unstable.ParserError
	switch err := p.Error(); {
	case err == nil:
		return n, nil
	case errors.As(err, &wrong):
		return n, faultAt(content, int(p.Range(wrong.Highlight).Offset), wrong.Message)
	default:
		return n, faultAt(content, 0, strings.TrimPrefix(err.Error(), "toml: "))
	}
}

func tomlRead(content string) (any, *Fault) {
	var v map[string]any
	err := toml.Unmarshal([]byte(content), &v)
	if err == nil {
		plain, ok := plainToml(v, 0)
		if !ok {
			return nil, faultAt(content, 0, tooDeep)
		}
		return plain, nil
	}
	reason := strings.TrimPrefix(err.Error(), "toml: ")
	var at *toml.DecodeError
	if !errors.As(err, &at) {
		return nil, faultAt(content, 0, reason)
	}
	line, column := at.Position() // in bytes
	return nil, faultAt(content, lineStart(content, line)+column-1, reason)
}

// lineStart is the offset at which a line begins.
func lineStart(content string, line int) int {
	at := 0
	for range line - 1 {
		n := strings.IndexByte(content[at:], '\n')
		if n < 0 {
			return len(content)
		}
		at += n + 1
	}
	return at
}

// plainToml makes values of JSON of those that only TOML has. It reports whether the value
// is not too deep.
func plainToml(v any, depth int) (any, bool) {
	ok := depth <= depthMax
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			if ok {
				v[k], ok = plainToml(v[k], depth+1)
			}
		}
	case []any:
		for i := range v {
			if ok {
				v[i], ok = plainToml(v[i], depth+1)
			}
		}
	case float64:
		return number(v), ok
	case time.Time:
		return v.Format(time.RFC3339Nano), ok
	case string, bool, int64, nil:
	case fmt.Stringer:
		return v.String(), ok // local dates and times
	default:
		return fmt.Sprint(v), ok
	}
	return v, ok
}

// number is f, or its name if JSON has no such number.
func number(f float64) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Sprint(f)
	}
	return f
}

// tomlPlace is the place of the value that a path leads to, or of the nearest table on the
// way. The content is known to be right.
func tomlPlace(content string, path []string) (line, column int) {
	var (
		p      unstable.Parser
		table  []string           // which the keys are in
		counts = map[string]int{} // elements of arrays of tables so far
		best   = -1               // how much of the path is met at at
		at     int
	)
	p.Reset([]byte(content))
	meet := func(names []string, offset int) {
		if n := common(names, path); n > best && (n == len(names) || n == len(path)) {
			best, at = n, offset
		}
	}
	for p.NextExpression() {
		e := p.Expression()
		key, offset := tomlKey(e)
		switch e.Kind {
		case unstable.Table:
			table = indexed(key, counts)
			meet(table, offset)
		case unstable.ArrayTable:
			name := indexed(key[:len(key)-1], counts)
			name = append(name, key[len(key)-1])
			id := strings.Join(name, "\x00")
			counts[id]++
			table = append(name, fmt.Sprint(counts[id]-1))
			meet(table, offset)
		case unstable.KeyValue:
			names := append(append([]string(nil), table...), key...)
			meet(names, offset)
			if common(names, path) == len(names) {
				tomlWithin(e.Value(), names, meet)
			}
		}
	}
	if best < 0 {
		return 1, 1
	}
	return place(content, at)
}

// tomlKey is the key of an expression, and where it is.
func tomlKey(e *unstable.Node) (key []string, offset int) {
	it := e.Key()
	for it.Next() {
		n := it.Node()
		if len(key) == 0 {
			offset = int(n.Raw.Offset)
		}
		key = append(key, string(n.Data))
	}
	return key, offset
}

// indexed is the name of a table, in which each array of tables has its last index.
func indexed(key []string, counts map[string]int) []string {
	var out []string
	for _, k := range key {
		out = append(out, k)
		if n := counts[strings.Join(out, "\x00")]; n > 0 {
			out = append(out, fmt.Sprint(n-1))
		}
	}
	return out
}

// tomlWithin tells of what is in an array or an inline table.
func tomlWithin(v *unstable.Node, names []string, meet func([]string, int)) {
	names = names[:len(names):len(names)]
	it := v.Children()
	switch v.Kind {
	case unstable.Array:
		i := 0
		for it.Next() {
			n := it.Node()
			if n.Kind == unstable.Comment {
				continue
			}
			in := append(names, fmt.Sprint(i))
			if n.Raw.Length > 0 {
				meet(in, int(n.Raw.Offset))
			}
			tomlWithin(n, in, meet)
			i++
		}
	case unstable.InlineTable:
		for it.Next() {
			n := it.Node()
			if n.Kind != unstable.KeyValue {
				continue
			}
			key, offset := tomlKey(n)
			in := append(names, key...)
			meet(in, offset)
			tomlWithin(n.Value(), in, meet)
		}
	}
}

// common is how many names two paths begin with alike.
func common(a, b []string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
