package rest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/zensus-io/zensus/internal/auth"
)

// discard is an answer that nobody reads.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

// everybody is known and may do everything.
type everybody struct{}

func (everybody) Check(ctx context.Context, _ auth.Credentials, _ auth.Need) (context.Context, error) {
	return ctx, nil
}
func (everybody) Allow(auth.Subject, auth.Need) bool { return true }

// BenchmarkGet is what stands around a handler that reads a config, without the server of
// HTTP.
func BenchmarkGet(b *testing.B) {
	e, err := NewEngine(Config{})
	if err != nil {
		b.Fatal(err)
	}
	type params struct {
		DataID string `form:"dataId" binding:"required"`
		Group  string `form:"group" alias:"groupName" binding:"required"`
		Tenant string `form:"tenant" alias:"namespaceId,namespace"`
		Tag    string `form:"tag"`
		MD5    string `form:"md5" header:"casMd5"`
	}
	answer := &Raw{ContentType: Text("").ContentType, Body: []byte(strings.Repeat("x", 1024))}
	e.GET("/nacos/v1/cs/configs", NewGuard(everybody{}).Config(auth.Read),
		With(V1Config, func(context.Context, params) (*Raw, error) { return answer, nil }))
	r := httptest.NewRequest(http.MethodGet, "/nacos/v1/cs/configs?dataId=application.yaml&group=DEFAULT_GROUP&tenant=dev", nil)
	b.ReportAllocs()
	for b.Loop() {
		e.ServeHTTP(&discard{http.Header{}}, r)
	}
}
