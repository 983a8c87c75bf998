package validate

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

func jsonSyntax(content string) *Fault {
	b := []byte(content)
	if json.Valid(b) {
		walk := jsonText{text: content}
		return walk.value(0)
	}
	var (
		ignored any
		syntax  *json.SyntaxError
	)
	if err := json.Unmarshal(b, &ignored); !errors.As(err, &syntax) {
		return faultAt(content, 0, "is no JSON") // it is not valid, so there is a reason
	}
	at := int(syntax.Offset) - 1
	if strings.HasPrefix(syntax.Error(), "unexpected end") {
		at = len(strings.TrimRight(content, " \t\r\n"))
	}
	return faultAt(content, at, syntax.Error())
}

// jsonText goes through a text that is known to be JSON.
type jsonText struct {
	text string
	at   int
}

// next goes to the next character that means something, and is it; 0 is the end.
func (j *jsonText) next() byte {
	for ; j.at < len(j.text); j.at++ {
		switch c := j.text[j.at]; c {
		case ' ', '\t', '\r', '\n', ',', ':':
		default:
			return c
		}
	}
	return 0
}

// value goes past a value and is the first fault in it: a key that occurs twice.
func (j *jsonText) value(depth int) *Fault {
	switch c := j.next(); {
	case (c == '{' || c == '[') && depth >= depthMax:
		return faultAt(j.text, j.at, tooDeep)
	case c == '{':
		return j.object(depth)
	case c == '[':
		for j.at++; ; {
			if c := j.next(); c == ']' || c == 0 {
				j.at++
				return nil
			}
			if f := j.value(depth + 1); f != nil {
				return f
			}
		}
	case c == '"':
		j.str()
	default:
		j.scalar()
	}
	return nil
}

func (j *jsonText) object(depth int) *Fault {
	var seen keys
	for j.at++; ; {
		if c := j.next(); c == '}' || c == 0 {
			j.at++
			return nil
		}
		start := j.at
		key := j.str()
		if !seen.add(key) {
			return faultAt(j.text, start, "the key "+clip(key)+" occurs twice in its object")
		}
		if f := j.value(depth + 1); f != nil {
			return f
		}
	}
}

// str goes past a string and is what it says.
func (j *jsonText) str() string {
	start, plain := j.at, true
	for j.at++; j.at < len(j.text) && j.text[j.at] != '"'; j.at++ {
		if j.text[j.at] == '\\' {
			plain = false
			j.at++
		}
	}
	j.at = min(j.at+1, len(j.text))
	raw := j.text[start:j.at]
	if plain {
		return strings.Trim(raw, `"`)
	}
	var s string
	if json.Unmarshal([]byte(raw), &s) != nil {
		return raw
	}
	return s
}

// scalar goes past a number, a boolean or null.
func (j *jsonText) scalar() {
	n := strings.IndexAny(j.text[j.at:], " \t\r\n,:]}")
	if n < 0 {
		n = len(j.text) - j.at
	}
	j.at += max(n, 1)
}

// skip goes past a value.
func (j *jsonText) skip() {
	for depth := 0; ; {
		switch j.next() {
		case 0:
			return
		case '{', '[':
			depth++
			j.at++
		case '}', ']':
			depth--
			j.at++
		case '"':
			j.str()
		default:
			j.scalar()
		}
		if depth <= 0 {
			return
		}
	}
}

// jsonValue is a text that is known to be JSON as the schema looks at it. Numbers are no
// longer than those of the machine: longer ones would be computed with exactly, at any cost.
func jsonValue(content string) any {
	dec := json.NewDecoder(strings.NewReader(content))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return nil
	}
	return machineNumbers(v)
}

func machineNumbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = machineNumbers(v[k])
		}
	case []any:
		for i := range v {
			v[i] = machineNumbers(v[i])
		}
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			return n
		}
		f, _ := strconv.ParseFloat(v.String(), 64) // out of range it is infinite
		return number(f)
	}
	return v
}

// jsonPlace is the place of the value that a path leads to, or of the last one on the way.
func jsonPlace(content string, path []string) (line, column int) {
	j := jsonText{text: content}
	j.next()
	at := j.at
	for _, step := range path {
		if !j.enter(step) {
			break
		}
		at = j.at
	}
	return place(content, at)
}

// enter goes to a part of the value at which j is, and reports whether there is one.
func (j *jsonText) enter(step string) bool {
	c := j.next()
	if c != '{' && c != '[' {
		return false
	}
	j.at++
	for i := 0; ; i++ {
		if end := j.next(); end == ']' || end == '}' || end == 0 {
			return false
		}
		if c == '{' && j.str() == step || c == '[' && isIndex(step, i) {
			j.next()
			return true
		}
		j.skip()
	}
}

// keys are those of one object.
type keys struct {
	few  []string
	many map[string]struct{}
}

const fewKeys = 8

// add reports whether a key is a new one.
func (k *keys) add(key string) bool {
	if k.many == nil {
		for _, other := range k.few {
			if other == key {
				return false
			}
		}
		if k.few = append(k.few, key); len(k.few) > fewKeys {
			k.many = make(map[string]struct{}, 4*fewKeys)
			for _, other := range k.few {
				k.many[other] = struct{}{}
			}
		}
		return true
	}
	if _, twice := k.many[key]; twice {
		return false
	}
	k.many[key] = struct{}{}
	return true
}
