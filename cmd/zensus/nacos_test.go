package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
)

func TestNacossAddressOfTheConsoleLeadsToOurs(t *testing.T) {
	engine := gin.New()
	toConsole(engine.Group("/nacos"))
	for _, path := range []string{"/nacos", "/nacos/", "/nacos/index.html"} {
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
		require.Equal(t, http.StatusFound, w.Code, path)
		require.Equal(t, "/", w.Header().Get("Location"), path)
	}
}
