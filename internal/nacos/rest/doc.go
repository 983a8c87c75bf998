// Package rest is the glue between gin and the HTTP interfaces of Nacos.
//
// A handler is a function from a struct of parameters to a result: With and
// Handle bind the parameters (query, form, headers, JSON), call it, and answer
// in one of the shapes that the versions of the interface have: bare text and
// JSON of v1, RestResult of its younger parts, the envelope of v2 and v3. What
// goes wrong is translated by one table, wire.AsError, and written as that part
// of the interface writes its errors, so that no known cause shows as a bare 500.
//
// Binding follows Java's servlets where clients depend on it: parameters may
// come in the query and in the body of any method, the query wins, and a blank
// value counts as absent.
//
// NewEngine makes the gin engine with everything that is the same for all
// requests: recovery, the access log hook, metrics, the answer to unknown paths.
// Guard checks access. Polls holds long polls. gin's Context does not leave this
// package: handlers get a context.Context, and Of gives them what else they need
// to know about the request.
package rest
