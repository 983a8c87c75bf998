package rest

import (
	"net/url"

	"github.com/gin-gonic/gin"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// What stands before handlers, or between several of them, beside guards and checks.

// Both is two handlers in one place: a guard, and a check, which does nothing if the guard
// has refused.
func Both(guard, check HandlerFunc) HandlerFunc {
	return func(c *gin.Context) {
		guard(c)
		check(c)
	}
}

// Behind marks every answer, a refusal too, that is made while behind says that what is
// shown may be behind what is committed.
func Behind(behind func() bool) HandlerFunc {
	return func(c *gin.Context) {
		if behind() {
			c.Header(wire.HeaderStale, "true")
		}
	}
}

// Instead makes a handler that answers in the place of all behind it what instead returns;
// nil lets the request pass.
func Instead(instead func(method string, u *url.URL) *Raw) HandlerFunc {
	return func(c *gin.Context) {
		if answer := instead(c.Request.Method, c.Request.URL); answer != nil {
			c.Abort()
			writeRaw(c, answer)
		}
	}
}

// ByQuery serves several acts that Nacos has on one route: choose says by the query which
// of them a request is.
func ByQuery(choose func(query url.Values) HandlerFunc) HandlerFunc {
	return func(c *gin.Context) { choose(c.Request.URL.Query())(c) }
}
