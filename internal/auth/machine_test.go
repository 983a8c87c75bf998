package auth

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
)

func TestTokensOfMachinesHaveTheRightsOfARole(t *testing.T) {
	engine := coretest.NewFake()
	a, b := run(t, engine, nil), run(t, engine, nil)
	ctx, d := t.Context(), a.Directory
	made, text, err := d.CreateToken(ctx, Token{Name: "ci", Role: "deploy", Note: "the pipeline", By: "ann"}, time.Hour)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(time.Hour), made.Expires, time.Minute)
	_, _, err = d.CreateToken(ctx, Token{Name: "ci", Role: "deploy"}, time.Hour)
	require.ErrorIs(t, err, ErrExists)
	value, _, err := d.client.Get(ctx, tokenPath("ci"))
	require.NoError(t, err)
	require.NotContains(t, string(value), text, "the tree holds the hash only")
	require.Equal(t, []Token{made}, d.Tokens())

	dev := Need{Action: Write, Resource: ConfigResource("dev", "G", "a")}
	_, err = a.Check(ctx, Credentials{Token: text}, dev)
	require.ErrorIs(t, err, ErrForbidden, "the role may nothing yet")
	require.NoError(t, d.AddPermission(ctx, Permission{"deploy", "dev:*:*", ReadWrite}), "a role that only a machine has")
	got, err := a.Check(ctx, Credentials{Token: text}, dev)
	require.NoError(t, err)
	require.Equal(t, "token:ci", SubjectOf(got).Name)
	for _, need := range []Need{{Admin: true}, {Action: Read, Resource: ConfigResource("prod", "G", "a")}} {
		_, err = a.Check(ctx, Credentials{Token: text}, need)
		require.ErrorIs(t, err, ErrForbidden)
	}
	require.Eventually(t, func() bool { _, err := b.Verify(t.Context(), text); return err == nil }, 20*time.Second, time.Millisecond, "every node takes it")
	for _, wrong := range []string{text + "x", text[:len(text)-1], strings.ToLower(text), machineTokenPrefix, string(value)} {
		_, err := a.Verify(t.Context(), wrong)
		require.ErrorIs(t, err, ErrUnauthenticated, wrong)
	}

	require.NoError(t, d.RevokeToken(ctx, "ci"))
	require.NoError(t, d.RevokeToken(ctx, "ci"), "what is not there is no error")
	_, err = a.Verify(t.Context(), text)
	require.ErrorIs(t, err, ErrUnauthenticated)
	require.False(t, a.Allow(SubjectOf(got), dev), "what began with the token ends with it")
	require.Eventually(t, func() bool { _, err := b.Verify(t.Context(), text); return err != nil }, 20*time.Second, time.Millisecond)
}

func TestATokenEndsWithItsTimeAndWithItsRole(t *testing.T) {
	a := run(t, coretest.NewFake(), nil)
	ctx, d := t.Context(), a.Directory
	_, text, err := d.CreateToken(ctx, Token{Name: "ci", Role: "deploy"}, 0)
	require.NoError(t, err)
	sum := a.Directory.current()
	old := *sum.named["ci"]
	old.Expires = time.Now().Add(-time.Second)
	require.True(t, old.expired(time.Now()))
	for key := range sum.tokens { // an index that nobody else has seen
		x := &index{tokens: map[[32]byte]*Token{key: &old}, named: map[string]*Token{"ci": &old}}
		_, err = x.machine(text)
		require.ErrorIs(t, err, ErrUnauthenticated)
		require.ErrorContains(t, err, "expired")
		_, ok := x.subject("token:ci")
		require.False(t, ok)
	}
	require.NoError(t, d.Revoke(ctx, "deploy", ""))
	_, err = a.Verify(t.Context(), text)
	require.ErrorIs(t, err, ErrUnauthenticated)
}

func TestTokensAreBounded(t *testing.T) {
	a := run(t, coretest.NewFake(), nil)
	for what, c := range map[string]struct {
		t    Token
		life time.Duration
	}{
		"no name":        {Token{Role: "r"}, time.Hour},
		"no role":        {Token{Name: "n"}, time.Hour},
		"a long note":    {Token{Name: "n", Role: "r", Note: strings.Repeat("x", 257)}, time.Hour},
		"a long life":    {Token{Name: "n", Role: "r"}, TokenLifeMax + 1},
		"a short life":   {Token{Name: "n", Role: "r"}, time.Second},
		"an ended one":   {Token{Name: "n", Role: "r"}, -time.Hour},
		"a long name":    {Token{Name: strings.Repeat("n", 129), Role: "r"}, time.Hour},
		"a padded name ": {Token{Name: "n ", Role: "r"}, time.Hour},
	} {
		_, _, err := a.Directory.CreateToken(t.Context(), c.t, c.life)
		require.ErrorIs(t, err, ErrInvalid, what)
	}
}

func TestNoUserIsTakenForAMachine(t *testing.T) {
	a := run(t, coretest.NewFake(), nil)
	ctx, d := t.Context(), a.Directory
	require.ErrorIs(t, d.CreateUser(ctx, "token:ci", "secret"), ErrInvalid)
	require.ErrorIs(t, d.CreateUser(ctx, "token:admin", "secret"), ErrInvalid)
	_, err := a.Login(ctx, "1.2.3.4", "token:ci", "")
	require.ErrorIs(t, err, ErrUnknownUser)
}

func TestTheAdminTokenCanBeRevokedOnceThereIsAnAdministrator(t *testing.T) {
	a := run(t, coretest.NewFake(), nil)
	ctx := t.Context()
	text := token(t, a)
	require.ErrorIs(t, a.Directory.RevokeToken(ctx, "admin"), ErrInvalid)
	_, err := a.Bootstrap(ctx, "1.2.3.4", text, "tom", "secret")
	require.NoError(t, err)
	require.NoError(t, a.Directory.RevokeToken(ctx, "admin"))
	_, err = a.Verify(t.Context(), text)
	require.ErrorIs(t, err, ErrUnauthenticated)
	made, err := a.EnsureAdminToken(ctx, t.TempDir()+"/admin-token")
	require.NoError(t, err)
	require.False(t, made, "the next start does not bring it back")
}

// TestAttemptsAtOnceAreThrottledToo: what counts is how many failed, also when all of
// them were sent before the first was answered.
func TestAttemptsAtOnceAreThrottledToo(t *testing.T) {
	a := run(t, coretest.NewFake(), nil)
	require.NoError(t, a.Directory.CreateUser(t.Context(), "tom", "secret"))
	var looked atomic.Int64
	var all sync.WaitGroup
	for n := range 300 {
		all.Go(func() {
			if _, err := a.Login(context.Background(), "6.6.6.6", "tom", fmt.Sprint(n)); err.Error() == ErrUnknownUser.Error() {
				looked.Add(1)
			}
		})
	}
	all.Wait()
	require.GreaterOrEqual(t, looked.Load(), int64(pairBurst))
	require.LessOrEqual(t, looked.Load(), int64(pairBurst+cap(a.verifier.slots)))
}

func TestWhoOwnsANetworkIsOneGuesser(t *testing.T) {
	require.Equal(t, network("2001:db8::1"), network("2001:db8:0:0:ffff::2"))
	require.NotEqual(t, network("2001:db8::1"), network("2001:db8:0:1::1"))
	require.Equal(t, network("1.2.3.4"), network("::ffff:1.2.3.4"))
	require.NotEqual(t, network("1.2.3.4"), network("1.2.3.5"))
}

func TestFailuresAreForgottenSlowlyAndTheTablesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := newThrottle()
		require.NoError(t, err)
		for range pairBurst {
			require.False(t, h.blocked("6.6.6.6", "tom"))
			h.failed("6.6.6.6", "tom")
		}
		require.True(t, h.blocked("6.6.6.6", "tom"))
		require.False(t, h.blocked("6.6.6.6", "ann"), "another name, from the same address")
		require.False(t, h.blocked("1.2.3.4", "tom"), "the same name, from another address")
		time.Sleep(pairEvery)
		require.False(t, h.blocked("6.6.6.6", "tom"))
		for n := range hostBurst {
			h.failed("6.6.6.6", fmt.Sprint(n))
		}
		require.True(t, h.blocked("6.6.6.6", "somebody new"))
		entries := h.pairs.Len()
		for n := range 3 * limitersMax {
			h.blocked("6.6.6.6", fmt.Sprint("x", n))
		}
		require.Equal(t, entries, h.pairs.Len(), "attempts that are not looked at push nobody out")
		for n := range 2 * limitersMax {
			h.failed(fmt.Sprintf("10.%d.%d.%d", n>>16, n>>8&255, n&255), "tom")
		}
		require.Equal(t, limitersMax, h.pairs.Len())
		require.Equal(t, limitersMax, h.hosts.Len())
	})
}

func BenchmarkCheckToken(b *testing.B) {
	client, err := coretest.NewFake().Open(b.Context(), core.SessionOptions{ACL: core.NodeACL()})
	if err != nil {
		b.Fatal(err)
	}
	a, err := New(Config{Client: client, Enabled: true, Key: testKey})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = a.Run(ctx) }()
	defer func() { cancel(); <-done }()
	<-a.Ready()
	_, text, err := a.Directory.CreateToken(ctx, Token{Name: "ci", Role: AdminRole}, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Check(ctx, Credentials{Token: text}, Need{Admin: true}); err != nil {
			b.Fatal(err)
		}
	}
}
