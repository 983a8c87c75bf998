// Package configcenter holds the rules of the config center: what a config is,
// what its name and its attributes may be, how its content is summed, what a
// change to it records.
//
// A config is named by namespace, group and dataId (Key). It has content and
// attributes (Item); its md5 is what clients compare, its revision, the zxid of
// the transaction that published it, is what orders it. Nothing here is ever
// ordered by wall clock: the times are for people.
//
// The sub-packages put the rules to work:
//
//	store     items and history in the znode tree; publishing is one Multi
//	cache     all items as this node sees them, on core/mirror
//	listen    who waits for which key at which md5
//	validate  whether a content is what its type says, and fits its schema
//	center    these together: the config center as Go code calls it
//	nacosapi  the config center as Nacos clients call it, over HTTP and gRPC
//
// This package is pure: it starts nothing, keeps no state, reads no clock and
// imports the standard library only.
package configcenter
