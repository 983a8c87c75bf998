package wire

import (
	"context"
	"errors"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/internal/refusal"
)

// Kind is a cause of refusal. One table (kinds) gives what each protocol
// answers, so that no known cause ever shows as a bare 500.
type Kind int

// The kinds, named for Nacos's table of codes.
const (
	ServerError Kind = iota // anything that nobody foresaw
	ParameterMissing
	AccessDenied
	TokenInvalid // no valid identity; the HTTP status is 403 all the same
	DataAccess
	TenantError
	ParameterInvalid
	MediaType
	NotFound // a resource
	Conflict
	ListenerNull
	ListenerError
	InvalidDataID
	ParameterMismatch
	GrayTooMany
	GrayRuleFormat
	GrayRuleVersion
	GrayName
	ClusterQuota
	GroupQuota
	TenantQuota
	ContentTooLarge
	ServiceNameError
	WeightError
	InstanceMetadata
	InstanceNotFound
	InstanceError
	ServiceMetadata
	SelectorError
	ServiceExists
	ServiceNotFound
	ServiceDelete
	HealthyMissing
	HealthRunning
	Uncoded400 // what Nacos refuses without a code of its own
	Uncoded404
	NamespaceIllegal
	NamespaceNotFound
	NamespaceExists
	IllegalState // of a member, in a search: there is no such state
	NodeInfo
	NodeDown
	Deprecated
	Disabled
	FuzzyPatterns
	FuzzyMatches
	MetadataIllegal
	NoValidData
	ParseFailure
	EmptyFile
	NothingSelected
	Busy          // over a limit of rate or number: try later
	NoQuorum      // the engine cannot commit now
	Starting      // the server is not ready
	Released      // the gRPC client's state is gone; it registers again
	CASMismatch   // the md5 to be replaced is not there any more
	Unimplemented // we know it and do not do it
)

type kindRow struct {
	status  int // HTTP
	code    int // v2 and v3
	rpc     int // errorCode over gRPC
	summary string
}

var kinds = [...]kindRow{
	ServerError:       {500, 30000, 500, "server error"},
	ParameterMissing:  {400, 10000, 400, "parameter missing"},
	AccessDenied:      {403, 10001, 403, "access denied"},
	TokenInvalid:      {403, 10001, 403, "access denied"},
	DataAccess:        {500, 10002, 500, "data access error"},
	TenantError:       {400, 20001, 400, "'tenant' parameter error"},
	ParameterInvalid:  {400, 20002, 400, "parameter validate error"},
	MediaType:         {400, 20003, 400, "MediaType Error"},
	NotFound:          {404, 20004, 404, "resource not found"},
	Conflict:          {409, 20005, 409, "resource conflict"},
	ListenerNull:      {400, 20006, 400, "config listener is null"},
	ListenerError:     {400, 20007, 400, "config listener error"},
	InvalidDataID:     {400, 20008, 400, "invalid dataId"},
	ParameterMismatch: {400, 20009, 400, "parameter mismatch"},
	GrayTooMany:       {400, 20010, 400, "config gray version version over max count"},
	GrayRuleFormat:    {400, 20011, 400, "config gray rule format invalid"},
	GrayRuleVersion:   {400, 20012, 400, "config gray rule version invalid"},
	GrayName:          {400, 20013, 400, "config gray name not recognized"},
	ClusterQuota:      {500, 5031, 500, "cluster capacity reach quota"},
	GroupQuota:        {500, 5032, 500, "group capacity reach quota"},
	TenantQuota:       {500, 5033, 500, "tenant capacity reach quota"},
	ContentTooLarge:   {500, 5034, 400, "config content size is over limit"},
	ServiceNameError:  {400, 21000, 400, "service name error"},
	WeightError:       {400, 21001, 400, "weight error"},
	InstanceMetadata:  {400, 21002, 400, "instance metadata error"},
	InstanceNotFound:  {404, 21003, 404, "instance not found"},
	InstanceError:     {400, 21004, 400, "instance error"},
	ServiceMetadata:   {400, 21005, 400, "service metadata error"},
	SelectorError:     {400, 21006, 400, "selector error"},
	ServiceExists:     {400, 21007, 400, "service already exist"},
	ServiceNotFound:   {400, 21008, 404, "service not exist"},
	ServiceDelete:     {400, 21009, 400, "service delete failure"},
	HealthyMissing:    {400, 21010, 400, "healthy param miss"},
	HealthRunning:     {400, 21011, 400, "health check still running"},
	Uncoded400:        {400, 30000, 400, "server error"},
	Uncoded404:        {404, 30000, 404, "server error"},
	NamespaceIllegal:  {400, 22000, 400, "illegal namespace"},
	NamespaceNotFound: {404, 22001, 404, "namespace not exist"},
	NamespaceExists:   {400, 22002, 400, "namespace already exist"},
	IllegalState:      {400, 23000, 400, "illegal state"},
	NodeInfo:          {500, 23001, 500, "node info error"},
	NodeDown:          {500, 23002, 500, "node down failure"},
	Deprecated:        {410, 40000, 501, "API deprecated."},
	Disabled:          {410, 40001, 501, "API function disabled."},
	FuzzyPatterns:     {400, 50310, 50310, "fuzzy watch pattern over limit"},
	FuzzyMatches:      {400, 50311, 50311, "fuzzy watch pattern matched over limit"},
	MetadataIllegal:   {400, 100002, 400, "metadata invalid"},
	NoValidData:       {400, 100003, 400, "no valid data"},
	ParseFailure:      {400, 100004, 400, "parse failure"},
	EmptyFile:         {400, 100005, 400, "empty file"},
	NothingSelected:   {400, 100006, 400, "nothing selected"},
	Busy:              {503, 30000, 503, "server error"},
	NoQuorum:          {503, 30000, 500, "server error"},
	Starting:          {503, 30000, 300, "server error"},
	Released:          {500, 30000, -401, "server error"},
	CASMismatch:       {500, 20005, 500, "resource conflict"},
	Unimplemented:     {501, 40001, 501, "API function disabled."},
}

func (k Kind) row() kindRow {
	if k < 0 || int(k) >= len(kinds) {
		return kinds[ServerError]
	}
	return kinds[k]
}

// Status is the HTTP status.
func (k Kind) Status() int { return k.row().status }

// Code is the code in the envelope of v2 and v3.
func (k Kind) Code() int { return k.row().code }

// RPCCode is the errorCode over gRPC.
func (k Kind) RPCCode() int { return k.row().rpc }

// Summary is the short text that stands beside Code.
func (k Kind) Summary() string { return k.row().summary }

// Error is a refusal in Nacos's terms. Where a test or a client matches the
// text, Text is that text to the letter.
type Error struct {
	Kind Kind
	Text string
	Err  error // the cause, may be nil
}

// Error is the text.
func (e *Error) Error() string { return e.Text }

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// Refuse is an Error without a cause.
func Refuse(kind Kind, text string) *Error { return &Error{Kind: kind, Text: text} }

// RefuseBy is an Error whose cause is err and whose text is err's.
func RefuseBy(kind Kind, err error) *Error { return &Error{Kind: kind, Text: err.Error(), Err: err} }

// refusals is what is answered to a refusal of the domain. The words are Nacos's, which
// clients and consoles compare.
var refusals = map[refusal.Kind]struct {
	kind Kind
	// before and after stand around the refusal's own text, or whole in its place.
	before, after, whole string
}{
	refusal.Invalid:         {kind: ParameterInvalid},
	refusal.NotFound:        {kind: NotFound},
	refusal.Exists:          {kind: Conflict},
	refusal.Unauthenticated: {kind: TokenInvalid, before: "Code: 401, Message: ", after: "."},
	refusal.WrongPassword:   {kind: AccessDenied},
	refusal.Forbidden:       {kind: AccessDenied, before: "Code: 403, Message: ", after: "."},
	refusal.Busy:            {kind: Busy},
	refusal.Starting:        {kind: Starting, whole: "Server is starting,please try later."},
	refusal.Off:             {kind: Unimplemented},
}

// refused is a refusal of the domain in Nacos's terms; its cause is err, which holds it.
func refused(r *refusal.Error, err error) *Error {
	as, ok := refusals[r.Kind]
	if !ok {
		return RefuseBy(ServerError, err)
	}
	text := as.before + r.Text + as.after
	if as.whole != "" {
		text = as.whole
	}
	return &Error{Kind: as.kind, Text: text, Err: err}
}

// Headers of answers, over HTTP and as metadata over gRPC. Stock clients do not look.
const (
	// HeaderStale is "true" where an answer may be behind what is committed, or ahead of it.
	HeaderStale = "zensus-stale"
	// HeaderOutcome is "unknown" where nobody knows whether what was asked for was done.
	HeaderOutcome = "zensus-outcome"
)

// UnknownOutcome reports whether err leaves open if something was done.
func UnknownOutcome(err error) bool {
	return core.IsUnknownOutcome(err) || errors.Is(err, context.DeadlineExceeded)
}

// AsError finds the refusal within err, in Nacos's terms or the domain's. Errors of the
// engine and of contexts have kinds of their own; everything else is a ServerError. It is nil for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	var r *refusal.Error
	if errors.As(err, &r) {
		return refused(r, err)
	}
	switch {
	case core.IsUnknownOutcome(err):
		return &Error{Kind: NoQuorum, Text: "no quorum, it is not known whether this was done: " + err.Error(), Err: err}
	case errors.Is(err, core.NotReadOnly):
		return &Error{Kind: NoQuorum, Text: "no quorum, nothing was done: " + err.Error(), Err: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Kind: NoQuorum, Text: "it is not known whether this was done: " + err.Error(), Err: err}
	case errors.Is(err, core.SessionMoved), core.IsSessionOver(err), errors.Is(err, context.Canceled):
		return RefuseBy(NoQuorum, err)
	case errors.Is(err, core.QuotaExceeded):
		return RefuseBy(ClusterQuota, err)
	case errors.Is(err, core.NoNode):
		return RefuseBy(NotFound, err)
	case errors.Is(err, core.NodeExists), errors.Is(err, core.BadVersion), errors.Is(err, core.NotEmpty):
		return RefuseBy(Conflict, err)
	case errors.Is(err, core.BadArguments):
		return RefuseBy(ParameterInvalid, err)
	case errors.Is(err, core.SystemError): // our own engine has no other use for it
		return &Error{Kind: Busy, Text: "refused by the engine, which of ours means that its disk is nearly full and only what frees space is accepted: " + err.Error(), Err: err}
	case errors.Is(err, core.ThrottledOp):
		return RefuseBy(Busy, err)
	}
	return RefuseBy(ServerError, err)
}
