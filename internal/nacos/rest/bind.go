package rest

import (
	"cmp"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/internal/names"
)

// A struct of parameters has tags:
//
//	form:"name"            the parameter; "name,default=1" gives what an absent one is
//	alias:"other"          a second name for it, or several with commas
//	header:"casMd5"        a header, alone or where the parameter is absent
//	uri:"key"              a part of the path
//	binding:"required"     absent is an error, and blank is absent
//	binding:"present"      absent is an error, blank is not
//	absent:"text"          what that error says, where it is not the usual text
//	body:"json"            the whole body, if there is one
//	file:"file"            an uploaded file; the field is a *File
//	given:"desc"           whether there is such a parameter (or another of a comma list), blank or not
//
// Fields are strings, bools, integers, floats, durations in milliseconds (time.Duration),
// types with UnmarshalText, slices of strings (a comma list, or several of them), and
// pointers to any of these, which are nil for an absent parameter. Embedded structs count
// as their fields.

// File is an uploaded file.
type File struct {
	Name   string
	Size   int64
	header *multipart.FileHeader
}

// Open reads the file; the caller closes it.
func (f *File) Open() (io.ReadCloser, error) { return f.header.Open() }

type boundField struct {
	index    []int
	names    []string // parameter names, the first is its own
	header   string
	key      string // of it in a map
	uri      string
	file     string
	asked    []string // whether there is one of these
	json     bool
	list     bool // all values of a parameter count
	required bool
	present  bool
	absent   string
	fallback string
	hasDef   bool
}

var boundFields sync.Map // reflect.Type -> []boundField

func fieldsOf(t reflect.Type) []boundField {
	if v, ok := boundFields.Load(t); ok {
		return v.([]boundField)
	}
	fields := collectFields(t, nil)
	boundFields.Store(t, fields)
	return fields
}

func collectFields(t reflect.Type, index []int) []boundField {
	if t.Kind() != reflect.Struct {
		return nil
	}
	var all []boundField
	for i := range t.NumField() {
		f := t.Field(i)
		at := append(append([]int(nil), index...), i)
		if f.Anonymous && f.Type.Kind() == reflect.Struct {
			all = append(all, collectFields(f.Type, at)...)
			continue
		}
		if !f.IsExported() {
			continue
		}
		b := boundField{index: at, header: f.Tag.Get("header"), key: http.CanonicalHeaderKey(f.Tag.Get("header")), uri: f.Tag.Get("uri"), file: f.Tag.Get("file"), absent: f.Tag.Get("absent")}
		b.json, b.list = f.Tag.Get("body") == "json", f.Type.Kind() == reflect.Slice
		for rule := range strings.SplitSeq(f.Tag.Get("binding"), ",") {
			b.required = b.required || rule == "required"
			b.present = b.present || rule == "present"
		}
		if tag := f.Tag.Get("form"); tag != "" && tag != "-" {
			name, options, _ := strings.Cut(tag, ",")
			b.names = append(b.names, name)
			b.fallback, b.hasDef = strings.CutPrefix(options, "default=")
		}
		if given := f.Tag.Get("given"); given != "" {
			b.asked = strings.Split(given, ",")
		}
		if alias := f.Tag.Get("alias"); alias != "" {
			b.names = append(b.names, strings.Split(alias, ",")...)
		}
		if len(b.names) > 0 || b.header != "" || b.uri != "" || b.file != "" || len(b.asked) > 0 || b.json {
			all = append(all, b)
		}
	}
	return all
}

// bind fills in a struct of parameters.
func bind(c *gin.Context, into any) error {
	v := reflect.ValueOf(into).Elem()
	fields := fieldsOf(v.Type())
	if len(fields) == 0 {
		return nil
	}
	p, err := paramsOf(c)
	if err != nil {
		return err
	}
	for i := range fields {
		f := &fields[i]
		field := v.FieldByIndex(f.index)
		switch {
		case f.json:
			if len(p.json) == 0 {
				if f.required {
					return missing("body", field.Type(), f.absent)
				}
				continue
			}
			if err := json.Unmarshal(p.json, field.Addr().Interface()); err != nil {
				return wire.RefuseBy(wire.ParameterMissing, badJSON(err))
			}
			continue
		case len(f.asked) > 0:
			field.SetBool(p.given(f.asked))
			continue
		case f.file != "":
			if headers := p.files[f.file]; len(headers) > 0 {
				field.Set(reflect.ValueOf(&File{Name: headers[0].Filename, Size: headers[0].Size, header: headers[0]}))
			} else if f.required {
				return missing(f.file, field.Type(), f.absent)
			}
			continue
		}
		text, ok := f.lookup(c, p)
		if !ok {
			if f.required || f.present && !p.given(f.names) {
				return missing(f.name(), field.Type(), f.absent)
			}
			if !f.hasDef {
				continue
			}
			text = f.fallback
		}
		if err := set(field, text); err != nil {
			return wire.Refuse(wire.ParameterInvalid, fmt.Sprintf("Param '%s' is illegal, %v", f.name(), err))
		}
	}
	return nil
}

// badJSON says what is wrong with a body, without the names of our types.
func badJSON(err error) error {
	var other *json.UnmarshalTypeError
	if !errors.As(err, &other) {
		return fmt.Errorf("JSON parse error: %w", err)
	}
	at := other.Field
	if at == "" {
		at = "the body"
	}
	return fmt.Errorf("JSON parse error: %s cannot be of type %s", at, other.Value)
}

func (f *boundField) lookup(c *gin.Context, p *parameters) (string, bool) {
	for _, name := range f.names {
		text, ok := p.first(name)
		if !ok {
			continue
		}
		if f.list {
			text = strings.Join(p.values[name], ",")
		}
		return text, true
	}
	if f.header != "" {
		if text := only(c.Request.Header[f.key]); strings.TrimSpace(text) != "" {
			return text, true
		}
	}
	if f.uri != "" {
		if text := c.Param(f.uri); text != "" {
			return text, true
		}
	}
	return "", false
}

func (f *boundField) name() string {
	if len(f.names) > 0 {
		return f.names[0]
	}
	return cmp.Or(f.header, f.uri)
}

// MissingError is the cause of a refusal that names a missing parameter.
type MissingError struct {
	Name string
	Type string // as Java calls it
	Text string // "" is that of most of Nacos's interfaces
}

// Error is the text.
func (e *MissingError) Error() string {
	return cmp.Or(e.Text, "Param '"+e.Name+"' is required.")
}

func missing(name string, t reflect.Type, text string) error {
	return wire.RefuseBy(wire.ParameterMissing, &MissingError{Name: name, Type: javaType(t), Text: text})
}

// javaType names the type of a parameter as Nacos does when it is missing.
func javaType(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Bool:
		return "Boolean"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32:
		return "Integer"
	case reflect.Int64:
		return "Long"
	case reflect.Float32, reflect.Float64:
		return "Double"
	}
	return "String"
}

var (
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	durationType    = reflect.TypeFor[time.Duration]()
)

// set writes a parameter's text into a field.
func set(v reflect.Value, text string) error {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if v.CanAddr() && v.Addr().Type().Implements(textUnmarshaler) {
		return v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
	}
	if v.Type() == durationType {
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil || n < 0 || n > int64(1<<63-1)/int64(time.Millisecond) {
			return fmt.Errorf("%q is no number of milliseconds", clip(text))
		}
		v.SetInt(n * int64(time.Millisecond))
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		b, err := parseBool(text)
		if err != nil {
			return err
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(strings.TrimSpace(text), 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("%q is no number", clip(text))
		}
		v.SetInt(n)
	case reflect.Float32, reflect.Float64:
		n, err := strconv.ParseFloat(strings.TrimSpace(text), v.Type().Bits())
		if err != nil || n != n {
			return fmt.Errorf("%q is no number", clip(text))
		}
		v.SetFloat(n)
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.String {
			return fmt.Errorf("a list of %s cannot be bound", v.Type().Elem())
		}
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				v.Set(reflect.Append(v, reflect.ValueOf(item).Convert(v.Type().Elem())))
			}
		}
	default:
		return fmt.Errorf("a %s cannot be bound", v.Type())
	}
	return nil
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "true", "on", "yes", "1", "y", "t":
		return true, nil
	case "false", "off", "no", "0", "n", "f":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", clip(text))
}

// clip shortens what a client sent for a message.
func clip(s string) string { return names.Clip(s, 64, "...") }
