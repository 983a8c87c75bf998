package interop

import (
	"bytes"
	"slices"
	"strings"
	"sync"
)

// lines gathers what a program prints.
type lines struct {
	changed chan struct{} // has room for one; more say nothing more

	mu struct {
		sync.Mutex
		done []string
		part []byte
	}
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.part = append(l.mu.part, b...)
	for {
		line, rest, found := bytes.Cut(l.mu.part, []byte("\n"))
		if !found {
			break
		}
		l.mu.done = append(l.mu.done, strings.TrimRight(string(line), "\r"))
		l.mu.part = rest
	}
	select {
	case l.changed <- struct{}{}:
	default:
	}
	return len(b), nil
}

// count says how many lines are equal to one.
func (l *lines) count(line string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, have := range l.mu.done {
		if have == line {
			n++
		}
	}
	return n
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(append(slices.Clone(l.mu.done), string(l.mu.part)), "\n")
}

func (l *lines) tail(n int) string {
	all := strings.Split(l.text(), "\n")
	return strings.Join(all[max(0, len(all)-n):], "\n")
}
