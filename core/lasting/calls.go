package lasting

import (
	"context"

	"github.com/zensus-io/zensus/core"
)

// Create implements core.Client.
func (c *Client) Create(ctx context.Context, path string, data []byte, opt core.CreateOptions) (actual string, st core.Stat, err error) {
	err = c.call(ctx, act{"create", path, true}, func(ctx context.Context, s core.Client) (err error) {
		actual, st, err = s.Create(ctx, path, data, opt)
		return err
	})
	return actual, st, err
}

// Get implements core.Client.
func (c *Client) Get(ctx context.Context, path string) (data []byte, st core.Stat, err error) {
	err = c.call(ctx, act{"getData", path, false}, func(ctx context.Context, s core.Client) (err error) {
		data, st, err = s.Get(ctx, path)
		return err
	})
	return data, st, err
}

// GetMany implements core.ManyReader.
func (c *Client) GetMany(ctx context.Context, paths []string) (found []core.GetResult, err error) {
	what := act{"multiRead", "", false}
	err = c.call(ctx, what, func(ctx context.Context, s core.Client) (err error) {
		many, ok := s.(core.ManyReader)
		if !ok {
			return what.fail(core.Unimplemented)
		}
		found, err = many.GetMany(ctx, paths)
		return err
	})
	return found, err
}

// Set implements core.Client.
func (c *Client) Set(ctx context.Context, path string, data []byte, version int32) (st core.Stat, err error) {
	err = c.call(ctx, act{"setData", path, true}, func(ctx context.Context, s core.Client) (err error) {
		st, err = s.Set(ctx, path, data, version)
		return err
	})
	return st, err
}

// Delete implements core.Client.
func (c *Client) Delete(ctx context.Context, path string, version int32) (z core.Zxid, err error) {
	err = c.call(ctx, act{"delete", path, true}, func(ctx context.Context, s core.Client) (err error) {
		z, err = s.Delete(ctx, path, version)
		return err
	})
	return z, err
}

// Exists implements core.Client.
func (c *Client) Exists(ctx context.Context, path string) (st core.Stat, err error) {
	err = c.call(ctx, act{"exists", path, false}, func(ctx context.Context, s core.Client) (err error) {
		st, err = s.Exists(ctx, path)
		return err
	})
	return st, err
}

// Children implements core.Client.
func (c *Client) Children(ctx context.Context, path string) (names []string, st core.Stat, err error) {
	err = c.call(ctx, act{"getChildren", path, false}, func(ctx context.Context, s core.Client) (err error) {
		names, st, err = s.Children(ctx, path)
		return err
	})
	return names, st, err
}

// Multi implements core.Client.
func (c *Client) Multi(ctx context.Context, ops ...core.Op) (results []core.OpResult, z core.Zxid, err error) {
	err = c.call(ctx, act{"multi", "", true}, func(ctx context.Context, s core.Client) (err error) {
		results, z, err = s.Multi(ctx, ops...)
		return err
	})
	return results, z, err
}

// Sync implements core.Client.
func (c *Client) Sync(ctx context.Context, path string) (z core.Zxid, err error) {
	err = c.call(ctx, act{"sync", path, true}, func(ctx context.Context, s core.Client) (err error) {
		z, err = s.Sync(ctx, path)
		return err
	})
	return z, err
}

// ACL implements core.Admin.
func (c *Client) ACL(ctx context.Context, path string) (acl []core.ACL, st core.Stat, err error) {
	err = c.admin(ctx, act{"getACL", path, false}, func(ctx context.Context, a core.Admin) (err error) {
		acl, st, err = a.ACL(ctx, path)
		return err
	})
	return acl, st, err
}

// SetACL implements core.Admin.
func (c *Client) SetACL(ctx context.Context, path string, acl []core.ACL, aversion int32) (st core.Stat, err error) {
	err = c.admin(ctx, act{"setACL", path, true}, func(ctx context.Context, a core.Admin) (err error) {
		st, err = a.SetACL(ctx, path, acl, aversion)
		return err
	})
	return st, err
}

// AddAuth implements core.Admin. The identity is lost with the session.
func (c *Client) AddAuth(ctx context.Context, scheme string, auth []byte) error {
	return c.admin(ctx, act{"addAuth", "", true}, func(ctx context.Context, a core.Admin) error { return a.AddAuth(ctx, scheme, auth) })
}

func (c *Client) admin(ctx context.Context, what act, do func(context.Context, core.Admin) error) error {
	return c.call(ctx, what, func(ctx context.Context, s core.Client) error {
		a, ok := s.(core.Admin)
		if !ok {
			return what.fail(core.Unimplemented)
		}
		return do(ctx, a)
	})
}
