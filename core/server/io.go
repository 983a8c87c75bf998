package server

import "github.com/zensus-io/zensus/core/node"

// readBlocking is read for connections that are no plain sockets.
func (c *conn) readBlocking(in *node.Buffer) (*node.Buffer, error) {
	if in == nil {
		in = c.fresh()
	}
	grow(in)
	n, err := c.net.Read(in.B[len(in.B):cap(in.B)])
	in.B = in.B[:len(in.B)+n]
	if n > 0 {
		return in, nil
	}
	return in, err
}
