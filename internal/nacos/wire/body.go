package wire

import "strconv"

// Body is the JSON body of a Payload.
type Body interface {
	// PayloadType is the type name that travels in Metadata.Type.
	PayloadType() string
}

// Wrapper is a Body around JSON that is encoded already, and that others may share.
type Wrapper interface {
	Body
	// Wrap appends the beginning of an object to b, up to the value of its last member.
	// That is inner, which is not modified; then comes the closing brace. Nobody looks at
	// any of it again.
	Wrap(b []byte) (head, inner []byte)
}

// Asking is a Body that expects a reply: a client's request, or a server's push.
type Asking interface {
	Body
	request() *Request
}

// Reply is a Body that answers one.
type Reply interface {
	Body
	// Base is the part that all replies share.
	Base() *Response
}

// Request is what the bodies of all requests share. Servers look at neither
// member of a client's request; a push is matched to its acknowledgement by
// RequestID.
type Request struct {
	RequestID string `json:"requestId,omitempty"`
}

func (r *Request) request() *Request { return r }

// Response is what the bodies of all replies share. All members are always
// written: nacos-sdk-go reads success, the Python client cannot take null.
type Response struct {
	ResultCode int    `json:"resultCode"`
	ErrorCode  int    `json:"errorCode"`
	Success    bool   `json:"success"`
	Message    string `json:"message"`
	RequestID  string `json:"requestId"`
}

// AppendMembers appends the members as they stand in an object, without its braces.
func (r *Response) AppendMembers(b []byte) []byte {
	b = strconv.AppendInt(append(b, `"resultCode":`...), int64(r.ResultCode), 10)
	b = strconv.AppendInt(append(b, `,"errorCode":`...), int64(r.ErrorCode), 10)
	b = strconv.AppendBool(append(b, `,"success":`...), r.Success)
	b = appendString(append(b, `,"message":`...), r.Message)
	return appendString(append(b, `,"requestId":`...), r.RequestID)
}

// Base is r.
func (r *Response) Base() *Response { return r }

// OK reports whether r is a success. Only the result code says so: the
// acknowledgements of nacos-sdk-go carry success:false.
func (r *Response) OK() bool { return r.ResultCode == ResultOK }

// The result codes; nothing else occurs.
const (
	ResultOK   = 200
	ResultFail = 500
)

// Succeeded is the base of a reply without a message.
func Succeeded() Response { return Response{ResultCode: ResultOK, Success: true} }

// SucceededWith is the base of a reply with a message.
func SucceededWith(message string) Response {
	return Response{ResultCode: ResultOK, Success: true, Message: message}
}

// Failed is the base of a typed failure: the client's call ends with this error
// after one try, while an ErrorResponse would be repeated.
func Failed(errorCode int, message string) Response {
	return Response{ResultCode: ResultFail, ErrorCode: errorCode, Message: message}
}

// FailedBy is the base of a typed failure for err.
func FailedBy(err error) Response {
	e := AsError(err)
	return Failed(e.Kind.RPCCode(), e.Text)
}

// Text turns a member that may be null, absent or a string into a string.
func Text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
