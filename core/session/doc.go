// Package session holds what is special about sessions: how their ids and
// passwords are made, how a timeout is agreed upon, and when a session whose
// client has fallen silent is over.
//
// The Tracker lives on the leader alone, which decides about expiry; what it
// yields becomes a closeSession transaction, and only that ends the session. The
// durable table of sessions is part of the replicated state, not of this package.
// IDs and the passwords belong to every server (zab, section 12).
//
// The package is pure: the caller says what time it is, in milliseconds of a
// clock that never goes back, and holds the secret from which passwords come.
package session
