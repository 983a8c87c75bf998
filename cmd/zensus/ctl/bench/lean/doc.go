// Package lean has the cheapest clients that still speak a protocol in full: HTTP/1.1
// and, for Nacos's payloads, gRPC.
//
// They are for measuring servers with whom they share the machine. What is sent is made
// by the caller, bytes that are copied once; what comes is cut out of the buffer that it
// was read into. A connection of gRPC writes requests of one turn with one write, and
// keeps no goroutine. Nothing here decides what is asked; that is in package bench.
package lean
