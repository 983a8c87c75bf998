// Package zkclient is core.Client over TCP, to any ZooKeeper.
//
// Dial opens a session and keeps it: when the connection breaks, the client goes
// to the next server, resumes the session, sends its credentials again and
// re-arms its watches. The registry and the config center use it where the
// engine is an Apache ensemble; the SDK's recipes use it always.
//
// Requests are pipelined. A call appends its frame to one buffer and waits; one
// goroutine writes whatever has gathered, another reads replies and matches them
// with the requests in their order. A request that was not yet written when the
// connection broke waits for the next one; a request that was written fails with
// ConnectionLoss, because nobody knows what became of it.
//
// A session that was out of contact for its whole timeout is given up by the
// client itself, even if no server ever says so, unless it is to be patient.
//
// A Watch is a persistent watch (servers from 3.6). What happens while the
// connection is down is lost by the protocol's design, so each watch gets one
// Resync after each reconnect.
//
// The package logs through log/slog, and never names data or credentials.
package zkclient
