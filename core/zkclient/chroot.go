package zkclient

import "strings"

// writePath is the server's path of a write. What is no path goes out as it is,
// for the server to refuse: with the chroot before it, it might become one.
func (c *Client) writePath(path string, sequential bool) string {
	switch {
	case c.opt.Chroot == "" || path == "" || path[0] != '/':
		return path
	case path == "/" && !sequential:
		return c.opt.Chroot
	}
	return c.opt.Chroot + path
}

// readPath is the server's path of a read, for which "" is the root.
func (c *Client) readPath(path string) string {
	if c.opt.Chroot != "" && path == "" {
		return c.opt.Chroot
	}
	return c.writePath(path, false)
}

// deletePath is writePath but for the root, which nobody may delete.
func (c *Client) deletePath(path string) string {
	if path == "/" {
		return path
	}
	return c.writePath(path, false)
}

// strip takes the chroot off a path of the server.
func (c *Client) strip(path string) string {
	root := c.opt.Chroot
	switch {
	case root == "":
		return path
	case path == root:
		return "/"
	case strings.HasPrefix(path, root) && path[len(root)] == '/':
		return path[len(root):]
	}
	return path
}
