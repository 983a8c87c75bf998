package validate

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// steps counts what is evaluated.
//
// The library has no bound of its own. It calls an extension last of all, and not at all
// where a type, a constant or a part within a negation did not fit, so that a schema of
// four lines evaluates for ever without coming by there; and it compares each value of an
// enumeration, or of an array of unique items, with each. What it calls first of all, and
// always, is a format: that is what counts here, in every subschema, and it looks at what
// the library would have looked at before.
type steps struct {
	left     int
	each     int // of one evaluation: where a value is deep, so is the name of its place
	patterns int // instructions that there may still be in patterns
	timeMax  time.Duration
	until    time.Time
}

// faultSteps is what a fault counts beside the evaluation that found it: all are kept until
// the end.
const faultSteps = 2

// widthPerStep and depthPerStep are how many names that a fault may hold, of what is missing
// and of its place, count as one step.
const widthPerStep, depthPerStep = 8, 8

// reset begins a comparison with a value that is so deep.
func (s *steps) reset(depth int) {
	s.left, s.each, s.until = schemaStepsMax, 1+depth/depthPerStep, time.Now().Add(s.timeMax)
}

// errSteps is the panic by which an evaluation is given up: the library knows no other way.
var errSteps = errors.New("too many steps")

func (s *steps) count(n int) {
	if s.left -= n; s.left < 0 || time.Now().After(s.until) {
		panic(errSteps)
	}
}

// pattern is a regular expression whose steps count too.
type pattern struct {
	*regexp.Regexp
	size  int // instructions
	steps *steps
}

// MatchString reports whether s has a match.
func (p *pattern) MatchString(s string) bool {
	p.steps.count(len(s) * p.size / matchOpsPerStep)
	return p.Regexp.MatchString(s)
}

func (s *steps) compile(text string) (jsonschema.Regexp, error) {
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, err
	}
	size := len(prog.Inst)
	for i := range prog.Inst {
		size += len(prog.Inst[i].Rune) / runesPerInstruction
	}
	if s.patterns -= size; s.patterns < 0 {
		return nil, errors.New("the pattern is too large, or there are too many")
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	return &pattern{re, size, s}, nil
}

// watch has every subschema that can be reached from root count, and returns how many there
// are. It is called once for a schema, before it is used.
func (s *steps) watch(root *jsonschema.Schema) int {
	seen := map[*jsonschema.Schema]bool{}
	todo := []*jsonschema.Schema{root}
	for len(todo) > 0 {
		sch := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if sch == nil || seen[sch] {
			continue
		}
		seen[sch] = true
		fields := reflect.ValueOf(sch).Elem()
		for i := range fields.NumField() {
			todo = within(fields.Field(i), todo)
		}
		s.guard(sch)
	}
	return len(seen)
}

var schemaType, dynamicType = reflect.TypeFor[jsonschema.Schema](), reflect.TypeFor[jsonschema.DynamicRef]()

// within adds the subschemas that a field of a schema holds: also one that is not exported,
// as a dynamic anchor may be nowhere else.
func within(v reflect.Value, out []*jsonschema.Schema) []*jsonschema.Schema {
	switch v.Kind() {
	case reflect.Pointer:
		switch {
		case v.IsNil():
		case v.Type().Elem() == schemaType:
			return append(out, (*jsonschema.Schema)(v.UnsafePointer()))
		case v.Type().Elem() == dynamicType:
			return within(v.Elem().FieldByName("Ref"), out)
		}
	case reflect.Interface:
		return within(v.Elem(), out)
	case reflect.Slice:
		for i := range v.Len() {
			out = within(v.Index(i), out)
		}
	case reflect.Map:
		for each := v.MapRange(); each.Next(); {
			out = within(each.Value(), out)
		}
	}
	return out
}

// guard has one subschema count, and takes over what the library looks at before a format.
func (s *steps) guard(sch *jsonschema.Schema) {
	g := &guard{steps: s, format: sch.Format, cost: len(sch.Required) / widthPerStep}
	for _, names := range sch.DependentRequired {
		g.cost += len(names) / widthPerStep
	}
	if sch.Bool != nil {
		if *sch.Bool {
			return // nothing is evaluated
		}
		g.never, sch.Bool = true, nil
	}
	if sch.Types != nil {
		g.types, sch.Types = sch.Types.ToStrings(), nil
	}
	if sch.Const != nil {
		g.constant, sch.Const = newValues([]any{*sch.Const}, s), nil
	}
	if sch.Enum != nil {
		g.enum, sch.Enum = newValues(sch.Enum.Values, s), nil
	}
	if sch.UniqueItems {
		sch.UniqueItems = false
		sch.Extensions = append(sch.Extensions, unique{s})
	}
	sch.Format = &jsonschema.Format{Name: "steps", Validate: g.validate}
}

// guard is what comes first in the evaluation of a subschema.
type guard struct {
	steps          *steps
	cost           int // beside the step itself
	never          bool
	types          []string
	constant, enum *values
	format         *jsonschema.Format
}

// violation is a fault that a guard has found.
type violation struct{ jsonschema.ErrorKind }

// Error is seen by nobody: the kind says more.
func (violation) Error() string { return "does not fit" }

func (g *guard) validate(v any) error {
	g.steps.count(g.steps.each + g.cost)
	if k := g.fault(v); k != nil {
		g.steps.count(faultSteps)
		return violation{k}
	}
	return nil
}

func (g *guard) fault(v any) jsonschema.ErrorKind {
	typ := typeOf(v)
	switch {
	case g.never:
		return &kind.FalseSchema{}
	case g.types != nil && !slices.Contains(g.types, typ) && !(slices.Contains(g.types, "integer") && isInteger(v)):
		return &kind.Type{Got: typ, Want: g.types}
	case g.constant != nil && !g.constant.have(v, typ, g.steps):
		return &kind.Const{Got: v, Want: g.constant.all[0]}
	case g.enum != nil && !g.enum.have(v, typ, g.steps):
		return &kind.Enum{Got: v, Want: g.enum.all}
	case g.format == nil:
		return nil
	}
	var err error
	if text, ok := v.(string); ok && g.format.Name == "regex" {
		_, err = syntax.Parse(text, syntax.Perl)
	} else if g.format.Name != "regex" {
		err = g.format.Validate(v)
	}
	if err != nil {
		return &kind.Format{Got: v, Want: g.format.Name, Err: err}
	}
	return nil
}

// kindOf is what a fault is, whoever has found it.
func kindOf(k jsonschema.ErrorKind) jsonschema.ErrorKind {
	var v violation
	if f, ok := k.(*kind.Format); ok && errors.As(f.Err, &v) {
		return v.ErrorKind
	}
	return k
}

// unique is a schema's uniqueItems.
type unique struct{ steps *steps }

// Validate finds two items that are alike.
func (u unique) Validate(ctx *jsonschema.ValidatorContext, v any) {
	items, ok := v.([]any)
	if !ok || len(items) < 2 {
		return
	}
	seen := make(map[string]int, len(items))
	var name []byte
	for i, item := range items {
		name = u.steps.name(name[:0], item)
		if j, twice := seen[string(name)]; twice {
			ctx.AddError(&kind.UniqueItems{Duplicates: [2]int{j, i}})
			return
		}
		seen[string(name)] = i
	}
}

// values are those of a constant or of an enumeration.
type values struct {
	all   []any
	names map[string]struct{}
	types []string // that there are among them
}

func newValues(all []any, s *steps) *values {
	vs := &values{all: all, names: make(map[string]struct{}, len(all))}
	for _, v := range all {
		vs.names[string(s.name(nil, v))] = struct{}{}
		if typ := typeOf(v); !slices.Contains(vs.types, typ) {
			vs.types = append(vs.types, typ)
		}
	}
	return vs
}

func (vs *values) have(v any, typ string, s *steps) bool {
	if !slices.Contains(vs.types, typ) {
		return false
	}
	_, ok := vs.names[string(s.name(nil, v))]
	return ok
}

// name appends to b what two values have in common if and only if they are equal to a
// schema, to which 1 and 1.0 are. It counts a step for each value within v.
func (s *steps) name(b []byte, v any) []byte {
	s.count(1)
	switch v := v.(type) {
	case nil:
		return append(b, 'n')
	case bool:
		return strconv.AppendBool(b, v)
	case string:
		b = strconv.AppendInt(append(b, 's'), int64(len(v)), 10)
		return append(append(b, ':'), v...)
	case []any:
		b = append(b, '[')
		for _, item := range v {
			b = append(s.name(b, item), ',')
		}
		return append(b, ']')
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		b = append(b, '{')
		for _, k := range keys {
			b = append(s.name(append(s.name(b, k), '='), v[k]), ',')
		}
		return append(b, '}')
	}
	return appendDecimal(b, fmt.Sprint(v))
}

// appendDecimal appends a number as its digits, without zeros at either end, and its
// exponent.
func appendDecimal(b []byte, text string) []byte {
	digits, exponent := strings.ToLower(text), 0
	if i := strings.IndexByte(digits, 'e'); i >= 0 {
		n, err := strconv.Atoi(digits[i+1:])
		if err != nil {
			return append(append(b, 'd'), text...) // no number that a schema or a content can hold
		}
		digits, exponent = digits[:i], n
	}
	digits, negative := strings.CutPrefix(digits, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	exponent -= len(fraction)
	digits = strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return append(b, "d0"...)
	}
	short := strings.TrimRight(digits, "0")
	exponent += len(digits) - len(short)
	b = append(b, 'd')
	if negative {
		b = append(b, '-')
	}
	return strconv.AppendInt(append(append(b, short...), 'e'), int64(exponent), 10)
}

// typeOf is the type of a value in the words of a schema.
func typeOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return "number"
}

func isInteger(v any) bool {
	switch v := v.(type) {
	case float64:
		return v == math.Trunc(v)
	case int, int64, uint64:
		return true
	case json.Number:
		digits := appendDecimal(nil, v.String())
		return !strings.Contains(string(digits), "e-")
	}
	return false
}

// depthOf is how deep a value is nested.
func depthOf(v any) (deep int) {
	switch v := v.(type) {
	case []any:
		for _, part := range v {
			deep = max(deep, 1+depthOf(part))
		}
	case map[string]any:
		for _, part := range v {
			deep = max(deep, 1+depthOf(part))
		}
	}
	return deep
}
