// Package center is the config center of one node: store, cache and listeners
// put together behind one type, as the protocols and the console call it.
//
// Writes go to the tree and are answered when this node's picture shows them, so
// that whoever wrote reads his own write here. Reads come from the picture. A
// reader who may have written elsewhere asks for Fresh first: that is one Sync
// for all who ask at about the same time. A reader who was told of a change
// waits for its zxid (Reach).
//
// A change reaches the listeners of every node by the picture alone: it is the
// same record of the log as the change itself, so a node that dies right after
// a commit keeps nobody from hearing of it.
//
// A Center logs what an operator should know about stored data, never content.
package center
