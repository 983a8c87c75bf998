// Package picture keeps a small subtree of the znode tree in memory for those who decide by
// it: users and their rights, quotas, namespaces.
//
// A Picture is a mirror with the two waits that all of them have. Who asks before the
// picture is known waits a while, and is then told so rather than that there is nothing
// (Await). Who has written waits until this node shows what he wrote, so that he reads it
// himself (Shown); what he wrote stands, seen or not.
//
// Encode and Decode are the form of the values in such a subtree, and are pure: a byte that
// is the version of the format, and JSON.
//
// The package starts no goroutine but those of the mirror, which Run owns, and writes
// nothing.
package picture
