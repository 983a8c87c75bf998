package link

import (
	"errors"
	"fmt"

	"github.com/zensus-io/zensus/internal/nacos/wire"
)

var (
	// ErrClosed is returned by everything after Close.
	ErrClosed = errors.New("zensus: client closed")
	// ErrUnknownOutcome is in the chain of an error that leaves open whether the
	// server did what was asked.
	ErrUnknownOutcome = errors.New("zensus: outcome unknown")
	// errOver: the connection is over.
	errOver = errors.New("connection lost")
)

// Error is a refusal by the server: the request took no effect.
type Error struct {
	Code    int // Nacos's error code
	Message string
	untyped bool // it came as an ErrorResponse: the request did not get to its handler
}

// Error is the server's text with the code.
func (e *Error) Error() string { return fmt.Sprintf("zensus: refused (%d): %s", e.Code, e.Message) }

// The codes that mean more than a refusal.
const (
	codeStarting     = 300
	codeUnregistered = 301
	codeForbidden    = 403
	codeBusy         = 503
)

// refusal is what a reply says: nil for a success.
func refusal(base *wire.Response) error {
	if base.OK() {
		return nil
	}
	return &Error{Code: base.ErrorCode, Message: base.Message}
}

// Forbidden reports whether err says that the credentials do not do.
func Forbidden(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == codeForbidden
}

// Refused reports whether err is a refusal that will not change by itself: what
// was asked for is wrong. Lack of credentials, a server that starts or is busy,
// and failures within it are not.
func Refused(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case 400, 404, 409, 410, 501:
		return true
	}
	return false
}
