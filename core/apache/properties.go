package apache

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// configBytesMax bounds a configuration file; the largest that make sense, with
// 254 members, have 30 KB.
const configBytesMax = 1 << 20

// property is a key and its value, and the line where they begin.
type property struct {
	line       int
	key, value string
}

// readProperties reads the syntax of java.util.Properties: comments after # or !
// at the start of a line; key and value parted by =, : or blanks; a backslash at
// a line's end continues it, and others escape. Values lose their blanks at both
// ends, as ZooKeeper trims them. Of a key that comes again the last one counts
// and stands where the first stood.
//
// Java takes the bytes for Latin-1; here they are UTF-8, which is the same for
// everything that names a host, a path or a number.
func readProperties(r io.Reader) ([]property, error) {
	text, err := io.ReadAll(io.LimitReader(r, configBytesMax+1))
	if err != nil {
		return nil, err
	}
	if len(text) > configBytesMax {
		return nil, fmt.Errorf("longer than %d bytes", configBytesMax)
	}
	var (
		list []property
		at   = make(map[string]int)
		errs []error
	)
	for _, l := range logicalLines(string(text)) {
		rawKey, rawValue := split(l.text)
		key, err1 := unescape(rawKey)
		value, err2 := unescape(rawValue)
		if err := errors.Join(err1, err2); err != nil {
			errs = append(errs, fmt.Errorf("line %d: %w", l.number, err))
			continue
		}
		p := property{line: l.number, key: strings.TrimSpace(key), value: strings.TrimSpace(value)}
		if i, again := at[p.key]; again {
			list[i] = p
			continue
		}
		at[p.key] = len(list)
		list = append(list, p)
	}
	return list, errors.Join(errs...)
}

// line is a logical line: natural lines joined where they continue.
type line struct {
	number int
	text   string
}

func logicalLines(text string) []line {
	var (
		lines   []line
		pending strings.Builder
		start   int
	)
	newlines := strings.NewReplacer("\r\n", "\n", "\r", "\n")
	number := 0
	for natural := range strings.SplitSeq(newlines.Replace(text), "\n") {
		number++
		natural = strings.TrimLeft(natural, " \t\f")
		if start == 0 {
			if natural == "" || natural[0] == '#' || natural[0] == '!' {
				continue
			}
			start = number
		}
		body, continues := strings.CutSuffix(natural, `\`)
		if continues && trailingBackslashes(body)%2 == 1 {
			body, continues = natural, false // the backslash at the end is itself escaped
		}
		pending.WriteString(body)
		if !continues {
			lines = append(lines, line{start, pending.String()})
			pending.Reset()
			start = 0
		}
	}
	if start != 0 {
		lines = append(lines, line{start, pending.String()})
	}
	return lines
}

func trailingBackslashes(s string) int { return len(s) - len(strings.TrimRight(s, `\`)) }

// split parts a logical line at its first separator that is not escaped: blanks
// with at most one = or : among them.
func split(text string) (key, value string) {
	end := len(text)
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' {
			i++
			continue
		}
		if strings.IndexByte("=: \t\f", text[i]) >= 0 {
			end = i
			break
		}
	}
	rest := strings.TrimLeft(text[end:], " \t\f")
	if rest != "" && (rest[0] == '=' || rest[0] == ':') {
		rest = strings.TrimLeft(rest[1:], " \t\f")
	}
	return text[:end], rest
}

// unescape resolves backslashes as Java does: the known letters, four
// hexadecimal digits after u, and of anything else the character itself.
func unescape(s string) (string, error) {
	if !strings.Contains(s, `\`) {
		return s, nil
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out.WriteByte(s[i])
			continue
		}
		if i++; i == len(s) {
			break // a backslash at the end of the file escapes nothing
		}
		switch s[i] {
		case 't':
			out.WriteByte('\t')
		case 'n':
			out.WriteByte('\n')
		case 'r':
			out.WriteByte('\r')
		case 'f':
			out.WriteByte('\f')
		case 'u':
			unit, err := unicodeEscape(s[i+1:])
			if err != nil {
				return "", err
			}
			i += 4
			if utf16.IsSurrogate(unit) && strings.HasPrefix(s[i+1:], `\u`) {
				low, err := unicodeEscape(s[i+3:])
				if err != nil {
					return "", err
				}
				if both := utf16.DecodeRune(unit, low); both != utf8.RuneError {
					unit = both
					i += 6
				}
			}
			out.WriteRune(unit)
		default:
			out.WriteByte(s[i])
		}
	}
	return out.String(), nil
}

func unicodeEscape(s string) (rune, error) {
	if len(s) >= 4 {
		if unit, err := strconv.ParseUint(s[:4], 16, 16); err == nil {
			return rune(unit), nil
		}
	}
	return 0, errors.New(`\u without four hexadecimal digits`)
}
