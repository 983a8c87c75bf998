package audit

import (
	"context"
	"sync"
	"time"

	"github.com/zensus-io/zensus/internal/auth"
)

// Act is one request that may write. It is safe for concurrent use.
type Act struct {
	log *Log
	mu  struct {
		sync.Mutex
		record Record // what is known so far
		rode   int    // transactions that carry a record of it
	}
}

type actKey struct{}

// Begin makes an act of a request and puts it into the context with which the request
// is then served. about names who asks from where, and for what. The caller calls End.
func (l *Log) Begin(ctx context.Context, about Record) (context.Context, *Act) {
	a := &Act{log: l}
	about.Time = time.Now().UnixMilli()
	if about.Remote == about.From {
		about.Remote = ""
	}
	a.mu.record = about
	return context.WithValue(ctx, actKey{}, a), a
}

func actOf(ctx context.Context) *Act {
	a, _ := ctx.Value(actKey{}).(*Act)
	return a
}

// By says who the act of ctx is by, where the context does not name a subject.
func By(ctx context.Context, user string) {
	if a := actOf(ctx); a != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.mu.record.User = user
	}
}

// On says what the act of ctx is about, for the case that it writes nothing.
func On(ctx context.Context, t Target) {
	if a := actOf(ctx); a != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.mu.record.Target = t
	}
}

// of is the record of one transaction of the act.
func (a *Act) of(ctx context.Context, t Target, verb string) Record {
	a.mu.Lock()
	r := a.mu.record
	a.mu.Unlock()
	r.Target, r.Verb, r.Result = t, verb, OK
	if s := auth.SubjectOf(ctx); s.Name != "" {
		r.User = s.Name
	}
	return r.clipped()
}

// rode notes that a transaction with a record was committed.
func (a *Act) rode() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.rode++
}

// End says what became of the act, and why it was not done, as whoever asked was told;
// blank where nobody said. If it was done, End returns when that is on record.
func (a *Act) End(ctx context.Context, result Result, why string) {
	a.mu.Lock()
	r, rode := a.mu.record, a.mu.rode
	a.mu.Unlock()
	if s := auth.SubjectOf(ctx); s.Name != "" {
		r.User = s.Name
	}
	if r.Kind == "" {
		r.Kind = KindCluster
	}
	switch r.Result = result; {
	case r.Result == OK && rode > 0:
	case r.Result == OK:
		a.log.append(ctx, r.clipped())
	default:
		r.Text = why
		a.log.refused(r.clipped())
	}
}
