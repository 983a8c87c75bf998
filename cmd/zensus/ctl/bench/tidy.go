package bench

import (
	"errors"
	"fmt"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// benchRoot is the znode below which everything happens.
const benchRoot = "/bench"

// freshRoot makes a znode of its own for a round.
func freshRoot(srv *Server, c *conn, name string) (string, error) {
	h, _, err := c.call(wire.OpCreate, wire.AppendCreate(nil, wire.OpCreate, benchRoot, nil, openACL, 0, 0))
	switch {
	case err != nil:
		return "", err
	case h.Err == core.OK:
		srv.madeRoot = true
	case h.Err != core.NodeExists:
		return "", fmt.Errorf("create %s: %w", benchRoot, h.Err)
	}
	h, body, err := c.call(wire.OpCreate, wire.AppendCreate(nil, wire.OpCreate, benchRoot+"/"+name+"-", nil, openACL, int32(core.PersistentSequential), 0))
	if err != nil {
		return "", err
	}
	if h.Err != core.OK {
		return "", h.Err
	}
	r := wire.NewReader(body)
	root := r.String()
	srv.roots = append(srv.roots, root)
	return root, nil
}

// Tidy removes what was made on a server that somebody else has started, and
// leaves what others have there.
func (s *Server) Tidy() error {
	if s.Command != "" || len(s.roots) == 0 {
		return nil
	}
	c, err := dial(s.target())
	if err != nil {
		return fmt.Errorf("remove %s: %w", benchRoot, err)
	}
	defer c.close()
	for _, root := range s.roots {
		if err := removeTree(c, root); err != nil {
			return fmt.Errorf("remove %s: %w", root, err)
		}
	}
	s.roots = nil
	if !s.madeRoot {
		return nil
	}
	_, err = removeAll(c, []string{benchRoot}) // unless it is in use by another bench
	return err
}

// removeTree removes a znode and what is below it.
func removeTree(c *conn, path string) error {
	h, body, err := c.call(wire.OpGetChildren, wire.AppendPathWatch(nil, path, false))
	if err != nil {
		return err
	}
	if h.Err == core.NoNode {
		return nil
	}
	if h.Err != core.OK {
		return h.Err
	}
	r := wire.NewReader(body)
	names, ok := wire.DecodeStrings(&r)
	if !ok {
		return errors.New("the list of children cannot be read")
	}
	for i, name := range names {
		names[i] = path + "/" + name
	}
	parents, err := removeAll(c, names)
	if err != nil {
		return err
	}
	for _, parent := range parents {
		if err := removeTree(c, parent); err != nil {
			return err
		}
	}
	_, err = removeAll(c, []string{path})
	return err
}

// removeAll removes znodes, a hundred requests at once, and returns those that
// have children.
func removeAll(c *conn, paths []string) (parents []string, err error) {
	const atOnce = 100
	for len(paths) > 0 {
		now := paths[:min(atOnce, len(paths))]
		paths = paths[len(now):]
		for _, path := range now {
			request(c, wire.OpDelete, func(b []byte) []byte { return wire.AppendPathVersion(b, path, core.AnyVersion) })
		}
		if err := c.flush(); err != nil {
			return nil, err
		}
		for _, path := range now {
			h, _, err := c.reply()
			switch {
			case err != nil:
				return nil, err
			case h.Err == core.NotEmpty:
				parents = append(parents, path)
			case h.Err != core.OK && h.Err != core.NoNode:
				return nil, h.Err
			}
		}
	}
	return parents, nil
}
