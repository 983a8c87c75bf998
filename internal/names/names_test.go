package names

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWord(t *testing.T) {
	for _, c := range []struct {
		s, marks string
		ok       bool
	}{
		{"", "", true},
		{"azAZ09", "", true},
		{"a-b_c", "_-", true},
		{"a-b", "_", false},
		{"a b", "_-", false},
		{"命名", "_-", false},
		{"a\x80", "\u0080", true}, // bytes, not characters
	} {
		require.Equal(t, c.ok, Word(c.s, c.marks), "%q with %q", c.s, c.marks)
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		ok            bool
	}{
		{"", "", true},
		{"", "a", false},
		{"a", "a", true},
		{"a", "ab", false},
		{"*", "", true},
		{"a*", "abc", true},
		{"*c", "abc", true},
		{"a*a", "a", false},
		{"a*b*c", "aXbYbZc", true},
		{"a*b*c", "aXcYb", false},
		{"**", "abc", true},
		{"a?", "ab", false},
		{"*b*", "abc", true},
		{"a*c", "abcd", false},
		{"ab*ba", "aba", false},
		{"a**b", "ab", true},
		{"*aab", "aaab", true},
		{"_", "x", false}, // of SQL, as % is
		{"%", "x", false},
	} {
		require.Equal(t, c.ok, Match(c.pattern, c.text), "%q against %q", c.pattern, c.text)
	}
}

func TestMatchTakesNoExponentialTime(t *testing.T) {
	require.False(t, Match(strings.Repeat("a*", 50)+"b", strings.Repeat("a", 1000)))
}

func TestClipCutsNoCharacter(t *testing.T) {
	require.Equal(t, "abc", Clip("abc", 3, "..."))
	require.Equal(t, "abc...", Clip("abcd", 3, "..."))
	require.Equal(t, "a", Clip("aéé", 2, ""))
}
