// Package server is the ZooKeeper client port: it accepts connections, cuts
// their bytes into frames for the node and writes what the node sends. It also
// answers the four-letter words and, over HTTP, the admin commands.
//
// A connection holds one goroutine, which waits for the socket to be readable
// without holding a buffer. Writes are tried at once and without blocking by the
// node's flusher; only a socket that is full gets a writer of its own. What one
// client may make the server keep is bounded: frames by jute.maxbuffer, unsent
// output by outputBytesMax, connections by the limits of the configuration.
//
// The rules are those of zookeeper-protocol sections 1, 7.7 and 8.
package server
