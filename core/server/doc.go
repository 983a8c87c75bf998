// Package server is the ZooKeeper client port: it accepts connections, cuts
// their bytes into frames for the node and writes what the node sends. It also
// answers the four-letter words and, over HTTP, the admin commands.
//
// On Linux one goroutine, the poller, reads all sockets, and a connection that
// waits for its client holds neither a goroutine nor a buffer; elsewhere it holds a
// goroutine. Writes are tried at once and without blocking by whoever flushes for
// the node; only a socket that is full gets a writer of its own. What one
// client may make the server keep is bounded: frames by jute.maxbuffer, unsent
// output by outputBytesMax, connections by the limits of the configuration.
//
// The rules are those of zookeeper-protocol sections 1, 7.7 and 8.
package server
