// Package peer links the nodes of an ensemble: one TCP connection for each pair, over
// which messages go in order, or not at all from some point on.
//
// A frame is a length, a CRC32C and a body; one that is damaged ends the link (TCP's
// own checksum is not enough). Both sides prove with the ensemble's secret that they
// belong to it before anything else is read, so that no stranger joins. They may do so
// within TLS, where each also shows a certificate for the host under which the other
// knows it. Of a pair the node with the higher id dials, again and again until it gets
// through; one that starts knocks at those with higher ids, so that they do so at once.
//
// A node that is on its own (Config.Alone) is linked with nobody. Who names it a peer
// all the same, and proves the secret, can tell it something: that it has lost its disk.
// As it dials nobody, those with lower ids do not knock at it only once.
//
// What is to be sent is queued, and written by who flushes if it is little, else by the
// link's own writer: nobody waits for a peer who does not want to.
//
// Every link has a generation. What was meant for an earlier link of the same pair is
// not sent on a later one.
package peer
