//go:build !unix

package server

import (
	"net"
	"syscall"

	"github.com/zensus-io/zensus/core/node"
)

func rawConn(*net.TCPConn) syscall.RawConn { return nil }

func (c *conn) read(in *node.Buffer) (*node.Buffer, error) { return c.readBlocking(in) }

func (c *conn) tryWrite(b []byte) (n int, blocked bool) { return 0, len(b) > 0 }

func descriptors() (open, most int64) { return -1, -1 }
