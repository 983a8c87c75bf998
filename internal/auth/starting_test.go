package auth

import (
	"context"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/picture"
)

// A client that comes back to a server that starts was told that its password is wrong, and
// that was held against it: Nacos's package for Node repeats at once.
func TestNobodyIsRefusedBeforeUsersAreKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := coretest.NewFake()
		client, err := engine.Open(t.Context(), core.SessionOptions{ACL: core.NodeACL(), KeepAlive: true, Timeout: time.Minute})
		require.NoError(t, err)
		a, err := New(Config{Client: client, Enabled: true, Key: testKey, HashCost: bcrypt.MinCost})
		require.NoError(t, err)
		who := Credentials{Username: "tom", Password: "secret", RemoteIP: "10.0.0.1"}
		asked := map[string]bool{}
		for range pairBurst + 1 {
			began := time.Now()
			_, err := a.Check(t.Context(), who, Need{})
			require.ErrorIs(t, err, ErrStarting)
			require.Equal(t, picture.ReadyPatience, time.Since(began))
			_, err = a.Login(t.Context(), who.RemoteIP, who.Username, who.Password)
			require.ErrorIs(t, err, ErrStarting)
			_, err = a.Bootstrap(t.Context(), who.RemoteIP, "token", who.Username, who.Password)
			require.ErrorIs(t, err, ErrStarting)
		}
		asked["Check"], asked["Login"], asked["Bootstrap"] = true, true, true
		for name, ask := range map[string]func() error{
			"Verify":   func() error { _, err := a.Verify(t.Context(), "token"); return err },
			"HasUsers": func() error { _, err := a.HasUsers(t.Context()); return err },
		} {
			began := time.Now()
			require.ErrorIs(t, ask(), ErrStarting, name)
			require.Equal(t, picture.ReadyPatience, time.Since(began), name)
			asked[name] = true
		}
		require.False(t, a.NeedsAdmin(), "that is not known")
		// Whatever takes a context waits, but for what makes or writes.
		for n := range reflect.TypeOf(a).NumMethod() {
			m := reflect.TypeOf(a).Method(n)
			if m.Type.NumIn() < 2 || m.Type.In(1) != reflect.TypeFor[context.Context]() || m.Name == "Run" || m.Name == "CreateAdmin" || m.Name == "EnsureAdminToken" {
				continue
			}
			require.True(t, asked[m.Name], "%s is not asked here", m.Name)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		waited := make(chan error, 1)
		go func() {
			<-a.Ready()
			if err := a.Directory.CreateUser(ctx, who.Username, who.Password); err != nil {
				waited <- err
				return
			}
			_, err := a.Check(ctx, who, Need{})
			waited <- err
		}()
		require.NoError(t, a.Directory.prepare(ctx))
		go func() { defer close(done); _ = a.Run(ctx) }()
		require.NoError(t, <-waited, "it comes too often, and still at first")
		cancel()
		<-done
		require.NoError(t, client.Close())
	})
}
