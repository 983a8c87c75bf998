package plainhttp

import (
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"
)

// answer is what a handler writes. Like that of net/http it takes the headers as they are
// when the status is written, and no changes of them afterwards.
type answer struct {
	header http.Header
	status int
	head   []byte // nothing before there is a status
	body   []byte
	long   string // in place of body: it is kept as it lies
	sent   func() // nil for nobody who wants to know
	typed  bool   // it has a type, or none on purpose
	closes bool
}

// answerBytesKept is what an answer may hold for the next one.
const answerBytesKept = 64 << 10

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter. It passes over statuses below 200, which
// are no answers, and all but the first.
func (a *answer) WriteHeader(status int) {
	if a.status != 0 || status < http.StatusOK {
		return
	}
	a.status = status
	a.head = append(strconv.AppendInt(append(a.head, "HTTP/1.1 "...), int64(status), 10), ' ')
	if text := http.StatusText(status); text != "" {
		a.head = append(a.head, text...)
	} else {
		a.head = strconv.AppendInt(append(a.head, "status code "...), int64(status), 10)
	}
	a.head = append(a.head, "\r\n"...)
	for name, values := range a.header {
		if name == "Content-Length" || name == "Transfer-Encoding" || !all(name, isToken) {
			continue // the first follows
		}
		for _, value := range values {
			a.head = append(append(append(a.head, name...), ": "...), oneLine(value)...)
			a.head = append(a.head, "\r\n"...)
			a.closes = a.closes || name == "Connection" && strings.EqualFold(value, "close")
		}
	}
	_, a.typed = a.header["Content-Type"]
	a.typed = a.typed || len(a.header["Content-Encoding"]) > 0
	if _, dated := a.header["Date"]; !dated {
		a.head = append(append(append(a.head, "Date: "...), date()...), "\r\n"...)
	}
}

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if a.bare() {
		return 0, http.ErrBodyNotAllowed
	}
	if a.long != "" && len(b) > 0 {
		a.body, a.long = []byte(a.long), ""
	}
	a.body = append(a.body, b...)
	return len(b), nil
}

// Keep says that the string which follows may be sent as it lies, and that sent is to be
// called, once, when nothing of it is needed any more.
func (a *answer) Keep(sent func()) { a.sent = sent }

// WriteString implements io.StringWriter.
func (a *answer) WriteString(s string) (int, error) {
	if a.sent == nil || len(a.body) > 0 || len(s) <= answerBytesKept || a.long != "" {
		return a.Write([]byte(s))
	}
	if _, err := a.Write(nil); err != nil {
		return 0, err
	}
	a.long = s
	return len(s), nil
}

// bare reports whether there can be no body.
func (a *answer) bare() bool {
	return a.status == http.StatusNoContent || a.status == http.StatusNotModified
}

// finish is all that is sent: what is short in one piece, a long body on its own. Both are
// good until reset.
func (a *answer) finish() (out, long []byte) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	body := a.body
	if a.long != "" {
		body = unsafe.Slice(unsafe.StringData(a.long), len(a.long))
	}
	if !a.bare() {
		if !a.typed && len(body) > 0 {
			a.head = append(append(append(a.head, "Content-Type: "...), http.DetectContentType(body)...), "\r\n"...)
		}
		a.head = append(strconv.AppendInt(append(a.head, "Content-Length: "...), int64(len(body)), 10), "\r\n"...)
	}
	a.head = append(a.head, "\r\n"...)
	if len(body) > answerBytesKept {
		return a.head, body
	}
	a.head = append(a.head, body...)
	return a.head, nil
}

// reset reports whether the answer can be used for another request.
func (a *answer) reset() bool {
	a.release()
	clear(a.header)
	a.status, a.head, a.body, a.closes = 0, a.head[:0], a.body[:0], false
	return cap(a.head) <= answerBytesKept && cap(a.body) <= answerBytesKept
}

// release tells who wants to know that the answer is of no use any more.
func (a *answer) release() {
	if a.sent != nil {
		a.sent()
	}
	a.sent, a.long = nil, ""
}

// oneLine keeps a value from being read as more than that.
func oneLine(value string) string {
	for i := range len(value) {
		if c := value[i]; c == '\r' || c == '\n' {
			value = strings.NewReplacer("\r", " ", "\n", " ").Replace(value)
			break
		}
	}
	return textproto.TrimString(value)
}

// dated is the time of a second, as it is written.
type dated struct {
	second int64
	text   string
}

var lastDate atomic.Pointer[dated]

func date() string {
	now := time.Now()
	d := lastDate.Load()
	if d == nil || d.second != now.Unix() {
		d = &dated{now.Unix(), now.UTC().Format(http.TimeFormat)}
		lastDate.Store(d)
	}
	return d.text
}
