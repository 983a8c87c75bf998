package auth

import (
	"github.com/zensus-io/zensus/internal/nacos/wire"
)

// The refusals. Their texts are Nacos's where clients and consoles compare them.
var (
	// ErrUnauthenticated: no valid token, or a wrong name or password. Which of the
	// two was wrong is not told.
	ErrUnauthenticated error = wire.Refuse(wire.TokenInvalid, "Code: 401, Message: token invalid!.")
	// ErrUnknownUser is the same for an attempt to log in.
	ErrUnknownUser error = wire.Refuse(wire.AccessDenied, "unknown user!")
	// ErrForbidden: the identity is valid and may not do this.
	ErrForbidden error = wire.Refuse(wire.AccessDenied, "Code: 403, Message: authorization failed!.")
	// ErrThrottled: too many attempts to log in failed lately.
	ErrThrottled error = wire.Refuse(wire.Busy, "too many failed logins, please try later")
	// ErrStarting: users and rights have not been read yet.
	ErrStarting error = wire.Refuse(wire.Starting, "Server is starting,please try later.")
	// ErrExists: there is such a user, role or permission already; or, from
	// Bootstrap, an administrator.
	ErrExists error = wire.Refuse(wire.Conflict, "already exists")
	// ErrNotFound: there is none.
	ErrNotFound error = wire.Refuse(wire.NotFound, "not found")
	// ErrInvalid: a name, password, resource or action that will not do.
	ErrInvalid error = wire.Refuse(wire.ParameterInvalid, "invalid")
)

// say gives one of the refusals above a text of its own. errors.Is still finds it.
func say(cause error, text string) error {
	return &wire.Error{Kind: wire.AsError(cause).Kind, Text: text, Err: cause}
}
