package validate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"go.yaml.in/yaml/v3"
)

// The bounds on what a schema costs.
const (
	// schemaStepsMax is how many subschemas are evaluated for one content: some hundred
	// milliseconds. A few lines of a schema can ask for any number.
	schemaStepsMax = 1_000_000
	// schemaTimeMax is for schemas whose steps are dear, as the comparison of large values
	// with one another is. It is far above what schemas take that are not made for it.
	schemaTimeMax = 2 * time.Second
	// matchOpsPerStep is how many steps of a regular expression count as one.
	matchOpsPerStep = 64
	// patternSizeMax bounds the instructions of all regular expressions of a schema, as does
	// runesPerInstruction the characters that they name.
	patternSizeMax      = 10_000
	runesPerInstruction = 8
	// exponentMax and digitsMax bound a schema's numbers, which are computed exactly.
	exponentMax = 400
	digitsMax   = 400
	// schemaDepthMax bounds the depth of a schema: the library writes out the place of each
	// part of one.
	schemaDepthMax = 100
	// SchemaBytesMax is the longest content that is compared with a schema: a tree is made
	// of it, and a fault of each of its values. Longer ones do not fit any.
	SchemaBytesMax = 1 << 20
	// faultsMax is how many faults are told.
	faultsMax = 20
)

// Comparable reports whether contents of a type are compared with a schema.
func Comparable(typ string) bool { return typ == "json" || typ == "yaml" || typ == "toml" }

// Schema is a compiled JSON Schema. It is safe for concurrent use; one content is compared
// after the other.
type Schema struct {
	mu     sync.Mutex
	schema *jsonschema.Schema
	steps  *steps // guarded by mu
	size   int    // bytes of memory, roughly
}

// noFetch loads nothing: a schema must be complete in itself.
type noFetch struct{}

func (noFetch) Load(string) (any, error) {
	return nil, errors.New("a schema cannot refer to another one that is not part of it")
}

const schemaURL = "schema:config"

// What the parts of a compiled schema take, in bytes.
const (
	subschemaBytes   = 1024
	instructionBytes = 128
)

// Compile reads a JSON Schema, of draft 2020-12 unless it says otherwise ($schema). The
// error is for whoever wrote the schema.
func Compile(text string) (*Schema, error) { return compileWithin(text, schemaTimeMax) }

// compileWithin is Compile, with another bound on what is dear.
func compileWithin(text string, timeMax time.Duration) (*Schema, error) {
	if f := jsonSyntax(text); f != nil {
		return nil, f
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	if err := soberNumbers(doc); err != nil {
		return nil, err
	}
	if depthOf(doc) > schemaDepthMax {
		return nil, fmt.Errorf("is nested too deeply, more than %d levels", schemaDepthMax)
	}
	s := &Schema{steps: &steps{patterns: patternSizeMax, timeMax: timeMax}}
	c := jsonschema.NewCompiler()
	c.UseLoader(noFetch{})
	c.UseRegexpEngine(s.steps.compile)
	s.steps.reset(0)
	if err := guarded(func() error {
		if err := c.AddResource(schemaURL, doc); err != nil {
			return err
		}
		if s.schema, err = c.Compile(schemaURL); err != nil {
			return err
		}
		parts := s.steps.watch(s.schema)
		s.size = 4*len(text) + parts*subschemaBytes + (patternSizeMax-s.steps.patterns)*instructionBytes
		return nil
	}); err != nil {
		return nil, schemaError(err)
	}
	return s, nil
}

// soberNumbers refuses numbers that are short to write and long to compute with.
func soberNumbers(v any) error {
	switch v := v.(type) {
	case map[string]any:
		for _, part := range v {
			if err := soberNumbers(part); err != nil {
				return err
			}
		}
	case []any:
		for _, part := range v {
			if err := soberNumbers(part); err != nil {
				return err
			}
		}
	case json.Number:
		i := strings.IndexAny(v.String(), "eE")
		if len(v) > digitsMax {
			return fmt.Errorf("the number %s is too long", clip(v.String()))
		}
		if i < 0 {
			return nil
		}
		if n, err := strconv.Atoi(v.String()[i+1:]); err != nil || n > exponentMax || n < -exponentMax {
			return fmt.Errorf("the number %s is out of range", clip(v.String()))
		}
	}
	return nil
}

// schemaError is why a schema does not compile, without the names by which it goes here.
func schemaError(err error) error {
	var invalid *jsonschema.SchemaValidationError
	if errors.As(err, &invalid) {
		var v *jsonschema.ValidationError
		if errors.As(invalid.Err, &v) {
			leaf := leaves(v, nil)[0]
			return fmt.Errorf("%s (at %s)", reasonOf(leaf), pointer(leaf.InstanceLocation))
		}
	}
	return errors.New(clip(strings.ReplaceAll(err.Error(), schemaURL, "")))
}

// guarded makes an error of a panic: an evaluation that was given up, or a fault of the
// library that a content brought about.
func guarded(f func() error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case error:
			err = p
		default:
			err = fmt.Errorf("%v", p)
		}
	}()
	return f()
}

// Check compares a content of type typ with the schema, and tells at most faultsMax faults,
// in the order of their lines. Of several YAML documents each must fit. A content that is
// not what its type says has that fault only; a type that is not compared has none.
func (s *Schema) Check(typ, content string) []*Fault {
	content = strings.TrimPrefix(content, bom)
	switch {
	case !Comparable(typ):
		return nil
	case len(content) > SchemaBytesMax:
		return []*Fault{{Line: 1, Column: 1, Reason: fmt.Sprintf("is too large to be compared with a schema, at most %d bytes are", SchemaBytesMax)}}
	}
	if f := Syntax(typ, content); f != nil {
		return []*Fault{f}
	}
	var faults []*Fault
	if err := guarded(func() error { faults = s.fits(typ, content); return nil }); err != nil {
		return []*Fault{faultAt(content, 0, "cannot be compared with the schema: "+clip(err.Error()))}
	}
	return faults
}

// fits is Check of a content that is what its type says.
func (s *Schema) fits(typ, content string) []*Fault {
	switch typ {
	case "json":
		return s.check(jsonValue(content), func(path []string) (int, int) { return jsonPlace(content, path) })
	case "toml":
		v, f := tomlValue(content)
		if f != nil {
			return []*Fault{f}
		}
		return s.check(v, func(path []string) (int, int) { return tomlPlace(content, path) })
	}
	return s.checkYAML(content)
}

func (s *Schema) checkYAML(content string) []*Fault {
	var faults []*Fault
	check := func(doc *yaml.Node) *Fault {
		v, f := yamlValue(doc)
		if f == nil && len(faults) < faultsMax {
			faults = append(faults, s.check(v, func(path []string) (int, int) { return yamlPlace(doc, path) })...)
		}
		return f
	}
	docs := 0
	f := yamlDocuments(content, func(doc *yaml.Node) *Fault {
		docs++
		return check(doc)
	})
	if f == nil && docs == 0 { // comments only
		f = check(&yaml.Node{Kind: yaml.DocumentNode})
	}
	if f != nil {
		return []*Fault{f}
	}
	return faults[:min(len(faults), faultsMax)]
}

// check compares a value; where says where the part of it is to which a path leads.
func (s *Schema) check(v any, where func(path []string) (line, column int)) []*Fault {
	s.mu.Lock()
	s.steps.reset(depthOf(v))
	err := guarded(func() error { return s.schema.Validate(v) })
	s.mu.Unlock()
	if err == nil {
		return nil
	}
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		reason := "cannot be compared with the schema: " + clip(err.Error())
		if errors.Is(err, errSteps) {
			reason = "the schema asks for too much: it is too costly to compare"
		}
		line, column := where(nil)
		return []*Fault{{Line: line, Column: column, Reason: reason}}
	}
	all := leaves(invalid, nil)
	// The library goes through objects in any order.
	slices.SortStableFunc(all, func(a, b *jsonschema.ValidationError) int {
		return slices.Compare(a.InstanceLocation, b.InstanceLocation)
	})
	var faults []*Fault
	for _, e := range all[:min(len(all), faultsMax)] {
		path := e.InstanceLocation
		if more, ok := e.ErrorKind.(*kind.AdditionalProperties); ok && len(more.Properties) > 0 {
			slices.Sort(more.Properties)
			path = append(slices.Clone(path), more.Properties[0])
		}
		f := &Fault{Path: pointer(path), Reason: reasonOf(e)}
		f.Line, f.Column = where(path)
		faults = append(faults, f)
	}
	slices.SortStableFunc(faults, func(a, b *Fault) int {
		return slices.Compare([]int{a.Line, a.Column}, []int{b.Line, b.Column})
	})
	return faults
}

// leaves are the errors that have no other cause: what is really wrong.
func leaves(e *jsonschema.ValidationError, out []*jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(e.Causes) == 0 {
		e.ErrorKind = kindOf(e.ErrorKind)
		return append(out, e)
	}
	for _, cause := range e.Causes {
		out = leaves(cause, out)
	}
	return out
}

// reasonOf is the library's sentence about one error.
func reasonOf(e *jsonschema.ValidationError) string {
	leaf := jsonschema.ValidationError{SchemaURL: e.SchemaURL, InstanceLocation: e.InstanceLocation, ErrorKind: e.ErrorKind}
	unit := leaf.DetailedOutput()
	if unit == nil || unit.Error == nil {
		return "does not fit the schema"
	}
	return clipReason(unit.Error.String())
}

func clipReason(s string) string {
	const most = 400
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// pointer is a path as a JSON Pointer.
func pointer(path []string) string {
	var b bytes.Buffer
	for _, step := range path {
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(step))
	}
	return b.String()
}

// isIndex reports whether a step of a path is the index i.
func isIndex(step string, i int) bool { return step == strconv.Itoa(i) }

// Schemas compiles schemas and keeps those that were asked for last. It is safe for
// concurrent use.
type Schemas struct {
	timeMax time.Duration
	mu      struct {
		sync.Mutex
		kept *lru.LRU[string, compiled]
		size int // bytes of those that are kept, roughly
	}
}

type compiled struct {
	schema *Schema
	err    error
}

func (c compiled) size(text string) int {
	if c.schema == nil {
		return len(text)
	}
	return c.schema.size
}

// schemasKept and schemasBytesMax bound the cache.
const (
	schemasKept     = 256
	schemasBytesMax = 32 << 20
)

// NewSchemas makes an empty cache.
func NewSchemas() *Schemas {
	s := &Schemas{timeMax: schemaTimeMax}
	kept, err := lru.NewLRU(schemasKept, func(text string, c compiled) { s.mu.size -= c.size(text) })
	if err != nil {
		panic(err) // only for a size below 1
	}
	s.mu.kept = kept
	return s
}

// Get is Compile, done once for each text.
func (s *Schemas) Get(text string) (*Schema, error) {
	s.mu.Lock()
	c, ok := s.mu.kept.Get(text)
	s.mu.Unlock()
	if ok {
		return c.schema, c.err
	}
	c.schema, c.err = compileWithin(text, s.timeMax)
	s.mu.Lock()
	defer s.mu.Unlock()
	if other, ok := s.mu.kept.Get(text); ok { // somebody was faster
		return other.schema, other.err
	}
	s.mu.kept.Add(text, c)
	for s.mu.size += c.size(text); s.mu.size > schemasBytesMax && s.mu.kept.Len() > 1; {
		s.mu.kept.RemoveOldest()
	}
	return c.schema, c.err
}
