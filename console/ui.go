package console

import (
	"bytes"
	"crypto/rand"
	"net/http"

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
	for _, path := range []string{"/assets/*file", "/favicon.svg"} {
		r.GET(path, u.asset)
		r.HEAD(path, u.asset)
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

// asset answers with a file of the build. Its name holds a hash of its content
// (but for the icon's), so that a browser need never ask for it again.
func (u *ui) asset(g *gin.Context) {
	h := g.Writer.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	name, cache := "favicon.svg", "max-age=86400"
	if file := g.Param("file"); file != "" {
		name, cache = "assets"+file, "public, max-age=31536000, immutable"
	}
	a, ok := u.assets[name]
	if !ok {
		h.Set("Cache-Control", "no-store")
		g.Data(http.StatusNotFound, "text/plain; charset=utf-8", []byte("not found\n"))
		return
	}
	h.Set("Cache-Control", cache)
	g.Data(http.StatusOK, a.contentType, a.body)
}
