package validate

import (
	"strings"
	"unicode/utf8"
)

// depthMax is how deep a content may be nested, as with Jackson, which most readers have.
const depthMax = 1000

// tooDeep is the reason of what is deeper.
const tooDeep = "is nested too deeply, more than 1000 levels"

// bom may begin any text, and says nothing.
const bom = "\ufeff"

// ParsedBytesMax is the longest YAML, TOML or XML that is looked at: reading it takes many
// times as much memory, or a second for some MiB. Longer ones count as right.
const ParsedBytesMax = 2 << 20

// syntaxes have the rules of each type.
var syntaxes = map[string]func(content string) *Fault{
	"json":       jsonSyntax,
	"yaml":       yamlSyntax,
	"toml":       tomlSyntax,
	"xml":        xmlSyntax,
	"properties": propertiesSyntax,
}

// Syntax is the first fault of a content of type typ (one of configcenter.NormalType), nil
// if it has none or the type has no rules.
func Syntax(typ, content string) *Fault {
	check := syntaxes[typ]
	if check == nil {
		return nil
	}
	if len(content) > ParsedBytesMax && (typ == "yaml" || typ == "toml" || typ == "xml") {
		return nil
	}
	content = strings.TrimPrefix(content, bom)
	if f := encoding(content); f != nil {
		return f
	}
	var f *Fault
	if err := guarded(func() error { f = check(content); return nil }); err != nil {
		return faultAt(content, 0, "cannot be read: "+clip(err.Error()))
	}
	return f
}

// encoding is the fault of a content that is no UTF-8.
func encoding(content string) *Fault {
	if utf8.ValidString(content) {
		return nil
	}
	for i, r := range content {
		if r == utf8.RuneError && !strings.HasPrefix(content[i:], "\ufffd") {
			return faultAt(content, i, "is no UTF-8 text")
		}
	}
	return nil
}
