package wire

// Values of the Type member of instance requests.
const (
	RegisterInstance      = "registerInstance"
	DeregisterInstance    = "deregisterInstance"
	BatchRegisterInstance = "batchRegisterInstance"
)

// ServiceKey is what all naming requests share. A blank namespace means public,
// a blank group DEFAULT_GROUP; the service name has no group prefix.
type ServiceKey struct {
	Namespace   string `json:"namespace"`
	ServiceName string `json:"serviceName"`
	GroupName   string `json:"groupName"`
}

// Service is k; it gives access control one look at every naming request.
func (k *ServiceKey) Service() *ServiceKey { return k }

// InstanceRequest registers or deregisters an ephemeral instance of this
// connection.
type InstanceRequest struct {
	Request
	ServiceKey
	Type     string   `json:"type"`
	Instance Instance `json:"instance"`
}

// PersistentInstanceRequest does it to a persistent instance.
type PersistentInstanceRequest struct {
	Request
	ServiceKey
	Type     string   `json:"type"`
	Instance Instance `json:"instance"`
}

// InstanceResponse answers both and repeats their type.
type InstanceResponse struct {
	Response
	Type string `json:"type"`
}

// Wrap writes it without encoding/json.
func (r *InstanceResponse) Wrap(b []byte) (head, inner []byte) {
	b = append(r.AppendMembers(append(b, '{')), `,"type":`...)
	return appendString(b, r.Type), nil
}

// BatchInstanceRequest replaces all that this connection published for the
// service.
type BatchInstanceRequest struct {
	Request
	ServiceKey
	Type      string    `json:"type"`
	Instances Instances `json:"instances"`
}

// BatchInstanceResponse answers it.
type BatchInstanceResponse struct {
	Response
	Type string `json:"type"`
}

// ServiceQueryRequest asks for the instances of a service.
type ServiceQueryRequest struct {
	Request
	ServiceKey
	Cluster     string `json:"cluster"` // comma list, blank for all
	HealthyOnly bool   `json:"healthyOnly"`
	// HealthOnly is how the Python client spells it.
	HealthOnly bool `json:"healthOnly,omitempty"`
	UDPPort    int  `json:"udpPort"`
}

// OnlyHealthy reports whether the client wants healthy instances only.
func (r *ServiceQueryRequest) OnlyHealthy() bool { return r.HealthyOnly || r.HealthOnly }

// QueryServiceResponse answers it.
type QueryServiceResponse struct {
	Response
	ServiceInfo *ServiceInfo `json:"serviceInfo"`
}

// SubscribeServiceRequest subscribes to a service or ends a subscription.
type SubscribeServiceRequest struct {
	Request
	ServiceKey
	Subscribe bool   `json:"subscribe"`
	Clusters  string `json:"clusters"` // comma list, blank for all
}

// SubscribeServiceResponse answers it, with the message "success".
type SubscribeServiceResponse struct {
	Response
	ServiceInfo *ServiceInfo `json:"serviceInfo"`
}

// ServiceListRequest asks for one page of the service names of a group.
type ServiceListRequest struct {
	Request
	ServiceKey
	PageNo   int    `json:"pageNo"`
	PageSize int    `json:"pageSize"`
	Selector string `json:"selector,omitempty"`
}

// ServiceListResponse answers it with bare names and the count of all pages.
type ServiceListResponse struct {
	Response
	Count        int   `json:"count"`
	ServiceNames Names `json:"serviceNames"`
}

// NotifySubscriberRequest pushes a service to a subscriber. It carries the
// service info and nothing else, with the clusters that the subscriber asked for.
type NotifySubscriberRequest struct {
	Request
	ServiceInfo *ServiceInfo `json:"serviceInfo"`
}

// NotifySubscriberResponse acknowledges it.
type NotifySubscriberResponse struct{ Response }

// Names is a list of strings that is written as [] when it is nil.
type Names []string

// MarshalJSON writes an empty list for nil.
func (n Names) MarshalJSON() ([]byte, error) {
	if n == nil {
		return []byte("[]"), nil
	}
	return marshal([]string(n))
}

func (*InstanceRequest) PayloadType() string           { return "InstanceRequest" }
func (*PersistentInstanceRequest) PayloadType() string { return "PersistentInstanceRequest" }
func (*InstanceResponse) PayloadType() string          { return "InstanceResponse" }
func (*BatchInstanceRequest) PayloadType() string      { return "BatchInstanceRequest" }
func (*BatchInstanceResponse) PayloadType() string     { return "BatchInstanceResponse" }
func (*ServiceQueryRequest) PayloadType() string       { return "ServiceQueryRequest" }
func (*QueryServiceResponse) PayloadType() string      { return "QueryServiceResponse" }
func (*SubscribeServiceRequest) PayloadType() string   { return "SubscribeServiceRequest" }
func (*SubscribeServiceResponse) PayloadType() string  { return "SubscribeServiceResponse" }
func (*ServiceListRequest) PayloadType() string        { return "ServiceListRequest" }
func (*ServiceListResponse) PayloadType() string       { return "ServiceListResponse" }
func (*NotifySubscriberRequest) PayloadType() string   { return "NotifySubscriberRequest" }
func (*NotifySubscriberResponse) PayloadType() string  { return "NotifySubscriberResponse" }
