//go:build !linux

package server

import (
	"errors"
	"syscall"

	"github.com/hashicorp/go-hclog"

	"github.com/zensus-io/zensus/core/node"
)

// poller reads many sockets at once where the system has a way; here each
// connection has a goroutine for it.
type poller struct{}

func newPoller(*node.Node, hclog.Logger, func(func())) (*poller, error) {
	return nil, errors.ErrUnsupported
}

func (*poller) run()                  {}
func (*poller) close()                {}
func (*poller) release()              {}
func (*poller) add(*conn) bool        { return false }
func (*poller) arm(int32, bool, bool) {}
func (*poller) wake(*conn)            {}

type socketReader struct{}

func (*socketReader) read(_ int32, in *node.Buffer) (*node.Buffer, error) {
	return in, errors.ErrUnsupported
}

func (*socketReader) discard(int32) bool { return false }

func ownDescriptor(syscall.RawConn) (int32, error) { return 0, errors.ErrUnsupported }

func writeDescriptor(int32, []byte) (int, error) { return 0, errors.ErrUnsupported }

func shutdownDescriptor(int32) error { return errors.ErrUnsupported }

func closeDescriptor(int32) {}
