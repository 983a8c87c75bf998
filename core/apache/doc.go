// Package apache holds what is Apache ZooKeeper's and not its protocol.
//
// ParseConfig reads a zoo.cfg, so that a ZooKeeper can be replaced without
// writing a new configuration. Keys says for every key what becomes of it: it is
// honoured; or it is ignored, with a warning that says why that is safe; or its
// value refuses the start, because to go on without it would change who is a
// quorum or let in whom the operator meant to keep out. A key that nobody knows
// is a warning, as for ZooKeeper it is no error. Keys that begin with "zensus."
// are ours and are handed on as they are. docs has the same table.
//
// Membership may stand in the file or in the dynamic file that it names, which
// the caller opens and gives to ReadDynamic. Resolve then takes the place of one
// server among the members. The package reads from what it is given and opens
// nothing.
package apache
