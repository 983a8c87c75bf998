// Package store keeps configs and their history in the znode tree.
//
//	/zensus/config/<ns>/<group>/<dataId>            attributes and content
//	/zensus/config/<ns>/<group>/<dataId>/~0, ~1     content above 512 KiB, in pieces
//	/zensus/history/<ns>/<group>/<dataId>           its version counts the changes
//	/zensus/history/<ns>/<group>/<dataId>/<seq>     one change: what it left, compressed
//	/zensus/history/<ns>/<group>/<dataId>/<seq>/~0  pieces of that, if it is large
//
// A change is one Multi: the history's parent moves on from the version that was
// read (which is the check of what the change builds upon, and gives the change
// its number), the item and its pieces are written, the entry is added. So there
// is no moment at which a config and its history disagree, and a config that was
// deleted and created again in between is never mistaken for the one that was
// read. All znodes that a change writes carry its zxid, by which a reader tells
// whether the pieces he holds are of one change.
//
// Values begin with a format version byte; a value of an unknown version is an
// error for that item alone. Every length is checked before it is believed.
//
// The package knows core.Client and nothing of caches, listeners or protocols.
// A Store starts no goroutines and is safe for concurrent use.
package store
