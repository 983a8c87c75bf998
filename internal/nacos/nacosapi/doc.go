// Package nacosapi is what Nacos's HTTP interfaces tell about the server itself:
// its state and health, the members of its cluster, its gRPC connections, and
// the list of servers for clients. Services, configs, users and namespaces have
// packages of their own.
//
// It holds DTOs and routes only; what is shown comes from Config's functions.
// Where stock Nacos would replicate, vote or dump, there is nothing behind it
// here: such operations are not offered.
package nacosapi
