package validate

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestAFaultIsToldWithItsPlace(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for _, c := range []string{"ba", "cb", "dc", "ed", "fe"} {
		bomb += c[:1] + ": &" + c[:1] + " [" + strings.Repeat("*"+c[1:]+",", 10) + "]\n"
	}
	bomb += "g: [*f, *f]"
	for _, c := range []struct{ name, typ, content, want string }{
		{"json: a comma too many", "json", "{\n  \"a\": 1,\n}", "line 3, column 1: invalid character '}' looking for beginning of object key string"},
		{"json: text behind it", "json", `{"a":1} x`, "line 1, column 9: invalid character 'x' after top-level value"},
		{"json: an end that is missing", "json", "{\n \"ä\": \"é\"\n\n", "line 2, column 10: unexpected end of JSON input"},
		{"json: columns are characters", "json", `{"ä": é}`, "line 1, column 7: invalid character 'Ã' looking for beginning of value"},
		{"json: a comment", "json", "// no\n{}", "line 1, column 1: invalid character '/' looking for beginning of value"},
		{"json: a key twice", "json", `[{"a":1,"b":{"c":[1,{}],"\u0063":2}}]`, "line 1, column 25: the key c occurs twice in its object"},
		{"json: one of many keys twice", "json", `{"1":1,"2":1,"3":1,"4":1,"5":1,"6":1,"7":1,"8":1,"9":1,"a":1,"3":2}`, "line 1, column 62: the key 3 occurs twice in its object"},
		{"json: too deep", "json", strings.Repeat("[", 1001) + strings.Repeat("]", 1001), "line 1, column 1001: is nested too deeply, more than 1000 levels"},
		{"json: other bytes", "json", "{\n\"a\": \"\xff\"}", "line 2, column 7: is no UTF-8 text"},
		{"yaml: a colon too many", "yaml", "a: b: c", "line 1, column 5: mapping values are not allowed in this context"},
		{"yaml: indentation", "yaml", "a: 1\nb:\n  c: 2\n d: 3\n", "line 4, column 2: did not find expected key"},
		{"yaml: a tab", "yaml", "a:\n\t- b", "line 2, column 1: found character that cannot start any token"},
		{"yaml: a bracket that is open", "yaml", "a: [1, 2\nb: 3\n", "line 2, column 2: did not find expected ',' or ']'"},
		{"yaml: a quote that is open", "yaml", "a: 1\nb: \"x\nc: 2\n", "line 4, column 1: found unexpected end of stream, within what begins at line 2, column 4"},
		{"yaml: a placeholder", "yaml", "a: @project@", "line 1, column 4: found character that cannot start any token"},
		{"yaml: an unknown alias", "yaml", "a: &a 1\nb: *a\nc: *b", "line 3, column 4: unknown anchor 'b' referenced"},
		{"yaml: an alias within itself", "yaml", "a: &a [1, *a]", "line 1, column 11: the alias *a stands within what it is an alias of"},
		{"yaml: aliases that multiply", "yaml", bomb, "line 6, column 4: the aliases stand for too many values"},
		{"yaml: a key twice", "yaml", "a: 1\nb: {c: 1, c: 2}", "line 2, column 11: the key c occurs twice in its mapping"},
		{"yaml: a later document", "yaml", "a: 1\n---\nb: 2\n---\nc: [\n", "line 6, column 1: did not find expected node content"},
		{"yaml: a control character", "yaml", "a: 1\nb: \x01", "line 2, column 4: control characters are not allowed"},
		{"yaml: a zero", "yaml", "a: 1\n\x00: b: c", "line 2, column 1: control characters are not allowed"},
		{"yaml: too deep", "yaml", strings.Repeat("[", 1001) + strings.Repeat("]", 1001), "line 1, column 1001: is nested too deeply, more than 1000 levels"},
		{"toml: a key twice", "toml", "a = 1\na = 2", "line 2, column 1: key a is already defined"},
		{"toml: a table twice", "toml", "[a]\nb = 1\n[a]\n", "line 3, column 2: table a already exists"},
		{"toml: no value", "toml", "é = \n", "line 1, column 1: invalid character at start of key: U+00C3 'Ã'"},
		{"toml: no such date", "toml", "d = 2021-13-45", "line 1, column 10: impossible date"},
		{"toml: a key of too many parts", "toml", "x = 1\n" + strings.Repeat("a.", 1001) + "b = 1", "line 2, column 1: is nested too deeply, more than 1000 levels"},
		{"xml: another end", "xml", "<a>\n<ä></a>", "line 2, column 7: element <ä> closed by </a>"},
		{"xml: two elements", "xml", "<a/>\n<b/>", "line 2, column 1: there is a second element outside of the first"},
		{"xml: no end", "xml", "<a>", "line 1, column 3: unexpected EOF"},
		{"xml: text outside", "xml", "<a/>\n  x", "line 2, column 3: there is text outside of the element"},
		{"xml: an entity that is not declared", "xml", "<a>&b;</a>", "line 1, column 6: invalid character entity &b;"},
		{"xml: an attribute twice", "xml", "<a>\n <b c='1' c='2'/></a>", "line 2, column 2: the attribute c occurs twice in its element"},
		{"xml: nothing", "xml", "<!-- c -->", "line 1, column 1: has no element"},
		{"xml: too deep", "xml", strings.Repeat("<b>", 1001) + strings.Repeat("</b>", 1001), "line 1, column 3001: is nested too deeply, more than 1000 levels"},
		{"properties: no character", "properties", "a=1\n=2\n#\\u\nb \\\n  \\u12", `line 5, column 3: a \u must have four hexadecimal digits behind it`},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := Syntax(c.typ, c.content)
			if f == nil {
				t.Fatalf("no fault, want %s", c.want)
			}
			if f.Error() != c.want {
				t.Errorf("got  %s\nwant %s", f, c.want)
			}
		})
	}
}

func TestWhatIsRightHasNoFault(t *testing.T) {
	for _, c := range []struct{ typ, content string }{
		{"text", "{"},
		{"html", "<p>"},
		{"unset", "a: b: c"},
		{"json", "\ufeff{\"a\": [1, \"x\\\"y\", {\"a\": null}], \"b\": {\"a\": -1.5e3}}\n"},
		{"json", `"two"`},
		{"json", `{"a{":"}","a[":"\\"}`},
		{"json", "[1 , 2]"},
		{"json", "[]"},
		{"yaml", "one"},
		{"yaml", "# nothing\n"},
		{"yaml", "---\na: 1\n---\nb: 1\n...\n"},
		{"yaml", "a: ${B:c}\nb: \"*x\"\n1: 2\n\"1\": 3\n"},
		{"yaml", "base: &b {x: 1}\na:\n  <<: *b\n  <<: *b\n  x: 2\n"},
		{"yaml", "? [a, b]\n: c\n"},
		{"yaml", "a: !custom {b: 1}"},
		{"toml", "a.b = 1\n[[c]]\nd = 1979-05-27T07:32:00Z\n[[c]]\nd = nan\n"},
		{"xml", "<?xml version=\"1.1\" encoding=\"GBK\"?>\n<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]>\n<a x:c='1' c='2'>&b;&amp;<![CDATA[<]]></a>\n<!-- c -->\n"},
		{"properties", "a"},
		{"properties", "=b\n\\"},
		{"properties", "a = \\u00e4\\\r\n\\u00E4 \\x \\\\u\n! \\u\na=2"},
		{"properties", "a=!\\\n#b"},
		{"xml", "<" + strings.Repeat("x", ParsedBytesMax)}, // not looked at
	} {
		if f := Syntax(c.typ, c.content); f != nil {
			t.Errorf("%s %.80q: %v", c.typ, c.content, f)
		}
	}
}

// What the library does not tell is read from fields of it that are not exported.
func TestPlacesInYAMLAreThoseOfTheFault(t *testing.T) {
	f := Syntax("yaml", "a:\n  b: 1\n  c: d: e\n")
	if f == nil || f.Line != 3 || f.Column != 7 {
		t.Errorf("got %v", f)
	}
}

func FuzzSyntax(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,{"b":"\u0063"}],"a":1}`, "a: &x [1]\nb: *x\n<<: *x\n---\n? [a]\n: |\n  x\n", "[a.b]\nc = [{d=1}]\n[[e]]\n",
		"<?xml version='1.1'?><!DOCTYPE a [<!ENTITY b 'c'>]><a b='c'>&b;</a>", "a=\\u0041\\\n b\n#c",
	} {
		f.Add(s)
	}
	schema, err := Compile(`{"type": ["object", "array"], "properties": {"a": {"type": "integer", "multipleOf": 3}}, "uniqueItems": true,
		"additionalProperties": {"anyOf": [{"$ref": "#"}, {"pattern": "^x"}, {"minimum": 3}]}}`)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, content string) {
		for typ := range syntaxes {
			fault := Syntax(typ, content)
			if fault != nil {
				checkFault(t, typ, content, fault)
			}
			faults := schema.Check(typ, content)
			if fault != nil && Comparable(typ) && (len(faults) != 1 || *faults[0] != *fault) {
				t.Errorf("%s: %v, with a schema %v", typ, fault, faults)
			}
			for _, f := range faults {
				checkFault(t, typ, content, f)
			}
		}
	})
}

// checkFault fails if a fault is nowhere in the content, or is one of a library's own.
func checkFault(t *testing.T, typ, content string, f *Fault) {
	t.Helper()
	if f.Reason == "" || strings.HasPrefix(f.Reason, "cannot be ") {
		t.Errorf("%s %q: %v", typ, content, f)
	}
	breaks := 0 // YAML has more of them than others
	for _, end := range []string{"\n", "\r", "\u0085", "\u2028", "\u2029"} {
		breaks += strings.Count(content, end)
	}
	if f.Line < 1 || f.Column < 1 || f.Line > breaks+2 || f.Column > len(content)+2 {
		t.Errorf("%s %q: there is no such place: %v", typ, content, f)
	}
}

func TestWhatIsManyIsReadInTime(t *testing.T) {
	many := func(n int, each string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, each, i)
		}
		return b.String()
	}
	for _, c := range []struct{ name, typ, content string }{
		{"TOML keys", "toml", many(100_000, "a%d = 1\n")},
		{"TOML tables", "toml", many(100_000, "[a%d]\n")},
		{"TOML inline", "toml", "a = {" + many(100_000, "a%d = 1, ") + "b = 1}"},
		{"YAML keys", "yaml", many(100_000, "a%d: 1\n")},
		{"YAML documents", "yaml", many(100_000, "--- %d\n")},
		{"YAML directives", "yaml", many(yamlTagsMax, "%%TAG !a%d! tag:x\n") + "--- |\n" + strings.Repeat(" %TAG !a! x\n", 100_000)},
		{"JSON keys", "json", "{" + many(1_000_000, "\"%d\":1,") + `"a":1}`},
		{"XML attributes", "xml", "<a " + many(100_000, "a%d='' ") + "/>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			begin := time.Now()
			if f := Syntax(c.typ, c.content); f != nil {
				t.Error(f)
			}
			if took := time.Since(begin); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
	begin := time.Now()
	if f := Syntax("yaml", many(90_000, "%%TAG !a%d! tag:x\n")+"--- a\n"); f == nil || f.Line != yamlTagsMax+1 || f.Column != 1 {
		t.Errorf("many directives: %v", f)
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("many directives took %v", took)
	}
	f := Syntax("toml", many(100_000, "a%d = 1\n")+"b = \n")
	if f == nil || f.Line != 100_001 {
		t.Errorf("a fault behind many keys: %v", f)
	}
	if f := compile(t, portSchema).Check("toml", many(6000, "a%d = 1\n")); len(f) != 1 || !strings.Contains(f[0].Reason, "too many keys") {
		t.Errorf("many keys and a schema: %v", f)
	}
}
