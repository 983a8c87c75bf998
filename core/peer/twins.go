package peer

import (
	"slices"
	"time"
)

// life names a process for as long as it runs. The nonces of its handshakes begin with it.
type life [lifeSize]byte

const lifeSize = 8

// livesMax is how many lives of a peer are remembered: more than processes that take its
// link from each other.
const livesMax = 16

// lives are those of the processes that were linked as one peer, the last one at the end.
type lives struct {
	seen   []life
	warned time.Time
}

// met takes in who is linked now. It reports whether it is to be warned that two processes
// say that they are this peer, once in warnAgain: who comes back after another one was
// there has not been started anew.
func (l *lives) met(now time.Time, who life) (twins bool) {
	i := slices.Index(l.seen, who)
	twins = i >= 0 && i < len(l.seen)-1
	if i >= 0 {
		l.seen = slices.Delete(l.seen, i, i+1)
	} else if len(l.seen) == livesMax {
		l.seen = slices.Delete(l.seen, 0, 1)
	}
	l.seen = append(l.seen, who)
	if !twins || now.Sub(l.warned) <= warnAgain {
		return false
	}
	l.warned = now
	return true
}
