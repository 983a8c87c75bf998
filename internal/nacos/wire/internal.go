package wire

// ServerCheckRequest comes before everything else on a connection.
type ServerCheckRequest struct{ Request }

// ServerCheckResponse tells the client who it is here.
type ServerCheckResponse struct {
	Response
	ConnectionID              string `json:"connectionId"`
	SupportAbilityNegotiation bool   `json:"supportAbilityNegotiation"`
}

// ConnectionSetupRequest is the first frame on the stream. Only a client that
// sent an ability table, even an empty one, waits for a SetupAckRequest.
type ConnectionSetupRequest struct {
	Request
	ClientVersion string            `json:"clientVersion"`
	Tenant        string            `json:"tenant,omitempty"`
	Labels        map[string]string `json:"labels"`
	AbilityTable  Abilities         `json:"abilityTable,omitzero"`
}

// SetupAckRequest ends the setup. No SDK acknowledges it.
type SetupAckRequest struct {
	Request
	// AbilityTable is always written; the Python client cannot do without.
	AbilityTable Abilities `json:"abilityTable"`
}

// Abilities are what a server or client says it can do, by name.
type Abilities map[string]bool

// MarshalJSON writes an empty object for nil.
func (a Abilities) MarshalJSON() ([]byte, error) {
	if a == nil {
		return []byte("{}"), nil
	}
	return marshal(map[string]bool(a))
}

// The abilities that servers announce. A Java 3.x client refuses to use what is
// not announced, so a server names exactly what it has handlers for.
const (
	AbilityPersistentInstance = "supportPersistentInstanceByGrpc"
	AbilityFuzzyWatch         = "fuzzyWatch"
	AbilityLock               = "lock"
)

// SetupAckResponse exists for completeness: nobody sends it.
type SetupAckResponse struct{ Response }

// HealthCheckRequest is sent by a client after 5 s without traffic.
type HealthCheckRequest struct{ Request }

// HealthCheckResponse answers it.
type HealthCheckResponse struct{ Response }

// Wrap writes it without encoding/json.
func (r *HealthCheckResponse) Wrap(b []byte) (head, inner []byte) {
	return r.AppendMembers(append(b, '{')), nil
}

// ClientDetectionRequest is pushed to a connection that was silent for 20 s.
type ClientDetectionRequest struct{ Request }

// ClientDetectionResponse acknowledges it.
type ClientDetectionResponse struct{ Response }

// ConnectResetRequest asks a client to go elsewhere: to the address given, if
// that is in its own list of servers.
type ConnectResetRequest struct {
	Request
	ServerIP     string `json:"serverIp,omitempty"`
	ServerPort   string `json:"serverPort,omitempty"` // a string on the wire
	ConnectionID string `json:"connectionId,omitempty"`
}

// ConnectResetResponse acknowledges it.
type ConnectResetResponse struct{ Response }

// ErrorResponse is the reply where no typed one can be given. SDKs take it for
// a failure of the transport and repeat the call: it is for error codes 300,
// 301, 302 and 502 only.
type ErrorResponse struct{ Response }

// NewErrorResponse is one with this error code.
func NewErrorResponse(errorCode int, message string) *ErrorResponse {
	return &ErrorResponse{Failed(errorCode, message)}
}

// PayloadType and its fellows below give the names on the wire.
func (*ServerCheckRequest) PayloadType() string      { return "ServerCheckRequest" }
func (*ServerCheckResponse) PayloadType() string     { return "ServerCheckResponse" }
func (*ConnectionSetupRequest) PayloadType() string  { return "ConnectionSetupRequest" }
func (*SetupAckRequest) PayloadType() string         { return "SetupAckRequest" }
func (*SetupAckResponse) PayloadType() string        { return "SetupAckResponse" }
func (*HealthCheckRequest) PayloadType() string      { return "HealthCheckRequest" }
func (*HealthCheckResponse) PayloadType() string     { return "HealthCheckResponse" }
func (*ClientDetectionRequest) PayloadType() string  { return "ClientDetectionRequest" }
func (*ClientDetectionResponse) PayloadType() string { return "ClientDetectionResponse" }
func (*ConnectResetRequest) PayloadType() string     { return "ConnectResetRequest" }
func (*ConnectResetResponse) PayloadType() string    { return "ConnectResetResponse" }
func (*ErrorResponse) PayloadType() string           { return "ErrorResponse" }
