// Package listen knows who waits for which config at which md5.
//
// A Listener is one client's set of keys, each with the md5 that the client has.
// A connection keeps its Listener for as long as it lives; a long-poll (Poll)
// opens one for a single request. Both stand in one Table, and one call,
// Changed, reaches all of them.
//
// A key is registered first and compared afterwards: a change that comes before
// the comparison is seen by it, one that comes after it finds the registration.
// Once a listener was told of a change to a key, the md5 that its client has is
// unknown until the client says it again; every further change is then told,
// also one back to the content that the client had at first.
//
// Nothing is queued: a listener holds the set of keys that it was not told of
// yet, with the zxid of the latest change of each, so a slow client costs no
// more than its registrations.
//
// The package knows no protocol, reads no tree and starts no goroutines. What it
// calls (the comparison, a listener's wake) it calls without holding its lock.
package listen
