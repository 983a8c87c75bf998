package rpc

import (
	"net"
	"time"
)

// keepAlive makes the kernel notice a machine that vanished: 15 s of silence,
// then three probes 5 s apart. A client behind a NAT that forgot it ends so even
// while this server has nothing to send.
func keepAlive(c net.Conn) {
	for {
		if k, ok := c.(interface {
			SetKeepAliveConfig(net.KeepAliveConfig) error
		}); ok {
			// An error means that the connection is over already.
			_ = k.SetKeepAliveConfig(net.KeepAliveConfig{
				Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3,
			})
			userTimeout(c)
			return
		}
		inner, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return
		}
		c = inner.NetConn()
	}
}
