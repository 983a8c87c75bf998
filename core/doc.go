// Package core is the vocabulary of the znode engine: what a client can ask of
// it, what comes back, and the names of the things in between.
//
// Everything that speaks of znodes speaks in these types: the replicated state
// machine below, the registry and the config center above, our own client and
// the tests that hold all of them to one behaviour. The interface Client is a
// session with a znode tree; it is implemented in process by core/node and over
// TCP, against any ZooKeeper, by core/zkclient. core/coretest is the suite that
// both pass.
//
// The package imports the standard library only, starts nothing and keeps no
// state. The field's names are used as ZooKeeper uses them: zxid, session,
// ephemeral, container, Stat, ACL, multi, watch.
package core
