package registry

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/zensus-io/zensus/internal/names"
)

// Bounds on what a client may send, in characters unless another unit is named.
const (
	NamespaceMax      = 64
	GroupMax          = 128
	ServiceNameMax    = 512
	clusterNameMax    = 64
	ipMax             = 128
	instanceIDMax     = 1024
	selectorMax       = 1024
	weightMax         = 10000
	clustersMax       = 256     // cluster settings of one service
	serviceMetaMax    = 1 << 16 // bytes of all keys and values
	overrideMetaMax   = 1 << 16
	metadataKeysMax   = 1024
	DefaultMetaMax    = 1 << 16 // bytes of an instance's keys and values; Nacos's 1,024 break Dubbo
	DefaultBatchMax   = 5000    // instances that one client holds in one service
	batchMetaBytesMax = 8 << 20
	clusterListMax    = 8 << 10 // bytes of a list of clusters in a query
)

// Limits are the bounds that an operator may change. Start from DefaultLimits.
type Limits struct {
	// MetadataBytes bounds the keys and values of one instance's metadata together.
	MetadataBytes int
	// InstancesPerClient bounds what one client has registered in all services.
	InstancesPerClient int
	// ServicesPerClient bounds in how many services it has registered.
	ServicesPerClient int
	// InstancesPerService bounds the persistent instances of one service.
	InstancesPerService int
	// OverridesWaiting bounds on how many instances of one service something is set that
	// are not there.
	OverridesWaiting int
	// Services bounds the services of this registry.
	Services int
	// Clients bounds the clients with registrations on one node.
	Clients int
	// SubscriptionsPerClient bounds the services that one connection watches.
	SubscriptionsPerClient int
}

// DefaultLimits are generous enough for bridges that publish for a whole cluster.
func DefaultLimits() Limits {
	return Limits{
		MetadataBytes:          DefaultMetaMax,
		InstancesPerClient:     50_000,
		ServicesPerClient:      20_000,
		InstancesPerService:    50_000,
		OverridesWaiting:       1_000,
		Services:               500_000,
		Clients:                200_000,
		SubscriptionsPerClient: 50_000,
	}
}

// Validate checks the names of a service key by Nacos's rules. It returns
// ErrInvalid. Names of Dubbo services, which hold colons and dots, pass.
func (k ServiceKey) Validate() error {
	if err := checkWord("namespaceId/tenant", k.Namespace, NamespaceMax, "_-"); err != nil {
		return err
	}
	switch {
	case k.Name == "":
		return Errorf(ErrInvalid, "Param 'serviceName' is required.")
	case utf8.RuneCountInString(k.Name) > ServiceNameMax:
		return tooLong("serviceName", ServiceNameMax)
	case strings.HasPrefix(k.Name, "@"), strings.Contains(k.Name, groupSeparator), !printable(k.Name):
		return illegal("serviceName", illegalChars)
	}
	return checkWord("group", k.Group, GroupMax, "_-.:")
}

// Validate checks an instance whose defaults are filled in.
func (i *Instance) Validate(limits Limits) error {
	switch {
	case i.IP == "":
		return Errorf(ErrInvalid, "Param 'ip' is required.")
	case i.Port < 0 || i.Port > math.MaxUint16:
		return illegal("port", illegalPort)
	case math.IsNaN(i.Weight) || i.Weight < 0 || i.Weight > weightMax:
		return weightError()
	case len(i.ID) > instanceIDMax:
		return tooLong("instanceId", instanceIDMax)
	}
	if err := ValidateIP(i.IP); err != nil {
		return err
	}
	if err := ValidateClusterName(i.Cluster); err != nil {
		return err
	}
	if err := checkMetadata(i.Metadata, limits.MetadataBytes); err != nil {
		return err
	}
	if i.BeatTimeout() < i.BeatInterval() || i.DeleteTimeout() < i.BeatInterval() {
		return Errorf(ErrInstance, "Instance 'heart beat interval' must less than 'heart beat timeout' and 'ip delete timeout'.")
	}
	return nil
}

// ValidateIP checks an address, which may be the name of a host.
func ValidateIP(ip string) error {
	switch {
	case utf8.RuneCountInString(ip) > ipMax:
		return tooLong("ip", ipMax)
	case !printable(ip):
		return illegal("ip", illegalChars)
	}
	return nil
}

// ParsePort reads a port.
func ParsePort(s string) (int, error) {
	port, err := strconv.Atoi(s)
	if err != nil || port < 0 || port > math.MaxUint16 {
		return 0, illegal("port", illegalPort)
	}
	return port, nil
}

// ValidateClusterName checks the name of a cluster.
func ValidateClusterName(name string) error {
	return checkWord("cluster", name, clusterNameMax, "_-")
}

// ValidateClusterList checks the size of a list of clusters in a query.
func ValidateClusterList(list string) error {
	if len(list) > clusterListMax {
		return tooLong("clusters", clusterListMax)
	}
	return nil
}

// ValidateBatch checks a client's whole set for one service: each instance, that
// no two share a key, and their number and size.
func ValidateBatch(instances []Instance, limits Limits) error {
	if len(instances) > DefaultBatchMax {
		return Errorf(ErrLimit, "instances: %d in one service are more than %d.", len(instances), DefaultBatchMax)
	}
	var seen map[InstanceKey]bool
	if len(instances) > 1 { // it seldom is
		seen = make(map[InstanceKey]bool, len(instances))
	}
	total := 0
	for n := range instances {
		i := &instances[n]
		if err := i.Validate(limits); err != nil {
			return err
		}
		if seen[i.Key()] {
			return illegal("instances", "the same ip, port and cluster come twice: "+i.Key().String())
		}
		if seen != nil {
			seen[i.Key()] = true
		}
		total += metadataBytes(i.Metadata)
	}
	if total > batchMetaBytesMax {
		return Errorf(ErrLimit, "instances: %d bytes of metadata are more than %d.", total, batchMetaBytesMax)
	}
	return nil
}

// Validate checks what a caller of the API says of a service.
func (s *Service) Validate() error {
	if err := s.Key.Validate(); err != nil {
		return err
	}
	switch {
	case math.IsNaN(s.ProtectThreshold) || s.ProtectThreshold < 0 || s.ProtectThreshold > 1:
		return illegal("protectThreshold", "it should be in the range from 0 to 1.")
	case len(s.Selector.Expression) > selectorMax:
		return tooLong("selector", selectorMax)
	case s.Selector.Type != "" && s.Selector.Type != "none" && s.Selector.Type != "label":
		return illegal("selector", "not match any type of selector!")
	case len(s.Clusters) > clustersMax:
		return Errorf(ErrLimit, "clusters: %d with settings of their own are more than %d.", len(s.Clusters), clustersMax)
	}
	for name, c := range s.Clusters {
		if err := c.validate(name); err != nil {
			return err
		}
	}
	return checkMetadata(s.Metadata, serviceMetaMax)
}

func (c *Cluster) validate(name string) error {
	if err := ValidateClusterName(name); err != nil {
		return err
	}
	if c.CheckPort < 0 || c.CheckPort > math.MaxUint16 {
		return illegal("checkPort", illegalPort)
	}
	switch c.Checker.Type {
	case CheckNone, CheckTCP, CheckHTTP:
	case CheckMySQL:
		return illegal("healthChecker", "databases are not asked here: choose TCP, HTTP or NONE.")
	default:
		return illegal("healthChecker", "unknown type.")
	}
	if len(c.Checker.Path) > selectorMax || len(c.Checker.Headers) > selectorMax {
		return tooLong("healthChecker", selectorMax)
	}
	return checkMetadata(c.Metadata, serviceMetaMax)
}

// Validate checks what an operator sets on an instance.
func (o *Override) Validate() error {
	if o.Weight != nil && (math.IsNaN(*o.Weight) || *o.Weight < 0 || *o.Weight > weightMax) {
		return weightError()
	}
	return checkMetadata(o.Metadata, overrideMetaMax)
}

func checkMetadata(m map[string]string, bytesMax int) error {
	if len(m) > metadataKeysMax {
		return Errorf(ErrInvalid, "Param 'Metadata' is illegal, it has more than %d keys.", metadataKeysMax)
	}
	if metadataBytes(m) > bytesMax {
		return Errorf(ErrInvalid, "Param 'Metadata' is illegal, the param length should not exceed %d.", bytesMax)
	}
	for k, v := range m {
		if !utf8.ValidString(k) || !utf8.ValidString(v) {
			return illegal("Metadata", "it is not UTF-8.")
		}
	}
	return nil
}

func metadataBytes(m map[string]string) int {
	n := 0
	for k, v := range m {
		n += len(k) + len(v)
	}
	return n
}

// checkWord admits ASCII letters, digits and the characters of more.
func checkWord(param, s string, charsMax int, more string) error {
	switch {
	case s == "":
		return Errorf(ErrInvalid, "Param '%s' is required.", param)
	case len(s) > charsMax:
		return tooLong(param, charsMax)
	case !names.Word(s, more):
		return illegal(param, illegalChars)
	}
	return nil
}

// printable refuses whitespace, control characters, what is not UTF-8, and CJK.
func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Han, r) {
			return false
		}
	}
	return true
}

// The words of Nacos's own check of parameters.
const (
	illegalChars = "illegal characters should not appear in the param."
	illegalPort  = "the value should be between 0 and 65535."
)

func weightError() error {
	return Errorf(ErrWeight, "instance format invalid: The weights range from 0.0 to %d.0", weightMax)
}

func illegal(param, why string) error {
	return Errorf(ErrInvalid, "Param '%s' is illegal, %s", param, why)
}

func tooLong(param string, charsMax int) error {
	return illegal(param, "the param length should not exceed "+strconv.Itoa(charsMax)+".")
}
