//go:build !unix

package bench

import "os/exec"

// ownGroup does nothing: there are no groups of processes here.
func ownGroup(*exec.Cmd) {}

// killGroup ends what c started.
func killGroup(c *exec.Cmd) { _ = c.Process.Kill() }
