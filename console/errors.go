package console

import (
	"context"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/zensus-io/zensus/core"
)

// What implementations of the interfaces return, alone or wrapped; the text of
// a wrapping error reaches the user. The codes of core are understood as well.
var (
	ErrInvalid         = errors.New("invalid")
	ErrUnauthenticated = errors.New("not signed in")
	ErrForbidden       = errors.New("not allowed")
	ErrNotFound        = errors.New("not found")
	ErrExists          = errors.New("exists already")
	ErrConflict        = errors.New("changed meanwhile")
	ErrTooLarge        = errors.New("too large")
	ErrThrottled       = errors.New("too many attempts")
	ErrNoQuorum        = errors.New("no quorum")
	ErrStarting        = errors.New("the server is starting")
	ErrAbsent          = errors.New("not available on this server")
)

// failure is the body of every answer that is not a success. Code is for the
// page, which has words for it in each language; Message says more, in English.
type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// verdicts is the one table from causes to HTTP statuses and codes; the first
// that matches counts.
var verdicts = []struct {
	cause  error
	status int
	code   string
}{
	{ErrInvalid, http.StatusBadRequest, "invalid"},
	{ErrUnauthenticated, http.StatusUnauthorized, "unauthenticated"},
	{ErrForbidden, http.StatusForbidden, "forbidden"},
	{ErrNotFound, http.StatusNotFound, "not_found"},
	{ErrExists, http.StatusConflict, "exists"},
	{ErrConflict, http.StatusConflict, "conflict"},
	{ErrTooLarge, http.StatusRequestEntityTooLarge, "too_large"},
	{ErrThrottled, http.StatusTooManyRequests, "throttled"},
	{core.ConnectionLoss, http.StatusGatewayTimeout, "unknown_outcome"},
	{core.OperationTimeout, http.StatusGatewayTimeout, "unknown_outcome"},
	{core.RequestTimeout, http.StatusGatewayTimeout, "unknown_outcome"},
	{context.DeadlineExceeded, http.StatusGatewayTimeout, "unknown_outcome"},
	{ErrNoQuorum, http.StatusServiceUnavailable, "no_quorum"},
	{ErrStarting, http.StatusServiceUnavailable, "unavailable"},
	{ErrAbsent, http.StatusNotImplemented, "absent"},

	{core.NoNode, http.StatusNotFound, "not_found"},
	{core.NodeExists, http.StatusConflict, "exists"},
	{core.BadVersion, http.StatusConflict, "conflict"},
	{core.NotEmpty, http.StatusConflict, "not_empty"},
	{core.NoAuth, http.StatusForbidden, "forbidden"},
	{core.BadArguments, http.StatusBadRequest, "invalid"},
	{core.InvalidACL, http.StatusBadRequest, "invalid"},
	{core.NoChildrenForEphemerals, http.StatusBadRequest, "invalid"},
	{core.Unimplemented, http.StatusNotImplemented, "absent"},
	{core.QuotaExceeded, http.StatusRequestEntityTooLarge, "too_large"},
	{core.ThrottledOp, http.StatusTooManyRequests, "throttled"},
	{core.NotReadOnly, http.StatusServiceUnavailable, "no_quorum"},
	{core.SessionExpired, http.StatusServiceUnavailable, "unavailable"},
	{core.ErrClosed, http.StatusServiceUnavailable, "unavailable"},
}

// fail answers with what err means. What has no entry in the table is logged,
// and the user learns only that something went wrong.
func (c *Console) fail(g *gin.Context, err error) {
	for _, v := range verdicts {
		if errors.Is(err, v.cause) {
			g.AbortWithStatusJSON(v.status, failure{Code: v.code, Message: err.Error()})
			return
		}
	}
	if g.Request.Context().Err() != nil {
		g.Abort() // the caller has gone
		return
	}
	c.log.Error("request failed", "method", g.Request.Method, "route", g.FullPath(), "err", err)
	g.AbortWithStatusJSON(http.StatusInternalServerError, failure{Code: "internal", Message: "internal error"})
}
