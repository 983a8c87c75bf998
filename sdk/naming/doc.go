// Package naming registers instances of services and follows those of others.
//
// What was registered stays registered, through reconnects and changes of server,
// until Deregister or the end of the client. Several instances of one service may
// be registered; they are told apart by address and cluster.
//
// Subscribe yields snapshots: the list as it is, and what is new, gone and
// different in comparison with the last one that this subscriber took. All
// subscribers of one service share one subscription at the server.
package naming
