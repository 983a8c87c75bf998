// Package check holds assertions that stop the node rather than let a broken
// invariant reach the log.
//
// Pure packages call That where something must hold whatever a peer or client
// sends; input from outside is refused with errors, never with That. The shell
// that owns the loop may recover a Violation to log it before the process ends;
// it must not go on with the state that violated it.
package check

import "fmt"

// Violation is the value that That panics with.
type Violation struct{ Message string }

// Error is the message; a Violation can be handed on as an error once recovered.
func (v Violation) Error() string { return v.Message }

// That panics with a Violation unless cond holds. The message names the package
// and what broke; its arguments are formatted only then.
func That(cond bool, format string, args ...any) {
	if !cond {
		panic(Violation{Message: fmt.Sprintf(format, args...)})
	}
}

// Fail panics with a Violation. It serves where That, whose arguments cost an
// allocation even when nothing is wrong, would stand on a hot path.
func Fail(format string, args ...any) {
	panic(Violation{Message: fmt.Sprintf(format, args...)})
}
