package nacosapi

import (
	"errors"

	"github.com/zensus-io/zensus/internal/nacos/fuzzy"
	"github.com/zensus-io/zensus/internal/nacos/wire"
	"github.com/zensus-io/zensus/registry"
)

// refusals is the one table of the registry's errors, and of those of fuzzy watches.
var refusals = []struct {
	err  error
	kind wire.Kind
}{
	{registry.ErrWeight, wire.WeightError},
	{registry.ErrInstance, wire.InstanceError},
	{registry.ErrInvalid, wire.ParameterInvalid},
	{registry.ErrServiceNotFound, wire.ServiceNotFound},
	{registry.ErrServiceExists, wire.ServiceExists},
	{registry.ErrServiceNotEmpty, wire.ServiceDelete},
	{registry.ErrInstanceNotFound, wire.NotFound},
	{registry.ErrKind, wire.InstanceError},
	{registry.ErrLimit, wire.Busy},
	{registry.ErrQuota, wire.TenantQuota},
	{registry.ErrClientGone, wire.Released},
	{registry.ErrNoQuorum, wire.NoQuorum},
	{registry.ErrNotReady, wire.Starting},
	{registry.ErrCheckerActive, wire.Uncoded400},
	{fuzzy.ErrPattern, wire.ParameterInvalid},
	{fuzzy.ErrTooManyPatterns, wire.FuzzyPatterns},
	{fuzzy.ErrTooManyMatches, wire.FuzzyMatches},
}

// refusal puts err in Nacos's terms. Errors of the engine are left to wire.AsError.
func refusal(err error) error {
	for _, r := range refusals {
		if errors.Is(err, r.err) {
			return wire.RefuseBy(r.kind, err)
		}
	}
	return err
}
