package validate

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const portSchema = `{
	"type": "object",
	"required": ["server"],
	"properties": {
		"server": {
			"type": "object",
			"properties": {"port": {"type": "integer", "minimum": 1, "maximum": 65535}, "hosts": {"type": "array", "items": {"pattern": "^[a-z.]+$"}}},
			"additionalProperties": false
		}
	}
}`

// unhurried is a bound on time where what is tested is not to depend on how busy the machine is.
const unhurried = time.Hour

func compile(t testing.TB, text string) *Schema {
	t.Helper()
	s, err := compileWithin(text, unhurried)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAContentThatDoesNotFitItsSchemaIsToldWhereAndWhy(t *testing.T) {
	s := compile(t, portSchema)
	for _, c := range []struct{ name, typ, content, want string }{
		{"it fits", "json", `{"server": {"port": 8080, "hosts": ["a.b"]}, "other": 1}`, ""},
		{"it fits", "yaml", "server: &s\n  port: 0x1F90\n  hosts: [a.b]\n", ""},
		{"it fits", "toml", "[server]\nport = 8080\nhosts = [\"a.b\"]\n", ""},
		{"another type than JSON, YAML and TOML", "properties", "server.port=x", ""},
		{
			"json", "json", "{\n  \"server\": {\n    \"port\": \"80\",\n    \"hosts\": [\"a\", \"B\"],\n    \"prot\": 1\n  }\n}",
			"line 3, column 13: got string, want integer (at /server/port)\n" +
				"line 4, column 20: 'B' does not match pattern '^[a-z.]+$' (at /server/hosts/1)\n" +
				"line 5, column 13: additional properties 'prot' not allowed (at /server/prot)",
		},
		{
			"yaml", "yaml", "server:\n  port: 70000\n  hosts:\n    - a\n    - B\n  prot: 1\n",
			"line 2, column 9: maximum: got 70,000, want 65,535 (at /server/port)\n" +
				"line 5, column 7: 'B' does not match pattern '^[a-z.]+$' (at /server/hosts/1)\n" +
				"line 6, column 9: additional properties 'prot' not allowed (at /server/prot)",
		},
		{
			"toml", "toml", "# c\n[server]\nport = 80.5\nhosts = [\n  \"a\",\n  \"B\",\n]\nprot = 1\n",
			"line 3, column 1: got number, want integer (at /server/port)\n" +
				"line 6, column 3: 'B' does not match pattern '^[a-z.]+$' (at /server/hosts/1)\n" +
				"line 8, column 1: additional properties 'prot' not allowed (at /server/prot)",
		},
		{"what is missing", "json", "\n {}", "line 2, column 2: missing property 'server'"},
		{"comments only", "yaml", "# none\n", "line 1, column 1: got null, want object"},
		{"the second document", "yaml", "server: {port: 1}\n---\nserver: {port: 0}\n", "line 3, column 16: minimum: got 0, want 1 (at /server/port)"},
		{"what is merged", "yaml", "x: &x {port: 0}\nserver:\n  <<: *x\n", "line 3, column 3: minimum: got 0, want 1 (at /server/port)"},
		{"what an alias stands for", "yaml", "x: &x\n  port: 0\nserver: *x\n", "line 2, column 9: minimum: got 0, want 1 (at /server/port)"},
		{"a key that is no scalar", "yaml", "server: {}\n? [a]\n: b\n", "line 2, column 3: a key that is no scalar cannot be compared with a schema"},
		{"a number that JSON has not", "yaml", "server: {port: .inf}", "line 1, column 16: got string, want integer (at /server/port)"},
		{"a number that is long to compute with", "json", `{"server":{"port":1e999999999}}`, "line 1, column 19: got string, want integer (at /server/port)"},
		{"an array of tables", "toml", "[[server]]\nport = 1\n", "line 1, column 3: got array, want object (at /server)"},
		{"an inline table", "toml", "server = {port = 0}", "line 1, column 11: minimum: got 0, want 1 (at /server/port)"},
		{"it does not parse", "json", "{", "line 1, column 2: unexpected end of JSON input"},
		{"it is too large", "json", `"` + strings.Repeat("x", SchemaBytesMax) + `"`, "line 1, column 1: is too large to be compared with a schema, at most 1048576 bytes are"},
	} {
		t.Run(c.name+" "+c.typ, func(t *testing.T) {
			var got []string
			for _, f := range s.Check(c.typ, c.content) {
				got = append(got, f.Error())
			}
			if g := strings.Join(got, "\n"); g != c.want {
				t.Errorf("got\n%s\nwant\n%s", g, c.want)
			}
		})
	}
}

func TestTOMLPlaces(t *testing.T) {
	const content = "a = 1\n[[b]]\nc = 1\n[[b]]\n c = 2\n [b.d]\n  e = [1, {f = 2}]\n[g.\"h.i\"]\nj.k = 3\n"
	for path, want := range map[string]string{
		"a": "1:1", "b": "2:3", "b/0": "2:3", "b/1": "4:3", "b/1/c": "5:2", "b/1/d": "6:3", "b/1/d/e": "7:3", "b/1/d/e/1/f": "7:12",
		"g/h.i": "8:2", "g/h.i/j/k": "9:1", "none": "1:1", "b/1/none": "4:3",
	} {
		line, column := tomlPlace(content, strings.Split(path, "/"))
		if got := fmt.Sprint(line, ":", column); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

func TestASchemaThatCannotBeUsedIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		`{"type": 1}`:                                                    "at /type",
		`{"type": "object", }`:                                           "line 1, column 20: invalid character",
		`{"type": "object"} x`:                                           "after top-level value",
		`{"$ref": "http://localhost/other"}`:                             "cannot refer to another",
		`{"$ref": "file:///etc/passwd"}`:                                 "cannot refer to another",
		`{"$schema": "file:///etc/passwd"}`:                              "cannot refer to another",
		`{"$ref": "#/none"}`:                                             "none",
		`{"pattern": "(?=x)"}`:                                           "regex",
		`{"pattern": "(((a{100}){100}){9})"}`:                            "pattern",
		`{"minimum": 1e999999999}`:                                       "out of range",
		`{"multipleOf": 1e-999999999}`:                                   "out of range",
		`{"enum": [[1, {"a": 1e999999999999999}]]}`:                      "out of range",
		`{"const": ` + strings.Repeat("9", 30000) + `}`:                  "too long",
		strings.Repeat(`{"not":`, 900) + `{}` + strings.Repeat("}", 900): "nested too deeply",
		// Some hundred patterns that are small by themselves, and some characters of each of which stand for thousands.
		`{"allOf": [` + strings.Repeat(`{"pattern": "(ab){900}"},`, 900) + `{}]}`: "pattern",
		`{"pattern": "` + strings.Repeat(`[^\\pL]`, 4000) + `"}`:                  "pattern",
	} {
		if _, err := compileWithin(text, unhurried); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q in it", text, err, want)
		}
	}
}

func TestASchemaThatAsksForTooMuchIsGivenUp(t *testing.T) {
	doubling := func(begin, both string) string {
		var b strings.Builder
		b.WriteString("{" + begin + `, "$defs": {`)
		for i := range 40 {
			fmt.Fprintf(&b, `"a%d": {"%s": [{"$ref": "#/$defs/a%d"}, {"$ref": "#/$defs/a%d"}]},`, i, both, i+1, i+1)
		}
		return b.String() + `"a40": {"type": "integer"}}}`
	}
	for _, c := range []struct{ name, schema, content string }{
		{"references that double", doubling(`"$ref": "#/$defs/a0"`, "allOf"), "1"},
		{"references that double, none of which fits", doubling(`"not": {"$ref": "#/$defs/a0"}`, "anyOf"), `"x"`},
		{"a recursion that doubles", `{"properties": {"a": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}}`, strings.Repeat(`{"a":`, 60) + "1" + strings.Repeat("}", 60)},
		{"patterns", `{"items": {"pattern": "(x+x+)+y{900}"}}`, `["` + strings.Repeat("x", 1<<19) + `"]`},
		{
			"a recursion that doubles, and of which nothing fits, within a negation",
			`{"not": {"$ref": "#/$defs/a"}, "$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}, "contains": {"$ref": "#/$defs/a"}}}}`,
			strings.Repeat("[", 60) + "1" + strings.Repeat("]", 60),
		},
		{
			"a recursion that doubles through an anchor that nothing else refers to",
			`{"$dynamicRef": "#a", "$defs": {"x": {"$dynamicAnchor": "a", "not": {"items": {"$dynamicRef": "#a"}, "contains": {"$dynamicRef": "#a"}}}}}`,
			strings.Repeat("[", 60) + "1" + strings.Repeat("]", 60),
		},
		{"types of which none fits", `{"items": {"anyOf": [` + strings.Repeat(`{"type": "object"},`, 1000) + `false]}}`, "[" + strings.Repeat("1,", 1<<18) + "1]"},
		{"faults at deep places", `{"type": "array", "items": {"$ref": "#"}}`, strings.Repeat("[", 900) + strings.Repeat("1,", 1<<18) + "1" + strings.Repeat("]", 900)},
		{"what is missing", `{"items": {"required": [` + manyNames(4000) + `]}}`, "[" + strings.Repeat("{},", 1<<18) + "{}]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			begin := time.Now()
			s, err := Compile(c.schema)
			if err != nil {
				t.Fatal(err)
			}
			faults := s.Check("json", c.content)
			if len(faults) != 1 || !strings.Contains(faults[0].Reason, "too costly") {
				t.Errorf("got %v", faults)
			}
			if took := time.Since(begin); took > time.Minute {
				t.Errorf("took %v", took)
			}
		})
	}
}

func manyNames(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%q", fmt.Sprint(i))
	}
	return strings.Join(names, ",")
}

// forms are lists of lists, of n brackets each.
func forms(n int) (out []string) {
	if n == 0 {
		return []string{""}
	}
	for within := range n {
		for _, a := range forms(within) {
			for _, b := range forms(n - 1 - within) {
				out = append(out, strings.TrimSuffix("["+a+"],"+b, ","))
			}
		}
	}
	return out
}

// A value is not compared with each that it might be equal to: all of these are in a second
// or two what took half an hour.
func TestManyValuesAreComparedInTime(t *testing.T) {
	lists := forms(10)
	numbers := strings.TrimSuffix(strings.Repeat("1,2,3.5,", 2600), ",")
	for _, c := range []struct{ name, schema, content, want string }{
		{"an enumeration", `{"items": {"enum": [` + numbers + `]}}`, "[" + strings.Repeat("10e-1, 3.50, ", 1<<16) + "4]", "value must be one of"},
		{"lists that are alike to a hash of their parts", `{"uniqueItems": true}`, "[[" + strings.Join(lists, "],[") + "],[" + lists[7] + "]]", "items at 7 and 16,796 are equal"},
	} {
		begin := time.Now()
		faults := compile(t, c.schema).Check("json", c.content)
		if len(faults) != 1 || !strings.Contains(faults[0].Reason, c.want) {
			t.Errorf("%s: got %v", c.name, faults)
		}
		if took := time.Since(begin); took > time.Minute {
			t.Errorf("%s took %v", c.name, took)
		}
	}
}

func TestValuesAreEqualAsASchemaHasIt(t *testing.T) {
	for _, c := range []struct {
		schema, typ, content string
		fits                 bool
	}{
		{`{"const": 1}`, "json", "1.0", true},
		{`{"const": 100}`, "json", "1e2", true},
		{`{"const": 0.1e-3}`, "json", "0.0001", true},
		{`{"const": -0}`, "json", "0", true},
		{`{"const": -1}`, "json", "1", false},
		{`{"const": 10}`, "json", "1", false},
		{`{"const": "1"}`, "json", "1", false},
		{`{"const": 31}`, "yaml", "0x1f", true},
		{`{"const": 1.5}`, "toml", "a = 1.5", false},
		{`{"const": {"a": 1.5}}`, "toml", "a = 1.50", true},
		{`{"enum": [null, true, [1, "x"], {"a": {}, "b": []}]}`, "json", `{"b": [], "a": {}}`, true},
		{`{"enum": [null, true, [1, "x"], {"a": {}, "b": []}]}`, "json", `[1.0, "x"]`, true},
		{`{"enum": [null, true, [1, "x"], {"a": {}, "b": []}]}`, "json", `false`, false},
		{`{"enum": [null, true, [1, "x"], {"a": {}, "b": []}]}`, "json", `["x", 1]`, false},
		{`{"enum": [["a,b"]]}`, "json", `["a", "b"]`, false},
		{`{"enum": [["as1:b"]]}`, "json", `["a", "b"]`, false},
		{`{"uniqueItems": true}`, "json", `[1, "1", true, "true", null, [], {}, [[]], "", 0]`, true},
		{`{"uniqueItems": true}`, "json", `[0, -0.0]`, false},
		{`{"uniqueItems": true}`, "json", `[{"a": 1, "b": 2}, {"b": 2, "a": 1}]`, false},
		{`{"type": "integer"}`, "json", "2.0", true},
		{`{"type": "integer"}`, "json", "2.5", false},
		{`{"type": ["null", "number"]}`, "json", "2.5", true},
		{`{"type": ["null", "boolean"]}`, "yaml", "2.5", false},
		{`{"additionalProperties": false}`, "json", `{"a": 1}`, false},
		{`{"items": false}`, "json", `[1]`, false},
		{`{"items": false}`, "json", `[]`, true},
		{`{"$schema": "http://json-schema.org/draft-07/schema#", "format": "regex"}`, "json", `"a("`, false},
		{`{"$schema": "http://json-schema.org/draft-07/schema#", "format": "ipv4"}`, "json", `"1.2.3"`, false},
		{`{"$schema": "http://json-schema.org/draft-07/schema#", "format": "ipv4"}`, "json", `"1.2.3.4"`, true},
		{`{"$ref": "https://json-schema.org/draft/2020-12/schema"}`, "json", `{"type": "strin"}`, false},
	} {
		if faults := compile(t, c.schema).Check(c.typ, c.content); len(faults) == 0 != c.fits {
			t.Errorf("%s with %s: %v", c.content, c.schema, faults)
		}
	}
}

func TestSchemasThatAreKeptAreBounded(t *testing.T) {
	s := NewSchemas()
	s.timeMax = unhurried
	for i := range 100 {
		if _, err := s.Get(fmt.Sprintf(`{"const": %d, "allOf": [%s{"not": false}]}`, i, strings.Repeat(`{"not": {"type": "null"}},`, 1000))); err != nil {
			t.Fatal(err)
		}
	}
	size := 0
	for _, c := range s.mu.kept.Values() {
		size += c.schema.size
	}
	if size != s.mu.size || size > schemasBytesMax || s.mu.kept.Len() < 5 {
		t.Errorf("%d schemas of %d bytes, counted as %d", s.mu.kept.Len(), size, s.mu.size)
	}
}

func TestSchemasAreCompiledOnce(t *testing.T) {
	s := NewSchemas()
	a, err := s.Get(portSchema)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := s.Get(portSchema); a != b {
		t.Error("compiled again")
	}
	if _, err := s.Get("{oops"); err == nil {
		t.Error("no error")
	}
	if _, err := s.Get("{oops"); err == nil {
		t.Error("no error the second time")
	}
}

// FuzzSchema: no schema makes anything panic or go on for ever, whatever it is compared with.
func FuzzSchema(f *testing.F) {
	f.Add(portSchema, `{"server":{"port":1}}`)
	f.Add(`{"$ref":"#/$defs/a","$defs":{"a":{"anyOf":[{"$ref":"#"},{"not":{}}]}}}`, "1")
	f.Add(`{"$id":"http://a/b","$anchor":"x","items":{"$dynamicRef":"#x"},"unevaluatedItems":false}`, "[[1]]")
	f.Add(`{"$schema":"http://json-schema.org/draft-04/schema#","minimum":1,"exclusiveMinimum":true,"multipleOf":0.1}`, "1.5")
	f.Add(`{"patternProperties":{"^a":{"enum":[1,"x",null]}},"propertyNames":{"maxLength":3},"dependentSchemas":{"a":false}}`, `{"a":1}`)
	f.Fuzz(func(t *testing.T, schema, content string) {
		s, err := Compile(schema)
		if err != nil {
			return
		}
		for _, typ := range []string{"json", "yaml", "toml"} {
			for _, fault := range s.Check(typ, content) {
				if fault.Reason == "" || fault.Line < 1 || fault.Column < 1 || strings.HasPrefix(fault.Reason, "cannot be compared") {
					t.Errorf("%s %q with %q: %v", typ, content, schema, fault)
				}
			}
		}
	})
}
