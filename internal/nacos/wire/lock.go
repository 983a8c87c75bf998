package wire

// Values of the members of lock requests (Java 3.x).
const (
	LockAcquire = "ACQUIRE"
	LockRelease = "RELEASE"
	LockExpire  = "EXPIRE"
	LockMutex   = "NACOS_LOCK" // the one type there is
)

// LockInstance names a lock. ExpiredTime is for how many milliseconds it is taken; a
// negative number is the server's default.
type LockInstance struct {
	Key         *string `json:"key,omitempty"`
	ExpiredTime *int64  `json:"expiredTime,omitempty"`
	LockType    *string `json:"lockType,omitempty"`
}

// LockOperationRequest takes a lock or frees it.
type LockOperationRequest struct {
	Request
	Instance  *LockInstance `json:"lockInstance,omitempty"`
	Operation *string       `json:"lockOperationEnum,omitempty"`
}

// LockOperationResponse says whether the lock was taken, or was held.
type LockOperationResponse struct {
	Response
	Result bool `json:"result"`
}

// PayloadType and its fellow give the names on the wire.
func (*LockOperationRequest) PayloadType() string  { return "LockOperationRequest" }
func (*LockOperationResponse) PayloadType() string { return "LockOperationResponse" }
