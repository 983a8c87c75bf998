//go:build unix

package main

import (
	"syscall"
	"testing"

	"github.com/zensus-io/zensus/internal/testkit"
)

// It waited for somebody to end its own session, which nobody could.
func TestServerWithoutAQuorumEndsWhenItIsAsked(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and runs the binary")
	}
	// The others are given up only after longer than Stop waits.
	all := testkit.StartEnsemble(t, testkit.Options{Alone: true, Nacos: true, Config: map[string]string{"syncLimit": "60"}}, 3, 0)
	for _, s := range all[:2] {
		s.Signal(syscall.SIGSTOP) // they take what is sent to them, and do not answer
	}
	all[2].Stop()
}
