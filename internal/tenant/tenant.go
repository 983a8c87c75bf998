// Package tenant knows which namespace a client of the config center means.
//
// What clients call a tenant, or a namespace, has more than one spelling. The config center
// must read them as one, and so must whoever decides who may read a config: if they
// differed, a right to one namespace would be one to another. Both ask here, and whoever
// makes namespaces refuses a name that is only another spelling.
//
// To the registry "null" is a name as any other; this package has nothing to do with it.
package tenant

import "strings"

// Public is the id of the namespace that is always there.
const Public = "public"

// Namespace is the canonical id of what a client calls a tenant or a namespace: blank,
// "public" and the word "null" (older servers of Nacos take it so) are one namespace.
// Blanks around a name are no part of it.
func Namespace(name string) string {
	switch id := strings.TrimSpace(name); id {
	case "", "null":
		return Public
	default:
		return id
	}
}
