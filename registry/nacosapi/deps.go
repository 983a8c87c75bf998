package nacosapi

import (
	"github.com/hashicorp/go-hclog"

	"github.com/zensus-io/zensus/internal/cluster"
	"github.com/zensus-io/zensus/internal/nacos/rest"
	"github.com/zensus-io/zensus/registry/naming"
)

// Deps is what an API stands on.
type Deps struct {
	Service *naming.Service
	// Guard stands before the HTTP routes; nil lets everybody pass.
	Guard *rest.Guard
	// Cluster is the servers, of which each has subscribers of its own; nil is one alone.
	// New brings a handler for the others' questions.
	Cluster *cluster.Cluster
	Log     hclog.Logger // nil: none
}
