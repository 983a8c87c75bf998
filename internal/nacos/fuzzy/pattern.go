package fuzzy

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// ErrPattern is returned for a pattern that is malformed or too long.
var ErrPattern = errors.New("groupKeyPattern")

// Key is what a pattern matches: a service, or a config.
type Key struct {
	Namespace, Group, Name string
}

// Compare orders keys by namespace, group and name.
func (k Key) Compare(o Key) int {
	return cmp.Or(cmp.Compare(k.Namespace, o.Namespace), cmp.Compare(k.Group, o.Group), cmp.Compare(k.Name, o.Name))
}

// Lengths bound the parts of patterns, in characters and without asterisks.
type Lengths struct {
	Namespace, Group, Name int
}

// Pattern is a pattern of keys. The zero value matches nothing.
type Pattern struct {
	text      string
	namespace string
	group     part
	name      part
}

const (
	separator = ">>"
	asterisk  = "*"
)

// Parse reads namespace>>group>>name. It returns ErrPattern.
func Parse(text string, limits Lengths) (Pattern, error) {
	parts := strings.SplitN(text, separator, 4)
	if len(parts) != 3 {
		return Pattern{}, fmt.Errorf("%w: not of the form namespace>>group>>name", ErrPattern)
	}
	p := Pattern{text: text, namespace: parts[0], group: parsePart(parts[1]), name: parsePart(parts[2])}
	for _, c := range []struct {
		what, text string
		most       int
	}{
		{"namespace", parts[0], limits.Namespace},
		{"group", parts[1], limits.Group + 2},
		{"name", parts[2], limits.Name + 2},
	} {
		switch {
		case strings.TrimSpace(c.text) == "":
			return Pattern{}, fmt.Errorf("%w: the %s is missing", ErrPattern, c.what)
		case utf8.RuneCountInString(c.text) > c.most:
			return Pattern{}, fmt.Errorf("%w: the %s is too long", ErrPattern, c.what)
		}
	}
	return p, nil
}

// String is the pattern as it was written.
func (p Pattern) String() string { return p.text }

// Namespace is the namespace of all keys that match.
func (p Pattern) Namespace() string { return p.namespace }

// Group is the group's part as it was written, asterisks and all.
func (p Pattern) Group() string { return p.group.written }

// Name is the name's part, likewise.
func (p Pattern) Name() string { return p.name.written }

// Matches reports whether a key matches.
func (p Pattern) Matches(k Key) bool {
	return p.text != "" && p.namespace == k.Namespace && p.group.matches(k.Group) && p.name.matches(k.Name)
}

// part is what one part of a pattern asks of a word.
type part struct {
	written string
	literal string // without asterisks
	how     how
}

type how uint8

const (
	equal how = iota
	never
	prefix
	suffix
	within
)

// parsePart follows Nacos, whose clients filter what they are told by the same rules: an
// asterisk counts at the ends only. Beside one there, those in the middle are dropped;
// without one, nothing matches.
func parsePart(s string) part {
	p := part{written: s, literal: strings.ReplaceAll(s, asterisk, "")}
	begins, ends := strings.HasPrefix(s, asterisk), strings.HasSuffix(s, asterisk)
	switch {
	case begins && ends:
		p.how = within
	case begins:
		p.how = suffix
	case ends:
		p.how = prefix
	case p.literal != s:
		p.how = never
	}
	return p
}

func (p *part) matches(s string) bool {
	switch p.how {
	case equal:
		return s == p.literal
	case prefix:
		return strings.HasPrefix(s, p.literal)
	case suffix:
		return strings.HasSuffix(s, p.literal)
	case within:
		return strings.Contains(s, p.literal)
	}
	return false
}
