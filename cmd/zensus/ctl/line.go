package ctl

import (
	"errors"
	"strings"
)

// splitLine takes a line apart into words, as shells do: spaces and tabs divide,
// quotes of either kind keep a word together, a backslash takes the next
// character as it is (but not between single quotes). A line that begins with #
// has no words.
func splitLine(line string) ([]string, error) {
	if strings.HasPrefix(strings.TrimSpace(line), "#") {
		return nil, nil
	}
	var words []string
	s := scanWords(line, func(word string) { words = append(words, word) })
	switch {
	case s.escaped:
		return nil, errors.New("nothing follows the backslash")
	case s.quote != 0:
		return nil, errors.New("a quote is not closed")
	case s.inWord:
		words = append(words, s.word.String())
	}
	return words, nil
}

// scan is where a reader of words stands.
type scan struct {
	word    strings.Builder
	start   int // of the word, in the line
	inWord  bool
	quote   byte
	escaped bool
}

// scanWords calls each for every word but the one that the line ends with, which
// stands in what it returns.
func scanWords(line string, each func(word string)) *scan {
	s := &scan{start: len(line)}
	begin := func(at int) {
		if !s.inWord {
			s.inWord, s.start = true, at
		}
	}
	for i := range len(line) {
		c := line[i]
		switch {
		case s.escaped:
			s.word.WriteByte(c)
			s.escaped = false
		case c == '\\' && s.quote != '\'':
			begin(i)
			s.escaped = true
		case s.quote != 0 && c == s.quote:
			s.quote = 0
		case s.quote == 0 && (c == '"' || c == '\''):
			begin(i)
			s.quote = c
		case s.quote == 0 && (c == ' ' || c == '\t'):
			if s.inWord {
				each(s.word.String())
				s.word.Reset()
				s.inWord, s.start = false, len(line)
			}
		default:
			begin(i)
			s.word.WriteByte(c)
		}
	}
	return s
}

// escapeWord is a word that splitLine reads as s.
func escapeWord(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(" \t\\\"'#", s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
