package auth

import (
	"net/netip"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// throttle slows down who guesses passwords. Only failures count, so that many
// clients behind one address may log in at once. A name alone is not limited:
// nobody can lock somebody else out.
type throttle struct {
	pairs *lru.Cache[string, *rate.Limiter] // network and name
	hosts *lru.Cache[string, *rate.Limiter] // network
}

// How many failures there may be at once, and how soon the next one after that: under one
// name, and altogether, from one network.
const (
	pairBurst = 10
	pairEvery = 10 * time.Second
	hostBurst = 100
	hostEvery = time.Second
)

// limitersMax bounds each table; the one that was not seen for longest goes. Only failures
// enter, of which there are few from a network: one that tries many names pushes nobody out.
const limitersMax = 16_384

func newThrottle() (*throttle, error) {
	pairs, err := lru.New[string, *rate.Limiter](limitersMax)
	if err != nil {
		return nil, err
	}
	hosts, err := lru.New[string, *rate.Limiter](limitersMax)
	return &throttle{pairs: pairs, hosts: hosts}, err
}

// networkBits is how much of an address of IPv6 counts: its owner can choose the rest.
const networkBits = 64

// network is whose failures are counted together.
func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if ip = ip.Unmap().WithZone(""); ip.Is6() {
		return netip.PrefixFrom(ip, networkBits).Masked().String()
	}
	return ip.String()
}

func pairKey(network, name string) string { return network + "\x00" + name }

// spent reports whether a limiter is there and has nothing left.
func spent(of *lru.Cache[string, *rate.Limiter], key string) bool {
	l, ok := of.Get(key)
	return ok && l.Tokens() < 1
}

// blocked reports whether an attempt is not even looked at.
func (t *throttle) blocked(address, name string) bool {
	from := network(address)
	return spent(t.hosts, from) || spent(t.pairs, pairKey(from, name))
}

// failed counts a failure.
func (t *throttle) failed(address, name string) {
	from := network(address)
	count(t.hosts, from, hostEvery, hostBurst)
	count(t.pairs, pairKey(from, name), pairEvery, pairBurst)
}

func count(of *lru.Cache[string, *rate.Limiter], key string, every time.Duration, burst int) {
	l := rate.NewLimiter(rate.Every(every), burst)
	if known, ok, _ := of.PeekOrAdd(key, l); ok {
		l = known
	}
	l.Allow()
}
