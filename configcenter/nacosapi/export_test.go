package nacosapi

import "time"

// Hasten shortens the pauses between pushes, and lets every connection be old enough. Call it
// before the first push.
func (a *API) Hasten(push, confirm time.Duration) { a.pauses = pauses{push: push, confirm: confirm} }

// Young sets the age of which a connection is old enough.
func (a *API) Young(age time.Duration) { a.pauses.young = age }

// Fuzzy is the number of connections that watch patterns.
func (a *API) Fuzzy() int { return a.fuzzy.Watching() }
