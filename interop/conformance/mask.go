package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// answer is what came back, without what differs from run to run.
type answer struct {
	Status int               `json:"status,omitempty"` // of HTTP
	Type   string            `json:"type,omitempty"`   // media type, or the payload's
	Header map[string]string `json:"header,omitempty"`
	Body   any               `json:"body"`
}

// varies names the members of JSON that hold times, ids and the like. Zeros, nulls and
// blanks among them are kept: whether something is there does not vary.
var varies = []string{
	"lastRefTime", "createTime", "modifyTime", "createdTime", "lastModifiedTime", "lastModified", "lastUpdatedTime", "timestamp",
	"id", "nid", "connectionId", "requestId", "clientId", "clientPort", "lastRefTimestamp", "accessToken", "configId", "updateTime", "gmtCreate",
	"gmtModified", "lastActiveTime", "cpu", "load", "mem",
}

// folded names the members that hold JSON as a text. It is compared as JSON: in which order
// its members stand says nothing.
var folded = []string{"extInfo", "originalExtInfo", "updateExtInfo", "gray_rule", "grayRule"}

// masked stands for a part of a text that varies.
const masked = "<varies>"

// maskOf stands for a value that varies. It says of which type of JSON that was.
func maskOf(v any) string {
	switch v.(type) {
	case json.Number, float64:
		return "<varies: number>"
	case bool:
		return "<varies: boolean>"
	case []any:
		return "<varies: list>"
	case map[string]any:
		return "<varies: object>"
	}
	return "<varies: text>"
}

// isMask reports whether v is what maskOf gave.
func isMask(v any) bool {
	s, ok := v.(string)
	return ok && strings.HasPrefix(s, "<varies: ")
}

var patterns = []struct {
	from *regexp.Regexp
	to   string
}{
	{regexp.MustCompile(`\b\d{13}_127\.0\.0\.1_\d{1,5}\b`), "<connection>"},
	{regexp.MustCompile(`\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`), "<uuid>"},
	{regexp.MustCompile(`_20\d{12}\.zip`), "_<time>.zip"},
	{regexp.MustCompile(`\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)`), "<time>"},
}

func maskText(s string, more []string) string {
	for _, p := range patterns {
		s = p.from.ReplaceAllString(s, p.to)
	}
	for _, word := range more {
		s = strings.ReplaceAll(s, word, masked)
	}
	return s
}

// mask masks what varies in decoded JSON.
func mask(v any, s *step) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			if slices.Contains(s.drops, k) {
				continue
			}
			if slices.Contains(varies, k) && isSomething(e) || slices.Contains(s.masks, k) && (isSomething(e) || isFull(e) || isNumber(e)) {
				if !isMask(e) { // as one that was recorded is
					e = maskOf(e)
				}
			}
			if raw, ok := e.(string); ok && slices.Contains(folded, k) {
				if inner, ok := decode([]byte(raw)); ok {
					e = inner
				}
			}
			out[maskText(k, nil)] = mask(e, s)
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			out = append(out, mask(e, s))
		}
		if s.sort {
			slices.SortFunc(out, func(a, b any) int { return strings.Compare(text(a), text(b)) })
		}
		return out
	case string:
		return maskText(v, nil)
	}
	return v
}

func isSomething(v any) bool {
	switch v := v.(type) {
	case string:
		return v != ""
	case json.Number:
		f, err := v.Float64()
		return err != nil || f != 0
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return false
}

// isNumber reports whether v is a number: one that a script masks may also be 0.
func isNumber(v any) bool {
	switch v.(type) {
	case json.Number, float64:
		return true
	}
	return false
}

// isFull reports whether v is a list or an object with something in it.
func isFull(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return len(v) > 0
	case []any:
		return len(v) > 0
	}
	return false
}

// filtered leaves in lists what contains a text.
func filtered(v any, part string) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = filtered(e, part)
		}
	case []any:
		return slices.DeleteFunc(v, func(e any) bool { return !strings.Contains(text(e), part) })
	}
	return v
}

// decode reads JSON, numbers as they are written.
func decode(b []byte) (any, bool) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil || d.More() {
		return nil, false
	}
	switch v.(type) {
	case map[string]any, []any:
		return number(v), true
	}
	return nil, false // a text that looks like a number is a text
}

// number writes equal numbers alike: 1 and 1.0.
func number(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = number(e)
		}
	case []any:
		for i, e := range v {
			v[i] = number(e)
		}
	case json.Number:
		if _, err := v.Int64(); err == nil {
			return v
		}
		if f, err := v.Float64(); err == nil {
			return json.Number(strconv.FormatFloat(f, 'f', -1, 64))
		}
	}
	return v
}

// text is JSON in one form only.
func text(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return b.String()
}

// part finds a part of an answer by its path: pageItems.0.id.
func part(v any, path string) (string, bool) {
	for _, name := range strings.Split(path, ".") {
		if name == "" {
			break
		}
		switch at := v.(type) {
		case map[string]any:
			v = at[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(at) {
				return "", false
			}
			v = at[i]
		default:
			return "", false
		}
	}
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	}
	return "", false
}
