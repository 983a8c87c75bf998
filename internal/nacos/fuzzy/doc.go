// Package fuzzy is who watches which names by a pattern, and what he is owed.
//
// A Pattern is Nacos's namespace>>group>>name, where group and name may begin or end with
// an asterisk. Clients watch patterns; a Table knows which keys match each of them now, so
// that a key that appears or goes costs a match for each pattern of its namespace, and
// work only for those who watch one that fits. Patterns that several clients watch are
// kept once.
//
// What a client is owed is never a queue of messages. It is, for each pattern that it has
// just asked for, the keys in which it differs (a sync), and the keys that have come or gone
// since (its news). Take makes the next message of what is so at that moment, and Done says
// whether it arrived: what did not is made again, of what is so then. A client that takes
// nothing is therefore owed at most what it knew and what there is.
//
// The package is pure: it starts no goroutine, holds no lock and sends nothing. Its caller
// makes one call at a time. internal/nacos/fuzzypush is that caller, for services and for
// configs.
package fuzzy
