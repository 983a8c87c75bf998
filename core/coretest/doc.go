// Package coretest holds every core.Client to one behaviour.
//
// Run is the conformance suite: what a client of the znode engine may rely on,
// one promise a test. It is passed by the engine in process, by our client port,
// by Apache ZooKeeper, and by Fake. Where an older Apache server is known to
// differ, its Harness says so in Features and the suite asks for the older
// behaviour instead; it never skips in silence. RunSessions is the same for
// core.Sessions, which only engines in process have. Compare plays one random
// play on two engines and wants the same of both, down to the zxids.
//
// Fake is a znode tree in memory with sessions, ephemerals, access lists, multi
// and watches. It behaves as the engine does, has no clock and no goroutine, and
// can be told to lose contact (Partition) or to expire a session (Expire). The
// registry and the config center test against it.
//
// StartApache starts a ZooKeeper of the machine's own Java, for suites that
// compare with the real thing.
//
// This is a kit for tests: nothing in the product imports it.
package coretest
