//go:build !linux

package rpc

import "net"

func userTimeout(net.Conn) {}
