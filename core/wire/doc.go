// Package wire is the bytes of the engine: jute primitives, the records of
// ZooKeeper's client protocol, the records of transactions, and the log record
// that zab and storage share.
//
// Encoders append to a slice that the caller owns. Decoders read through a
// Reader, which is bounded by the frame: no length or count in the input makes
// it allocate more than the input could hold, and after the first fault every
// further read yields zero values, so a decoder checks Err once at its end.
// Byte strings that a decoder returns alias its input. There is no reflection.
//
// The layout of every record is that of zookeeper-protocol sections 1 and 2 and,
// for transactions, of Apache ZooKeeper's log (section 10.2), so that an export
// needs no translation. Client frames are length-prefixed by the layer above.
//
// The package is pure and imports core and the standard library only.
package wire
