// Package segment turns any name into one component of a znode path and back.
//
// Services, groups, dataIds and namespaces may hold characters that a path
// cannot: a slash, a control character, a rune that ZooKeeper forbids. Escape
// writes such bytes as %XX with upper-case hexadecimal digits, so that equal
// names always give equal segments, and Unescape reads them back. The character
// ~ is escaped as well: the layout uses it to separate the parts of a name, and
// children that begin with it are the layout's own.
//
// The registry, the config center, namespaces and access control use it for
// every name that becomes a path segment. It is pure.
package segment

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

const hexDigits = "0123456789ABCDEF"

// Escape returns name as a path segment that core.ValidatePath accepts. The
// bytes of /, %, ~, of control characters and of what ZooKeeper forbids become
// %XX; so does the first character of the names ".", ".." and "zookeeper". An
// empty name becomes a lone "%". Escape is one-to-one: different names never
// give the same segment, and bytes that are not UTF-8 survive.
func Escape(name string) string {
	switch name {
	case "":
		return "%"
	case ".", "..", "zookeeper":
		return escapeByte(name[0]) + name[1:]
	}
	first := firstEscaped(name)
	if first < 0 {
		return name
	}
	var b strings.Builder
	b.Grow(len(name) + 8)
	b.WriteString(name[:first])
	for i := first; i < len(name); {
		size, bad := examine(name[i:])
		if !bad {
			b.WriteString(name[i : i+size])
		} else {
			for _, c := range []byte(name[i : i+size]) {
				b.WriteByte('%')
				b.WriteByte(hexDigits[c>>4])
				b.WriteByte(hexDigits[c&15])
			}
		}
		i += size
	}
	return b.String()
}

// Unescape returns the name whose Escape is s. It refuses everything that
// Escape cannot have written, so that no two segments stand for one name.
func Unescape(s string) (string, error) {
	if s == "%" {
		return "", nil
	}
	name := s
	if strings.IndexByte(s, '%') >= 0 {
		var b strings.Builder
		b.Grow(len(s))
		for i := 0; i < len(s); i++ {
			if s[i] != '%' {
				b.WriteByte(s[i])
				continue
			}
			if i+2 >= len(s) {
				return "", fmt.Errorf("segment: %q ends within an escape", s)
			}
			hi, lo := strings.IndexByte(hexDigits, s[i+1]), strings.IndexByte(hexDigits, s[i+2])
			if hi < 0 || lo < 0 {
				return "", fmt.Errorf("segment: %q holds a bad escape", s)
			}
			b.WriteByte(byte(hi<<4 | lo))
			i += 2
		}
		name = b.String()
	}
	if Escape(name) != s {
		return "", fmt.Errorf("segment: %q is not in canonical form", s)
	}
	return name, nil
}

func escapeByte(c byte) string {
	return string([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
}

func firstEscaped(name string) int {
	for i := 0; i < len(name); {
		size, bad := examine(name[i:])
		if bad {
			return i
		}
		i += size
	}
	return -1
}

// examine returns the length in bytes of the first character of s and whether
// it must be escaped. The forbidden ranges are those of core.ValidatePath.
func examine(s string) (size int, bad bool) {
	c := s[0]
	if c < utf8.RuneSelf {
		return 1, c < 0x20 || c == 0x7f || c == '/' || c == '%' || c == '~'
	}
	r, size := utf8.DecodeRuneInString(s)
	switch {
	case r == utf8.RuneError && size == 1, r <= 0x9f, r >= 0xd800 && r <= 0xf8ff, r >= 0xfff0:
		return size, true
	}
	return size, false
}
