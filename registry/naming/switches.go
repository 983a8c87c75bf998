package naming

import (
	"context"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/mirror"
	"github.com/zensus-io/zensus/registry"
	"github.com/zensus-io/zensus/registry/store"
)

// Switches are those that hold on this node now. The caller must not modify them.
func (s *Service) Switches() *registry.Switches { return s.switches.Load() }

// SetSwitch changes a switch for all servers, or only for this one if here is true: until
// it is changed for all, or this one is started anew. It returns ErrInvalid or ErrNoQuorum.
func (s *Service) SetSwitch(ctx context.Context, entry, value string, here bool) error {
	if err := s.await(ctx); err != nil {
		return err
	}
	if here {
		var err error
		s.apply(func(now *registry.Switches) registry.Switches {
			next := *now
			err = next.Set(entry, value)
			return next
		})
		if err == nil {
			s.log.Info("a switch was set on this server only", "switch", registry.SwitchKey(entry, value))
		}
		return err
	}
	zxid, err := s.store.SetSwitch(ctx, entry, value)
	if err != nil {
		return s.unavailable(err)
	}
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	_ = s.switched.Wait(ctx, zxid) // it was written, shown or not
	return nil
}

func (s *Service) onSwitches(changes []mirror.Change, _ core.Zxid) {
	for _, ch := range changes {
		if ch.Path != store.SwitchesPath {
			continue
		}
		next := registry.DefaultSwitches()
		if ch.New != nil {
			var err error
			if next, err = store.DecodeSwitches(ch.New.Data); err != nil {
				s.log.Warn("the switches cannot be read, all have their defaults", "err", err)
			}
		}
		s.apply(func(*registry.Switches) registry.Switches { return next })
	}
}

// apply makes what change makes of the switches hold on this node; nil is what change is
// given at first.
func (s *Service) apply(change func(now *registry.Switches) registry.Switches) {
	s.applying.Lock()
	defer s.applying.Unlock()
	next := change(s.switches.Load())
	s.switches.Store(&next)
	s.catalog.SetCacheMillis(next.PushCacheMillis)
	s.hub.Enable(next.Push)
}
