package validate

import "strings"

// propertiesSyntax follows java.util.Properties, to which every text is right but one with
// an escape of a character that is none: of an empty key, a line without a value and a key
// that occurs twice it makes something.
func propertiesSyntax(content string) *Fault {
	comment, lineStart := false, true
	for i := 0; i < len(content); i++ {
		switch c := content[i]; {
		case c == '\n' || c == '\r':
			comment, lineStart = false, true
		case comment:
		case lineStart && (c == '#' || c == '!'):
			comment, lineStart = true, false
		case c == '\\':
			lineStart = false
			if i++; i >= len(content) {
				return nil
			}
			if content[i] == 'u' && !isHex4(content[i+1:]) {
				return faultAt(content, i-1, `a \u must have four hexadecimal digits behind it`)
			}
			if content[i] == '\r' && strings.HasPrefix(content[i:], "\r\n") {
				i++ // one line that goes on
			}
		case c != ' ' && c != '\t' && c != '\f':
			lineStart = false
		}
	}
	return nil
}

func isHex4(s string) bool {
	if len(s) < 4 {
		return false
	}
	for _, c := range []byte(s[:4]) {
		if !strings.ContainsRune("0123456789abcdefABCDEF", rune(c)) {
			return false
		}
	}
	return true
}
