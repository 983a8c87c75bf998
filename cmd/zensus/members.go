package main

import (
	"net"

	serverapi "github.com/zensus-io/zensus/internal/nacos/nacosapi"
)

// portOf is the port that was opened for a setting, 0 if none was.
func (in *instance) portOf(key string) int {
	for _, p := range in.ports {
		if a, ok := p.addr.(*net.TCPAddr); ok && p.key == key {
			return a.Port
		}
	}
	return 0
}

// members are the servers as Nacos clients are told of them: this one.
func (side *nacosSide) members(in *instance) []serverapi.Member {
	for _, p := range in.ports {
		if a, ok := p.addr.(*net.TCPAddr); ok && p.key == "listen.http" {
			return []serverapi.Member{{IP: reachable(a.IP).String(), Port: a.Port, Up: side.ready(), Self: true}}
		}
	}
	return nil
}

// reachable is an address under which others find a port that is open on ip: ip
// itself, or the first of the machine's own where ip stands for all of them.
func reachable(ip net.IP) net.IP {
	if !ip.IsUnspecified() {
		return ip
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return net.IPv4(127, 0, 0, 1)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP
		}
	}
	return net.IPv4(127, 0, 0, 1)
}
