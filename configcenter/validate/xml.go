package validate

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

// xmlSyntax looks whether a document is well-formed. Entities that it declares itself are
// known by name and never replaced; nothing is fetched.
func xmlSyntax(content string) *Fault {
	text := content
	if m := xml11.FindStringSubmatchIndex(text); m != nil { // to encoding/xml it is unknown
		text = text[:m[2]] + "1.0" + text[m[3]:]
	}
	d := xml.NewDecoder(strings.NewReader(text))
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // it is UTF-8 by now
	depth, roots := 0, 0
	for {
		at := int(d.InputOffset())
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return xmlFault(content, d, err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth == 0 {
				if roots++; roots > 1 {
					return faultAt(content, at, "there is a second element outside of the first")
				}
			}
			if depth++; depth > depthMax {
				return faultAt(content, at, tooDeep)
			}
			var seen keys
			for _, a := range t.Attr {
				if !seen.add(a.Name.Space + " " + a.Name.Local) {
					return faultAt(content, at, "the attribute "+clip(a.Name.Local)+" occurs twice in its element")
				}
			}
		case xml.EndElement:
			depth--
		case xml.CharData:
			if lead := len(t) - len(strings.TrimLeft(string(t), " \t\r\n")); depth == 0 && lead < len(t) {
				return faultAt(content, at+lead, "there is text outside of the element")
			}
		case xml.Directive:
			declared(d, string(t))
		}
	}
	if roots == 0 {
		return faultAt(content, 0, "has no element")
	}
	return nil
}

var (
	xml11     = regexp.MustCompile(`^<\?xml\s+version\s*=\s*["'](1\.1)["']`)
	xmlEntity = regexp.MustCompile(`<!ENTITY\s+([^\s%"'<>]+)\s`)
)

// declared tells d of the entities that a document type declares. Their texts do not matter.
func declared(d *xml.Decoder, directive string) {
	if !strings.HasPrefix(directive, "DOCTYPE") {
		return
	}
	for _, m := range xmlEntity.FindAllStringSubmatch(directive, -1) {
		if d.Entity == nil {
			d.Entity = map[string]string{}
		}
		d.Entity[m[1]] = ""
	}
}

func xmlFault(content string, d *xml.Decoder, err error) *Fault {
	line, column := d.InputPos() // the column is one of bytes
	f := &Fault{Line: line, Column: column, Reason: strings.TrimPrefix(err.Error(), "xml: ")}
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		f.Reason = syntax.Msg
	}
	end := min(int(d.InputOffset()), len(content))
	start := strings.LastIndexByte(content[:end], '\n') + 1
	f.Column = utf8.RuneCountInString(content[start:end])
	f.Column = max(f.Column, 1)
	return f
}
