package nacosapi

import "time"

// Hasten shortens the pauses between pushes. Call it before the first push.
func (a *API) Hasten(push, confirm time.Duration) { a.pauses = pauses{push, confirm} }

// Fuzzy is the number of connections that watch patterns.
func (a *API) Fuzzy() int { return a.fuzzy.Watching() }
