package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAnswersAreCompressedForThoseWhoAsk(t *testing.T) {
	body := strings.Repeat(`{"a":"b"}`, 1000)
	h, err := compressed(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Add("Vary", "Origin")
		_, _ = w.Write([]byte(body))
	}))
	if err != nil {
		t.Fatal(err)
	}
	for accepts, encoding := range map[string]string{"": "", "gzip": "gzip", "identity": ""} {
		for range 2 { // what one adds to a header is not seen by the next
			r, w := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
			if accepts != "" {
				r.Header.Set("Accept-Encoding", accepts)
			}
			h.ServeHTTP(w, r)
			if got := w.Header().Get("Content-Encoding"); got != encoding || (encoding == "") != (w.Body.String() == body) {
				t.Errorf("%q is answered with encoding %q and %d bytes", accepts, got, w.Body.Len())
			}
			if got := strings.Join(w.Header()["Vary"], ","); got != "Accept-Encoding,Origin" {
				t.Errorf("%q is answered with Vary: %s", accepts, got)
			}
		}
	}
}
