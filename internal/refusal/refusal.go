// Package refusal is how the parts of the domain say no: with a kind, by which whoever
// answers finds the code of his protocol, and a text for whoever asked.
//
// It knows no protocol. What Nacos's clients are told of each kind is the business of
// internal/nacos/wire.
package refusal

import "errors"

// Kind is a cause of refusal.
type Kind int

// The kinds.
const (
	Invalid         Kind = iota // what was asked for cannot be
	NotFound                    // it is about something that is not there
	Exists                      // it would make what is there already
	Unauthenticated             // nobody knows who asks
	WrongPassword               // a name, or a password, with which nobody is let in
	Forbidden                   // it is known who asks, and he may not
	Busy                        // not now: try later
	Starting                    // the server does not know yet
	Off                         // this server does not do that
)

// Error is a refusal.
type Error struct {
	Kind Kind
	Text string
	Err  error // the cause, may be nil
}

// Error is the text.
func (e *Error) Error() string { return e.Text }

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// New is a refusal without a cause, for variables that callers look for by errors.Is.
func New(kind Kind, text string) error { return &Error{Kind: kind, Text: text} }

// Say gives a refusal another text. errors.Is still finds it, and its kind stays: Invalid
// where cause is no refusal.
func Say(cause error, text string) error {
	e := &Error{Text: text, Err: cause}
	var of *Error
	if errors.As(cause, &of) {
		e.Kind = of.Kind
	}
	return e
}
