package core

import (
	"context"
	"time"
)

// AnyVersion as an expected version switches the comparison off.
const AnyVersion int32 = -1

// Client is a session with a znode tree. It is safe for concurrent use.
//
// Calls of one Client take effect in the order in which they were made. Errors
// tell three cases apart: a Code is definite; IsUnknownOutcome means that the
// request may or may not have taken effect; IsSessionOver means that the session
// and its ephemeral znodes are gone. A context that ends while a call waits gives
// the context's error joined with OperationTimeout if the request was already sent.
type Client interface {
	// Create adds a znode and returns its actual path, which differs from path
	// for sequential modes. It returns NodeExists, NoNode (no parent),
	// NoChildrenForEphemerals, NoAuth, InvalidACL, BadArguments or QuotaExceeded.
	Create(ctx context.Context, path string, data []byte, opt CreateOptions) (actual string, st Stat, err error)
	// Get reads a znode's data; nil and empty data are told apart. The caller
	// must not modify the slice. It returns NoNode or NoAuth.
	Get(ctx context.Context, path string) ([]byte, Stat, error)
	// Set replaces a znode's data if its version is the expected one. It returns
	// NoNode, BadVersion, NoAuth or QuotaExceeded.
	Set(ctx context.Context, path string, data []byte, version int32) (Stat, error)
	// Delete removes a znode without children and returns the zxid of the removal.
	Delete(ctx context.Context, path string, version int32) (Zxid, error)
	// Exists returns the Stat of a znode, or NoNode.
	Exists(ctx context.Context, path string) (Stat, error)
	// Children returns the names of a znode's children in no particular order.
	Children(ctx context.Context, path string) ([]string, Stat, error)
	// Multi does all of ops or none, at one zxid. If one fails, err is that
	// operation's OpError and each result's Err says what became of it.
	Multi(ctx context.Context, ops ...Op) ([]OpResult, Zxid, error)
	// Sync returns once this session sees everything that was committed when it
	// was called, and says up to which zxid that is.
	Sync(ctx context.Context, path string) (Zxid, error)
	// Watch hears of every change at path, or at and below it. It ends with its
	// Close or the session. The znode need not exist.
	Watch(ctx context.Context, path string, mode WatchMode) (Watch, error)
	// Session describes the session.
	Session() SessionInfo
	// Close ends the session, and with it its ephemeral znodes.
	Close() error
}

// Sessions opens further sessions on an engine in process: with any timeout,
// resumed by id and password, touched by whoever hears of their client, let go
// without being ended. (Over TCP a connection is a session.)
type Sessions interface {
	// Open creates a session.
	Open(ctx context.Context, opt SessionOptions) (Client, error)
	// Resume attaches to a living session; any other holder loses it. It returns
	// SessionExpired if the session is gone or the password is not its.
	Resume(ctx context.Context, id SessionID, password []byte) (Client, error)
	// Touch counts as a sign of life of the sessions named. It never blocks;
	// unknown ids are passed over.
	Touch(ids ...SessionID)
	// Detach lets go of a session without ending it: it lives on until its
	// timeout, or until somebody resumes it.
	Detach(id SessionID)
}

// Founding is what some Sessions can do beside: open a session and have it do something
// at once, with one wait for both.
type Founding interface {
	// OpenMulti is Open, and a Multi that is the session's first request. They are two
	// transactions, one behind the other, and a Multi that is refused leaves the session
	// open: with a client, the error is that of Multi. Without one it is Open's, and what
	// was asked for may have been done all the same where the outcome is unknown; such a
	// session ends with its timeout. A client that comes with an unknown outcome may turn
	// out to have no session.
	OpenMulti(ctx context.Context, opt SessionOptions, ops ...Op) (Client, []OpResult, Zxid, error)
}

// Admin is what else can be asked of an engine.
type Admin interface {
	// ACL returns a znode's access list and its Stat.
	ACL(ctx context.Context, path string) ([]ACL, Stat, error)
	// SetACL replaces it if aversion is the expected one.
	SetACL(ctx context.Context, path string, acl []ACL, aversion int32) (Stat, error)
	// AddAuth adds an identity to this connection. It returns AuthFailed, after
	// which the connection is closed.
	AddAuth(ctx context.Context, scheme string, auth []byte) error
}

// SessionOptions describe a session to be opened.
type SessionOptions struct {
	// Timeout is how long the session outlives the last sign of life. It is not
	// clamped to the limits of the client port.
	Timeout time.Duration
	// ACL is what Create uses where CreateOptions name none. Nil is OpenACL.
	ACL []ACL
	// KeepAlive makes the engine itself touch the session for as long as the
	// process lives and nobody closes it: for sessions that stand for no client.
	KeepAlive bool
}

// SessionInfo describes a living session.
type SessionInfo struct {
	ID       SessionID
	Password []byte // 16 bytes; whoever has them can resume the session
	Timeout  time.Duration
}

// CreateOptions say how to create a znode. The zero value is a persistent znode
// with the session's default ACL.
type CreateOptions struct {
	Mode CreateMode
	ACL  []ACL
	TTL  time.Duration // only for TTL modes; rounded up to a millisecond
}

// Op is one operation of a Multi: a CreateOp, SetOp, DeleteOp or CheckOp.
type Op interface{ isOp() }

// CreateOp creates a znode as Client.Create does.
type CreateOp struct {
	Path    string
	Data    []byte
	Options CreateOptions
}

// SetOp replaces data as Client.Set does.
type SetOp struct {
	Path    string
	Data    []byte
	Version int32
}

// DeleteOp removes a znode as Client.Delete does.
type DeleteOp struct {
	Path    string
	Version int32
}

// CheckOp fails the Multi unless the znode exists with the expected version.
type CheckOp struct {
	Path    string
	Version int32
}

func (CreateOp) isOp() {}
func (SetOp) isOp()    {}
func (DeleteOp) isOp() {}
func (CheckOp) isOp()  {}

// OpResult is what became of one operation of a Multi.
type OpResult struct {
	Path string // actual path of a CreateOp
	Stat Stat   // of a CreateOp or SetOp
	Err  error  // nil, the failing operation's Code, OK or RuntimeInconsistency for those around it
}
