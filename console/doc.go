// Package console serves the web console: the user interface, built from web/
// and embedded from dist/, and the JSON API that it speaks, under console/api.
//
// The package knows gin and the vocabulary of core, and nothing of how services,
// configs or users are kept: it asks through the small interfaces of api.go,
// which cmd/zensus implements on the registry, the config center and the users'
// store. A nil interface means that the function is not there, and its screen
// says so.
//
// Every address that the page uses is relative, so that it works at "/", under
// any context path and behind a proxy that strips one: all screens lie one
// segment deep (Pages) and keep their state in the query.
//
// Sessions are a cookie that scripts cannot read and other sites cannot send;
// every write must also carry a header that only our own page can add. Requests,
// pages and bodies are bounded here, before anything below is asked.
//
// The build tag noconsole leaves the user interface out; the API stays.
package console
