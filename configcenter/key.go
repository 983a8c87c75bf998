package configcenter

import (
	"fmt"
	"strings"

	"github.com/zensus-io/zensus/internal/names"
	"github.com/zensus-io/zensus/internal/tenant"
)

// PublicNamespace is the id of the namespace that is always there. Clients name
// it "public", or not at all.
const PublicNamespace = tenant.Public

// DefaultGroup is the group that clients use when they were told none.
const DefaultGroup = "DEFAULT_GROUP"

// Key names a config. Namespace is canonical (see Namespace); keys made by MakeKey are.
type Key struct {
	Namespace string
	Group     string
	DataID    string
}

// MakeKey is the key that a client means. Blanks around names are no part of them.
func MakeKey(namespace, group, dataID string) Key {
	return Key{Namespace: Namespace(namespace), Group: strings.TrimSpace(group), DataID: strings.TrimSpace(dataID)}
}

// Namespace is the canonical id of what a client calls a tenant or a namespace.
func Namespace(name string) string { return tenant.Namespace(name) }

// Clone is a copy that keeps in memory no request in which the names came.
func (k Key) Clone() Key {
	all := k.Namespace + k.Group + k.DataID
	group := len(k.Namespace)
	name := group + len(k.Group)
	return Key{Namespace: all[:group], Group: all[group:name], DataID: all[name:]}
}

// String is the key for people: namespace/group/dataId.
func (k Key) String() string { return k.Namespace + "/" + k.Group + "/" + k.DataID }

// Compare orders keys by namespace, group and dataId.
func (k Key) Compare(o Key) int {
	if c := strings.Compare(k.Namespace, o.Namespace); c != 0 {
		return c
	}
	if c := strings.Compare(k.Group, o.Group); c != 0 {
		return c
	}
	return strings.Compare(k.DataID, o.DataID)
}

// The longest names, in bytes.
const (
	NamespaceBytesMax = 128 // the form that creates a namespace takes no longer id
	GroupBytesMax     = 128
	DataIDBytesMax    = 256
)

// Validate checks the names by Nacos's rules: letters, digits and "_-" in a
// namespace, those and ":." in group and dataId. It returns an *InvalidError.
func (k Key) Validate() error {
	if err := checkName("dataId", k.DataID, DataIDBytesMax, "_-:."); err != nil {
		return err
	}
	if err := checkName("group", k.Group, GroupBytesMax, "_-:."); err != nil {
		return err
	}
	return checkName("tenant", k.Namespace, NamespaceBytesMax, "_-")
}

func checkName(field, name string, bytesMax int, marks string) error {
	if name == "" {
		return &InvalidError{Field: field, Reason: "is required", Nacos: "invalid " + field + " : "}
	}
	if len(name) > bytesMax {
		return &InvalidError{
			Field: field, Reason: "is too long", Max: bytesMax,
			Nacos: fmt.Sprintf("Param '%s' is illegal, the param length should not exceed %d.", nacosField(field), bytesMax),
		}
	}
	if !names.Word(name, marks) {
		return &InvalidError{
			Field: field, Reason: "holds an illegal character",
			Nacos: "Param '" + nacosField(field) + "' is illegal, illegal characters should not appear in the param.",
		}
	}
	return nil
}

// nacosField is a field as Nacos names it in the words of its filter of names.
func nacosField(field string) string {
	if field == "tenant" {
		return "namespaceId/tenant"
	}
	return field
}
