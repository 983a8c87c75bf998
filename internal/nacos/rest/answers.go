package rest

import (
	"io"
	"net/http"
	"reflect"
	"unsafe"

	"github.com/gin-gonic/gin"

	"github.com/zensus-io/zensus/internal/backlog"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

const (
	keyBacklog = "zensus.backlog"
	// answerBytesFree are not counted of an answer: there is one at a time on a connection,
	// which costs as much without it.
	answerBytesFree = 64 << 10
)

// Weigher is a result that knows how much of it is text: about as much is an answer with it.
type Weigher interface{ Weigh() int64 }

// weigh is how much an answer with v takes while it is made, 0 where that is not known
// before. What encoding/json has written it writes once more.
func weigh(v any) int64 {
	var n int64
	switch v := v.(type) {
	case Result:
		return weigh(v.Data)
	case RestResult:
		return weigh(v.Data)
	case string:
		n = WeighText(v)
	case Weigher:
		if p := reflect.ValueOf(v); p.Kind() != reflect.Pointer || !p.IsNil() {
			n = v.Weigh()
		}
	}
	return 2 * n
}

// WeighText is what texts are in JSON, about where they are short.
func WeighText(texts ...string) int64 {
	var n int64
	for _, s := range texts {
		if len(s) > answerBytesFree {
			n += wire.QuotedBytes(s)
		} else {
			n += int64(len(s))
		}
	}
	return n
}

// Weigh is what the items of a page weigh.
func (p Page[T]) Weigh() int64 {
	var n int64
	for i := range p.PageItems {
		w, ok := any(&p.PageItems[i]).(Weigher)
		if !ok {
			break // nor does another
		}
		n += w.Weigh()
	}
	return n
}

// enter waits for room for an answer. Where there is none it answers that.
func enter(c *gin.Context, bytes int64, shared []byte) (*backlog.Hold, bool) {
	b, _ := c.Keys[keyBacklog].(*backlog.Backlog)
	if b == nil {
		return nil, true // outside of an engine
	}
	var hold *backlog.Hold
	var err error
	if shared != nil {
		_, hold, err = b.Share(c.Request.Context(), remoteIP(c.Request), textOfBytes(shared), lying)
	} else {
		hold, err = b.Enter(c.Request.Context(), remoteIP(c.Request), bytes)
	}
	if err != nil {
		c.Set(keyError, wire.RefuseBy(wire.Busy, err))
		writeText(c, wire.Busy.Status(), "too many large answers are under way, please try again later")
		return nil, false
	}
	return hold, true
}

var lying = &backlog.Encoding{
	Bytes: func(s string) int64 { return int64(len(s)) },
	Of:    func(string) []byte { return nil },
}

func textOfBytes(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// keeper is an http.ResponseWriter that sends what it was given when its handler has
// returned.
type keeper interface {
	io.StringWriter
	// Keep says that the string which follows may be kept as it lies until it is sent, and
	// what is called then.
	Keep(sent func())
}

// sendBody writes a body that nobody modifies any more, and gives its room back when it is
// taken.
func sendBody(c *gin.Context, body []byte, hold *backlog.Hold) {
	if hold == nil {
		_, _ = c.Writer.Write(body) // the client is gone if it fails
		return
	}
	if u, ok := c.Writer.(interface{ Unwrap() http.ResponseWriter }); ok {
		if k, ok := u.Unwrap().(keeper); ok {
			k.Keep(hold.Done)
			_, _ = c.Writer.WriteString(textOfBytes(body)) // it cannot fail
			return
		}
	}
	defer hold.Done()
	_, _ = c.Writer.Write(body) // likewise
}
