package rest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/zensus-io/zensus/internal/backlog"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// Result is the envelope of v2 and v3, where 0 is success. A handler may return
// one itself; it is then written as it is.
type Result struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data"`
}

// RestResult is the envelope of the younger parts of v1, where 200 is success.
type RestResult struct {
	Code    int     `json:"code"`
	Message *string `json:"message"`
	Data    any     `json:"data"`
}

// Raw is an answer that a handler has made up to the last byte.
type Raw struct {
	Status      int // 0 is 200
	Header      http.Header
	ContentType string
	Body        []byte
	// Shared says that Body is somebody's who does not modify it, and goes to others as well.
	Shared bool
}

// Text is a bare text answer with status 200.
func Text(s string) *Raw { return &Raw{ContentType: textPlain, Body: []byte(s)} }

// Written is a text with status 200 that Nacos writes past its framework, and then says
// that it is JSON whatever it is.
func Written(s string) *Raw { return &Raw{ContentType: jsonType, Body: []byte(s)} }

// Page is one page of a list in the form that config and auth use.
type Page[T any] struct {
	TotalCount     int `json:"totalCount"`
	PageNumber     int `json:"pageNumber"`
	PagesAvailable int `json:"pagesAvailable"`
	PageItems      []T `json:"pageItems"`
}

// PageOf cuts one page out of a list. Numbers begin at 1; a page past the end is
// empty and has the full count.
func PageOf[T any](all []T, pageNo, pageSize int) Page[T] {
	pageNo, pageSize = max(pageNo, 1), max(pageSize, 1)
	// No sum of two numbers, of which one is from outside: it may overflow.
	pages := len(all) / pageSize
	if len(all)%pageSize > 0 {
		pages++
	}
	p := Page[T]{TotalCount: len(all), PageNumber: pageNo, PagesAvailable: pages, PageItems: []T{}}
	if pageNo <= p.PagesAvailable {
		from := (pageNo - 1) * pageSize
		p.PageItems = append(p.PageItems, all[from:from+min(len(all)-from, pageSize)]...)
	}
	return p
}

// Responder writes results and errors as one part of the interface does.
type Responder struct {
	ok   func(c *gin.Context, v any)
	fail func(c *gin.Context, e *wire.Error)
}

// The responders. They differ in success and in failure.
var (
	// V1 is naming's v1: text or bare JSON; errors are plain text.
	V1 = Responder{bare, func(c *gin.Context, e *wire.Error) { writeText(c, e.Kind.Status(), e.Text) }}
	// V1Single is V1 where Nacos has other words for a parameter that is missing.
	V1Single = Responder{bare, failedPlain}
	// V1Config is config's v1: likewise, but errors are wrapped in words.
	V1Config = Responder{bare, causedText}
	// V1Result is the RestResult with code 200.
	V1Result = Responder{restResult, causedText}
	// V2 is the envelope of v2 and v3.
	V2 = Responder{envelope, failedEnvelope}
	// V2Single is V2 where Nacos asks for its parameters one by one, and has other
	// words for one that is missing.
	V2Single = Responder{envelope, failedSingle}
	// V3Text is V2 where refusals are wrapped in words instead.
	V3Text = Responder{envelope, failedText}
	// V2Plain answers within the envelope and fails with a text.
	V2Plain = Responder{envelope, failedPlain}
	// V2Bare answers without the envelope and fails within it.
	V2Bare = Responder{bare, failedSingle}
)

const (
	textPlain = "text/plain;charset=UTF-8"
	jsonType  = "application/json;charset=UTF-8"
)

// respond writes what a handler returned.
func (r Responder) respond(c *gin.Context, v any) {
	switch v := v.(type) {
	case *Raw:
		if v != nil {
			writeRaw(c, v)
			return
		}
	case Result:
		markUndone(c, v.Code != 0)
		writeJSON(c, http.StatusOK, v)
		return
	case RestResult:
		markUndone(c, v.Code != http.StatusOK)
		writeJSON(c, http.StatusOK, v)
		return
	case *Result, *RestResult:
		writeJSON(c, http.StatusOK, v)
		return
	case bool:
		markUndone(c, !v)
	}
	r.ok(c, v)
}

// markUndone notes an answer that says that nothing was done.
func markUndone(c *gin.Context, undone bool) {
	if undone {
		c.Set(keyUndone, true)
	}
}

// FilteredError is the cause of a refusal that stock Nacos makes before any handler,
// where a parameter has characters or a length that it must not have: in every version
// a bare text without a type.
type FilteredError struct{ Text string }

// Error is the text.
func (e *FilteredError) Error() string { return e.Text }

func (r Responder) refuse(c *gin.Context, err error) {
	c.Set(keyError, err)
	var filtered *FilteredError
	if errors.As(err, &filtered) {
		untyped := http.Header{"Content-Type": nil}
		writeRaw(c, &Raw{Status: http.StatusBadRequest, Header: untyped, Body: []byte(filtered.Text + "\r\n")})
		return
	}
	if wire.UnknownOutcome(err) {
		c.Header(wire.HeaderOutcome, "unknown")
	}
	r.fail(c, wire.AsError(err))
}

func bare(c *gin.Context, v any) {
	switch v := v.(type) {
	case nil:
		c.Status(http.StatusOK)
		c.Writer.WriteHeaderNow()
	case string:
		writeText(c, http.StatusOK, v)
	default: // a bool too is JSON
		writeJSON(c, http.StatusOK, v)
	}
}

func restResult(c *gin.Context, v any) {
	writeJSON(c, http.StatusOK, RestResult{Code: http.StatusOK, Data: v})
}

func envelope(c *gin.Context, v any) {
	writeJSON(c, http.StatusOK, Result{Code: 0, Message: "success", Data: v})
}

// The words for a parameter that is missing in a form, by its name and type.
const missingInForm = "Required parameter '%s' type %s is not present"

func failedEnvelope(c *gin.Context, e *wire.Error) { failed(c, e, missingInForm) }

func failedSingle(c *gin.Context, e *wire.Error) {
	failed(c, e, "Required request parameter '%s' for method parameter type %s is not present")
}

// failed writes the envelope of a refusal; missing is the text where a parameter is.
func failed(c *gin.Context, e *wire.Error, missing string) {
	writeJSON(c, e.Kind.Status(), Result{Code: e.Kind.Code(), Message: e.Kind.Summary(), Data: textOf(e, missing)})
}

func textOf(e *wire.Error, missing string) string {
	var absent *MissingError
	if errors.As(e, &absent) && absent.Text == "" {
		return fmt.Sprintf(missing, absent.Name, absent.Type)
	}
	return e.Text
}

func failedText(c *gin.Context, e *wire.Error) {
	writeText(c, e.Kind.Status(), "caused: "+textOf(e, missingInForm)+";")
}

func failedPlain(c *gin.Context, e *wire.Error) {
	text := e.Text
	var absent *MissingError
	if errors.As(e, &absent) {
		text = "Parameter '" + absent.Name + "' is missing"
	}
	writeText(c, e.Kind.Status(), text)
}

func causedText(c *gin.Context, e *wire.Error) {
	var absent *MissingError
	if errors.As(e, &absent) {
		springError(c, http.StatusBadRequest, cmp.Or(absent.Text, "Required request parameter '"+absent.Name+"' is not present"))
		return
	}
	var name *NameError
	if errors.As(e, &name) {
		writeRaw(c, &Raw{Status: e.Kind.Status(), ContentType: jsonType, Body: []byte(e.Text + "\r\n")})
		return
	}
	writeText(c, e.Kind.Status(), "caused: "+e.Text+";")
}

// NameError is in the chain of a refusal that Nacos makes in a filter of names, before
// the interface that was asked has a say. Config's v1 writes it without words around it.
type NameError struct{ Err error }

// Error is that of the cause.
func (e *NameError) Error() string { return e.Err.Error() }

// Unwrap is the cause.
func (e *NameError) Unwrap() error { return e.Err }

// springError is what the framework under Nacos writes for what never reaches a
// controller: unknown paths, missing parameters, denied access.
func springError(c *gin.Context, status int, message string) {
	writeJSON(c, status, struct {
		Timestamp string `json:"timestamp"`
		Status    int    `json:"status"`
		Error     string `json:"error"`
		Message   string `json:"message"`
		Path      string `json:"path"`
	}{time.Now().UTC().Format("2006-01-02T15:04:05.000-07:00"), status, http.StatusText(status), message, c.Request.URL.Path})
}

// Headers that most answers share. Whoever adds to one gets a copy.
var (
	textPlainValue = []string{textPlain}
	jsonTypeValue  = []string{jsonType}
)

// chunkedBytesMin is from where on net/http sends a body in chunks unless it is told how
// long that is. The length of a shorter one it sees.
const chunkedBytesMin = 2048

func writeRaw(c *gin.Context, r *Raw) {
	var hold *backlog.Hold
	if len(r.Body) > answerBytesFree {
		var shared []byte
		if r.Shared {
			shared = r.Body
		}
		var ok bool
		if hold, ok = enter(c, int64(len(r.Body)), shared); !ok {
			return
		}
	}
	writeHeld(c, r, hold)
}

// writeHeld writes an answer that has room, or needs none.
func writeHeld(c *gin.Context, r *Raw, hold *backlog.Hold) {
	header := c.Writer.Header()
	for name, values := range r.Header {
		header[name] = values // as written: clients look for isBeta and the like
	}
	status := r.Status
	if status == 0 {
		status = http.StatusOK
	}
	switch r.ContentType {
	case "":
	case textPlain:
		header["Content-Type"] = textPlainValue
	case jsonType:
		header["Content-Type"] = jsonTypeValue
	default:
		header["Content-Type"] = []string{r.ContentType}
	}
	if len(r.Body) > chunkedBytesMin {
		header["Content-Length"] = []string{strconv.Itoa(len(r.Body))}
	}
	c.Status(status)
	c.Writer.WriteHeaderNow()
	sendBody(c, r.Body, hold)
}

func writeText(c *gin.Context, status int, text string) {
	writeRaw(c, &Raw{Status: status, ContentType: textPlain, Body: []byte(text)})
}

func writeJSON(c *gin.Context, status int, v any) {
	var hold *backlog.Hold
	if n := weigh(v); n > answerBytesFree {
		var ok bool
		if hold, ok = enter(c, n, nil); !ok {
			return
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		if hold != nil {
			hold.Done()
		}
		c.Set(keyError, err)
		writeText(c, http.StatusInternalServerError, "the answer cannot be encoded")
		return
	}
	body := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	r := &Raw{Status: status, ContentType: jsonType, Body: body}
	if hold == nil {
		writeRaw(c, r)
		return
	}
	writeHeld(c, r, hold)
}

// NotFound answers a path that nobody serves as Nacos does: 501 below v1/ns, and in
// 3.x's words below v3.
func NotFound(c *gin.Context) {
	path := c.Request.URL.Path
	if strings.Contains(path, "/v1/ns/") {
		springError(c, http.StatusNotImplemented, "no such api:"+c.Request.Method+":"+path)
		return
	}
	if isV3(path) {
		springError(c, http.StatusNotFound, "No endpoint "+c.Request.Method+" "+path+".")
		return
	}
	springError(c, http.StatusNotFound, "No message available")
}

// isV3 reports whether a path belongs to v3, which another release of the framework
// serves than the others.
func isV3(path string) bool { return strings.Contains(path, "/v3/") }

// methodNotAllowed answers a path of v3 that is served for other methods.
func methodNotAllowed(c *gin.Context) {
	header := c.Writer.Header()
	if !isV3(c.Request.URL.Path) {
		header.Del("Allow")
		NotFound(c)
		return
	}
	methods := strings.Split(header.Get("Allow"), ", ")
	slices.Sort(methods)
	header.Set("Allow", strings.Join(methods, ", "))
	springError(c, http.StatusMethodNotAllowed, "Method '"+c.Request.Method+"' is not supported.")
}
