// Package mirror keeps a subtree of znodes in memory, through any core.Client.
//
// A Mirror watches its root recursively, lists what is there, and from then on
// follows the events. The registry's catalog, the config cache, users and
// namespaces all stand on it: they read the picture without asking the engine,
// and OnChange tells them what became different, in the order of the
// transactions.
//
// In process an event carries the znode, so nothing is read twice, and Progress
// events say how far the picture has come. Over TCP an event only names a path:
// the mirror reads what a batch of events named, many at a time, and when
// somebody waits for a zxid it asks its own session for a Sync, which comes back
// behind every notification of what it covers.
//
// After a gap (a reconnect, an overflow) the mirror lists again and compares:
// only what really differs is reported. Until that is done the picture is Stale,
// and still readable.
//
// A Mirror has one goroutine of its own, that of Run, which alone changes the
// picture. It never writes to the engine.
package mirror
