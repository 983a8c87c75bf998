// Package store keeps configs and their history in the znode tree.
//
//	/zensus/config/<ns>/<group>/<dataId>                   attributes and content
//	/zensus/config/<ns>/<group>/<dataId>/~<stage>.<i>      content above 512 KiB, in pieces
//	/zensus/history/<ns>/<group>/<dataId>                  its version counts the changes
//	/zensus/history/<ns>/<group>/<dataId>/<seq>            one change: what it left, compressed
//	/zensus/history/<ns>/<group>/<dataId>/~<stage>.<i>     pieces of that above 128 KiB
//
// A change is one Multi: the history's parent moves on from the version that was
// read (which is the check of what the change builds upon, and gives the change
// its number), the item is written, the entry is added. So there is no moment at
// which a config and its history disagree, and a config that was deleted and
// created again in between is never mistaken for the one that was read.
//
// A request to ZooKeeper holds 1 MiB, and a content up to ten. What is too long
// is therefore staged before: cut in pieces, each written under a name that is
// used only once. The Multi checks that they are all there, refers to them, and
// removes those of the former content. What a publish leaves behind that could not
// clean up is invisible, and is removed by Sweep.
//
// Values begin with a format version byte; a value of an unknown version is an
// error for that item alone. Every length is checked before it is believed.
//
// The package knows core.Client and nothing of caches, listeners or protocols.
// A Store starts no goroutines and is safe for concurrent use.
package store
