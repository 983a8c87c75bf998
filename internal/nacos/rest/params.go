package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// DefaultBodyBytes bounds a request's body where the route does not say
// otherwise: BodyLimit.
const DefaultBodyBytes = 10 << 20

// maxQueryBytes bounds the query; Tomcat's bound on the whole head is smaller.
const maxQueryBytes = 64 << 10

const (
	keyParams = "zensus.params"
	keyLimit  = "zensus.body_limit"
)

// BodyLimit sets how large a body may be on a route or group. It stands before
// the guard, which reads parameters already.
func BodyLimit(bytes int64) gin.HandlerFunc {
	return func(c *gin.Context) { c.Set(keyLimit, bytes) }
}

// parameters are the parameters of one request.
type parameters struct {
	values url.Values // query first, then the body
	files  map[string][]*multipart.FileHeader
	json   []byte // the body, if it is JSON
	whole  bool   // the body was read, or there is none

	// What a guard left: what it asked for, and itself where it let the request pass.
	need    auth.Need
	guarded bool
	guard   *Guard
}

// first is the first value that is not blank: a blank one counts as absent.
func (p *parameters) first(name string) (string, bool) {
	for _, v := range p.values[name] {
		if strings.TrimSpace(v) != "" {
			return v, true
		}
	}
	return "", false
}

// given reports whether one of the parameters is there, blank or not.
func (p *parameters) given(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { _, ok := p.values[name]; return ok })
}

// paramsOf reads the parameters of a request, once.
func paramsOf(c *gin.Context) (*parameters, error) {
	p, err := queryOf(c)
	if err != nil || p.whole {
		return p, err
	}
	if err := p.readBody(c); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			text := fmt.Sprintf("the request is larger than %d bytes", large.Limit)
			if large.Limit == strangerBodyBytes {
				text += ", which it may be with its accessToken in the query or in a header"
			}
			return nil, wire.Refuse(wire.ContentTooLarge, text)
		}
		return nil, err
	}
	p.whole = true
	return p, nil
}

// paramsIn are the parameters if they were read already, or nil.
func paramsIn(c *gin.Context) *parameters {
	v, _ := c.Get(keyParams)
	p, _ := v.(*parameters)
	return p
}

// queryOf is those of the query, as long as the body was not read.
func queryOf(c *gin.Context) (*parameters, error) {
	if p := paramsIn(c); p != nil {
		return p, nil
	}
	r := c.Request
	if len(r.URL.RawQuery) > maxQueryBytes {
		return nil, wire.Refuse(wire.ParameterInvalid, "the query is too long")
	}
	// Like Tomcat: what cannot be decoded is passed over.
	query := parseForm(r.URL.RawQuery)
	p := &parameters{values: query, whole: r.Body == nil || r.Body == http.NoBody}
	c.Set(keyParams, p)
	return p, nil
}

// formPairsMost bounds the pairs of a form that parseForm reads itself.
const formPairsMost = 64

// formBytesShared is how long a form may be whose values are not copied: of it they are
// parts, and who keeps one, the dataId of a config say, keeps all of it.
const formBytesShared = 1 << 10

// apart is a value that keeps no more in memory of its form than is as long as itself.
func apart(value, form string) string {
	if len(form) <= formBytesShared || len(value) > len(form)/2 {
		return value
	}
	return strings.Clone(value)
}

// parseForm is url.ParseQuery without its error, which makes less for what is usual: pairs
// whose names and values are there once. Its values are apart from a large text.
func parseForm(text string) url.Values {
	whole := text
	pairs := strings.Count(text, "&") + 1
	if pairs > formPairsMost {
		form, _ := url.ParseQuery(text)
		for _, values := range form {
			for n := range values {
				values[n] = apart(values[n], whole)
			}
		}
		return form
	}
	form := make(url.Values, pairs)
	values := make([]string, pairs) // of which each name has one
	for n := 0; text != ""; n++ {
		var pair string
		pair, text, _ = strings.Cut(text, "&")
		if pair == "" || strings.Contains(pair, ";") {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			continue
		}
		if value, err = url.QueryUnescape(value); err != nil {
			continue
		}
		value = apart(value, whole)
		if before, again := form[name]; again {
			form[name] = append(before, value)
		} else {
			values[n] = value
			form[name] = values[n : n+1 : n+1]
		}
	}
	return form
}

// readBody adds what the body says.
func (p *parameters) readBody(c *gin.Context) error {
	r := c.Request
	limit := int64(DefaultBodyBytes)
	if v, ok := c.Get(keyLimit); ok {
		limit = v.(int64)
	}
	if r.ContentLength > limit {
		return &http.MaxBytesError{Limit: limit}
	}
	r.Body = http.MaxBytesReader(c.Writer, r.Body, limit)
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // "" for none or a bad one
	switch {
	case kind == "application/x-www-form-urlencoded":
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return badBody(err)
		}
		for name, values := range parseForm(string(body)) {
			p.values[name] = append(p.values[name], values...)
		}
	case kind == "multipart/form-data":
		const inMemory = 8 << 20 // larger files go to temporary ones, removed after the request
		if err := r.ParseMultipartForm(inMemory); err != nil {
			return badBody(err)
		}
		for name, values := range r.MultipartForm.Value {
			p.values[name] = append(p.values[name], values...)
		}
		p.files = r.MultipartForm.File
	case kind == "application/json" || strings.HasSuffix(kind, "+json"):
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return badBody(err)
		}
		if len(body) > 0 && !json.Valid(body) {
			return wire.Refuse(wire.ParameterMissing, "the body is not JSON")
		}
		p.json = body
	}
	return nil
}

func badBody(err error) error {
	var large *http.MaxBytesError
	if errors.As(err, &large) || errors.Is(err, errBusy) {
		return err
	}
	return wire.RefuseBy(wire.ParameterMissing, fmt.Errorf("read body: %w", err))
}
