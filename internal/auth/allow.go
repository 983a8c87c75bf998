package auth

import (
	"cmp"
	"strings"

	"github.com/zensus-io/zensus/internal/names"
	"github.com/zensus-io/zensus/internal/tenant"
)

// Action is what a request does to a resource.
type Action string

// The actions of permissions; requests read or write.
const (
	Read      Action = "r"
	Write     Action = "w"
	ReadWrite Action = "rw"
)

// Valid reports whether a permission can have this action.
func (a Action) Valid() bool { return a == Read || a == Write || a == ReadWrite }

// Covers reports whether a permission for a lets a request do need.
func (a Action) Covers(need Action) bool {
	return need != "" && strings.Contains(string(a), string(need))
}

// AdminRole may do everything. It cannot be granted or taken through the API.
const AdminRole = "ROLE_ADMIN"

// Resource is what a request touches: namespace:group:type/name.
type Resource struct {
	Namespace string // blank means public
	Group     string // blank means any: the request names none
	Type      string // naming, config
	Name      string // likewise blank
}

// String is the resource as Nacos prints it.
func (r Resource) String() string {
	return cmp.Or(r.Namespace, "public") + ":" + cmp.Or(r.Group, "*") + ":" + cmp.Or(r.Type, "*") + "/" + cmp.Or(r.Name, "*")
}

// ServiceResource is the resource of a service.
func ServiceResource(namespace, group, service string) Resource {
	return Resource{Namespace: namespace, Group: group, Type: "naming", Name: service}
}

// ConfigResource is the resource of a config, by any spelling of its names that the config
// center takes for it.
func ConfigResource(namespace, group, dataID string) Resource {
	return Resource{
		Namespace: tenant.Namespace(namespace), Group: strings.TrimSpace(group), Type: "config", Name: strings.TrimSpace(dataID),
	}
}

// Permission lets a role do something.
type Permission struct {
	Role     string
	Resource string // a pattern such as dev:*:*, see Matches
	Action   Action
}

// Need is what a request must be allowed to do. The zero Need asks for nothing
// but a known user.
type Need struct {
	Admin    bool // only administrators
	Action   Action
	Resource Resource
}

// Subject is who makes a request.
type Subject struct {
	Name  string
	Admin bool
	// Roles are the names of the subject's roles.
	Roles []string
}

// Allow reports whether a subject with these permissions may do what is needed.
// It is pure. The permissions are those of all roles of the subject.
func Allow(s Subject, permissions []Permission, need Need) bool {
	switch {
	case s.Admin:
		return true
	case need.Admin:
		return false
	case need.Action == "":
		return s.Name != ""
	}
	for _, p := range permissions {
		if p.Action.Covers(need.Action) && Matches(p.Resource, need.Resource) {
			return true
		}
	}
	return false
}

// Matches reports whether a permission's pattern covers a resource. A pattern
// has the form namespace:group:type/name, where the last part may also be a lone
// asterisk; an asterisk stands for anything within its part, a blank namespace
// for public. A colon in a name belongs to the name: only the first two count.
// A request that names no group or name is covered by patterns that cover all.
func Matches(pattern string, r Resource) bool {
	namespace, rest, ok := strings.Cut(pattern, ":")
	if !ok {
		return false
	}
	group, name, ok := strings.Cut(rest, ":")
	if !ok {
		return false
	}
	full := cmp.Or(r.Type, "*") + "/" + cmp.Or(r.Name, "*")
	return names.Match(cmp.Or(namespace, "public"), cmp.Or(r.Namespace, "public")) &&
		names.Match(group, cmp.Or(r.Group, "*")) && names.Match(name, full)
}
