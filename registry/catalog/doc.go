// Package catalog is the picture that this node has of all services.
//
// A core/mirror of the naming subtree and one of the overrides feed it (Mirrors
// wires them); what local clients want and the tree does not show yet comes in as
// overlays from registry/lease. From these it answers queries: Lookup gives a
// View, an immutable list that is encoded once per change and filter, however
// many callers and subscribers there are.
//
// Of several znodes of one instance key the one with the newest czxid counts.
//
// The catalog tells its listener which services look different; the listener
// runs on the mirror's goroutine, after the picture has changed, and must not
// block. A Catalog is safe for concurrent use; it starts no goroutine.
package catalog
