package auth

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/tenant"
)

var testKey = []byte("0123456789abcdef0123456789abcdef")

// run gives an Auth on an engine that is there.
func run(t *testing.T, engine *coretest.Fake, change func(*Config)) *Auth {
	t.Helper()
	client, err := engine.Open(t.Context(), core.SessionOptions{Timeout: time.Minute, ACL: core.NodeACL()})
	require.NoError(t, err)
	cfg := Config{Client: client, Enabled: true, Key: testKey, HashCost: bcrypt.MinCost}
	if change != nil {
		change(&cfg)
	}
	a, err := New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
		_ = client.Close()
	})
	<-a.Ready()
	return a
}

// token makes the admin token and returns its text.
func token(t *testing.T, a *Auth) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "admin-token")
	made, err := a.EnsureAdminToken(t.Context(), file)
	require.NoError(t, err)
	require.True(t, made)
	st, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), st.Mode().Perm())
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	return strings.TrimSpace(string(b))
}

func TestFirstUserIsMadeWithTheAdminToken(t *testing.T) {
	a := run(t, coretest.NewFake(), nil)
	require.True(t, a.NeedsAdmin())
	adminToken := token(t, a)
	_, err := a.Bootstrap(t.Context(), "1.2.3.4", adminToken+"x", "tom", "secret")
	require.ErrorIs(t, err, ErrUnauthenticated)
	_, err = a.Bootstrap(t.Context(), "1.2.3.4", adminToken, "tom", "")
	require.ErrorIs(t, err, ErrInvalid)
	_, err = a.Bootstrap(t.Context(), "1.2.3.4", adminToken, "tom", strings.Repeat("x", 73))
	require.ErrorIs(t, err, ErrInvalid, "bcrypt would pass over what is behind 72 bytes")

	s, err := a.Bootstrap(t.Context(), "1.2.3.4", adminToken, "tom", "secret")
	require.NoError(t, err)
	require.True(t, s.Subject.Admin)
	require.False(t, a.NeedsAdmin())
	who, err := a.Verify(t.Context(), s.Token)
	require.NoError(t, err)
	require.Equal(t, Subject{Name: "tom", Admin: true, Roles: []string{AdminRole}}, who)

	_, err = a.Bootstrap(t.Context(), "1.2.3.4", adminToken, "eve", "secret")
	require.ErrorIs(t, err, ErrExists)
	who, err = a.Verify(t.Context(), adminToken)
	require.NoError(t, err, "the admin token itself stays good: it is the way back in")
	require.True(t, who.Admin)
}

func TestOnlyOneNodeMakesTheAdminToken(t *testing.T) {
	engine := coretest.NewFake()
	a, b := run(t, engine, nil), run(t, engine, nil)
	text := token(t, a)
	file := filepath.Join(t.TempDir(), "admin-token")
	made, err := b.EnsureAdminToken(t.Context(), file)
	require.NoError(t, err)
	require.False(t, made)
	require.NoFileExists(t, file)
	client, err := engine.Open(t.Context(), core.SessionOptions{ACL: core.NodeACL()})
	require.NoError(t, err)
	value, _, err := client.Get(t.Context(), tokensPath+"/admin")
	require.NoError(t, err)
	require.NotContains(t, string(value), text, "the tree holds the hash only")
	require.Eventually(t, func() bool { _, err := b.Verify(t.Context(), text); return err == nil }, 20*time.Second, time.Millisecond)
}

func TestLoginsWorkOnEveryNodeAndEndWithThePassword(t *testing.T) {
	engine := coretest.NewFake()
	a, b := run(t, engine, nil), run(t, engine, nil)
	ctx := t.Context()
	require.NoError(t, a.Directory.prepare(ctx))
	require.NoError(t, a.Directory.CreateUser(ctx, "tom", "secret"))
	require.ErrorIs(t, a.Directory.CreateUser(ctx, "tom", "other"), ErrExists)
	s, err := a.Login(ctx, "1.2.3.4", "tom", "secret")
	require.NoError(t, err, "the one who wrote reads it at once")
	require.Equal(t, 5*time.Hour, s.TTL)
	require.Eventually(t, func() bool { _, err := b.Verify(t.Context(), s.Token); return err == nil }, 20*time.Second, time.Millisecond)

	for _, wrong := range [][2]string{{"tom", "Secret"}, {"nobody", "secret"}, {"tom", ""}, {"", ""}, {"tom", strings.Repeat("x", 100)}} {
		_, err := a.Login(ctx, "1.2.3.4", wrong[0], wrong[1])
		require.ErrorIs(t, err, ErrUnknownUser)
		require.Equal(t, "unknown user!", err.Error(), "the same words for a wrong name and a wrong password")
	}
	require.NoError(t, a.Directory.SetPassword(ctx, "tom", "new"))
	_, err = a.Verify(t.Context(), s.Token)
	require.ErrorIs(t, err, ErrUnauthenticated)
	_, err = a.Login(ctx, "1.2.3.4", "tom", "secret")
	require.ErrorIs(t, err, ErrUnknownUser)
	s, err = a.Login(ctx, "1.2.3.4", "tom", "new")
	require.NoError(t, err)
	require.NoError(t, a.Directory.DeleteUser(ctx, "tom"))
	_, err = a.Verify(t.Context(), s.Token)
	require.ErrorIs(t, err, ErrUnauthenticated)
	require.ErrorIs(t, a.Directory.SetPassword(ctx, "tom", "new"), ErrNotFound)
}

func TestForgedTokensAreRefused(t *testing.T) {
	a := run(t, coretest.NewFake(), nil)
	ctx := t.Context()
	require.NoError(t, a.Directory.prepare(ctx))
	require.NoError(t, a.Directory.CreateUser(ctx, "tom", "secret"))
	mark := passwordMark(a.Directory.current().hashes["tom"])
	soon := jwt.NewNumericDate(time.Now().Add(time.Hour))
	make := func(method jwt.SigningMethod, key any, c jwt.Claims) string {
		text, err := jwt.NewWithClaims(method, c).SignedString(key)
		require.NoError(t, err)
		return text
	}
	good := claims{RegisteredClaims: jwt.RegisteredClaims{Subject: "tom", ExpiresAt: soon}, Password: mark}
	_, err := a.Verify(t.Context(), make(jwt.SigningMethodHS256, testKey, good))
	require.NoError(t, err)
	for what, text := range map[string]string{
		"nothing":           "",
		"no token":          "x.y.z",
		"an unsigned one":   make(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good),
		"another key":       make(jwt.SigningMethodHS256, []byte("fedcba9876543210fedcba9876543210"), good),
		"another method":    make(jwt.SigningMethodHS512, testKey, good),
		"expired":           make(jwt.SigningMethodHS256, testKey, claims{jwt.RegisteredClaims{Subject: "tom", ExpiresAt: jwt.NewNumericDate(time.Now().Add(-time.Second))}, mark}),
		"without an end":    make(jwt.SigningMethodHS256, testKey, claims{jwt.RegisteredClaims{Subject: "tom"}, mark}),
		"another user":      make(jwt.SigningMethodHS256, testKey, claims{jwt.RegisteredClaims{Subject: "eve", ExpiresAt: soon}, mark}),
		"no password mark":  make(jwt.SigningMethodHS256, testKey, claims{jwt.RegisteredClaims{Subject: "tom", ExpiresAt: soon}, ""}),
		"a made-up admin":   adminTokenPrefix + "AAAA",
		"too long to parse": strings.Repeat("a", maxTokenBytes+1),
	} {
		_, err := a.Verify(t.Context(), text)
		require.ErrorIs(t, err, ErrUnauthenticated, what)
	}
}

func TestGuessingIsThrottledAndLocksNobodyElseOut(t *testing.T) {
	a := run(t, coretest.NewFake(), nil)
	ctx := t.Context()
	require.NoError(t, a.Directory.prepare(ctx))
	require.NoError(t, a.Directory.CreateUser(ctx, "tom", "secret"))
	var err error
	for range 30 {
		if _, err = a.Login(ctx, "6.6.6.6", "tom", "guess"); errors.Is(err, ErrThrottled) {
			break
		}
		require.ErrorIs(t, err, ErrUnknownUser)
	}
	require.ErrorIs(t, err, ErrThrottled)
	_, err = a.Login(ctx, "6.6.6.6", "tom", "secret")
	require.ErrorIs(t, err, ErrThrottled, "not even the right one is looked at")
	_, err = a.Login(ctx, "1.2.3.4", "tom", "secret")
	require.NoError(t, err, "tom himself comes from elsewhere")
	for range 200 {
		_, err = a.Login(ctx, "1.2.3.4", "tom", "secret")
		require.NoError(t, err, "successes are not counted: a fleet behind one address restarts")
	}
}

func TestRightsComeFromRoles(t *testing.T) {
	a := run(t, coretest.NewFake(), nil)
	ctx := t.Context()
	d := a.Directory
	require.NoError(t, d.prepare(ctx))
	require.NoError(t, d.CreateUser(ctx, "tom", "secret"))
	require.ErrorIs(t, d.Grant(ctx, AdminRole, "tom"), ErrInvalid, "the admin role is not to be had by the API")
	require.ErrorIs(t, d.Grant(ctx, "dev", "nobody"), ErrNotFound)
	require.ErrorIs(t, d.AddPermission(ctx, Permission{"dev", "dev:*:*", Read}), ErrNotFound, "no such role")
	require.NoError(t, d.Grant(ctx, "dev", "tom"))
	require.ErrorIs(t, d.Grant(ctx, "dev", "tom"), ErrExists)
	require.NoError(t, d.AddPermission(ctx, Permission{"dev", "dev:*:*", ReadWrite}))
	require.ErrorIs(t, d.AddPermission(ctx, Permission{"dev", "dev:*:*", ReadWrite}), ErrExists)
	require.ErrorIs(t, d.AddPermission(ctx, Permission{"dev", "dev:*:*", "x"}), ErrInvalid)
	require.NoError(t, d.AddPermission(ctx, Permission{"dev", "prod:G/x:config/*", Read}))

	tom := Credentials{Username: "tom", Password: "secret", RemoteIP: "1.2.3.4"}
	need := func(action Action, r Resource) Need { return Need{Action: action, Resource: r} }
	got, err := a.Check(ctx, tom, need(Write, ServiceResource("dev", "g", "s")))
	require.NoError(t, err)
	require.Equal(t, "tom", SubjectOf(got).Name)
	_, err = a.Check(ctx, tom, need(Read, ConfigResource("prod", "G/x", "a.yaml")))
	require.NoError(t, err)
	_, err = a.Check(ctx, tom, need(Write, ConfigResource("prod", "G/x", "a.yaml")))
	require.ErrorIs(t, err, ErrForbidden)
	_, err = a.Check(ctx, tom, Need{Admin: true})
	require.ErrorIs(t, err, ErrForbidden)
	_, err = a.Check(ctx, tom, Need{})
	require.NoError(t, err, "any user")
	_, err = a.Check(ctx, Credentials{}, Need{})
	require.ErrorIs(t, err, ErrUnauthenticated)

	require.Equal(t, []Permission{{"dev", "dev:*:*", ReadWrite}, {"dev", "prod:G/x:config/*", Read}}, d.Permissions())
	require.Equal(t, []Grant{{"dev", "tom"}}, d.Grants())
	require.NoError(t, d.Revoke(ctx, "dev", ""))
	require.Empty(t, d.Grants())
	require.Empty(t, d.Permissions())
	require.NoError(t, d.Revoke(ctx, "dev", "tom"), "what is not there is no error")
	require.NoError(t, d.RemovePermission(ctx, Permission{"dev", "dev:*:*", ReadWrite}))
	_, err = a.Check(ctx, tom, need(Read, ServiceResource("dev", "g", "s")))
	require.ErrorIs(t, err, ErrForbidden)
	require.NoError(t, d.DeleteUser(ctx, "tom"))
	require.Empty(t, d.Users())
}

func TestAdministratorCannotBeDeleted(t *testing.T) {
	a := run(t, coretest.NewFake(), nil)
	_, err := a.Bootstrap(t.Context(), "", token(t, a), "tom", "secret")
	require.NoError(t, err)
	require.ErrorIs(t, a.Directory.DeleteUser(t.Context(), "tom"), ErrInvalid)
}

func TestWithoutAuthenticationEverybodyMayDoEverything(t *testing.T) {
	a := run(t, coretest.NewFake(), func(c *Config) { c.Enabled = false })
	_, err := a.Check(t.Context(), Credentials{}, Need{Admin: true})
	require.NoError(t, err)
	s, err := a.Login(t.Context(), "", "whoever", "whatever")
	require.NoError(t, err, "SDKs with a name configured log in regardless")
	require.NotEmpty(t, s.Token)
}

func TestKeysAreNotMadeUp(t *testing.T) {
	_, err := New(Config{Key: testKey})
	require.Error(t, err)
	client, err := coretest.NewFake().Open(t.Context(), core.SessionOptions{})
	require.NoError(t, err)
	_, err = New(Config{Client: client, Key: testKey[:31]})
	require.Error(t, err)
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		what, pattern string
		resource      Resource
		want          bool
	}{
		{"what the console writes", "dev:*:*", ServiceResource("dev", "g", "s"), true},
		{"another namespace", "dev:*:*", ServiceResource("prod", "g", "s"), false},
		{"a legacy row for public", ":*:*", ServiceResource("public", "g", "s"), true},
		{"a request without a namespace is for public", "public:*:*", ServiceResource("", "g", "s"), true},
		{"one config", "dev:G:config/app.yaml", ConfigResource("dev", "G", "app.yaml"), true},
		{"not its neighbour", "dev:G:config/app.yaml", ConfigResource("dev", "G", "app.yml"), false},
		{"not the service of that name", "dev:G:config/app.yaml", ServiceResource("dev", "G", "app.yaml"), false},
		{"public as older servers call it", "public:*:*", ConfigResource("null", "G", "a"), true},
		{"which is none of its own", "n*:*:*", ConfigResource("null", "G", "a"), false},
		{"but to the registry", "n*:*:*", ServiceResource("null", "G", "a"), true},
		{"blanks around names", "dev:G:config/a", ConfigResource(" dev", "G ", "\ta"), true},
		{"a prefix", "dev:G:config/app-*", ConfigResource("dev", "G", "app-x"), true},
		{"Dubbo's colons belong to the name", "dev:G:naming/providers:a.B:1.0:", ServiceResource("dev", "G", "providers:a.B:1.0:"), true},
		{"a list needs a pattern for all groups", "dev:G:naming/*", ServiceResource("dev", "", ""), false},
		{"and has it here", "dev:*:naming/*", ServiceResource("dev", "", ""), true},
		{"an asterisk does not cross a colon of the pattern", "*:G:*", ServiceResource("dev", "H", "x:G:y"), false},
		{"no pattern at all", "dev", ServiceResource("dev", "g", "s"), false},
	} {
		if got := Matches(c.pattern, c.resource); got != c.want {
			t.Errorf("%s: Matches(%q, %s) = %v", c.what, c.pattern, c.resource, got)
		}
	}
}

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

func BenchmarkCheck(b *testing.B) {
	client, err := coretest.NewFake().Open(b.Context(), core.SessionOptions{ACL: core.NodeACL()})
	if err != nil {
		b.Fatal(err)
	}
	a, err := New(Config{Client: client, Enabled: true, Key: testKey, HashCost: bcrypt.MinCost})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = a.Run(ctx) }()
	defer func() { cancel(); <-done }()
	<-a.Ready()
	d := a.Directory
	if err := errors.Join(d.prepare(ctx), d.CreateUser(ctx, "tom", "pw"), d.Grant(ctx, "dev", "tom"), d.AddPermission(ctx, Permission{"dev", "dev:*:*", ReadWrite})); err != nil {
		b.Fatal(err)
	}
	s, err := a.Login(ctx, "", "tom", "pw")
	if err != nil {
		b.Fatal(err)
	}
	need := Need{Action: Write, Resource: ServiceResource("dev", "g", "s")}
	for name, who := range map[string]Credentials{"token": {Token: s.Token}, "password": {Username: "tom", Password: "pw"}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Check(ctx, who, need); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func FuzzVerify(f *testing.F) {
	client, err := coretest.NewFake().Open(context.Background(), core.SessionOptions{ACL: core.NodeACL()})
	require.NoError(f, err)
	a, err := New(Config{Client: client, Enabled: true, Key: testKey, HashCost: bcrypt.MinCost})
	require.NoError(f, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = a.Run(ctx) }()
	f.Cleanup(func() { cancel(); <-done; _ = client.Close() })
	<-a.Ready()
	require.NoError(f, a.Directory.prepare(ctx))
	require.NoError(f, a.Directory.CreateUser(ctx, "tom", "secret"))
	good, err := a.sign("tom", a.Directory.current().hashes["tom"], time.Now().Add(24*time.Hour))
	require.NoError(f, err)
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(machineTokenPrefix + "A")
	f.Fuzz(func(t *testing.T, token string) {
		s, err := a.Verify(t.Context(), token)
		require.True(t, err != nil || token == good, "%q is taken for %+v", token, s)
	})
}

func FuzzMatches(f *testing.F) {
	f.Add("dev:G:config/a*", "dev", "G", "a.yaml")
	f.Add("*:*:*", "", "", "")
	f.Fuzz(func(t *testing.T, pattern, namespace, group, name string) {
		matches := Matches(pattern, ConfigResource(namespace, group, name))
		if scope, _, _ := strings.Cut(pattern, ":"); matches && !strings.Contains(scope, "*") {
			require.Equal(t, cmp.Or(scope, "public"), tenant.Namespace(namespace), "a pattern without an asterisk stays in its namespace")
		}
	})
}
