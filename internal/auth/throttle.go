package auth

import (
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// throttle slows down who guesses passwords. Only failures count, so that many
// clients behind one address may log in at once. A name alone is not limited:
// nobody can lock somebody else out.
type throttle struct {
	pairs *lru.Cache[string, *rate.Limiter] // address and name
	hosts *lru.Cache[string, *rate.Limiter] // address
}

// limitersMax bounds each table; the one that was not seen for longest goes.
const limitersMax = 16_384

func newThrottle() (*throttle, error) {
	pairs, err := lru.New[string, *rate.Limiter](limitersMax)
	if err != nil {
		return nil, err
	}
	hosts, err := lru.New[string, *rate.Limiter](limitersMax)
	return &throttle{pairs: pairs, hosts: hosts}, err
}

func limiter(of *lru.Cache[string, *rate.Limiter], key string, every time.Duration, burst int) *rate.Limiter {
	l := rate.NewLimiter(rate.Every(every), burst)
	if known, ok, _ := of.PeekOrAdd(key, l); ok {
		of.Get(key) // it is in use
		return known
	}
	return l
}

func (t *throttle) limiters(address, name string) (pair, host *rate.Limiter) {
	return limiter(t.pairs, address+"\x00"+name, 10*time.Second, 10), limiter(t.hosts, address, time.Second, 100)
}

// blocked reports whether an attempt is not even looked at.
func (t *throttle) blocked(address, name string) bool {
	pair, host := t.limiters(address, name)
	return pair.Tokens() < 1 || host.Tokens() < 1
}

// failed counts a failure.
func (t *throttle) failed(address, name string) {
	pair, host := t.limiters(address, name)
	pair.Allow()
	host.Allow()
}
