// Package durability kills a server again and again while clients write, and
// demands every write that was acknowledged.
//
// Each life of the server goes: start, sometimes with kills while it recovers;
// audit of everything that every lane knows; writes by all lanes; kill -9 at a
// random moment among them. A lane is one writer with a subtree of its own and one
// request in flight, so after a kill it has at most one request whose outcome it
// does not know. The audit demands the state before that request or the state
// after it, whole, and nothing else: no write lost, none half done, none that comes
// back, no sequence number and no zxid twice.
//
// ZENSUS_KILLS says how many kills (10 by default), ZENSUS_SEED which random
// moments and writes.
package durability
