package core

import (
	"errors"
	"strconv"
)

// Code is a ZooKeeper reply code with its wire value. errors.Is(err, core.NoNode)
// holds for every error that a Client returns for that cause, in process and
// across the network. The values are ZooKeeper's and never invented: Java
// clients throw on a code that they do not know.
type Code int32

// The codes of ZooKeeper 3.9. Some never travel: they are made by clients.
const (
	OK                       Code = 0
	SystemError              Code = -1
	RuntimeInconsistency     Code = -2 // multi: operations after the failing one
	DataInconsistency        Code = -3
	ConnectionLoss           Code = -4 // client side: the outcome is unknown
	MarshallingError         Code = -5
	Unimplemented            Code = -6
	OperationTimeout         Code = -7
	BadArguments             Code = -8
	NewConfigNoQuorum        Code = -13
	ReconfigInProgress       Code = -14
	APIError                 Code = -100
	NoNode                   Code = -101
	NoAuth                   Code = -102
	BadVersion               Code = -103
	NoChildrenForEphemerals  Code = -108
	NodeExists               Code = -110
	NotEmpty                 Code = -111
	SessionExpired           Code = -112
	InvalidCallback          Code = -113
	InvalidACL               Code = -114
	AuthFailed               Code = -115
	SessionMoved             Code = -118
	NotReadOnly              Code = -119
	EphemeralOnLocalSession  Code = -120
	NoWatcher                Code = -121
	RequestTimeout           Code = -122
	ReconfigDisabled         Code = -123
	SessionClosedRequireSASL Code = -124
	QuotaExceeded            Code = -125
	ThrottledOp              Code = -127
)

var codeText = map[Code]string{
	OK:                       "ok",
	SystemError:              "system error",
	RuntimeInconsistency:     "runtime inconsistency",
	DataInconsistency:        "data inconsistency",
	ConnectionLoss:           "connection loss",
	MarshallingError:         "marshalling error",
	Unimplemented:            "unimplemented",
	OperationTimeout:         "operation timeout",
	BadArguments:             "bad arguments",
	NewConfigNoQuorum:        "no quorum of new config",
	ReconfigInProgress:       "reconfig in progress",
	APIError:                 "API error",
	NoNode:                   "no node",
	NoAuth:                   "not authorized",
	BadVersion:               "bad version",
	NoChildrenForEphemerals:  "ephemerals cannot have children",
	NodeExists:               "node exists",
	NotEmpty:                 "node has children",
	SessionExpired:           "session expired",
	InvalidCallback:          "invalid callback",
	InvalidACL:               "invalid ACL",
	AuthFailed:               "authentication failed",
	SessionMoved:             "session moved",
	NotReadOnly:              "server is read-only",
	EphemeralOnLocalSession:  "ephemeral on local session",
	NoWatcher:                "no such watcher",
	RequestTimeout:           "request timeout",
	ReconfigDisabled:         "reconfig disabled",
	SessionClosedRequireSASL: "session closed: SASL required",
	QuotaExceeded:            "quota exceeded",
	ThrottledOp:              "operation throttled",
}

// Error is the code in words, lower case.
func (c Code) Error() string {
	if s, ok := codeText[c]; ok {
		return s
	}
	return "code " + strconv.Itoa(int(c))
}

// CodeOf is the Code within err: OK for nil, SystemError where err holds none.
func CodeOf(err error) Code {
	if err == nil {
		return OK
	}
	var c Code
	if errors.As(err, &c) {
		return c
	}
	return SystemError
}

// OpError adds the operation and the path to what went wrong.
type OpError struct {
	Op   string // "create", "setData", ...
	Path string // empty where the operation has none
	Err  error
}

// Error puts the operation first, as in "setData /a: bad version".
func (e *OpError) Error() string {
	if e.Path == "" {
		return e.Op + ": " + e.Err.Error()
	}
	return e.Op + " " + e.Path + ": " + e.Err.Error()
}

// Unwrap is the cause, usually a Code.
func (e *OpError) Unwrap() error { return e.Err }

// ErrClosed is returned by calls on a Client or Watch after its Close.
var ErrClosed = errors.New("closed")

// IsUnknownOutcome reports whether err leaves open if the operation took effect:
// the connection or the caller's patience ended after the request was sent.
func IsUnknownOutcome(err error) bool {
	return errors.Is(err, ConnectionLoss) || errors.Is(err, OperationTimeout) || errors.Is(err, RequestTimeout)
}

// IsSessionOver reports whether err says that the session has ended, and with it
// its ephemeral znodes. The Client is then of no further use.
func IsSessionOver(err error) bool {
	return errors.Is(err, SessionExpired) || errors.Is(err, ErrClosed)
}
