package rest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/internal/auth"
)

// door knows one token, and is asked for it unless it is open.
type door struct {
	open   bool
	checks int
}

func (d *door) Check(ctx context.Context, who auth.Credentials, _ auth.Need) (context.Context, error) {
	if d.checks++; d.open {
		return ctx, nil
	}
	if who.Token != "right" {
		return ctx, auth.ErrUnauthenticated
	}
	return auth.WithSubject(ctx, auth.Subject{Name: "ann"}), nil
}

func (d *door) Allow(s auth.Subject, need auth.Need) bool {
	return d.open || s.Name == "ann" && need.Resource.Name != "secret"
}

// endless is a body without an end, which says how much of it was read.
type endless struct{ read int64 }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	e.read += int64(len(p))
	return len(p), nil
}

func bodied(d Checker, length int64, body io.Reader, target string, headers ...string) *httptest.ResponseRecorder {
	e, _ := NewEngine(Config{})
	e.POST("/c", BodyLimit(48<<20), NewGuard(d).Config(auth.Write), With(V2, func(context.Context, struct {
		DataID  string `form:"dataId"`
		Content string `form:"content"`
	},
	) (bool, error) {
		return true, nil
	}))
	e.POST("/login", With(V2, func(context.Context, struct {
		Name string `form:"username"`
	},
	) (bool, error) {
		return true, nil
	}))
	r := httptest.NewRequest(http.MethodPost, target, body)
	r.ContentLength = length
	r.Header.Set("Content-Type", form)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	return w
}

func TestWhoIsNotKnownSendsNoLargeBody(t *testing.T) {
	for _, c := range []struct {
		name, target string
		headers      []string
		most         int64
	}{
		{"a wrong token in the query", "/c?accessToken=wrong", nil, 0},
		{"a wrong token in a header", "/c", []string{"accessToken", "wrong"}, strangerBodyBytes + 4*bodyStep},
		{"no token, or one that is in the body", "/c", nil, strangerBodyBytes + 4*bodyStep},
		{"a login", "/login", nil, strangerBodyBytes + 4*bodyStep},
		{"the right token", "/c?accessToken=right", nil, 49 << 20},
	} {
		for _, length := range []int64{-1, 40 << 30} {
			e := &endless{}
			w := bodied(&door{}, length, e, c.target, c.headers...)
			require.GreaterOrEqual(t, w.Code, 400, c.name)
			require.LessOrEqual(t, e.read, c.most, c.name)
		}
	}
}

func TestBodiesThatAreRead(t *testing.T) {
	large := "dataId=app&content=" + strings.Repeat("x", 8<<20)
	small := "dataId=app&accessToken=right&content=" + strings.Repeat("x", 512<<10)
	for _, c := range []struct {
		name, body, target string
		door               Checker
		headers            []string
		want               int
	}{
		{"a large one behind a token in a header", large, "/c", &door{}, []string{"Authorization", "Bearer right"}, 200},
		{"a large one behind a token in the query", large, "/c?accessToken=right", &door{}, nil, 200},
		{"one with the token in it", small, "/c", &door{}, nil, 200},
		{"one with the token in it, and a proxy's in the head", small, "/c", &door{}, []string{"Authorization", "Bearer its-own"}, 200},
		{"a large one where nobody is asked", large, "/c", &door{open: true}, nil, 200},
		{"a large one without a checker", large, "/c", nil, nil, 200},
		{"what it names is asked for", "dataId=secret&group=G", "/c?accessToken=right", &door{}, nil, 200},
	} {
		w := bodied(c.door, int64(len(c.body)), strings.NewReader(c.body), c.target, c.headers...)
		require.Equal(t, c.want, w.Code, c.name)
	}
	d := &door{}
	w := bodied(forbids{d}, -1, strings.NewReader("dataId=secret&group=G"), "/c?accessToken=right")
	require.Equal(t, http.StatusForbidden, w.Code, "the right to what the body names")
	require.Equal(t, 2, d.checks)
}

// forbids is a door whose Check looks at what is needed, too.
type forbids struct{ *door }

func (f forbids) Check(ctx context.Context, who auth.Credentials, need auth.Need) (context.Context, error) {
	ctx, err := f.door.Check(ctx, who, need)
	if err == nil && need.Resource.Name == "secret" {
		err = auth.ErrForbidden
	}
	return ctx, err
}

func TestBodiesAreBoundedTogether(t *testing.T) {
	all := newBodies()
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // nobody waits in this test
	begin := func() *body {
		r := httptest.NewRequest(http.MethodPost, "/", &endless{}).WithContext(ctx)
		return all.of(r)
	}
	fill := func(b *body, n int64) error {
		_, err := io.CopyN(io.Discard, b, n)
		return err
	}
	var held []*body
	for {
		b := begin()
		if err := fill(b, strangerBodyBytes); err != nil {
			require.ErrorIs(t, err, errBusy)
			b.release()
			break
		}
		held = append(held, b)
		require.Less(t, len(held), 100)
	}
	require.Greater(t, len(held), 20)
	b := begin()
	require.NoError(t, fill(b, bodyBytesFree), "a small one passes always")
	b.release()
	known := begin()
	require.NoError(t, known.Known())
	require.NoError(t, fill(known, 100<<20), "strangers keep only one another out")
	require.NoError(t, held[0].Known(), "who turns out to be known makes room")
	other := begin()
	require.NoError(t, fill(other, 512<<10))
	other.release()
	require.ErrorIs(t, fill(known, bodyBytesHeld), errBusy)
	known.release()
	for _, b := range held {
		b.release()
	}
	require.True(t, all.known.TryAcquire(bodyBytesHeld), "something is held for ever")
	require.True(t, all.strange.TryAcquire(strangerBytesHeld), "something is held for ever")
}

func TestAStrangersBodyEndsBeforeItIsLarge(t *testing.T) {
	b := newBodies().of(httptest.NewRequest(http.MethodPost, "/", &endless{}))
	defer b.release()
	_, err := io.Copy(io.Discard, b)
	var large *http.MaxBytesError
	require.True(t, errors.As(err, &large))
}
