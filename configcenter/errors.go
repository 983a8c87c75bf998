package configcenter

import (
	"errors"
	"fmt"
	"strconv"
)

var (
	// ErrNotFound is returned when a config, or an entry of its history, is not there.
	ErrNotFound = errors.New("config data not exist")
	// ErrCASMismatch is returned by a publish or a delete whose expectation (an
	// md5 or a revision) is not what the config has.
	ErrCASMismatch = errors.New("server md5 may have changed")
	// ErrContended is returned when others changed the config so often during a
	// publish that it was given up. Nothing was written.
	ErrContended = errors.New("config is being changed by others")
	// ErrInvalid is in the chain of every InvalidError.
	ErrInvalid = errors.New("invalid parameter")
	// ErrTooLarge is in the chain of every InvalidError about the size of content.
	ErrTooLarge = errors.New("content is too large")
	// ErrTooManyGrays is returned when a config has as many gray versions as it may have.
	ErrTooManyGrays = fmt.Errorf("gray config version is over max count :%d", GraysMax)
	// ErrGrayGone is returned by a change of a gray version that must be there and is not.
	ErrGrayGone = errors.New("the gray version is not there any more")
	// ErrNotReady is returned for a change of which this node cannot know yet, while it
	// starts, whether it may be. Nothing was written.
	ErrNotReady = errors.New("the server is starting")
	// ErrQuota is in the chain of every QuotaError.
	ErrQuota = errors.New("config quota is used up")
)

// QuotaError says which limit a change would pass.
type QuotaError struct {
	// Namespace and Group are whose limit it is: a namespace's, a group's of the public
	// namespace if the former is blank, or that of all configs together.
	Namespace, Group string
	What             string // "configs" or "bytes"
	Max              int64
}

// Error names the limit.
func (e *QuotaError) Error() string {
	whose := "all namespaces together"
	switch {
	case e.Namespace != "":
		whose = "namespace " + e.Namespace
	case e.Group != "":
		whose = "group " + e.Group
	}
	return "config quota is used up: " + whose + " may hold at most " + strconv.FormatInt(e.Max, 10) + " " + e.What
}

// Is makes errors.Is(err, ErrQuota) hold.
func (e *QuotaError) Is(target error) bool { return target == ErrQuota }

// InvalidError says which parameter of a request breaks which rule.
type InvalidError struct {
	Field  string // as in the Nacos API: "dataId", "content", ...
	Reason string
	Max    int // the limit that was passed, 0 if none was
	// Nacos is the same in Nacos's words, "" where it has none.
	Nacos string
}

// Error names the field first.
func (e *InvalidError) Error() string {
	s := e.Field + " " + e.Reason
	if e.Max > 0 {
		s += ", at most " + strconv.Itoa(e.Max)
	}
	return s
}

// Is makes errors.Is(err, ErrInvalid) hold, and errors.Is(err, ErrTooLarge) for content.
func (e *InvalidError) Is(target error) bool {
	return target == ErrInvalid || target == ErrTooLarge && e.Field == "content" && e.Max > 0
}
