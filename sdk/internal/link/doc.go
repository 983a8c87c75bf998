// Package link keeps one connection of the Nacos protocol to one of several
// servers, for the packages of the SDK.
//
// A Link goes through its servers until one takes it, and again when that one is
// lost. What lives on a connection (registrations, subscriptions, listeners) dies
// with it, so each connection is a Conn of its own: whoever reconciles makes his
// calls on one Conn and knows, when it is over, that nothing of it is left.
//
// A Conn is exactly one TCP connection, because the server knows its client by
// that; gRPC is not let to reconnect by itself. It asks the server for a sign of
// life when it was idle for five seconds, and is over when there is none.
//
// The package is a client of Zensus and of a stock Nacos server alike.
package link
