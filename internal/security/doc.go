// Package security attacks a running server: every hole that Nacos is known for, every
// route without a login and with one that may nothing, one namespace from another,
// passwords by guessing, and input that is none.
//
// It holds tests only. They know the server by its ports, start the real binary with
// authentication on, and want the same of every route: routes.txt lists them all, written
// by hand next to what the server says it has (a test in cmd/zensus compares the two), so
// that a new route is attacked as soon as it is there, and fails the tests until somebody
// has said who may use it. What holds, and which test shows it, is in docs/security.md.
package security
