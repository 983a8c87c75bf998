// Package health knows how instances are that no connection speaks for: Beats
// follows the heartbeats of clients that register over HTTP, Checks asks
// persistent instances by TCP or HTTP whether they are there.
//
// An instance with heartbeats has a session of its own in registry/lease, whose timeout
// is the instance's delete timeout: if this node dies, the session ends the
// instance and a beat at any other node registers it there. While this node
// lives it judges by the beats that it hears: an instance is shown as unhealthy
// after its beat timeout (15 s) and its session is ended after its delete
// timeout (30 s). Beats never enter the log; only a change of health does.
//
// A node that stood still accuses nobody: time in which the watch did not run is
// given to every instance on top.
//
// The places of the checks that are under way at once go round over namespaces, and over the
// services of one (turns.go): instances that never answer delay those beside them, and not
// those of another namespace.
//
// Checks flips the state of a persistent instance after three equal results in a
// row, and writes nothing otherwise.
package health
