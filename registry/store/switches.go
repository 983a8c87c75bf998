package store

import (
	"context"
	"errors"
	"strings"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/registry"
)

// SwitchesPath is where the switches stand that an operator has set.
const SwitchesPath = base + "/switches"

// switchesValue holds what was set, as it was set, by registry.SwitchKey: what is not in it
// has its default, also that of a later version.
type switchesValue struct {
	Set map[string]string `json:"set"`
}

// DecodeSwitches reads the value at SwitchesPath. A switch that this version does not
// know, or takes for wrong, has its default.
func DecodeSwitches(value []byte) (registry.Switches, error) {
	s := registry.DefaultSwitches()
	var v switchesValue
	if err := decode(value, &v); err != nil {
		return s, err
	}
	for key, text := range v.Set {
		entry, _, _ := strings.Cut(key, " ")
		_ = s.Set(entry, text) // its default stands
	}
	return s, nil
}

// SetSwitch sets one switch for all servers. It returns ErrInvalid.
func (s *Store) SetSwitch(ctx context.Context, entry, text string) (core.Zxid, error) {
	probe := registry.DefaultSwitches()
	if err := probe.Set(entry, text); err != nil {
		return 0, err
	}
	key := registry.SwitchKey(entry, text)
	var last error
	for range casTries {
		var v switchesValue
		value, st, err := s.client.Get(ctx, SwitchesPath)
		absent := errors.Is(err, core.NoNode)
		switch {
		case absent:
		case err != nil:
			return 0, err
		default:
			if err := decode(value, &v); err != nil {
				return 0, err
			}
		}
		if v.Set == nil {
			v.Set = make(map[string]string)
		}
		v.Set[key] = text
		if absent {
			st, err = s.create(ctx, SwitchesPath, encode(v))
		} else {
			st, err = s.client.Set(ctx, SwitchesPath, encode(v), st.Version)
		}
		switch {
		case err == nil:
			return st.Mzxid, nil
		case errors.Is(err, core.BadVersion), errors.Is(err, core.NodeExists), errors.Is(err, core.NoNode):
			last = err // somebody was faster
		default:
			return 0, err
		}
	}
	return 0, last
}
