package main

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/zensus-io/zensus/configcenter"
	"github.com/zensus-io/zensus/configcenter/center"
	"github.com/zensus-io/zensus/console"
	"github.com/zensus-io/zensus/core"
	"github.com/zensus-io/zensus/core/coretest"
	"github.com/zensus-io/zensus/internal/auth"
	"github.com/zensus-io/zensus/registry"
)

// runConfigs is a config center that runs until the test ends.
func runConfigs(t *testing.T) *center.Center {
	t.Helper()
	client, err := coretest.NewFake().Open(t.Context(), core.SessionOptions{Timeout: 30 * time.Second, KeepAlive: true})
	require.NoError(t, err)
	configs, err := center.New(center.Config{Client: client})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- configs.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
		_ = client.Close()
	})
	return configs
}

func TestTheConsoleIsToldWhatIsWrongWithAContent(t *testing.T) {
	configs := runConfigs(t)
	_, err := consoleConfigs{configs}.Publish(t.Context(), console.Actor{}, console.ConfigPublish{
		Key: console.ConfigKey{Namespace: "public", Group: "g", DataID: "a.json"}, Type: "json", Content: "{\n",
	})
	require.ErrorIs(t, err, console.ErrInvalid)
	require.ErrorContains(t, err, "content is not valid json: line 1, column 2: unexpected end of JSON input")
	require.Zero(t, configs.Len())
}

// Whoever changed a description in the console took the key off an encrypted config, and
// what else the page does not show.
func TestTheConsoleTakesNothingOffThatItDoesNotShow(t *testing.T) {
	configs, k := runConfigs(t), configcenter.MakeKey("", "g", "cipher-a")
	page := consoleConfigs{configs}
	was, err := configs.Publish(t.Context(), &configcenter.Publish{Key: k, Content: "x", Attributes: configcenter.Attributes{
		Use: "u", Effect: "e", EncryptedDataKey: "key", Schema: `{"type":"string"}`,
	}})
	require.NoError(t, err)
	change := console.ConfigPublish{
		Key: console.ConfigKey{Namespace: "public", Group: "g", DataID: "cipher-a"}, Type: "text", Content: "x", Description: "new", ExpectMD5: was.MD5,
	}
	_, err = page.Publish(t.Context(), console.Actor{}, change)
	require.NoError(t, err)
	now, err := configs.Get(t.Context(), k)
	require.NoError(t, err)
	require.Equal(t, configcenter.Attributes{
		Type: "text", Desc: "new", Use: "u", Effect: "e", EncryptedDataKey: "key", Schema: `{"type":"string"}`,
	}, now.Attributes)
	change.Content = "in clear text"
	_, err = page.Publish(t.Context(), console.Actor{}, change)
	require.NoError(t, err)
	now, err = configs.Get(t.Context(), k)
	require.NoError(t, err)
	require.Empty(t, now.EncryptedDataKey, "it is not what is encrypted with it")
	require.Equal(t, "u", now.Use)
}

// A bound that was reached was an internal error.
func TestTheConsoleHasAnErrorForEachRefusalOfTheRegistry(t *testing.T) {
	known := []error{console.ErrNotFound, console.ErrInvalid, console.ErrTooLarge, console.ErrNoQuorum, console.ErrStarting}
	for _, cause := range []error{
		registry.ErrServiceNotFound, registry.ErrInstanceNotFound, registry.ErrInvalid, registry.ErrWeight, registry.ErrInstance,
		registry.ErrLimit, registry.ErrQuota, registry.ErrNoQuorum, registry.ErrNotReady,
	} {
		err := translate(registry.Errorf(cause, "why"), registryErrors)
		require.True(t, slices.ContainsFunc(known, func(k error) bool { return errors.Is(err, k) }), "%v", cause)
		require.ErrorContains(t, err, "why")
	}
}

// A console that was open was signed out by a restart of its server, for good: the page asks
// with its cookie before users are known.
func TestTheConsoleSignsNobodyOutWhileTheServerStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, err := coretest.NewFake().Open(t.Context(), core.SessionOptions{Timeout: time.Minute, KeepAlive: true})
		require.NoError(t, err)
		defer client.Close()
		users, err := auth.New(auth.Config{Client: client, Enabled: true, Key: make([]byte, 32)})
		require.NoError(t, err)
		a := consoleAuth{users}
		_, err = a.Verify(t.Context(), "cookie")
		require.ErrorIs(t, err, console.ErrStarting)
		require.NotErrorIs(t, err, console.ErrUnauthenticated)
		_, err = a.HasUsers(t.Context())
		require.ErrorIs(t, err, console.ErrStarting)
		_, err = a.Login(t.Context(), "10.0.0.1", "tom", "secret")
		require.ErrorIs(t, err, console.ErrStarting)
		_, err = a.Bootstrap(t.Context(), "10.0.0.1", "token", "tom", "secret")
		require.ErrorIs(t, err, console.ErrStarting)
	})
}
