package core

import (
	"strings"
	"unicode/utf8"
)

// ValidatePath checks a full znode path by ZooKeeper's rules: it starts with a
// slash, has no empty component, no trailing slash, no component "." or "..",
// and no control, surrogate, private-use or otherwise forbidden character (none
// outside the basic plane). It returns BadArguments.
func ValidatePath(path string) error {
	if path == "" || path[0] != '/' {
		return BadArguments
	}
	if len(path) == 1 {
		return nil
	}
	if path[len(path)-1] == '/' {
		return BadArguments
	}
	start := 1 // of the current component
	for i := 1; i < len(path); {
		c := path[i]
		if c < utf8.RuneSelf {
			if c < 0x20 || c == 0x7f {
				return BadArguments
			}
			if c == '/' {
				if badComponent(path[start:i]) {
					return BadArguments
				}
				start = i + 1
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(path[i:])
		if forbiddenRune(r, size) {
			return BadArguments
		}
		i += size
	}
	if badComponent(path[start:]) {
		return BadArguments
	}
	return nil
}

func badComponent(s string) bool { return s == "" || s == "." || s == ".." }

func forbiddenRune(r rune, size int) bool {
	switch {
	case r == utf8.RuneError && size == 1: // not UTF-8: a Java server reads U+FFFD here, which it refuses
		return true
	case r <= 0x9f: // U+0080 to U+009F
		return true
	case r >= 0xd800 && r <= 0xf8ff:
		return true
	case r >= 0xfff0:
		return true
	}
	return false
}

// ParentPath is the path of the znode that holds path, "/" for a child of the
// root. The root has no parent: "".
func ParentPath(path string) string {
	if path == "/" || path == "" {
		return ""
	}
	i := strings.LastIndexByte(path, '/')
	if i <= 0 {
		return "/"
	}
	return path[:i]
}

// BaseName is the last component of path; "" for the root.
func BaseName(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// JoinPath puts a child's name behind its parent's path.
func JoinPath(parent, name string) string {
	if parent == "/" || parent == "" {
		return "/" + name
	}
	return parent + "/" + name
}

// HasPathPrefix reports whether path is root or lies below it.
func HasPathPrefix(path, root string) bool {
	if root == "/" || root == "" {
		return true
	}
	return strings.HasPrefix(path, root) && (len(path) == len(root) || path[len(root)] == '/')
}
