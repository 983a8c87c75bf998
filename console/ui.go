package console

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

// Pages are the addresses of the screens, one segment each. Every one of them
// answers with the same page, whose script then shows the screen.
var Pages = []string{"/", "/services", "/service", "/configs", "/config", "/tree"}

// nonceMark stands in index.html where each answer has a number of its own.
const nonceMark = "__CSP_NONCE__"

// ui answers with the page and its files.
type ui struct {
	index  []byte           // index.html, with nonceMark where a nonce goes
	assets map[string]asset // by path, "assets/index-xyz.js"
}

type asset struct {
	body        []byte
	contentType string
}

func (u *ui) routes(r gin.IRouter) {
	for _, page := range Pages {
		r.GET(page, u.page)
		r.HEAD(page, u.page)
	}
	for path, file := range map[string]func(*gin.Context) string{
		"/assets/*file": func(g *gin.Context) string { return "assets" + g.Param("file") },
		"/favicon.svg":  func(*gin.Context) string { return "favicon.svg" },
		"/licenses.md":  func(*gin.Context) string { return "licenses.md" },
	} {
		answer := func(g *gin.Context) { u.asset(g, file(g)) }
		r.GET(path, answer)
		r.HEAD(path, answer)
	}
}

// page answers with index.html under a policy that runs our own scripts only.
// Style elements need the nonce, which is new for each answer; so no answer is kept.
func (u *ui) page(g *gin.Context) {
	nonce := rand.Text()
	h := g.Writer.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-"+nonce+"'; "+
		"img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	g.Data(http.StatusOK, "text/html; charset=utf-8", bytes.ReplaceAll(u.index, []byte(nonceMark), []byte(nonce)))
}

// asset answers with a file of the build. The name of those below assets holds a
// hash of the content, so that a browser need never ask for them again.
func (u *ui) asset(g *gin.Context, name string) {
	h := g.Writer.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	a, ok := u.assets[name]
	if !ok {
		h.Set("Cache-Control", "no-store")
		g.Data(http.StatusNotFound, "text/plain; charset=utf-8", []byte("not found\n"))
		return
	}
	cache := "max-age=86400"
	if strings.HasPrefix(name, "assets/") {
		cache = "public, max-age=31536000, immutable"
	}
	h.Set("Cache-Control", cache)
	g.Data(http.StatusOK, a.contentType, a.body)
}
