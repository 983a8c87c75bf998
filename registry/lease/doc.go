// Package lease holds what this node's own clients want to be registered, and
// the sessions that stand for them, and makes the tree agree.
//
// Each Nacos client that registers something is a session with the engine: its
// instances are ephemeral znodes of that session and vanish together with it. A
// Manager opens the session at the first registration, keeps it alive for as
// long as somebody tells it of signs of life (Alive), ends it when the client is
// known to be gone (End), and leaves it to its timeout when the client may have
// gone elsewhere (Release).
//
// The Manager is a reconciler. A registration is a wish (Set): it is noted, and
// a worker compares the wishes of the client with the znodes of its session and
// writes the difference. The same comparison mends a lost reply, an expired
// session and a lost quorum:
//
//   - after an unknown outcome the worker asks the tree which znodes its session
//     owns, adopts those that are as wished and deletes the rest;
//   - after the session's end, or when a znode has disappeared, it creates anew
//     what is missing, but not where another session has created a znode for the
//     same key since the client was last heard of here: then the client has moved;
//   - while the tree cannot be written, the wishes stand in the catalog as
//     overlays, so that this node shows at once what its own clients did.
//
// A client that moves to another node leaves a session behind where its node died, or does
// not know. What it registers anew covers the old znodes, which are then removed by the
// rule at doubt, so that they do not show again when the new ones go.
//
// One goroutine works for a client while its wishes and the tree differ; an idle client
// costs none. Wishes in different services that have come up meanwhile are written in one
// transaction; others work at the same time for those that need more than that, and for
// those of a transaction that was refused, of which each is then written by itself.
package lease
