// Package plainhttp serves the plainest requests of HTTP/1.1 at a fraction of what
// net/http takes for them, which is more than a cached answer costs.
//
// A request is plain if it came whole with one read, asks for a path that its owner has
// named for this, and has no header that changes how a connection is used. Server serves
// such requests one after the other, by the same http.Handler as all others and with the
// same answers; it decides on nothing. As soon as another request comes, the connection
// and what was read of it go to net/http, for good. So this package refuses nothing, waits
// for no half of a request, and knows no chunks, upgrades and long bodies.
//
// A handler that is called from here makes its answer in memory, and ends by itself, soon;
// it does not learn that its client has gone, and there is nothing to flush or to hijack.
package plainhttp
