package naming

import (
	"context"

	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/catalog"
	"github.com/zensus-io/zensus/registry/push"
)

// Subscribe has a client told of every change of a service, which need not
// exist, and returns its list of the moment. clusters is the list of clusters as
// the client wrote it. It returns ErrLimit or ErrInvalid.
func (s *Service) Subscribe(ctx context.Context, client string, target push.Target, k registry.ServiceKey, clusters string) (*catalog.View, error) {
	if err := k.Validate(); err != nil {
		return nil, err
	}
	if err := registry.ValidateClusterList(clusters); err != nil {
		return nil, err
	}
	if err := s.await(ctx); err != nil {
		return nil, err
	}
	if err := s.hub.Subscribe(client, target, k, clusters); err != nil {
		return nil, err
	}
	return s.catalog.Lookup(k, registry.Filter{Clusters: registry.ParseClusters(clusters)}), nil
}

// Unsubscribe ends a subscription and returns the list of the moment, or ErrInvalid.
func (s *Service) Unsubscribe(ctx context.Context, client string, k registry.ServiceKey, clusters string) (*catalog.View, error) {
	if err := registry.ValidateClusterList(clusters); err != nil {
		return nil, err
	}
	if err := s.await(ctx); err != nil {
		return nil, err
	}
	s.hub.Unsubscribe(client, k, clusters)
	return s.catalog.Lookup(k, registry.Filter{Clusters: registry.ParseClusters(clusters)}), nil
}

// Subscribers are the clients of this node that subscribed to a service.
func (s *Service) Subscribers(k registry.ServiceKey) []push.Subscriber { return s.hub.Subscribers(k) }

// Subscriptions are those of a client of this node.
func (s *Service) Subscriptions(client string) []push.Subscriber { return s.hub.Subscriptions(client) }
