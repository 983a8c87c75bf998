// Package storage keeps a node's durable state: the meta record, the log in
// segments, and snapshots; it recovers them after a crash and verifies them.
//
// A data directory holds
//
//	LOCK                       who has the directory
//	meta                       both epochs and the lineage, in two slots
//	ballast                    space that recovery can fall back on
//	log/<lineage>-<base>.log   a segment; base is the zxid before its first record
//	log/spare-<n>              a segment for later: zero-filled, or of a former life
//	snap/<lineage>-<zxid>.snap a snapshot
//	snap/*.tmp                 unfinished; removed at the next start
//	log/*.damaged              set aside by Repair; nobody reads it but people
//
// Records come in batches, each ended by a trailer, and at most one batch is ever
// unsynced. That is what lets recovery tell a torn tail, which it cuts, from
// corruption, which it reports: whoever finds the trailer of a later batch knows
// that the earlier one had been synced. Segments are recycled, since overwriting
// written blocks syncs faster than extending a file; each life has a salt of its
// own in every checksum, so that what a former life left is never taken for ours.
// DESIGN.md has the formats and the reasons.
//
// A Store is passive: it does I/O only when it is called and starts nothing. It
// has one owner, who appends, syncs, truncates and writes the meta record; the
// methods that other goroutines may call meanwhile say so. After the first write
// or sync error every call returns that error, for good: nobody can know what a
// disk has kept that once failed to sync (zab Z-06). IsFatal tells such errors.
package storage
