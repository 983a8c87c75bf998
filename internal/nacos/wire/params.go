package wire

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf16"

	"github.com/zensus-io/zensus/internal/names"
)

// Params are those parameters of a request that Nacos checks by their form before
// anything else looks at them. What is blank passes: whether it may be is for others to say.
type Params struct {
	Namespace, DataID, Service, Group string
	Clusters                          string // a comma list
	Cluster, IP                       string
	Port                              int
}

// Bounds on parameters, in UTF-16 units as Java counts them.
const (
	namespaceCharsMax = 64
	dataIDCharsMax    = 256
	serviceCharsMax   = 512
	groupCharsMax     = 128
	clusterCharsMax   = 64
	ipCharsMax        = 128
)

// Check refuses the first that is not of the right form, in Nacos's order and words.
func (p *Params) Check() error {
	if err := checkParam("namespaceId/tenant", p.Namespace, namespaceCharsMax, isWord); err != nil {
		return err
	}
	if err := checkParam("dataId", p.DataID, dataIDCharsMax, isName); err != nil {
		return err
	}
	if err := checkParam("serviceName", p.Service, serviceCharsMax, isService); err != nil {
		return err
	}
	if err := checkParam("group", p.Group, groupCharsMax, isName); err != nil {
		return err
	}
	for list := p.Clusters; list != ""; {
		var cluster string
		cluster, list, _ = strings.Cut(list, ",")
		if err := checkParam("cluster", cluster, clusterCharsMax, isWord); err != nil {
			return err
		}
	}
	if err := checkParam("cluster", p.Cluster, clusterCharsMax, isWord); err != nil {
		return err
	}
	if err := checkParam("ip", p.IP, ipCharsMax, isPlain); err != nil {
		return err
	}
	if p.Port < 0 || p.Port > math.MaxUint16 {
		return Refuse(ParameterInvalid, "Param 'port' is illegal, the value should be between 0 and 65535.")
	}
	return nil
}

func checkParam(name, value string, charsMax int, ok func(string) bool) error {
	switch {
	case strings.TrimSpace(value) == "":
	case len(value) > charsMax && len(utf16.Encode([]rune(value))) > charsMax:
		return Refuse(ParameterInvalid, fmt.Sprintf("Param '%s' is illegal, the param length should not exceed %d.", name, charsMax))
	case !ok(value):
		return Refuse(ParameterInvalid, "Param '"+name+"' is illegal, illegal characters should not appear in the param.")
	}
	return nil
}

// isWord admits letters and digits of ASCII, '_' and '-'.
func isWord(s string) bool { return names.Word(s, "_-") }

// isName admits '.' and ':' too.
func isName(s string) bool { return names.Word(s, "_-.:") }

// isPlain refuses whitespace of ASCII, and the CJK characters that Nacos knows of.
func isPlain(s string) bool {
	for _, r := range s {
		if r >= '\t' && r <= '\r' || r == ' ' || r >= 0x4e00 && r <= 0x9fa5 {
			return false
		}
	}
	return true
}

// isService refuses '@' at the beginning and "@@" as well.
func isService(s string) bool {
	return !strings.HasPrefix(s, "@") && !strings.Contains(s, "@@") && isPlain(s)
}

func (k *ServiceKey) params() Params {
	return Params{Namespace: k.Namespace, Service: k.ServiceName, Group: k.GroupName}
}

func (k *ServiceKey) checkWith(i *Instance) error {
	p := k.params()
	p.Cluster, p.IP, p.Port = i.ClusterName, i.IP, i.Port
	return p.Check()
}

// Check checks the parameters, as its fellows below do those of other requests.
func (r *InstanceRequest) Check() error { return r.checkWith(&r.Instance) }

// Check checks the parameters.
func (r *PersistentInstanceRequest) Check() error { return r.checkWith(&r.Instance) }

// Check checks the parameters of the service and of each instance.
func (r *BatchInstanceRequest) Check() error {
	p := r.params()
	if err := p.Check(); err != nil {
		return err
	}
	for n := range r.Instances {
		i := &r.Instances[n]
		p = Params{Service: i.ServiceName, Cluster: i.ClusterName, IP: i.IP, Port: i.Port}
		if err := p.Check(); err != nil {
			return err
		}
	}
	return nil
}

// Check checks the parameters.
func (r *ServiceQueryRequest) Check() error {
	p := r.params()
	p.Clusters, p.Port = r.Cluster, r.UDPPort
	return p.Check()
}

// Check checks the parameters.
func (r *SubscribeServiceRequest) Check() error {
	p := r.params()
	p.Clusters = r.Clusters
	return p.Check()
}

// Check checks the parameters.
func (r *ServiceListRequest) Check() error {
	p := r.params()
	return p.Check()
}

// Check checks the parameters.
func (k *ConfigKey) Check() error {
	p := Params{Namespace: k.Tenant, DataID: k.DataID, Group: k.Group}
	return p.Check()
}

// Check checks the parameters of each config.
func (r *ConfigBatchListenRequest) Check() error {
	for n := range r.ConfigListenContexts {
		c := &r.ConfigListenContexts[n]
		p := Params{Namespace: c.Tenant, DataID: c.DataID, Group: c.Group}
		if err := p.Check(); err != nil {
			return err
		}
	}
	return nil
}
