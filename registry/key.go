package registry

import (
	"cmp"
	"strconv"
	"strings"
)

// The names that stand where a client leaves one out.
const (
	DefaultNamespace = "public"
	DefaultGroup     = "DEFAULT_GROUP"
	DefaultCluster   = "DEFAULT"
)

// groupSeparator stands between group and service in a grouped name.
const groupSeparator = "@@"

// ServiceKey names a service.
type ServiceKey struct {
	Namespace string
	Group     string
	Name      string
}

// NewServiceKey fills in defaults and takes a grouped name apart: in
// "group@@name" the group wins over the one given beside it.
func NewServiceKey(namespace, group, name string) ServiceKey {
	if g, n, ok := strings.Cut(name, groupSeparator); ok && g != "" {
		group, name = g, n
	}
	return ServiceKey{
		Namespace: cmp.Or(namespace, DefaultNamespace),
		Group:     cmp.Or(group, DefaultGroup),
		Name:      name,
	}
}

// Grouped is the name as HTTP clients know it: group@@name.
func (k ServiceKey) Grouped() string { return k.Group + groupSeparator + k.Name }

// String is namespace, group and name, for logs.
func (k ServiceKey) String() string { return k.Namespace + groupSeparator + k.Grouped() }

// Compare orders keys by namespace, group and name.
func (k ServiceKey) Compare(o ServiceKey) int {
	if c := strings.Compare(k.Namespace, o.Namespace); c != 0 {
		return c
	}
	if c := strings.Compare(k.Group, o.Group); c != 0 {
		return c
	}
	return strings.Compare(k.Name, o.Name)
}

// InstanceKey names an instance within its service.
type InstanceKey struct {
	Cluster string
	IP      string
	Port    int
}

// String is ip:port:cluster, the form in which Nacos prints it.
func (k InstanceKey) String() string {
	return k.IP + ":" + strconv.Itoa(k.Port) + ":" + k.Cluster
}

// Compare orders keys by cluster, address and port.
func (k InstanceKey) Compare(o InstanceKey) int {
	if c := strings.Compare(k.Cluster, o.Cluster); c != 0 {
		return c
	}
	if c := strings.Compare(k.IP, o.IP); c != 0 {
		return c
	}
	return cmp.Compare(k.Port, o.Port)
}
