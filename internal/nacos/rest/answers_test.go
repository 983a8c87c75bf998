package rest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/backlog"
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// slow is a client who takes nothing until it is told to.
type slow struct {
	*httptest.ResponseRecorder
	takes chan struct{}
}

func (s *slow) Write(b []byte) (int, error) {
	if len(b) > 1000 {
		<-s.takes
	}
	return s.ResponseRecorder.Write(b)
}

// TestLargeAnswersOverHTTPAreBounded: what is encoded for one waits for room before, what is
// shared is there once, and small ones wait for nobody.
func TestLargeAnswersOverHTTPAreBounded(t *testing.T) {
	text := strings.Repeat("\"x", 400_000)
	var encoded sync.Map
	get := map[string]gin.HandlerFunc{
		"/envelope": Handle(func(context.Context, None) (string, error) { return text, nil }),
		"/reply": Handle(func(ctx context.Context, _ None) (*noted, error) {
			return &noted{wire.ConfigQueryResponse{Content: text}, &encoded}, nil
		}),
		"/small": Handle(func(context.Context, None) (string, error) { return "x", nil }),
	}
	one := []byte(text)
	get["/shared"] = With(V1, func(context.Context, None) (*Raw, error) { return &Raw{Body: one, Shared: true}, nil })
	room := backlog.New(12 << 20)
	e, err := NewEngine(Config{Backlog: room})
	require.NoError(t, err)
	for path, h := range get {
		e.GET(path, h)
	}
	for path, want := range map[string]int64{"/envelope": 2 * wire.QuotedBytes(text), "/reply": 2 * wire.QuotedBytes(text), "/shared": int64(len(text))} {
		encoded.Clear()
		takes := make(chan struct{})
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				w := &slow{httptest.NewRecorder(), takes}
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
				e.ServeHTTP(w, r)
				require.Equal(t, http.StatusOK, w.Code)
				require.GreaterOrEqual(t, w.Body.Len(), len(text))
			})
		}
		// A quarter of the room is 3 MiB: that is for one of those that are encoded.
		require.Eventually(t, func() bool { return room.Held() == min(want, 3<<20) }, time.Minute, time.Millisecond, path)
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/small", nil))
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, min(want, 3<<20), room.Held())
		made := 0
		encoded.Range(func(any, any) bool { made++; return true })
		require.LessOrEqual(t, made, 1)
		close(takes)
		all.Wait()
		require.Zero(t, room.Held())
	}
}

// noted notes that it was encoded.
type noted struct {
	wire.ConfigQueryResponse
	in *sync.Map
}

func (n *noted) MarshalJSON() ([]byte, error) {
	n.in.Store(n, true)
	return append(append([]byte{'"'}, strings.Repeat("x", len(n.Content))...), '"'), nil
}
