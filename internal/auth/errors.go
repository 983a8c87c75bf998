package auth

import "github.com/zensus-io/zensus/internal/refusal"

// The refusals. How a protocol words them is its own business.
var (
	// ErrUnauthenticated: no valid token, or a wrong name or password. Which of the
	// two was wrong is not told.
	ErrUnauthenticated = refusal.New(refusal.Unauthenticated, "token invalid!")
	// ErrUnknownUser is the same for an attempt to log in.
	ErrUnknownUser = refusal.New(refusal.WrongPassword, "unknown user!")
	// ErrForbidden: the identity is valid and may not do this.
	ErrForbidden = refusal.New(refusal.Forbidden, "authorization failed!")
	// ErrThrottled: too many attempts to log in failed lately.
	ErrThrottled = refusal.New(refusal.Busy, "too many failed logins, please try later")
	// ErrStarting: users and rights have not been read yet.
	ErrStarting = refusal.New(refusal.Starting, "users and rights are not known yet")
	// ErrExists: there is such a user, role or permission already; or, from
	// Bootstrap, an administrator.
	ErrExists = refusal.New(refusal.Exists, "already exists")
	// ErrNotFound: there is none.
	ErrNotFound = refusal.New(refusal.NotFound, "not found")
	// ErrInvalid: a name, password, resource or action that will not do.
	ErrInvalid = refusal.New(refusal.Invalid, "invalid")
)

// say gives one of the refusals above a text of its own. errors.Is still finds it.
func say(cause error, text string) error { return refusal.Say(cause, text) }
