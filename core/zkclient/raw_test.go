package zkclient_test

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/wire"
)

// closeElsewhere ends a session from a connection of its own, as test harnesses
// of other clients do.
func closeElsewhere(t *testing.T, addr string, s core.SessionInfo) error {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	req := wire.ConnectRequest{TimeoutMillis: 10000, SessionID: s.ID, Password: s.Password, HasReadOnly: true}.Append(nil)
	out := append(wire.AppendInt(nil, int32(len(req))), req...)
	out = wire.AppendRequestHeader(wire.AppendInt(out, 8), 1, wire.OpCloseSession)
	if _, err := conn.Write(out); err != nil {
		return err
	}
	var head [4]byte
	for range 2 {
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint32(head[:]))); err != nil {
			return err
		}
	}
	return nil
}
