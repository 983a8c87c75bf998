//go:build !unix

package bench

import (
	"errors"
	"os/exec"
)

// ownGroup does nothing: there are no groups of processes here.
func ownGroup(*exec.Cmd) {}

// killGroup ends what c started.
func killGroup(c *exec.Cmd) { _ = c.Process.Kill() }

// holdGroup cannot be done here.
func holdGroup(*exec.Cmd, bool) error { return errors.ErrUnsupported }
