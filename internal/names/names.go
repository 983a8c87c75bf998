// Package names has the rules for the names that clients give: what they may hold, how a
// pattern with asterisks matches them, and how much of one a message shows.
//
// Namespaces, groups, services, configs, users and their rights all have such names; how
// long each may be is the business of whoever owns it. The package is pure.
package names

import "strings"

// Word reports whether s holds nothing but ASCII letters, digits and the characters of
// marks. The empty name is one.
func Word(s, marks string) bool {
	for _, c := range []byte(s) {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && strings.IndexByte(marks, c) < 0 {
			return false
		}
	}
	return true
}

// Match reports whether text matches a pattern in which each asterisk stands for any number
// of characters. It never goes back: the first place at which a part fits is good enough.
func Match(pattern, text string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, first)
	if !ok {
		return false
	}
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(text, part)
		}
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text, rest = text[i+len(part):], after
	}
}

// Clip is s, or where that is longer than so many bytes, what of it fits, in whole
// characters, and end.
func Clip(s string, bytesMax int, end string) string {
	if len(s) <= bytesMax {
		return s
	}
	return strings.ToValidUTF8(s[:bytesMax], "") + end
}
