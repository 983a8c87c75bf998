package nacosapi

import "github.com/zensus-io/zensus/registry/naming"

// Deps is what an API stands on.
type Deps struct {
	Service *naming.Service
}
