package nacosapi

import (
	"github.com/hashicorp/go-hclog"

	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/registry/naming"
)

// Deps is what an API stands on.
type Deps struct {
	Service *naming.Service
	// Guard stands before the HTTP routes; nil lets everybody pass.
	Guard *rest.Guard
	Log   hclog.Logger // nil: none
}
