package registry

import (
	"errors"
	"fmt"
)

// What can be wrong with a request. Each error of this package and those beside
// it that a client is to blame for wraps one of these.
var (
	// ErrInvalid: a name, address, size or number is outside its bounds.
	ErrInvalid = errors.New("invalid argument")
	// ErrWeight and ErrInstance are ErrInvalid with a code of their own: a weight out
	// of bounds, and an instance whose parts do not fit together.
	ErrWeight   = fmt.Errorf("%w: weight", ErrInvalid)
	ErrInstance = fmt.Errorf("%w: instance", ErrInvalid)
	// ErrServiceNotFound: the call needs an existing service.
	ErrServiceNotFound = errors.New("service not found")
	// ErrServiceExists: a service of that name cannot be created again.
	ErrServiceExists = errors.New("service already exists")
	// ErrServiceNotEmpty: a service with instances cannot be deleted.
	ErrServiceNotEmpty = errors.New("service is not empty")
	// ErrInstanceNotFound: the call needs an existing instance.
	ErrInstanceNotFound = errors.New("instance not found")
	// ErrKind: an ephemeral instance for a persistent service, or the reverse.
	ErrKind = errors.New("wrong kind of service")
	// ErrLimit: a bound on services, instances or subscribers is reached.
	ErrLimit = errors.New("limit reached")
	// ErrQuota: the namespace has as many services or instances as it may have.
	ErrQuota = errors.New("quota is used up")
	// ErrClientGone: the client's connection ended while its call was under way.
	ErrClientGone = errors.New("client is gone")
	// ErrNoQuorum: the write needs a quorum and there is none at the moment.
	ErrNoQuorum = errors.New("no quorum")
	// ErrNotReady: the server has not read the tree yet.
	ErrNotReady = errors.New("not ready")
	// ErrCheckerActive: health can be set by hand only where nothing checks it.
	ErrCheckerActive = errors.New("health check is still working")
)

// Error gives one of the causes above the words that Nacos clients expect.
type Error struct {
	Text  string
	Cause error
}

// Error is the text for the client.
func (e *Error) Error() string { return e.Text }

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Errorf makes an Error with a formatted text.
func Errorf(cause error, format string, args ...any) error {
	return &Error{Text: fmt.Sprintf(format, args...), Cause: cause}
}

// KindError says that an instance cannot be registered into a service of the
// other kind. act is "register" or "batch register".
func KindError(act string, service ServiceKey, serviceEphemeral bool) error {
	is, not := "persistent", "ephemeral"
	if serviceEphemeral {
		is, not = not, is
	}
	return Errorf(ErrKind, "Current service %s is %s service, can't %s %s instance.", service.Grouped(), is, act, not)
}
