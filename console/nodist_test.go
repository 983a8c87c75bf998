//go:build noconsole

package console

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
)

func TestAServerBuiltWithoutTheConsoleSaysSo(t *testing.T) {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	newWorld(t).console(t).Routes(engine)
	for _, page := range Pages {
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, httptest.NewRequest(http.MethodGet, page, nil))
		require.Equal(t, 200, w.Code)
		require.Contains(t, w.Body.String(), "built without its console")
	}
	w := httptest.NewRecorder()
	engine.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/assets/index.js", nil))
	require.Equal(t, 404, w.Code)
}
