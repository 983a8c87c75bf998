package auth

import "context"

// Credentials are what a request brings along to say who makes it.
type Credentials struct {
	Token              string // accessToken or bearer token
	Username, Password string // instead of a token
	RemoteIP           string // where the connection comes from, for throttling
}

type subjectKey struct{}

// WithSubject attaches the subject to a request's context.
func WithSubject(ctx context.Context, s Subject) context.Context {
	return context.WithValue(ctx, subjectKey{}, s)
}

// SubjectOf is the subject of a request's context; the zero Subject where
// authentication is off or the request needs none.
func SubjectOf(ctx context.Context) Subject {
	s, _ := ctx.Value(subjectKey{}).(Subject)
	return s
}
