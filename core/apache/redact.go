package apache

import "strings"

// Redact returns the text of a configuration file without the values of keys that
// hold a secret, also of those that are unknown and of those in comments. The
// other lines stay as they are.
func Redact(text string) string {
	var out strings.Builder
	lines := strings.SplitAfter(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")
	for len(lines) > 0 {
		n := 1 // natural lines of the logical one
		for n < len(lines) && continued(lines[:n]) {
			n++
		}
		raw := strings.Join(lines[:n], "")
		lines = lines[n:]
		if key := keyOf(raw); secretKey(key) {
			raw = key + "=[redacted]\n"
		}
		out.WriteString(raw)
	}
	return out.String()
}

// continued reports whether the last of some natural lines goes on in the next one.
func continued(lines []string) bool {
	if first := strings.TrimLeft(lines[0], " \t\f"); first == "\n" || strings.HasPrefix(first, "#") || strings.HasPrefix(first, "!") {
		return false
	}
	return trailingBackslashes(strings.TrimSuffix(lines[len(lines)-1], "\n"))%2 == 1
}

// keyOf is the key of a line, also of one that is commented out.
func keyOf(raw string) string {
	raw = strings.TrimLeft(raw, "#! \t\f")
	lines := logicalLines(raw)
	if len(lines) == 0 {
		return ""
	}
	key, _ := split(lines[0].text)
	if plain, err := unescape(key); err == nil {
		key = plain
	}
	return strings.TrimSpace(key)
}

func secretKey(key string) bool {
	key = strings.ToLower(key)
	if strings.HasSuffix(key, "passwordpath") {
		return false // where a secret is
	}
	for _, word := range []string{"password", "passwd", "secret", "superdigest", "token"} {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}
