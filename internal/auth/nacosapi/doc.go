// Package nacosapi is access control as Nacos's interfaces show it: login, users,
// roles and permissions over HTTP v1 and v3, and the check of requests over gRPC.
//
// It holds DTOs, routes and texts only; every act is one call of internal/auth.
// Differences from stock Nacos are on the safe side: hashes of passwords are not
// shown, and the first administrator is made only by whoever has the admin token.
package nacosapi
