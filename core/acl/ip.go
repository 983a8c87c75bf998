package acl

import (
	"net/netip"
	"strconv"
	"strings"
)

// matchesNetwork reports whether the address that a client comes from lies in
// the network of an entry's id: an address, or an address, a slash and a number
// of leading bits. Addresses of different families never match.
func matchesNetwork(remote, entryID string) bool {
	network, bits, ok := parseNetwork(entryID)
	if !ok {
		return false
	}
	addr, ok := parseAddr(remote)
	if !ok || addr.Is4() != network.Is4() {
		return false
	}
	// Neither fails: bits is in range and the address has no zone.
	a, errA := addr.Prefix(bits)
	n, errN := network.Prefix(bits)
	return errA == nil && errN == nil && a == n
}

// parseNetwork reads an entry's id; ok is what ZooKeeper's syntax check says.
func parseNetwork(entryID string) (addr netip.Addr, bits int, ok bool) {
	text, bitsText, hasBits := strings.Cut(entryID, "/")
	if addr, ok = parseAddr(text); !ok {
		return netip.Addr{}, 0, false
	}
	bits = addr.BitLen()
	if hasBits {
		n, err := strconv.Atoi(bitsText)
		if err != nil || n < 0 || n > bits {
			return netip.Addr{}, 0, false
		}
		bits = n
	}
	return addr, bits, true
}

// parseAddr reads an address of either family without its zone. An IPv4 address
// inside an IPv6 one counts as IPv4, as it does in Java.
func parseAddr(text string) (netip.Addr, bool) {
	if !strings.Contains(text, ":") {
		return parseIPv4(text)
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}, false
	}
	return addr.WithZone("").Unmap(), true
}

// parseIPv4 reads a dotted quad. ZooKeeper reads its parts as plain decimal
// numbers, so that leading zeros are legal and decimal.
func parseIPv4(text string) (netip.Addr, bool) {
	var quad [4]byte
	rest := text
	for i := range quad {
		part, tail, more := strings.Cut(rest, ".")
		if more != (i < len(quad)-1) {
			return netip.Addr{}, false
		}
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || n > 255 {
			return netip.Addr{}, false
		}
		quad[i], rest = byte(n), tail
	}
	return netip.AddrFrom4(quad), true
}
